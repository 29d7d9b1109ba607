"""Whether a file holds together: name, manifest, head, every line, trailer, cross checks. 文件校验

The checks run in the order of the contract and none stops the others, so that a partner corrects a file once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Final

from clearing.files.layout import FileName, Layout, shipped
from clearing.files.manifest import Manifest, check_manifest
from clearing.files.parse import FAULTS_MAX, Fault, Faults, Parsed, parse
from clearing.files.records import ResultLine, SumLine, TxnLine
from clearing.files.render import body_sm3
from clearing.files.seal import NOBODY, Trust, check_signature
from clearing.files.totals import Totals
from clearing.files.values import BUSINESS_ZONE, Value
from clearing.ledger.money import yuan

ONE_DAY: Final = timedelta(days=1)
MONEY: Final = ("in_fen", "out_fen", "net_fen", "fee_fen")


@dataclass(frozen=True, slots=True)
class Checked:
    """The verdict on one file."""

    name: str
    parsed: Parsed | None
    """None when no layout knows the name."""
    faults: tuple[Fault, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong: only then is anything of it taken."""
        return not self.faults


def check_file(
    name: str,
    content: bytes,
    manifest: Manifest | None = None,
    *,
    layouts: Iterable[Layout] | None = None,
    zone: tzinfo = BUSINESS_ZONE,
    trust: Trust = NOBODY,
) -> Checked:
    """Validate a file of ours against its manifest, its signature and its layout. 文件校验

    In:      the file's name without folders, any bytes (out of their envelope), its manifest where there is
             one; the layouts that come into question (those shipped when left out), the zone its instants are
             in; whose signature it must have.
    Out:     every fault, up to 1000; none means that each byte is as it was written.
    Source:  contract "Clearing files", order of checks.
    """
    known = tuple(layouts) if layouts is not None else tuple(shipped())
    layout = next((one for one in known if one.parse_name(name)), None)
    first = (
        *(check_manifest(name, content, manifest) if manifest else ()),
        *check_signature(name, content, manifest, trust),
    )
    if layout is None:
        faults = Faults(name)
        faults.add("FMT-010", " or ".join(f"a name like {one.example()}" for one in known), name)
        return Checked(name, None, (*faults.found, *first))
    parsed = parse(name, content, layout, zone=zone)
    cross = cross_checks(parsed, manifest)
    return Checked(name, parsed, (*first, *parsed.faults, *cross)[:FAULTS_MAX])


def cross_checks(parsed: Parsed, manifest: Manifest | None = None) -> tuple[Fault, ...]:
    """Compare a file with itself: name with head, details with head and trailer, and with the manifest.

    Out:     a fault for each figure that differs; where lines could not be read, sums are not compared.
    """
    faults = Faults(parsed.name)
    said = parsed.layout.parse_name(parsed.name)
    if said is None:
        return ()
    _head(parsed.head, parsed.layout, said, faults)
    _same(faults, "body_sm3", parsed.tail, body_sm3(parsed.body))
    if parsed.faults:
        return tuple(faults.found)
    totals = Totals()
    for row in parsed.rows:
        totals.add(row.record)
    _order(parsed, faults)
    _lines(parsed, faults)
    _sums(parsed, totals, faults)
    if manifest is not None:
        _against_manifest(manifest, totals, faults)
    return tuple(faults.found)


def _same(faults: Faults, name: str, values: Mapping[str, Value], expected: object) -> None:
    if name in values and values[name] != expected:
        faults.add("FMT-009", _shown(expected), _shown(values[name]), column=name)


def _shown(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)


def _head(head: Mapping[str, Value], layout: Layout, said: FileName, faults: Faults) -> None:
    """What the head repeats of the name, and the instants that belong to the clearing date."""
    _same(faults, "file_id", head, layout.stem(said))
    _same(faults, "type", head, said.type)
    _same(faults, "sender", head, said.sender)
    _same(faults, "receiver", head, said.receiver)
    _same(faults, "clearing_date", head, said.date)
    _same(faults, "reprocessed", head, said.version > 1)
    before = layout.stem(said._replace(version=said.version - 1)) if said.version > 1 else ""
    _same(faults, "replaces", head, before)
    cut_to = head.get("cut_to")
    if isinstance(cut_to, datetime):
        if cut_to.date() != said.date:
            faults.add("FMT-009", f"an instant of {said.date}", cut_to.isoformat(), column="cut_to")
        _same(faults, "cut_from", head, cut_to - ONE_DAY)
        _same(faults, "created", head, cut_to)


