"""`clearing demo`: the main job from events to a mismatch report, told on one screen. 演示"""

from __future__ import annotations

import shutil
import sys
import textwrap
import time
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.cells import cell_len, set_cell_size

from clearing.console.breaks import chinese
from clearing.console.edge import Json, a_date, answer, perform, say, settings_now
from clearing.console.show import WIDTH, grouped
from clearing.errors import InvariantViolated

POSITIONS_SHOWN: Final = 5
LINES_MAX: Final = 40
ID_SHOWN: Final = 20
"""How much of a break's id is typed: the day and enough of the rest."""
_INDENT: Final = " " * 11


def demo(  # noqa: PLR0917 - the options of a command
    events: Annotated[int, typer.Option("--events", min=100, help="How many events the day has.")] = 3000,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same day.")] = 1,
    day: Annotated[
        date | None,
        typer.Option("--date", parser=a_date, metavar="DATE", help="The day; 2026-03-10 when left out."),
    ] = None,
    no_kafka: Annotated[
        bool, typer.Option("--no-kafka", help="Take the events from the file, also where a Kafka can be had.")
    ] = False,
    out: Annotated[Path, typer.Option("--out", help="The demo's own folder, made anew each time.")] = Path(
        "demo"
    ),
    as_json: Json = False,
) -> None:
    """A generated city day, cleared, reconciled and told on one screen 演示."""
    began = time.monotonic()

    def tell(line: str) -> None:
        say(f"{time.monotonic() - began:6.1f} s  {line}")

    async def work() -> dict[str, Any]:
        from clearing.jobs import demo as job  # noqa: PLC0415 - for this command only

        asked = job.Asked(out=out, events=events, seed=seed, day=day or job.DAY, with_kafka=not no_kafka)
        return await job.run(asked, settings_now(), tell)

    found = perform(work, fast=True)
    if as_json:
        answer(found)
    else:
        print()
        for line in screen(found):
            print(line)
    if not found["verify"]["ok"]:
        raise typer.Exit(InvariantViolated.exit_code)


def screen(found: dict[str, Any]) -> list[str]:
    """What happened, in at most 40 lines of 100 columns."""
    taken = found["ingest"]
    title = f"A day of a city · {found['date']} · {taken['taken']:,} events · seed {found['seed']}"
    lines = [f"{title} · {found['seconds']:.1f} s", "─" * WIDTH]
    lines += _row("way", _way(found["way"]))
    lines += _row("books", found["database"])
    outcomes = (
        f"{taken[name]:,} {name}"
        for name in ("posted", "noted", "duplicate", "rejected", "parked", "malformed")
    )
    lines += _row("events", " · ".join(outcomes))
    if taken["reasons"]:
        lines += _row(
            "", "rejected: " + ", ".join(f"{name} {count}" for name, count in taken["reasons"].items())
        )
    lines += _row("entries", f"{found['entries']:,}, those of the close included; {found['late']} late")
    lines += _positions(found)
    lines += _row(
        "files", f"{found['files']} clearing files, {found['lines']:,} lines, each with its manifest"
    )
    lines += _breaks(found)
    lines += _proof(found["proof"])
    lines += _row("verify", _verified(found["verify"]))
    lines.append("─" * WIDTH)
    return [*lines, *_next(found)]


def _row(name: str, text: str) -> list[str]:
    """A name and its text, wrapped below itself."""
    wrapped = textwrap.wrap(text, WIDTH - len(_INDENT), break_long_words=False, break_on_hyphens=False)
    first = f"{name:<{len(_INDENT)}}"
    return [f"{first if number == 0 else _INDENT}{line}".rstrip() for number, line in enumerate(wrapped)]


def _way(way: dict[str, Any]) -> str:
    if way["kafka"]:
        return f"through {way['how']}; {way['notices']:,} result notices out, each after its commit"
    why = str(way["why"]).removeprefix("kafka: ")
    return f"from the file {way['how']}, through the same ingest: {textwrap.shorten(why, WIDTH)}"


