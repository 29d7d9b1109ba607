"""The main job on one machine, with nothing to install: a generated day from events to a mismatch report. 演示

    generate → Kafka (a real one, where one can be had) or the file → books → close → files → reconcile → verify

The folder is the demo's own. It carries a marker; one that does not is never touched.
"""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from clearing.errors import UsageError
from clearing.jobs import close, consume, deliver, setup
from clearing.jobs import generate as generator
from clearing.jobs.day_reports import write_day
from clearing.jobs.demo_broker import Say, a_broker, own_topics, records_of, remove_topics, through
from clearing.jobs.ingest_file import ingest_lines
from clearing.jobs.reconcile import reconcile_day
from clearing.jobs.reports import possible_here, write_report
from clearing.jobs.verify import verify
from clearing.ledger.members_file import load_members
from clearing.store import files, views
from clearing.store.database import open_database
from clearing.store.session import transaction
from messages import amount_text
from messages.notices import RESULTS, topic_name

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from clearing.day.netting import Netted
    from clearing.ledger.members import Members
    from clearing.settings import Settings

MARKER: Final = ".clearing-demo"
DAY: Final = date(2026, 3, 10)
"""An ordinary Tuesday: the same day every time, so that two people see the same figures."""

PLAN: Final = generator.Plan(breaks=12, refused=0.004)
"""Every kind of break that makes a good demo, and refusals of several kinds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the person asked for."""

    out: Path
    events: int
    seed: int
    day: date = DAY
    with_kafka: bool = True


async def run(asked: Asked, settings: Settings, say: Say) -> dict[str, Any]:
    """Run the whole main job in a folder and tell what happened. 演示

    In:      `say` hears a line as each step begins.
    Out:     one object, yuan as text: what the screen shows.
    Writes:  the folder: database, events, statements, exports, clearing files, report; topics of its own.
    Again:   the folder is made anew.
    Raises:  UsageError when the folder is not the demo's; WorldFailed when a named broker does not answer.
    """
    began = time.monotonic()
    prepare(asked.out)
    say(f"generating a city day of {asked.events:,} events, seed {asked.seed}")
    members = load_members(setup.document_of(generator.CITY.read_bytes()))
    generated = generator.generate_day(PLAN, members, asked.day, asked.events, asked.seed)
    written = generator.write(generated, asked.out / "day")
    say("starting the embedded PostgreSQL")
    async with open_database(f"embedded:{asked.out / '.clearing'}") as database:
        engine = database.engine
        await setup.init(engine, written.members.read_bytes(), asked.day)
        members = setup.with_settings(await setup.members_in_force(engine), settings)
        way, totals = await _take(asked, settings, engine, members, generated, written, say)
        say("reconciling with the banks' statements and the hospitals' exports")
        reconciled = await reconcile_day(
            engine, settings, members, asked.day, written.statements, written.exports
        )
        formats = possible_here()
        report = await write_report(engine, members, asked.day, asked.out / "report", formats)
        report += await write_day(engine, members, asked.day, asked.out / "report", formats)
        say("verifying the books")
        checks = await verify(engine, members)
        async with transaction(engine) as conn:
            netted = await close.netting_of(conn, members, asked.day)
            counts = await views.day_counts(conn, asked.day)
            stored = await files.of_day(conn, asked.day)
        found = {
            "date": f"{asked.day}",
            "seed": asked.seed,
            "way": way,
            "database": database.how,
            "ingest": totals,
            "entries": counts.entries,
            "late": counts.late,
            **_netting(netted, members, asked.day),
            "files": len(stored),
            "lines": sum(one.records for one in stored),
            "report": [f"{path}" for path in report],
            "matched": reconciled["matched"],
            "breaks": len(reconciled["breaks"]),
            **_planted(written.answers, reconciled["breaks"]),
            "proof": reconciled["proof"],
            "verify": checks,
            "out": f"{asked.out}",
        }
    found["seconds"] = round(time.monotonic() - began, 1)
    return found


def prepare(out: Path) -> None:
    """Have an empty folder that carries the demo's marker. 准备目录

    Writes:  the folder; what an earlier demo left in it is removed.
    Again:   the same.
    Raises:  UsageError when something else stands there, or another demo is running in it.
    """
    marker = out / MARKER
    if out.exists():
        if not out.is_dir() or (any(out.iterdir()) and not marker.is_file()):
            raise UsageError(
                f"{out}: is not a folder of the demo; nothing was touched. Next: name another with --out"
            )
        if (out / ".clearing" / "postgres" / "postmaster.pid").exists():
            raise UsageError(
                f"{out}: its database is in use, or was left by a kill. "
                "Next: end what uses it, or name another with --out"
            )
        shutil.rmtree(out)
    out.mkdir(parents=True)
    marker.write_text("Made by clearing demo, which makes this folder anew each time.\n", encoding="utf-8")


