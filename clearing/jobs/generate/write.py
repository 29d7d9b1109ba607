"""A generated day as files: what `clearing generate` leaves behind. 写出生成文件"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from clearing.jobs.generate.clerk import Line, Planted, Sent
from clearing.jobs.generate.day import Generated
from clearing.jobs.generate.lists import Lists
from clearing.jobs.generate.partners import EXPORT_HEADER, STATEMENT_HEADER
from clearing.jobs.generate.spoiled import spoil, spoiled_files, trailer
from clearing.ledger.money import yuan

CITY: Final = Path(__file__).with_name("city.toml")
"""Members of a synthetic city, shipped with the package."""
TOLD_EVERY: Final = 1000
LINES_KEPT: Final = 100
"""Lines that a partner's file gathers before they are written out together."""


@dataclass(slots=True)
class Summary:
    """What was written."""

    out: Path
    events: int = 0
    by_type: Counter[str] = field(default_factory=Counter)
    statements: dict[str, Path] = field(default_factory=dict)
    """By bank, channel or network."""
    exports: dict[str, Path] = field(default_factory=dict)
    """By institution."""
    planted: list[Planted] = field(default_factory=list)
    corrected: dict[str, Path] = field(default_factory=dict)
    """Sound copies of the files that are wrong, by partner."""
    lists: dict[str, Path] = field(default_factory=dict)
    """Payers' lists and hospitals' lists of deposits, by member."""
    refused: list[dict[str, str]] = field(default_factory=list)
    """What is meant to be refused: source, id, type and reason."""
    registered: int = 0
    """Records about cards of before the day."""

    @property
    def members(self) -> Path:
        """The members file."""
        return self.out / "members.toml"

    @property
    def events_file(self) -> Path:
        """The records, one a line, in order of arrival."""
        return self.out / "events.jsonl"

    @property
    def cards_file(self) -> Path:
        """Records of cards registered before the day, to be taken first; not there when there are none."""
        return self.out / "cards.jsonl"

    @property
    def refusals(self) -> Path:
        """The list of records that are meant to be refused."""
        return self.out / "refusals.json"

    @property
    def answers(self) -> Path:
        """The list of planted breaks."""
        return self.out / "answers.json"


class _PartnerFile:
    """One statement or export while it is written: a province has more of them than may be open at once."""

    def __init__(self, path: Path, header: str) -> None:
        self.path = path
        self.rows = self.in_fen = self.out_fen = 0
        self.lines: list[str] = []
        path.write_text(header + "\n", encoding="utf-8", newline="")

    def add(self, line: Line) -> None:
        self.lines.append(line.text)
        self.rows += 1
        self.in_fen += line.in_fen
        self.out_fen += line.out_fen
        if len(self.lines) >= LINES_KEPT:
            self._append()

    def end(self, *, balanced: bool) -> None:
        self._append(trailer(self.rows, self.in_fen, self.out_fen, balanced=balanced))

    def _append(self, end: str = "") -> None:
        with self.path.open("a", encoding="utf-8", newline="") as file:
            file.write("".join(line + "\n" for line in self.lines) + end)
        self.lines.clear()


