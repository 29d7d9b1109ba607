"""A bank's statement as camt.053: the same rows as its canonical CSV, or every fault with its place."""

from __future__ import annotations

import csv
import hashlib
from datetime import date, time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from clearing.files.values import BUSINESS_ZONE
from clearing.jobs.statements import read_statement
from clearing.ledger.business_day import BusinessClock
from clearing.reconciliation.partner_files import Parsed, Refused
from clearing.reconciliation.statements import parse_statement
from tests.files.test_iso20022 import schema
from tests.jobs.running import DAYS

CLOCK = BusinessClock(BUSINESS_ZONE, time(23, 0))
STATEMENTS = sorted(DAYS.glob("*-worked-day/*/STM_*.csv")) or sorted(DAYS.rglob("*STM*.csv"))
SPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"


def as_camt(content: bytes) -> bytes:
    """A canonical statement as a bank that speaks ISO 20022 would write it."""
    lines = list(csv.reader(content.decode("utf-8-sig").splitlines()))
    names = lines[0]
    rows = [dict(zip(names, line, strict=True)) for line in lines[1:] if not line[0].startswith("#")]
    entries = "".join(map(entry, rows))
    balance = next((line for line in lines if line[0] == "#BALANCE"), None)
    said = "".join(
        bal(code, value)
        for code, value in zip(("OPBD", "CLBD"), (balance or ["", "0.00", "0.00"])[1:], strict=True)
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{SPACE}"><BkToCstmrStmt>'
        "<GrpHdr><MsgId>M1</MsgId><CreDtTm>2026-03-11T02:00:00+08:00</CreDtTm></GrpHdr>"
        "<Stmt><Id>S1</Id><Acct><Id><Othr><Id>CARDS</Id></Othr></Id></Acct>"
        f"{said}{entries}</Stmt></BkToCstmrStmt></Document>"
    ).encode()


def bal(code: str, value: str) -> str:
    """A balance: what the bank owes stands in debit."""
    sign = "CRDT" if value.startswith("-") else "DBIT"
    return (
        f'<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy="CNY">{value.lstrip("-")}</Amt>'
        f"<CdtDbtInd>{sign}</CdtDbtInd><Dt><Dt>2026-03-10</Dt></Dt></Bal>"
    )


def entry(row: dict[str, str]) -> str:
    """One row as an entry; an element without a value is left out."""
    debit = row["direction"] == "D"
    status = "<Cd>BOOK</Cd>" if row["status"] == "SUCC" else f"<Prtry>{row['status']}</Prtry>"
    original = row["original_bank_ref"]
    refs = (
        tag("AcctSvcrRef", row["bank_ref"])
        + tag("InstrId", row["platform_ref"])
        + (f"<Prtry><Tp>ORIGINAL</Tp><Ref>{original}</Ref></Prtry>" if original else "")
    )
    account = f"<Id><Othr><Id>{row['card']}</Id></Othr></Id>" if row["card"] else ""
    party = f"{'Dbtr' if debit else 'Cdtr'}Acct"
    return (
        f'<Ntry><Amt Ccy="CNY">{row["amount"]}</Amt><CdtDbtInd>{"DBIT" if debit else "CRDT"}</CdtDbtInd>'
        f"<Sts>{status}</Sts>"
        + tag("BookgDt", tag("Dt", row["bank_date"]))
        + f"<BkTxCd><Prtry><Cd>{row['type']}</Cd></Prtry></BkTxCd><NtryDtls><TxDtls>"
        + tag("Refs", refs)
        + tag("RltdPties", tag(party, account))
        + tag(
            "RltdDts",
            tag("TxDtTm", f"{row['bank_date']}T{row['bank_time']}+08:00" if row["bank_time"] else ""),
        )
        + "</TxDtls></NtryDtls></Ntry>"
    )


def tag(name: str, inside: str) -> str:
    """An element, nothing when nothing is in it."""
    return f"<{name}>{inside}</{name}>" if inside else ""


def rows_of(found: Any) -> list[Any]:  # noqa: ANN401  (a statement or a refusal)
    """The rows, which must be there."""
    assert isinstance(found, Parsed), found
    return list(found.rows)