# -- events in -------------------------------------------------------------------------------------------------


async def _take(  # noqa: PLR0917 - the day, the books, and who is told
    asked: Asked,
    settings: Settings,
    engine: AsyncEngine,
    members: Members,
    generated: generator.Generated,
    written: generator.Summary,
    say: Say,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Take the day in, by Kafka or from the file, close it and write its files; how it went, and the totals."""
    async with a_broker(asked.out, settings, say, wanted=asked.with_kafka) as (broker, why):
        if broker is None:
            say(f"taking the events from {written.events_file}")
            with written.events_file.open("rb") as lines:
                totals = await ingest_lines(engine, settings, members, lines)
            await _close(asked, settings, engine, members, say)
            return {"kafka": False, "how": f"{written.events_file}", "why": why}, totals
        own = own_topics(settings, broker)
        try:
            totals = await through(own, engine, members, generated, say)
            await _close(asked, settings, engine, members, say)
            await consume.work(
                engine, own, members, until_idle=True
            )  # tells the members that the day is closed
            notices = await records_of(own, topic_name(RESULTS, own.kafka_prefix))
        finally:
            if settings.kafka_bootstrap:
                await remove_topics(own)
        way = {"kafka": True, "how": broker.how, "notices": notices, "partitions": own.kafka_partitions}
        return way, totals


async def _close(asked: Asked, settings: Settings, engine: AsyncEngine, members: Members, say: Say) -> None:
    say("closing the day: cut, net, file")
    await close.close(engine, settings, members, asked.day)
    await deliver.write_files(engine, asked.day, asked.out / "files")


# -- what happened ---------------------------------------------------------------------------------------------


def _netting(netted: Netted, members: Members, day: date) -> dict[str, Any]:
    on = members.on(day)
    banks = {line.account: line.bank for line in netted.roll_up}
    return {
        "positions": [
            {
                "account": name,
                "amount": amount_text(fen),
                "name": _name(on.by_code, name),
                "bank": banks.get(name, ""),
            }
            for name, fen in sorted(netted.positions.items(), key=lambda one: -abs(one[1]))
        ],
        "bank_net": {bank: amount_text(fen) for bank, fen in netted.bank_nets.items()},
        "instructions": [
            {"debtor": one.debtor, "creditor": one.creditor, "amount": amount_text(one.amount_fen)}
            for one in netted.inter_bank
        ],
        "value_date": f"{close.value_date(day)}",
    }


def _name(by_code: Any, account: str) -> str:  # noqa: ANN401 - a mapping of members
    member = by_code.get(account.split(".")[1])
    return member.name if member else ""


def _planted(answers: Path, breaks: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """By code: how many were planted, found as planted, and found besides; and one to look at."""
    planted = json.loads(answers.read_text(encoding="utf-8"))
    found = list(breaks)
    hits = [(one, hit) for one in planted if (hit := _hit(one, found)) is not None]
    wanted = Counter(one["code"] for one in planted)
    right = Counter(one["code"] for one, _ in hits)
    every = Counter(one["code"] for one in found)
    rows = [
        {"code": code, "planted": wanted[code], "found": right[code], "others": every[code] - right[code]}
        for code in sorted(wanted | every)
    ]
    # An event that was posted has the longest way to look at.
    shown = next(((one, hit) for one, hit in hits if one["event"] and hit["keys"].get("entry_id")), None)
    look_at = None
    if shown is not None:
        event = shown[0]["event"]
        look_at = {
            "break": shown[1]["id"],
            "code": shown[1]["code"],
            "event": f"{event['source']}/{event['id']}",
        }
    return {"planted": rows, "look_at": look_at}


def _hit(planted: dict[str, Any], found: Iterable[dict[str, Any]]) -> dict[str, Any] | None:
    """The break with this code and one of these keys."""
    keys = {value for value in planted["keys"].values() if value}
    same = (one for one in found if one["code"] == planted["code"])
    return next((one for one in same if not keys.isdisjoint(_values(one["keys"]))), None)


def _values(keys: dict[str, Any]) -> set[str]:
    """Every reference of a break, one or several under each name."""
    out: set[str] = set()
    for value in keys.values():
        out.update(value if isinstance(value, list) else [value] if value else [])
    return out
