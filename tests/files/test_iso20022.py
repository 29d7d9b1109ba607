"""ISO 20022: valid by the official schemas, read back as written, and whatever a stranger sends is a fault."""

from __future__ import annotations

import os
import shutil
import tracemalloc
from collections.abc import Iterable
from datetime import date, datetime, time
from functools import cache
from importlib.metadata import files as files_of
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from clearing.files.draft import PART_BYTES, Body, Draft
from clearing.files.faults import Faults
from clearing.files.iso20022.message import Reader, short_id
from clearing.files.iso20022.places import clean
from clearing.files.iso20022.profile import Document
from clearing.files.iso20022.writer import KINDS, XmlWriter
from clearing.files.layout import load_layout
from clearing.files.names import FileName
from clearing.files.records import PayLine, ResultLine, ReturnLine, TxnLine
from clearing.files.values import BUSINESS_ZONE
from clearing.ledger.business_day import BusinessClock
from tests.files.any_lines import lines_of

SOAK = bool(os.environ.get("CLEARING_SOAK"))
LAYOUT = load_layout("X")
CLOCK = BusinessClock(BUSINESS_ZONE, time(23, 0))
DAY = date(2026, 3, 10)
CNAPS = {"B1": "990121000010", "B2": "990221000019"}
CARRIERS = ("pain001", "camt053")
"""Development packages that carry the official schemas; nothing of them is imported."""
TYPES = ("TXN", "PAY", "PYR", "RTN", "NTF")


@cache
def schema(message: str) -> etree.XMLSchema:
    """The official schema of a message."""
    for carrier in CARRIERS:
        for file in files_of(carrier) or ():
            if Path(str(file)).name == f"{message}.xsd":
                return etree.XMLSchema(file=str(file.locate()))
    pytest.fail(f"no schema of {message} in {CARRIERS}: pip install -r requirements.lock")


def name_of(kind: str) -> FileName:
    """The file name of a type."""
    return FileName(kind, "PLAT", "B1", DAY, 1, 1)


def file_name(kind: str) -> str:
    """As text."""
    return f"{LAYOUT.stem(name_of(kind))}.xml"


def made(kind: str, lines: Iterable[Any]) -> bytes:
    """The document of a type with these lines."""
    body = Body(XmlWriter(LAYOUT, kind, BUSINESS_ZONE, CNAPS), name_of(kind))
    draft = Draft([body])
    for line in lines:
        draft.add("D", line)
    inside = body.take().content
    finished = draft.finished(body, CLOCK)
    return finished.before + inside + finished.after


def read(kind: str, content: bytes) -> tuple[list[Any], list[str]]:
    """The records of a document and the messages of its faults."""
    document = Document(file_name(kind), LAYOUT)
    rows = [row.record for row in document.rows(content)]
    return rows, [str(one) for one in document.faults.found]


def valid(kind: str, content: bytes) -> None:
    """Fail with what the official schema says."""
    official = schema(KINDS[kind].message.id)
    assert official.validate(etree.fromstring(content)), official.error_log