def write(
    generated: Generated,
    out_dir: Path,
    *,
    members_toml: Path | str = CITY,
    progress: Callable[[int], None] | None = None,
) -> Summary:
    """Write a day out: members, events, statements, exports and the answers. 写出

    In:      `members_toml`: the file the members came from, or its text, put beside the events; `progress` is told
             the count of events now and then.
    Out:     Summary with every path. Every partner has a file, one without rows too.
    Writes:  members.toml, events.jsonl, statements/STM_<partner>.csv, exports/HIS_<institution>.csv,
             answers.json, refusals.json, cards.jsonl where cards were registered before, corrected/ where a file is
             wrong as a whole, lists/ where the plan has them.
    Again:   the same bytes over the old ones.
    """
    summary = Summary(out_dir)
    for folder in ("statements", "exports"):
        (out_dir / folder).mkdir(parents=True, exist_ok=True)
    told = members_toml.read_bytes() if isinstance(members_toml, Path) else members_toml.encode()
    summary.members.write_bytes(told)
    town = generated.town
    summary.statements = {code: out_dir / "statements" / f"STM_{code}.csv" for code in town.statements}
    summary.exports = {p.code: out_dir / "exports" / f"HIS_{p.code}.csv" for p in town.places}
    files = {
        (his, code): _PartnerFile(path, header)
        for his, paths, header in (
            (False, summary.statements, STATEMENT_HEADER),
            (True, summary.exports, EXPORT_HEADER),
        )
        for code, path in paths.items()
    }
    lists = Lists(f"{generated.day}", wanted=generated.plan.lists)
    with summary.events_file.open("wb") as events:
        for step in generated.steps():
            if step.sent is not None:
                lists.take(step.sent)
                events.write(step.sent.value + b"\n")
                if step.sent.refused:
                    summary.refused.append(_refusal(step.sent))
                summary.events += 1
                summary.by_type[step.sent.type] += 1
                if progress is not None and summary.events % TOLD_EVERY == 0:
                    progress(summary.events)
            for line in step.lines:
                files[line.his, line.partner].add(line)
            if step.planted is not None:
                summary.planted.append(step.planted)
    for (his, _), one in files.items():
        one.end(balanced=not his)
    _spoil(generated, files, summary)
    summary.lists, planted = lists.write(out_dir / "lists")
    summary.planted += planted
    summary.registered = _write_registrations(generated, summary.cards_file)
    refusals = json.dumps(summary.refused, ensure_ascii=False, indent=1)
    summary.refusals.write_text(refusals + "\n", encoding="utf-8")
    summary.answers.write_text(answers_text(summary.planted), encoding="utf-8")
    return summary


def _spoil(generated: Generated, files: dict[tuple[bool, str], _PartnerFile], summary: Summary) -> None:
    """Make the files wrong that are to be, and note each as an answer."""
    for (his, code), kind in spoiled_files(generated.plan, generated.town).items():
        paths, sums = summary.exports if his else summary.statements, files[his, code]
        done = spoil(kind, paths[code], sums.in_fen, sums.out_fen, sums.rows)
        if done is None:
            continue
        name = paths[code].name if done.path is None else done.path.name
        if done.path is None:
            del paths[code]
        else:
            paths[code] = done.path
        summary.corrected[code] = done.corrected
        summary.planted.append(
            Planted(
                kind=kind,
                code=kind,
                partner=code,
                institution=code if his else "",
                bank_ref="",
                order_no="",
                amount_fen=done.amount_fen,
                source="",
                id="",
                file=name,
            )
        )


def _write_registrations(generated: Generated, path: Path) -> int:
    """The cards of before, when there are any; how many records that is."""
    if not generated.plan.registered:
        return 0
    with path.open("wb") as file:
        return sum(file.write(sent.value + b"\n") > 0 for sent in generated.registrations())


def _refusal(sent: Sent) -> dict[str, str]:
    return {"source": sent.source, "id": sent.id, "type": sent.type, "reason": sent.refused}


def answers_text(planted: list[Planted]) -> str:
    """The answers as JSON: a list, amounts in yuan, in the order in which they were planted."""
    rows = [
        {
            "kind": one.kind,
            "code": one.code,
            "partner": one.partner,
            "institution": one.institution,
            "keys": {"bank_ref": one.bank_ref, "order_no": one.order_no},
            "amount": yuan(one.amount_fen),
            "event": {"source": one.source, "id": one.id} if one.id else None,
            "next_day": one.next_day or None,
            "file": one.file or None,
        }
        for one in planted
    ]
    return json.dumps(rows, ensure_ascii=False, indent=1) + "\n"
