"""`day`, `close`: a clearing date from open to filed. 清算日"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.console.edge import Books, Day, Json, answer, books, perform, say
from clearing.console.show import local, table, yuan
from clearing.day.states import State
from clearing.errors import UsageError
from clearing.jobs import close as closing
from clearing.store import days, views
from clearing.store.files import StoredFile
from clearing.store.session import transaction

day_app = typer.Typer(no_args_is_help=True, help="One clearing date, step by step 清算日.")


@day_app.command("list")
def list_days(
    rows_max: Annotated[int, typer.Option("--rows", min=1, help="How many of the last ones.")] = 31,
    as_json: Json = False,
) -> None:
    """The last days and how far each is closed 清算日清单."""

    async def work() -> list[dict[str, Any]]:
        async with books() as the, transaction(the.engine) as conn:
            zone = the.members.clock.zone
            return [
                {
                    "date": f"{one.clearing_date}",
                    "state": one.state,
                    "cut_at": one.cut_at and one.cut_at.astimezone(zone).isoformat(timespec="seconds"),
                }
                for one in (await days.every(conn))[-rows_max:]
            ]

    found = perform(work)
    if as_json:
        answer({"days": found})
        return
    table(
        "Days 清算日",
        ["date", "state", "cut at"],
        ([one["date"], one["state"], (one["cut_at"] or "")[:19].replace("T", " ")] for one in found),
    )


@day_app.command("show")
def show(day: Day, as_json: Json = False) -> None:
    """State of a day and how many entries it has 清算日状态."""

    async def work() -> dict[str, Any]:
        async with books() as the, transaction(the.engine) as conn:
            return await shown(conn, the, day)

    found = perform(work)
    if as_json:
        answer(found)
    else:
        print(
            f"{found['date']}  {found['state']}  {found['entries']:,} entries, {found['late']:,} of them late"
        )
        for step in found["steps"]:
            print(f"{step['state']:10}  {step['at']}")


async def shown(conn: AsyncConnection, the: Books, day: date) -> dict[str, Any]:
    """The shape of `clearing day show --json`."""
    known = await days.opened(conn, day)
    counts = await views.day_counts(conn, day)
    zone = the.members.clock.zone
    return {
        "date": f"{day}",
        "state": known.state,
        "entries": counts.entries,
        "late": counts.late,
        "steps": [
            {"state": state, "at": at.astimezone(zone).isoformat(timespec="seconds")}
            for state, at in await days.steps(conn, day)
        ],
    }


@day_app.command("cut")
def cut(day: Day, as_json: Json = False) -> None:
    """Cut a day: from now on nobody can add an entry of it 日切."""

    async def work() -> None:
        async with books() as the:
            await _ask_if_early(the, day, as_json=as_json)
            done = await closing.cut(the.engine, the.settings, the.members, day)
        if as_json:
            answer({"date": f"{day}", "done": done.done, "expired": done.expired, "woken": done.woken})
        else:
            print(_cut_line(done))

    perform(work)


async def _ask_if_early(the: Books, day: date, *, as_json: bool) -> None:
    """Warn before a day is cut that is not over, and ask whoever sits at a terminal: a cut cannot be undone.

    Raises:  UsageError when the answer is no.
    """
    async with transaction(the.engine) as conn:
        is_open = (await days.opened(conn, day)).state == State.OPEN
    ends, zone = the.members.clock.cut_to(day), the.members.clock.zone
    if not is_open or datetime.now(zone) >= ends:
        return
    say(
        f"warning: {day} goes on until {local(ends, zone)}. What comes after the cut counts to the next day, and a "
        "cut cannot be undone"
    )
    if sys.stdin.isatty() and not as_json and not typer.confirm("Cut it now?", err=True):
        raise UsageError(f"day {day}: not cut. Next: clearing close {day} after {local(ends, zone)}")


def _cut_line(done: closing.Cut) -> str:
    if not done.done:
        return f"{done.day}  cut before"
    return f"{done.day}  cut; {done.expired} waited too long, {done.woken} woken"


@day_app.command("net")
def net(day: Day, as_json: Json = False) -> None:
    """Net a cut day: roll-up, bank nets, instructions 轧差."""

    async def work() -> None:
        async with books() as the:
            done = await closing.net(the.engine, the.members, day)
        if as_json:
            answer({"date": f"{day}", "done": done})
        else:
            print(f"{day}  {'netted' if done else 'netted before'}")

    perform(work)


@day_app.command("file")
def file(day: Day, as_json: Json = False) -> None:
    """Render a netted day's clearing files, once, and store them 出文件."""

    async def work() -> None:
        async with books() as the:
            done = await closing.file(the.engine, the.settings, the.members, day)
        if as_json:
            answer({"date": f"{day}", "done": done.done, "files": done.files, "lines": done.lines})
        else:
            print(_file_line(done))

    perform(work)


def _file_line(done: closing.Filed) -> str:
    return f"{done.day}  " + (f"{done.files} files, {done.lines} lines" if done.done else "filed before")


def close(
    day: Day,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Make the files that the close would make, and leave nothing.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="With --dry-run: write those files below this folder.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Cut, net and file a day; run again it goes on from where it stood 日终."""
    if dry_run:
        _preview(day, out, as_json)
        return

    async def work() -> None:
        async with books() as the:
            await _ask_if_early(the, day, as_json=as_json)
            was_cut, netted, filed = await closing.close(the.engine, the.settings, the.members, day)
            async with transaction(the.engine) as conn:
                found = await shown(conn, the, day)
        steps = {"cut": was_cut.done, "net": netted, "file": filed.done}
        if as_json:
            answer(
                {
                    **found,
                    "done": steps,
                    "expired": was_cut.expired,
                    "woken": was_cut.woken,
                    "files": filed.files,
                }
            )
            return
        print(_cut_line(was_cut))
        print(f"{day}  {'netted' if netted else 'netted before'}")
        print(_file_line(filed))
        print(f"next  clearing positions {day}; clearing files write {day} --out DIR")

    perform(work)


def _preview(day: date, out: Path | None, as_json: bool) -> None:
    """The files that the close would give; with `out` their bytes too."""

    async def take(one: StoredFile, parts: AsyncIterator[bytes]) -> None:
        content = b"".join([part async for part in parts]) if out else b""
        if out:
            target = out / one.receiver / one.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)

    async def work() -> list[StoredFile]:
        async with books() as the:
            return await closing.preview(the.engine, the.settings, the.members, day, take)

    found = perform(work)
    rows = [
        {"name": one.name, "receiver": one.receiver, "records": one.records,
         "amount": yuan(one.amount_total_fen), "sm3": one.sm3.hex()}
        for one in found
    ]  # fmt: skip
    if as_json:
        answer({"date": f"{day}", "dry_run": True, "files": rows})
        return
    table(
        f"Files that closing {day} would give 日终预演",
        ["name", "receiver", "records", "amount", "SM3"],
        ([one["name"], one["receiver"], one["records"], one["amount"], f"{one['sm3']}"[:12]] for one in rows),
        right=["records"],
    )
    print(f"{len(rows)} files{f', written below {out}/' if out else ''}; nothing was kept")