@pytest.mark.parametrize("path", STATEMENTS, ids=lambda path: f"{path.parent.name} {path.name}")
def test_a_camt_053_gives_the_rows_of_the_csv(path: Path) -> None:
    """Every statement of the stories, said both ways; valid by the official schema, under its own digest."""
    content = path.read_bytes()
    document = as_camt(content)
    official = schema("camt.053.001.08")
    assert official.validate(etree.fromstring(document)), official.error_log
    said: dict[str, Any] = {"partner": "B1", "file": path.name, "day": None, "clock": CLOCK}
    wanted, found = parse_statement(content, **said), read_statement(document, **said)
    assert rows_of(found) == rows_of(wanted)
    assert isinstance(found, Parsed)
    assert found.files[0].sha256 == hashlib.sha256(document).hexdigest()
    assert found.files[0].sm3 == hashlib.new("sm3", document).hexdigest()


def test_there_are_statements_to_compare() -> None:
    """A glob that finds nothing would prove nothing."""
    assert len(STATEMENTS) >= 2


def test_an_entry_with_a_bad_detail_is_left_out_with_all_its_rows() -> None:
    """What a bank booked in one sum is taken in one, where the file is taken in part: one bad item, told once."""
    lines = (
        "bank_ref,platform_ref,bank_date,bank_time,type,direction,amount,status,card,original_bank_ref",
        "A1,,2026-03-10,10:00:00,PAY,D,3.00,SUCC,,",
        "A2,,2026-03-10,10:00:00,PAY,D,5.00,SUCC,,",
    )
    document = as_camt("\n".join(lines).encode()).decode()
    _, _, rest = document.partition("<TxDtls>")
    inside, _, _ = rest.partition("</TxDtls>")
    parts = [(inside, "1.00"), (inside.replace("A1", "A" * 70), "2.00")]
    several = "".join(f'<TxDtls>{text}<Amt Ccy="CNY">{yuan}</Amt></TxDtls>' for text, yuan in parts)
    document = document.replace(f"<TxDtls>{inside}</TxDtls>", several, 1)
    said: dict[str, Any] = {"partner": "B1", "file": "S.xml", "day": None, "clock": CLOCK}
    found = read_statement(document.encode(), **said, partial=True)
    assert [row.bank_ref for row in rows_of(found)] == ["A2"]
    assert isinstance(found, Parsed)
    (one,) = found.files
    assert (one.counted.rows, one.counted.in_fen, len(one.bad)) == (1, 500, 1)
    assert one.bad[0].startswith("S.xml:2 (//Ntry)[1]/bank_ref: expected at most 64 characters")
    whole = read_statement(document.encode(), **said)
    assert isinstance(whole, Refused)
    assert whole.errors == one.bad


def test_a_csv_is_read_as_before() -> None:
    """What does not begin as XML goes the usual way."""
    content = STATEMENTS[0].read_bytes()
    said: dict[str, Any] = {"partner": "B1", "file": "x", "day": None, "clock": CLOCK}
    assert read_statement(content, **said) == parse_statement(content, **said)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "<CdtDbtInd>DBIT</CdtDbtInd><Sts>",
            "<CdtDbtInd>BOTH</CdtDbtInd><Sts>",
            "(//Ntry)[1]/CdtDbtInd: expected one of",
        ),
        ('<Ntry><Amt Ccy="CNY">', '<Ntry><Amt Ccy="EUR">', "(//Ntry)[1]/Amt: expected Ccy CNY"),
        ("</Document>", "", "expected a well-formed XML document"),
        ("camt.053.001.08", "camt.053.001.02", "expected <Document xmlns="),
    ],
)
def test_a_document_that_is_not_sound_is_refused_with_its_place(old: str, new: str, says: str) -> None:
    """Nothing of it is imported."""
    document = as_camt(STATEMENTS[0].read_bytes()).decode()
    assert old in document
    found = read_statement(
        document.replace(old, new, 1).encode(),
        partner="B1",
        file="STM.xml",
        day=date(2026, 3, 10),
        clock=CLOCK,
    )
    assert isinstance(found, Refused)
    assert found.code == "FIL-002"
    assert any(says in error for error in found.errors), found.errors


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 1500))
def test_any_bytes_are_a_statement_or_refused(other: bytes, at: int) -> None:
    """Never a crash, neither out of nowhere nor in the middle of a document."""
    document = as_camt(STATEMENTS[0].read_bytes())
    for content in (b"<" + other, document[:at] + other + document[at + len(other) :]):
        found = read_statement(content, partner="B1", file="STM.xml", day=None, clock=CLOCK)
        assert isinstance(found, Parsed | Refused)
