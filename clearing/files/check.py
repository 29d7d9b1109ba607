"""Whether a file holds together: name, manifest, head, every line, trailer, cross checks. 文件校验

The checks run in the order of the contract and none stops the others, so that a partner corrects a file once. A
file is read piece by piece: what is kept of it is its totals and its faults.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import groupby
from operator import lt
from typing import Final

from clearing.files.agree import RULES, verdict_faults
from clearing.files.faults import FAULTS_MAX, Fault, Faults
from clearing.files.iso20022.profile import Document
from clearing.files.layout import Layout, shipped
from clearing.files.manifest import Manifest, Measured, compare_manifest
from clearing.files.names import FileName
from clearing.files.parse import Digest, Parsed, Row, Scan, parse
from clearing.files.records import TxnLine
from clearing.files.render import union
from clearing.files.seal import NOBODY, Trust, check_signature
from clearing.files.totals import Totals, comparable
from clearing.files.values import BUSINESS_ZONE, Value
from clearing.ledger.money import yuan

ONE_DAY: Final = timedelta(days=1)
CONTROL: Final = ("records", "amount_fen", "hash_total")
"""What a manifest says of a file's lines."""
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


def layout_for(name: str, layouts: Iterable[Layout] | None = None) -> Layout | None:
    """The first layout that knows a name: of those given, or of those shipped."""
    known = layouts if layouts is not None else shipped()
    return next((one for one in known if one.parse_name(name)), None)


def unknown_name(name: str, layouts: Iterable[Layout] | None = None) -> tuple[Fault, ...]:
    """The fault of a name that no layout knows."""
    known = tuple(layouts if layouts is not None else shipped())
    faults = Faults(name)
    faults.add("FMT-010", f"a name like {' or '.join(one.example() for one in known)}", name)
    return tuple(faults.found)


def check_file(
    name: str,
    content: bytes,
    manifest: Manifest | None = None,
    *,
    layouts: Iterable[Layout] | None = None,
    zone: tzinfo = BUSINESS_ZONE,
    trust: Trust = NOBODY,
) -> Checked:
    """Validate a whole file against its manifest, its signature and its layout. 文件校验

    In:      the file's name without folders, any bytes (out of their envelope), its manifest where there is
             one; the layouts that come into question (those shipped when left out), the zone its instants are
             in; whose signature it must have.
    Out:     every fault, up to 1000; none means that each byte is as it was written.
    Source:  contract "Clearing files", order of checks.
    """
    known = tuple(layouts) if layouts is not None else None
    layout = layout_for(name, known)
    signed = check_signature(name, content, manifest, trust)
    if layout is None:
        measured = Measured.of(content)
        first = compare_manifest(name, measured, manifest) if manifest else ()
        return Checked(name, None, (*unknown_name(name, known), *first, *signed))
    if layout.shape == "iso20022":
        return _check_document(name, content, manifest, layout, zone=zone, signed=signed)
    checker = Checker(name, layout, manifest, zone=zone, signed=signed)
    rows = checker.feed(content)
    rows += checker.finish()
    scan = checker.scan
    parsed = Parsed(
        name, layout, scan.type, scan.head, scan.tail, tuple(rows), scan.body_sm3, tuple(scan.faults.found)
    )
    return Checked(name, parsed, checker.faults)


def fields_of(parsed: Parsed) -> dict[str, int]:
    """Column to the number of its field in a file's lines, the tag being field 1 where there is one. 字段序号"""
    layout = parsed.layout
    if parsed.type not in layout.types:
        return {}
    records = layout.records(parsed.type)
    marked = bool(layout.tag_column) if layout.shape == "table" else bool(records[0].shown)
    return {name: at for at, name in enumerate(union(records), 1 + marked)}


