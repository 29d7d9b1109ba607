"""Payments that came back as camt.054: as banks notify them, whatever they leave out, several in one entry."""

from __future__ import annotations

from datetime import date

import pytest
from lxml import etree

from clearing.files.iso20022.message import short_id
from clearing.files.iso20022.reasons import REASONS
from clearing.files.iso20022.statement import canonical
from clearing.files.records import ReturnLine
from clearing.files.values import BUSINESS_ZONE
from tests.files.test_iso20022 import DAY, LINE, SMALL, made, read, valid, values

(RETURNED, *_) = SMALL["RTN"]
BANKS = """<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.054.001.08"><BkToCstmrDbtCdtNtfctn>
<GrpHdr><MsgId>BANK-78</MsgId><CreDtTm>2026-03-11T09:00:00</CreDtTm></GrpHdr>
<Ntfctn><Id>1</Id><Acct><Id><Othr><Id>F1-EXP</Id></Othr></Id></Acct>
<Ntry><Amt Ccy="CNY">{amount}</Amt><CdtDbtInd>{sign}</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>
<BookgDt>{booked}</BookgDt><AcctSvcrRef>RT-1</AcctSvcrRef><BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>ICDT</Cd>
<SubFmlyCd>RRTN</SubFmlyCd></Fmly></Domn></BkTxCd><NtryDtls>{details}</NtryDtls></Ntry>
</Ntfctn></BkToCstmrDbtCdtNtfctn></Document>"""
DETAIL = "<TxDtls><Refs>{refs}<EndToEndId>{order}</EndToEndId></Refs>{amount}{reason}</TxDtls>"
ONE = {"amount": "1000.00", "sign": "CRDT", "booked": "<Dt>2026-03-11</Dt>"}


def reason(inside: str) -> str:
    """`RtrInf` with a reason."""
    return f"<RtrInf><Rsn>{inside}</Rsn></RtrInf>"


def detail(
    order: str = "F1/F1-0049/1", *, refs: str = "", amount: str = "", why: str = "<Cd>AC04</Cd>"
) -> str:
    """The details of one return."""
    money = f'<Amt Ccy="CNY">{amount}</Amt>' if amount else ""
    return DETAIL.format(refs=refs, order=order, amount=money, reason=reason(why) if why else "")


def test_a_return_is_a_credit_with_its_reason() -> None:
    """ISO's own places: the payment's EndToEndId, the reason, the return's code; ours beside only where none fits."""
    content = made("RTN", [RETURNED])
    assert values("RTN", content, "//n:Ntry/n:CdtDbtInd") == ["CRDT"]
    assert values("RTN", content, "//n:RtrInf/n:Rsn/n:Cd") == [REASONS["R03"]]
    assert values("RTN", content, "//n:Fmly/n:SubFmlyCd") == ["RRTN"]
    assert values("RTN", content, "//n:Refs/n:EndToEndId") == [RETURNED.pay_id]
    assert values("RTN", content, "//n:Refs/n:Prtry/n:Ref") == [RETURNED.bank_ref]
    root = etree.fromstring(content)
    assert b"Return" not in etree.tostring(root), "no supplement of the entry"


@pytest.mark.parametrize("code", [f"R{number:02d}" for number in (*range(1, 15), 99)])
@pytest.mark.parametrize("text", ["", "账户已销户"])
def test_every_reason_comes_back(code: str, text: str) -> None:
    """Those that ISO 20022 has a code for, and those that it has none for."""
    line = RETURNED._replace(reason_code=code, reason=text, fee_returned=True)
    content = made("RTN", [line])
    valid("RTN", content)
    assert read("RTN", content) == ([line], [])


# reason of the bank, reason_code, reason
SAID = [
    ("<Cd>AC01</Cd>", "R01", ""),
    ("<Cd>MD07</Cd>", "R10", ""),
    ("<Cd>MS03</Cd>", "R99", "MS03"),
    ("<Prtry>账号户名不符</Prtry>", "R99", "账号户名不符"),
]


@pytest.mark.parametrize(("inside", "code", "text"), SAID)
def test_a_banks_own_notice_is_understood(inside: str, code: str, text: str) -> None:
    """One that knows nothing of our supplements: order, amount, date, reference and reason."""
    content = BANKS.format(**ONE, details=detail(why=inside)).encode()
    valid("RTN", content)
    rows, faults = read("RTN", content)
    assert faults == [], "it names message, sender and receiver as it likes"
    assert rows == [ReturnLine("F1/F1-0049/1", "", "RT-1", date(2026, 3, 11), 100000, code, text, False)]