LINE = TxnLine(
    "20260310d50da1642e13c163a98c7288", "payment.made", "R", 12850, "SUCC", "BR00000001", "H1-1001", "", None,
    datetime(2026, 3, 10, 8, 31, tzinfo=BUSINESS_ZONE), DAY, "B2", "H1", "T0000001", "DIRECT", "N",
    "tok_P1_B2_0001", "0001", 38, 12812, "MEDICAL", False, "2010.H1", "",
)  # fmt: skip
UNDONE = LINE._replace(
    entry_id="20260310ffffffffffffffffffffffff", event_type="payment.voided", direction="P", status="VOID",
    original_entry_id=LINE.entry_id, original_clearing_date=DAY, fee_fen=-38, settle_fen=-12812, late=True,
    remark='更正 <珅|韡> & "𠮷䶮"',
)  # fmt: skip
PAID = PayLine(
    "F1/F1-0049/1", "F1-EXP", CNAPS["B1"], "tok_P1_B1_0001", "", False, 100000, "新农合报销", DAY, False
)  # fmt: skip
ORDER = PAID._replace(
    pay_id="20260310fb2eb95243c11460b8042e19", corporate=True, urgent=True, payee_name="8a91c0"
)
ANSWERED = ResultLine(*PAID, "S", "BR0001", DAY, "", "")
REFUSED = ResultLine(*PAID._replace(pay_id="F1/F1-0050/1"), "F", "", None, "R03", "账户已销户")
UNKNOWN = ResultLine(*PAID._replace(pay_id="F1/F1-0051/2"), "U", "", None, "", "")
RETURNED = ReturnLine("F1/F1-0049/1", "BR0001", "RT0001", DAY, 100000, "R03", "", False)
SMALL: dict[str, list[Any]] = {
    "TXN": [LINE, UNDONE],
    "NTF": [UNDONE, LINE],
    "PAY": [PAID, PAID._replace(pay_id="F1/F1-0050/1"), ORDER],
    "PYR": [ANSWERED, REFUSED, UNKNOWN],
    "RTN": [
        RETURNED,
        RETURNED._replace(pay_id="F1/F1-0050/1", reason_code="R07", reason="限额", fee_returned=True),
    ],
}


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("empty", [False, True])
def test_a_document_is_valid_and_reads_back(kind: str, empty: bool) -> None:  # noqa: FBT001  (a parameter)
    """By the official schema; every field as it was; nothing to complain about. Without lines too, where it may."""
    lines = [] if empty else SMALL[kind]
    content = made(kind, lines)
    if not (empty and kind == "PAY"):  # a pain.001 without a payment is not sent
        valid(kind, content)
    assert read(kind, content) == (lines, [])


def carried(line: Any, more: str, keep: set[str]) -> Any:  # noqa: ANN401  (of any model)
    """A line with texts that XML can carry, long ones where `more` is long."""
    texts = {name: clean(value) for name, value in line._asdict().items() if isinstance(value, str)}
    if len(more) > 35:
        texts |= {name: value + more for name, value in texts.items() if name not in keep}
    return line._replace(**texts)


@pytest.mark.parametrize("kind", TYPES)
@settings(max_examples=1000 if SOAK else 25, deadline=None)
@given(data=st.data())
def test_reading_what_was_written_is_the_identity(kind: str, data: st.DataObject) -> None:
    """For any values, long ones too; and every document is valid by the official schema."""
    layout = load_layout("P")
    like = "TXN" if kind == "NTF" else kind
    lines = [record for _, record in data.draw(lines_of(layout, like))]
    long = data.draw(st.integers(0, 200))
    keep = {
        "direction",
        "status",
        "result",
        "entry_id",
        "original_entry_id",
        "settle_mode",
        "event_type",
        "route",
    }
    lines = [carried(line, "长" * long, keep) for line in lines]
    content = made(kind, lines)
    if lines:
        valid(kind, content)
    document = Document(file_name(kind), LAYOUT)
    assert [row.record for row in document.rows(content)] == lines
    rules = [one for one in document.faults.found if one.code != "FMT-009"]
    assert rules == [], "what lines contradict is no fault of the form"


def test_the_same_lines_give_the_same_bytes_and_one_line_a_record() -> None:
    """No clock, no order of a dict; people and diffs can read it."""
    content = made("TXN", SMALL["TXN"])
    assert content == made("TXN", SMALL["TXN"])
    assert sum(line.startswith(b"<Ntry>") for line in content.splitlines()) == 2


def values(kind: str, content: bytes, path: str) -> list[str]:
    """The texts at an XPath of a document, `n:` being its namespace."""
    root = etree.fromstring(content)
    found = root.xpath(
        f"{path}/text()", namespaces={"n": f"urn:iso:std:iso:20022:tech:xsd:{KINDS[kind].message.id}"}
    )
    assert isinstance(found, list)
    return [str(one) for one in found]


