"""A bank at the other end of the wire: takes PAY files, pays, rejects, does not know, returns, and says so in files.

It looks only for `.ok`, answers each file with an ACK, remembers what it has paid, and would pay again what it is
ordered again: a test asks it whether anybody was paid twice.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from clearing.files.check import check_file
from clearing.files.iso20022.message import short_id
from clearing.files.layout import Layout, load_layout
from clearing.files.manifest import Manifest, read_manifest, write_manifest
from clearing.files.names import FileName
from clearing.files.outgoing import RenderedFile, file_of
from clearing.files.records import PayLine, ResultLine, ReturnLine
from clearing.files.verdict import verdict_lines
from clearing.ledger.business_day import BusinessClock
from clearing.ledger.money import yuan

CLOCK = BusinessClock(ZoneInfo("Asia/Shanghai"), time(23))
PAID, REJECTED, UNKNOWN, BUSY, SILENT = "S", "F", "U", "R12", ""
Decide = Callable[[PayLine], str]


@dataclass
class MockBank:
    """One bank: where its files lie, what it decides, what it has done."""

    code: str
    inbox: Path
    """Where the platform puts files."""
    outbox: Path
    """Where the platform finds them."""
    day: date
    decide: Decide = lambda _: PAID
    profile: str = "P"
    """In which it writes the types that the profile has; the others in P."""
    layout: Layout | None = None
    """Its own, which nobody ships: it reads and writes what that has in it."""
    bare: bool = False
    """It speaks ISO 20022 and knows nothing of ours beside it: an order is its EndToEndId, an answer no more than
    that, the status and its own reference."""
    paid: Counter[str] = field(default_factory=Counter)
    """How often each order was paid."""
    orders: dict[str, PayLine] = field(default_factory=dict)
    results: dict[str, ResultLine] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    seqs: Counter[str] = field(default_factory=Counter)
    verdicts: list[tuple[str, str]] = field(default_factory=list)
    """(file, verdict) of the ACKs that the platform wrote."""

    def work(self) -> list[str]:
        """Look into the inbox and answer what is new; gives the names of the answers."""
        answers: list[str] = []
        for ok in sorted(self.inbox.glob("*.ok")):
            name = ok.name.removesuffix(".ok")
            if name in self.seen:
                continue
            self.seen.add(name)
            content = (self.inbox / name).read_bytes()
            manifest = read_manifest(ok.name, ok.read_bytes())
            assert isinstance(manifest, Manifest), manifest
            own = (self.layout,) if self.layout and self.layout.parse_name(name) else None
            checked = check_file(name, content, manifest, layouts=own)
            assert checked.sound, checked.faults
            assert checked.parsed is not None
            records = [row.record for row in checked.parsed.rows]
            if checked.parsed.type == "ACK":
                self.verdicts.append((records[0].file, records[0].verdict))
                continue
            answers.append(self.acknowledge(name, content, len(records)))
            if checked.parsed.type == "PAY":
                answers += self.answer([self.ordered(line) for line in records])
            elif checked.parsed.type == "PYR":
                answers += self.answer([self.asked(line) for line in records])
        return answers

    def ordered(self, line: PayLine) -> ResultLine | None:
        """Do what an order says."""
        if self.bare:
            line = line._replace(pay_id=short_id(line.pay_id))
        self.orders[line.pay_id] = line
        return self._done(line, self.decide(line))

    def asked(self, line: ResultLine) -> ResultLine | None:
        """Say what became of an order; one that nobody knows of yet is looked into once more."""
        known = self.results.get(line.pay_id)
        if known is not None and known.result != UNKNOWN:
            return known
        return self._done(self.orders[line.pay_id], self.decide(self.orders[line.pay_id]))

    def _done(self, line: PayLine, said: str) -> ResultLine | None:
        if said == SILENT:
            return None
        ref, day = "", None
        if said == PAID:
            self.paid[line.pay_id] += 1
            ref, day = self.reference(line.pay_id), self.day
        reason = "" if said in {PAID, UNKNOWN} else said if said.startswith("R") else "R03"
        result = "F" if reason else said
        made = ResultLine(*line, result, ref, day, reason, "")
        if self.bare:
            nothing: dict[str, Any] = {
                "payer_account": "",
                "payee_bank": "",
                "payee_account": "",
                "purpose": "",
            }
            nothing |= {"corporate": False, "amount_fen": None, "value_date": None}
            made = made._replace(**nothing)
        self.results[line.pay_id] = made
        return made

    def reference(self, pay_id: str) -> str:
        """The bank's own number of a payment."""
        return f"{self.code}{hashlib.sha256(pay_id.encode()).hexdigest()[:12]}"

    def answer(self, lines: Sequence[ResultLine | None]) -> list[str]:
        """Write a PYR of what is to be said, if there is anything."""
        told = [("D", line) for line in lines if line is not None]
        return [self.write("PYR", told)] if told else []

    def return_(self, pay_id: str, reason: str = "R03") -> str:
        """Send money back that was paid."""
        line = self.orders[pay_id]
        returned = ReturnLine(
            pay_id,
            self.reference(pay_id),
            f"RT{self.reference(pay_id)}",
            self.day,
            line.amount_fen,
            reason,
            "",
            False,
        )
        return self.write("RTN", [("D", returned)])

    def acknowledge(self, name: str, content: bytes, records: int) -> str:
        """Write an ACK of a file that was taken whole."""
        digest = hashlib.sha256(content).hexdigest()
        lines = verdict_lines(
            name, size=len(content), sha256=digest, records=records, taken=records, faults=()
        )
        return self.write("ACK", lines)

    def write(self, file_type: str, lines: Sequence[tuple[str, Any]]) -> str:
        """Render a file, and put it and its manifest into the outbox."""
        self.seqs[file_type] += 1
        name = FileName(file_type, self.code, "PLAT", self.day, self.seqs[file_type], 1)
        layout = self.layout or load_layout(self.profile)
        made = file_of(name, lines, layout if file_type in layout.types else load_layout("P"), CLOCK)
        return self.put(made.name, made.content, made)

    def put(self, name: str, content: bytes, made: RenderedFile) -> str:
        """Put bytes into the outbox with a manifest that fits them."""
        self.outbox.mkdir(parents=True, exist_ok=True)
        manifest = Manifest(
            file=name,
            bytes=len(content),
            records=made.records,
            amount_total=yuan(made.amount_total),
            hash_total=made.hash_total,
            sha256=hashlib.sha256(content).hexdigest(),
            sm3=hashlib.new("sm3", content).hexdigest(),
            run_id="bank",
            created_at=datetime(2026, 5, 18, tzinfo=UTC),
            replaces=made.replaces or None,
        )
        (self.outbox / name).write_bytes(content)
        (self.outbox / f"{name}.ok").write_bytes(write_manifest(manifest))
        return name