def test_a_date_may_be_an_instant() -> None:
    """Told in another zone it is the day of ours."""
    booked = {"booked": "<DtTm>2026-03-10T17:30:00Z</DtTm>"}
    rows, _ = read("RTN", BANKS.format(**(ONE | booked), details=detail()).encode())
    assert rows[0].return_date == date(2026, 3, 11)


def test_several_returns_in_one_entry_are_lines_of_their_own() -> None:
    """Each with its order, reference, amount and reason, in order; together they are the entry."""
    own = "<AcctSvcrRef>RT-1b</AcctSvcrRef>"
    both = detail("A/1/1", amount="999.99") + detail("A/2/1", refs=own, amount="0.01", why="<Cd>AC06</Cd>")
    for details in (both, both.replace("</TxDtls><TxDtls>", "</TxDtls></NtryDtls><NtryDtls><TxDtls>")):
        content = BANKS.format(**ONE, details=details).encode()
        valid("RTN", content)
        rows, _ = read("RTN", content)
        assert [(one.pay_id, one.return_ref, one.amount_fen, one.reason_code) for one in rows] == [
            ("A/1/1", "", 99999, "R03"),
            ("A/2/1", "RT-1b", 1, "R04"),
        ]


# what is changed of the one notice, what is said
WRONG = {
    "a debit": ({"sign": "DBIT"}, detail(), 'CdtDbtInd: expected one of CRDT, got "DBIT" [FMT-004]'),
    "no order": ({}, detail().replace("EndToEndId>", "TxId>"), "Refs/EndToEndId: expected a value"),
    "no reason": ({}, detail(why=""), "reason_code: expected a reason, since it came back"),
    "parts without amounts": ({}, detail("1") + detail("2"), "expected an amount, since there are several"),
    "parts that are more": (
        {},
        detail("1", amount="1000.00") + detail("2", amount="0.01"),
        'Amt: expected 1000.01 as its details, got "1000.00" [FMT-009]',
    ),
}


@pytest.mark.parametrize(("change", "details", "says"), WRONG.values(), ids=WRONG)
def test_what_is_no_return_is_told(change: dict[str, str], details: str, says: str) -> None:
    """With its place."""
    _, faults = read("RTN", BANKS.format(**(ONE | change), details=details).encode())
    assert any(says in fault for fault in faults), faults


def test_a_payout_that_came_back_says_why_in_a_members_statement_too() -> None:
    """TXN and NTF have the external code where ISO 20022 has its place, our own as remark."""
    came_back = LINE._replace(event_type="payout.returned", remark="R04")
    for kind in ("TXN", "NTF"):
        content = made(kind, [came_back, LINE._replace(entry_id="f" * 32)])
        valid(kind, content)
        assert values(kind, content, "//n:RtrInf/n:Rsn/n:Cd") == ["AC06"]
        assert [row.remark for row in read(kind, content)[0]] == ["R04", ""]


def test_a_statements_entry_of_several_payments_is_a_row_each() -> None:
    """As banks book batches: amounts, references and cards of the details, sign and type of the entry."""
    entry = BANKS.replace("camt.054.001.08", "camt.053.001.08").replace(
        "BkToCstmrDbtCdtNtfctn", "BkToCstmrStmt"
    )
    entry = entry.replace("Ntfctn>", "Stmt>")
    entry = entry.replace("<Domn><Cd>PMNT</Cd><Fmly><Cd>ICDT</Cd>\n<SubFmlyCd>RRTN</SubFmlyCd></Fmly></Domn>",
                          "<Prtry><Cd>PAYOUT</Cd></Prtry>")  # fmt: skip
    rows = [
        detail(refs=f"<AcctSvcrRef>X{number}</AcctSvcrRef>", amount=amount, why="")
        for number, amount in ((1, "999.99"), (2, "0.01"))
    ]
    found = canonical("STM.xml", entry.format(**ONE, details="".join(rows)).encode(), BUSINESS_ZONE)
    assert not found.faults
    assert found.content.decode().splitlines()[1:] == [
        "X1,,2026-03-11,,PAYOUT,C,999.99,SUCC,,",
        "X2,,2026-03-11,,PAYOUT,C,0.01,SUCC,,",
    ]
    wrong = canonical("STM.xml", entry.format(**ONE, details=rows[0] * 2).encode(), BUSINESS_ZONE)
    assert "expected 1999.98 as its details" in str(wrong.faults[0])


def test_a_long_order_is_known_by_its_digest() -> None:
    """As in pain.001."""
    long = RETURNED._replace(pay_id="F1/" + "9" * 60 + "/1")
    content = made("RTN", [long])
    assert values("RTN", content, "//n:EndToEndId") == [short_id(long.pay_id)]
    assert read("RTN", content) == ([long], [])
    assert long.return_date == DAY