def test_a_members_day_opens_at_zero_and_closes_at_what_it_gets() -> None:
    """OPBD, entries, CLBD: what bookkeepers expect of a statement; banks by their number."""
    content = made("TXN", [LINE])
    assert values("TXN", content, "//n:Bal/n:Tp/n:CdOrPrtry/n:Cd") == ["OPBD", "CLBD"]
    assert values("TXN", content, "//n:Bal/n:Amt") == ["0.00", "128.12"]
    assert values("TXN", content, "//n:Bal/n:CdtDbtInd") == ["CRDT", "CRDT"]
    assert values("TXN", content, "//n:Ntry/n:Amt") == ["128.12"]
    assert values("TXN", content, "//n:TxAmt/n:Amt") == ["128.50"]
    assert values("TXN", content, "//n:Chrgs/n:Rcrd/n:CdtDbtInd") == ["DBIT"]
    assert values("TXN", content, "//n:ClrSysMmbId/n:ClrSysId/n:Cd") == ["CNAPS"]
    assert values("TXN", content, "//n:ClrSysMmbId/n:MmbId") == [CNAPS["B2"]]
    paying = made("TXN", [UNDONE])
    assert values("TXN", paying, "//n:Bal[2]/n:CdtDbtInd") == ["DBIT"]
    assert values("TXN", paying, "//n:Ntry/n:RvslInd") == ["true"]


def test_payments_stand_by_account_date_and_priority() -> None:
    """Three lines of two kinds are two PmtInf; accounts as Othr, banks as CNAPS, control totals in the header."""
    content = made("PAY", SMALL["PAY"])
    assert values("PAY", content, "//n:PmtInfId") == ["1", "2"]
    assert values("PAY", content, "//n:InstrPrty") == ["NORM", "HIGH"]
    assert values("PAY", content, "//n:GrpHdr/n:NbOfTxs") == ["3"]
    assert values("PAY", content, "//n:GrpHdr/n:CtrlSum") == ["3000.00"]
    assert values("PAY", content, "//n:DbtrAcct/n:Id/n:Othr/n:Id") == ["F1-EXP", "F1-EXP"]
    assert values("PAY", content, "//n:CdtrAcct/n:Id/n:Othr/n:Id") == ["tok_P1_B1_0001"] * 3
    assert values("PAY", content, "//n:EndToEndId") == [line.pay_id for line in SMALL["PAY"]]


def test_an_id_that_is_too_long_is_told_by_its_digest_and_whole_beside() -> None:
    """ISO 20022 gives an id 35 characters; a bank answers with the short one, which the sender can derive."""
    long = PAID._replace(pay_id="F1/" + "9" * 60 + "/1", payer_account="A" * 40)
    content = made("PAY", [long])
    assert values("PAY", content, "//n:EndToEndId") == [short_id(long.pay_id)]
    assert len(short_id(long.pay_id)) == 32
    assert read("PAY", content) == ([long], [])
    assert short_id("x" * 35) == "x" * 35


# ---------------------------------------------------------------- a bank's answers

ANSWER = """<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.12"><CstmrPmtStsRpt>
<GrpHdr><MsgId>BANK-77</MsgId><CreDtTm>2026-03-11T09:00:00</CreDtTm></GrpHdr>
<OrgnlGrpInfAndSts><OrgnlMsgId>PAY-1</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId></OrgnlGrpInfAndSts>
<OrgnlPmtInfAndSts><OrgnlPmtInfId>1</OrgnlPmtInfId>
<TxInfAndSts><OrgnlEndToEndId>F1/F1-0049/1</OrgnlEndToEndId><TxSts>{status}</TxSts>{reason}</TxInfAndSts>
</OrgnlPmtInfAndSts></CstmrPmtStsRpt></Document>"""
REASON = "<StsRsnInf><Rsn><Cd>{}</Cd></Rsn></StsRsnInf>"
# status, reason of the bank, result, reason_code, reason
SAID = [
    ("ACSC", "", "S", "", ""),
    ("ACCC", "", "S", "", ""),
    ("RJCT", "AC01", "F", "R01", ""),
    ("RJCT", "BE01", "F", "R02", ""),
    ("RJCT", "AC04", "F", "R03", ""),
    ("RJCT", "AC06", "F", "R04", ""),
    ("RJCT", "MD07", "F", "R10", ""),
    ("RJCT", "AM05", "F", "R11", ""),
    ("RJCT", "RC01", "F", "R13", ""),
    ("RJCT", "MS03", "F", "R99", "MS03"),
    ("RJCT", "AC99", "F", "R99", "AC99"),
    ("CANC", "", "F", "", ""),
    ("PDNG", "", "U", "", ""),
    ("ACSP", "", "U", "", ""),
    ("ACTC", "", "U", "", ""),
]