def _order(parsed: Parsed, faults: Faults) -> None:
    """TXN lines stand in order of entry id, then account, each pair once."""
    last = ("", "")
    for row in parsed.rows:
        if not isinstance(row.record, TxnLine) or row.record.account is None:
            return
        key = (row.record.entry_id, row.record.account)
        if key <= last:
            faults.add("FMT-009", f"a line after {last[0]} {last[1]}", " ".join(key), line=row.line)
        last = key


def _lines(parsed: Parsed, faults: Faults) -> None:
    """What the rest of each line says must stand in one of its columns."""
    for row in parsed.rows:
        wrong = _wrong(row.record)
        if wrong is not None:
            column, expected, got = wrong
            faults.add("FMT-009", expected, got, line=row.line, column=column)
    if parsed.type == "ACK":
        _verdict(parsed, faults)


def _wrong(record: object) -> tuple[str, str, str] | None:
    """(column, what follows from the rest of the line, what stands there), None when the line agrees with itself."""
    if isinstance(record, TxnLine):
        gross = 0
        if record.settle_mode == "N":
            gross = record.amount_fen if record.direction == "R" else -record.amount_fen
        if record.settle_fen != gross - record.fee_fen:
            return ("settle_amount", yuan(gross - record.fee_fen), yuan(record.settle_fen))
    elif isinstance(record, SumLine):
        net = record.in_fen - record.out_fen - record.fee_fen
        if record.net_fen != net:
            return ("net", yuan(net), yuan(record.net_fen))
    elif isinstance(record, ResultLine):
        if record.result == "S" and not (record.bank_ref and record.bank_date):
            return ("bank_ref", "a reference and a bank_date, since the result is S", record.bank_ref)
        if record.result == "F" and not record.reason_code:
            return ("reason_code", "a reason, since the result is F", "")
    return None


def _verdict(parsed: Parsed, faults: Faults) -> None:
    """An ACK is one verdict, then its faults: none when all was taken, some when not."""
    if [row.tag for row in parsed.rows[:1]] != ["A"] or any(row.tag == "A" for row in parsed.rows[1:]):
        faults.add(
            "FMT-002", "one line A, then lines E", " ".join(row.tag for row in parsed.rows[:3]), line=2
        )
        return
    said, bad = parsed.rows[0].record, len(parsed.rows) - 1
    taken = {"ACPT": said.records, "RJCT": 0}.get(said.verdict, said.taken)
    if said.taken != taken or said.taken > said.records:
        faults.add(
            "FMT-009", f"{min(taken, said.records)} with {said.verdict}", said.taken, line=2, column="taken"
        )
    if bool(bad) is (said.verdict == "ACPT"):
        wanted = "no line E" if said.verdict == "ACPT" else "a line E for each fault"
        faults.add("FMT-009", f"{wanted} with {said.verdict}", bad, line=2, column="verdict")


def _sums(parsed: Parsed, totals: Totals, faults: Faults) -> None:
    for name in MONEY:
        said, expected = parsed.head.get(name), getattr(totals, name)
        if name in parsed.head and said != expected:
            faults.add(
                "FMT-009", yuan(expected), yuan(int(str(said))), column=name.replace("_fen", "_amount")
            )
    _same(faults, "records", parsed.head, totals.records)
    if parsed.tail is not parsed.head:
        _same(faults, "records", parsed.tail, totals.records)
    _same(faults, "hash_total", parsed.tail, totals.hash_total)


def _against_manifest(manifest: Manifest, totals: Totals, faults: Faults) -> None:
    pairs = (
        ("records", manifest.records, totals.records),
        ("amount_total", manifest.amount_total, yuan(totals.amount_fen)),
        ("hash_total", manifest.hash_total, totals.hash_total),
    )
    for name, said, counted in pairs:
        if said != counted:
            faults.add("FMT-011", f"{name} {counted} as in the lines", said)