def _positions(found: dict[str, Any]) -> Iterator[str]:
    own = [one for one in found["positions"] if one["bank"]]
    head = f"{len(own)}, without the banks' own; the largest, yuan (+ is paid in, − is received):"
    yield from _row("positions", head)
    for one in own[:POSITIONS_SHOWN]:
        yield f"{_INDENT}{one['account']:<10}{grouped(one['amount']):>16}  {one['name']}, settles at {one['bank']}"
    nets = "   ".join(f"{bank} {grouped(amount)}" for bank, amount in found["bank_net"].items())
    yield from _row("bank nets", f"{nets}   sum {grouped(_sum(found['bank_net']))}")
    paid = (f"{one['debtor']}→{one['creditor']} {grouped(one['amount'])}" for one in found["instructions"])
    yield from _row("to settle", f"{'   '.join(paid)}   on {found['value_date']}")


def _sum(amounts: dict[str, str]) -> str:
    return str(sum(map(Decimal, amounts.values()), Decimal(0)))


def _breaks(found: dict[str, Any]) -> Iterator[str]:
    planted = sum(one["planted"] for one in found["planted"])
    right = sum(one["found"] for one in found["planted"])
    others = sum(one["others"] for one in found["planted"])
    yield from _row(
        "reconcile",
        f"{found['matched']:,} matched, {found['breaks']} breaks: {right} of {planted} planted ones found under "
        f"their code, {others} others",
    )
    cells = []
    for one in found["planted"]:
        others_text = f" +{one['others']}" if one["others"] else ""
        cells.append(f"{one['code']} {chinese(one['code'])} {one['found']} of {one['planted']}{others_text}")
    width = max(map(cell_len, cells), default=0) + 3
    beside = max((WIDTH - len(_INDENT)) // width, 1)
    for start in range(0, len(cells), beside):
        line = "".join(set_cell_size(cell, width) for cell in cells[start : start + beside])
        yield f"{_INDENT}{line}".rstrip()


def _proof(proof: dict[str, dict[str, str]]) -> Iterator[str]:
    if not proof:
        return
    open_ = [partner for partner, line in proof.items() if Decimal(line["residual"])]
    first = max(proof, key=lambda partner: abs(Decimal(proof[partner]["ledger"])))
    line = proof[first]
    yield from _row(
        "proof",
        f"{first}: ledger {grouped(line['ledger'])} − other {grouped(line['other'])} = explained "
        f"{grouped(line['explained'])}; residual 0.00 for {len(proof) - len(open_)} of {len(proof)} partners",
    )


def _verified(checks: dict[str, Any]) -> str:
    wrong = {name: text for name, text in checks["checks"].items() if text != "ok"}
    if not wrong:
        return f"{len(checks['checks'])} checks, from balances to digests: all ok"
    return "; ".join(f"{name}: {text}" for name, text in wrong.items())


def _program_folder() -> str:
    """Where this program stands, from here if it is below here."""
    folder, here = Path(sys.argv[0]).absolute().parent, Path.cwd()
    return f"$PWD/{folder.relative_to(here)}" if folder.is_relative_to(here) else f"{folder}"


def _next(found: dict[str, Any]) -> Iterator[str]:
    out = found["out"]
    yield from _row("in", f"{out}/day (events, statements, exports) · {out}/files/<member> · {out}/report")
    here = "" if shutil.which("clearing") else f' PATH="{_program_folder()}:$PATH"'
    yield from _row("look", f"export CLEARING_DATABASE_URL=embedded:{out}/.clearing{here}")
    commands = [(f"clearing positions {found['date']}", "who owes whom, and the instructions")]
    look_at = found["look_at"]
    if look_at:
        commands += [
            (f"clearing breaks show {look_at['break'][:ID_SHOWN]}", f"the sides of {look_at['code']}"),
            (f"clearing trace {look_at['event']}", "the event behind it, from record to break"),
        ]
    else:
        commands += [
            ("clearing breaks list", "what partners see otherwise"),
            ("clearing verify", "the books"),
        ]
    width = max(len(command) for command, _ in commands) + 3
    for command, what in commands:
        yield f"{_INDENT}{command:<{width}}{what}"