@pytest.mark.parametrize(("status", "code", "result", "reason_code", "reason"), SAID)
def test_a_banks_own_answer_is_understood(
    status: str, code: str, result: str, reason_code: str, reason: str
) -> None:
    """One that knows nothing of our supplements: status and reason by the contract's list, the rest not known."""
    content = ANSWER.format(status=status, reason=REASON.format(code) if code else "").encode()
    valid("PYR", content)
    rows, _ = read("PYR", content)
    (row,) = rows
    assert (row.pay_id, row.result, row.reason_code, row.reason) == (
        "F1/F1-0049/1",
        result,
        reason_code,
        reason,
    )
    assert (row.amount_fen, row.bank_date, row.payer_account) == (None, None, "")


def test_a_bank_may_say_when_it_accepted_and_why_not_in_its_own_way() -> None:
    """AccptncDtTm is the bank's date where no settlement date stands; a proprietary reason may be one of ours."""
    booked = "<AccptncDtTm>2026-03-10T17:30:00Z</AccptncDtTm><AcctSvcrRef>X-1</AcctSvcrRef>"
    content = ANSWER.format(status="ACSC", reason=booked).encode()
    valid("PYR", content)
    rows, faults = read("PYR", content)
    assert (rows[0].bank_ref, rows[0].bank_date, faults) == ("X-1", date(2026, 3, 11), [])
    for said, code, words in (("R04", "R04", ""), ("户名不符", "R99", "户名不符")):
        reason = f"<StsRsnInf><Rsn><Prtry>{said}</Prtry></Rsn></StsRsnInf>"
        rows, _ = read("PYR", ANSWER.format(status="RJCT", reason=reason).encode())
        assert (rows[0].reason_code, rows[0].reason) == (code, words)


@pytest.mark.parametrize(
    ("status", "final"), [("RJCT", True), ("ACSC", True), ("ACTC", False), ("PDNG", False)]
)
def test_a_status_of_the_whole_file_is_none_of_its_payments(status: str, final: bool) -> None:  # noqa: FBT001
    """Paid or refused is said of each payment; that the file has come, or is looked into, may be said of all."""
    start, end = ANSWER.index("<TxInfAndSts>"), ANSWER.index("</OrgnlPmtInfAndSts>")
    content = (ANSWER[:start] + ANSWER[end:]).replace(
        "<OrgnlPmtInfId>1</OrgnlPmtInfId>",
        f"<OrgnlPmtInfId>1</OrgnlPmtInfId><PmtInfSts>{status}</PmtInfSts>",
    )
    valid("PYR", content.encode())
    rows, faults = read("PYR", content.encode())
    assert (rows, bool(faults)) == ([], final)
    if final:
        assert f'PmtInfSts: expected TxInfAndSts of each payment, got "{status}" [FMT-002]' in faults[0]


@pytest.mark.parametrize("code", [f"R{number:02d}" for number in (*range(1, 15), 99)])
@pytest.mark.parametrize("reason", ["", "说明"])
def test_every_reason_of_ours_comes_back(code: str, reason: str) -> None:
    """Those that ISO 20022 has a code for, and those that it has none for."""
    line = REFUSED._replace(reason_code=code, reason=reason)
    content = made("PYR", [line])
    valid("PYR", content)
    assert read("PYR", content)[0] == [line]