def read_lines(name: str, content: bytes, layout: Layout, *, zone: tzinfo = BUSINESS_ZONE) -> Parsed:
    """The lines of a file of ours in any layout, and what is wrong with it; no manifest is looked at. 读行"""
    if layout.shape != "iso20022":
        return parse(name, content, layout, zone=zone)
    return _parsed(Document(name, layout, zone), content)


def _check_document(
    name: str,
    content: bytes,
    manifest: Manifest | None,
    layout: Layout,
    *,
    zone: tzinfo,
    signed: tuple[Fault, ...],
) -> Checked:
    """As `check_file`, of an ISO 20022 message."""
    first = compare_manifest(name, Measured.of(content), manifest) if manifest else ()
    document = Document(name, layout, zone)
    parsed = _parsed(document, content)
    told = Faults(name)
    if manifest is not None and not parsed.faults:
        against_manifest(manifest, document.totals, CONTROL, told)
    return Checked(name, parsed, (*first, *signed, *parsed.faults, *told.found)[:FAULTS_MAX])


def _parsed(document: Document, content: bytes) -> Parsed:
    rows = tuple(document.rows(content))
    said, figures = document.layout.parse_name(document.name), document.figures
    file_type = said.type if said else ""
    return Parsed(
        document.name, document.layout, file_type, figures, figures, rows, "", tuple(document.faults.found)
    )


class Checker:
    """Validates a file of a known layout piece by piece. 流式校验

    In:      `signed`: what `check_signature` found; `file_type`: what to read a file of an unknown name as,
             besides refusing the name; `body`, `sha256`, `sm3`: hashes to use, a caller may give some that work
             beside the reader.
    """

    def __init__(
        self,
        name: str,
        layout: Layout,
        manifest: Manifest | None = None,
        *,
        zone: tzinfo = BUSINESS_ZONE,
        signed: tuple[Fault, ...] = (),
        file_type: str = "",
        body: Digest | None = None,
        sha256: Digest | None = None,
        sm3: Digest | None = None,
    ) -> None:
        self.name = name
        self.scan = Scan(name, layout, zone, body, file_type)
        self.totals = Totals()
        self._manifest = manifest
        self._signed = signed
        self._sha256 = sha256 or hashlib.sha256()
        self._sm3 = sm3 or hashlib.new("sm3")
        self._size = 0
        self._lines = Faults(name)
        """What lines contradict; told only when all lines could be read."""
        self._last = ("", "")
        self._tags: list[Row] = []
        self.faults: tuple[Fault, ...] = ()
        """All of them, once finished."""

    def feed(self, piece: bytes) -> list[Row]:
        """Take the next bytes and give the detail lines that are whole by now."""
        self._size += len(piece)
        self._sha256.update(piece)
        self._sm3.update(piece)
        return self._counted(list(self.scan.feed(piece)))

    def _counted(self, rows: list[Row]) -> list[Row]:
        for kind, run in groupby(rows, lambda row: type(row.record)):
            of_kind = list(run)
            records = [row.record for row in of_kind]
            self.totals.add(kind, tuple(zip(*records, strict=True)))
            if kind is TxnLine and not self._in_order(records):
                for row in of_kind:
                    self._order(row.line, row.record)
            rule = RULES.get(kind)
            for row, wrong in zip(of_kind, map(rule, records), strict=True) if rule else ():
                if wrong is not None:
                    self._lines.add("FMT-009", wrong[1], wrong[2], line=row.line, column=wrong[0])
        if self.scan.type == "ACK":
            self._tags += rows
        return rows

    def _in_order(self, records: Sequence[TxnLine]) -> bool:
        """Whether TXN lines stand as `_order` wants them, which is then asked no more."""
        keys = [(record.entry_id, record.account) for record in records]
        sound = all(map(all, keys)) and all(map(lt, (self._last, *keys), keys))
        if sound:
            self._last = keys[-1]
        return sound

    def _order(self, number: int, record: TxnLine) -> None:
        """TXN lines stand in order of entry id, then account, each pair once; where both are columns."""
        key = (record.entry_id, record.account)
        if not all(key):
            return
        if key <= self._last:
            self._lines.add(
                "FMT-009", f"a line after {self._last[0]} {self._last[1]}", " ".join(key), line=number
            )
        self._last = key

    def finish(self) -> list[Row]:
        """Take the end of the file and compare all that it says; `faults` then has what is wrong."""
        rows = self._counted(self.scan.finish())
        scan, manifest = self.scan, self._manifest
        measured = Measured(self._size, self._sha256.hexdigest(), self._sm3.hexdigest())
        first = compare_manifest(self.name, measured, manifest) if manifest else ()
        cross = Faults(self.name)
        said = scan.layout.parse_name(self.name)
        if scan.type:
            if said is not None:
                _head(scan.head, scan.layout, said, cross)
            _same(cross, "body_sm3", scan.tail, scan.body_sm3)
            if not scan.faults.found:
                cross.found += self._lines.found
                if scan.type == "ACK":
                    verdict_faults(self._tags, cross)
                self._sums(cross)
        self.faults = (*first, *self._signed, *scan.faults.found, *cross.found)[:FAULTS_MAX]
        return rows

    def _sums(self, faults: Faults) -> None:
        scan, totals = self.scan, self.totals
        known = comparable(scan.layout, scan.type)
        for name in MONEY:
            said, expected = scan.head.get(name), getattr(totals, name)
            if name in scan.head and name in known and said != expected:
                faults.add(
                    "FMT-009", yuan(expected), yuan(int(str(said))), column=name.replace("_fen", "_amount")
                )
        if not {"in_fen", "out_fen"} <= known:
            _net(scan.head, totals.fee_fen if "fee_fen" in known else None, faults)
        _same(faults, "records", scan.head, totals.records)
        if scan.tail is not scan.head:
            _same(faults, "records", scan.tail, totals.records)
        if "hash_total" in known:
            _same(faults, "hash_total", scan.tail, totals.hash_total)
        if self._manifest is not None:
            against_manifest(self._manifest, totals, known, faults)