# ---------------------------------------------------------------- what is wrong

# what is changed, to what, the message
BROKEN: dict[str, tuple[str, str, str]] = {
    "amount": ("128.12</Amt><CdtDbtInd>", "128.123</Amt><CdtDbtInd>", "Ntry)[1]/Amt: expected an amount of CNY"),
    "currency": ('<Ntry><NtryRef>20260310d50da1642e13c163a98c7288</NtryRef><Amt Ccy="CNY">',
                 '<Ntry><NtryRef>20260310d50da1642e13c163a98c7288</NtryRef><Amt Ccy="USD">',
                 'Ntry)[1]/Amt: expected Ccy CNY, got "USD" [FMT-004]'),
    "sign": ("<CdtDbtInd>CRDT</CdtDbtInd><Sts>", "<CdtDbtInd>BOTH</CdtDbtInd><Sts>",
             'expected one of CRDT DBIT, got "BOTH" [FMT-004]'),
    "time": ("2026-03-10T08:31:00+08:00</TxDtTm>", "yesterday</TxDtTm>", "expected a time YYYY-MM-DDThh:mm:ss"),
    "no amount": ('<AmtDtls><TxAmt><Amt Ccy="CNY">128.50</Amt></TxAmt></AmtDtls>', "",
                  'AmtDtls/TxAmt/Amt: expected a value, got "" [FMT-004]'),
    "supplement": ("<late>true</late>", "<late>perhaps</late>", "late: expected true or false"),
    "closing": ("<TtlNetNtry>\n      <Amt>0.00", "<TtlNetNtry>\n      <Amt>0.01",
                'net_fen: expected 0.00, got "0.01" [FMT-009]'),
    "count": ("<NbOfNtries>2", "<NbOfNtries>3", 'records: expected 2, got "3" [FMT-009]'),
    "file id": ("<file_id>RHC_TXN_PLAT_B1_20260310", "<file_id>RHC_TXN_PLAT_B1_20260311", "file_id: expected RHC_"),
    "hash": ("<hash_total>", "<hash_total>1", "hash_total: expected"),
    "line": ("<settle_mode>N", "<settle_mode>I", "settle_amount: expected"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "says"), BROKEN.values(), ids=BROKEN)
def test_what_is_wrong_is_told_with_line_and_xpath(old: str, new: str, says: str) -> None:
    """File, line, place in the document, what was expected and what stands there."""
    content = made("TXN", SMALL["TXN"]).decode()
    assert old in content
    _, faults = read("TXN", content.replace(old, new, 1).encode())
    assert any(says in fault for fault in faults), faults


def test_a_fault_names_the_line_of_its_record() -> None:
    """The second entry is on the line after the first."""
    content = made("TXN", SMALL["TXN"])
    at = next(n for n, line in enumerate(content.splitlines(), 1) if b"payment.voided" in line)
    _, (fault, *_) = read("TXN", content.replace(b">payment.voided<", b"><"))
    assert fault.startswith(f"{file_name('TXN')}:{at} (//Ntry)[2]/BkTxCd/Prtry/Cd: expected ")