def _same(faults: Faults, name: str, values: Mapping[str, Value], expected: object) -> None:
    if name in values and values[name] != expected:
        faults.add("FMT-009", _shown(expected), _shown(values[name]), column=name)


def _net(head: Mapping[str, Value], fees_fen: int | None, faults: Faults) -> None:
    """Where the lines do not tell what came in and went out, the head's own sums still hold each other."""
    told = [head.get(name, fees_fen if name == "fee_fen" else None) for name in MONEY]
    in_fen, out_fen, net_fen, fee_fen = (int(one) if isinstance(one, int) else None for one in told)
    if in_fen is None or out_fen is None or net_fen is None or fee_fen is None:
        return
    if net_fen != in_fen - out_fen - fee_fen:
        faults.add("FMT-009", yuan(in_fen - out_fen - fee_fen), yuan(net_fen), column="net_amount")


def _shown(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)


def _head(head: Mapping[str, Value], layout: Layout, said: FileName, faults: Faults) -> None:
    """What the head repeats of the name, and the instants that belong to the clearing date."""
    _same(faults, "file_id", head, layout.stem(said))
    _same(faults, "type", head, said.type)
    if "{from}" in layout.name:
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


def against_manifest(manifest: Manifest, totals: Totals, known: Collection[str], faults: Faults) -> None:
    """Compare what a manifest says of the lines with what they come to, for the totals that they tell."""
    pairs = (
        ("records", "records", manifest.records, totals.records),
        ("amount_total", "amount_fen", manifest.amount_total, yuan(totals.amount_fen)),
        ("hash_total", "hash_total", manifest.hash_total, totals.hash_total),
    )
    for name, total, said, counted in pairs:
        if said != counted and (total == "records" or total in known):
            faults.add("FMT-011", f"{name} {counted} as in the lines", said)