ENTITY = '<!DOCTYPE Document [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;"><!ENTITY c SYSTEM "file:///etc/passwd">]>'
REFUSALS: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "a well-formed XML document"),
    "text": (b"H|RHCP0100|", "a well-formed XML document"),
    "cut off": (made("TXN", SMALL["TXN"])[:-30], "a well-formed XML document"),
    "entities": (
        made("TXN", SMALL["TXN"])
        .replace(b"<Document", ENTITY.encode() + b"<Document", 1)
        .replace(b"H1-1001", b"&b;"),
        "no document type",
    ),
    "a file of ours": (
        made("TXN", SMALL["TXN"])
        .replace(b"<Document", ENTITY.encode() + b"<Document", 1)
        .replace(b"H1-1001", b"&c;"),
        "no document type",
    ),
    "another version": (
        made("TXN", SMALL["TXN"]).replace(b"camt.053.001.08", b"camt.053.001.02"),
        "<Document xmlns=",
    ),
    "another message": (made("PAY", SMALL["PAY"]), "<Document xmlns="),
    "another root": (made("TXN", []).replace(b"BkToCstmrStmt>", b"Other>"), "an element BkToCstmrStmt"),
    "no header": (made("TXN", []).replace(b"GrpHdr>", b"Other>"), "an element GrpHdr"),
    "utf-16": (made("TXN", []).decode().replace("UTF-8", "UTF-16").encode("utf-16"), "UTF-8"),
    "deep": (b"<a>" * 5000, "a well-formed XML document"),
}


@pytest.mark.parametrize(("content", "says"), REFUSALS.values(), ids=REFUSALS)
def test_what_is_no_document_of_ours_is_refused(content: bytes, says: str) -> None:
    """With the reason; nothing that it names is opened. What stood before the fault may have been read."""
    _, faults = read("TXN", content)
    assert any(says in fault for fault in faults), faults
    assert not any("root:" in fault for fault in faults)


@settings(max_examples=2000 if SOAK else 60, deadline=None)
@given(kind=st.sampled_from(TYPES), data=st.data())
def test_any_bytes_are_faults_and_never_a_crash(kind: str, data: st.DataObject) -> None:
    """Bytes out of nowhere, and a sound document with some of its bytes changed, cut or doubled."""
    content = made(kind, SMALL[kind])
    at = data.draw(st.integers(0, len(content)))
    other = data.draw(st.binary(max_size=20))
    skip = data.draw(st.integers(0, 40))
    for broken in (other, content[:at] + other + content[at + skip :]):
        _, faults = read(kind, broken)
        assert all(fault.startswith(file_name(kind)) for fault in faults)


def test_a_name_that_is_none_is_refused() -> None:
    """By its form, and by a type that has no message."""
    for name in ("statement.xml", "RHC_SUM_PLAT_B1_20260310_001_V1.xml"):
        document = Document(name, LAYOUT)
        assert list(document.rows(b"")) == []
        assert document.faults.found[0].code == "FMT-010"


@pytest.mark.parametrize("kind", ["TXN", "PAY"])
def test_memory_is_flat_however_many_records(kind: str, tmp_path: Path) -> None:
    """Ten times the records take no more memory, writing and reading; a million with CLEARING_SOAK=1."""
    few, many = (100_000, 1_000_000) if SOAK else (80, 800)
    message = KINDS[kind].message
    peaks: list[tuple[int, int]] = []
    for count in (few, many):
        path = tmp_path / f"{count}.xml"
        tracemalloc.start()
        with path.open("wb") as out:
            body = Body(XmlWriter(LAYOUT, kind, BUSINESS_ZONE), name_of(kind))
            draft = Draft([body])
            middle = tmp_path / "lines"
            with middle.open("wb") as lines:
                for number in range(count):
                    draft.add("D", SMALL[kind][0])
                    if body.size > PART_BYTES // 8 or number == count - 1:
                        lines.write(body.take().content)
            finished = draft.finished(body, CLOCK)
            out.write(finished.before)
            with middle.open("rb") as lines:
                shutil.copyfileobj(lines, out)
            out.write(finished.after)
        written = tracemalloc.get_traced_memory()[1]
        content = path.read_bytes()
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        reader = Reader(path.name, message, BUSINESS_ZONE, Faults(path.name))
        assert sum(1 for _ in reader.rows(content)) == count
        peaks.append((written, tracemalloc.get_traced_memory()[1] - before))
        tracemalloc.stop()
    (wrote_few, read_few), (wrote_many, read_many) = peaks
    assert wrote_many < wrote_few + 200_000
    assert read_many < read_few + 200_000
