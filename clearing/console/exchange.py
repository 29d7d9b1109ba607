"""`deliver`, `receive`: files out to partners and in from them. 文件交换"""

from __future__ import annotations

from datetime import UTC, date, datetime, tzinfo
from pathlib import Path
from typing import Annotated, Any

import typer

from clearing.console.edge import Books, Json, a_date, answer, books, perform, settings_now, whoami
from clearing.console.files import files_app
from clearing.console.show import local, table
from clearing.errors import UsageError, WorldFailed
from clearing.jobs.deliver import Delivered, deliver
from clearing.jobs.delivery.partners import Partners, expect_known, load_partners
from clearing.jobs.layouts import known_layouts
from clearing.jobs.receive import FAILED, SHOWN_MAX, receive, rule, waiting
from clearing.jobs.take_file import Received, Ruling
from clearing.jobs.take_lines import Site
from clearing.store import days, deliveries
from clearing.store.session import transaction
from clearing.store.verdicts import Waiting

HeldName = Annotated[str, typer.Argument(metavar="NAME", help="The held file's name.")]
Who = Annotated[str, typer.Option("--as", help="Who does it; the account's name when left out.")]
Why = Annotated[str, typer.Option("--why", help="The reason, kept for ever.")]


def deliver_files(
    day: Annotated[
        date | None, typer.Argument(parser=a_date, metavar="[DATE]", help="Only files of this clearing date.")
    ] = None,
    at_once: Annotated[
        bool, typer.Option("--now", help="Also what waits for its next attempt after a failure.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Bring every stored file to its receiver's targets: directory, SFTP, object store 文件交付.

    Targets stand in partners.toml (CLEARING_PARTNERS). What a target has got is not sent again; run it as often
    as you like. Exit code 3 when an attempt failed (it is tried again by itself later), 2 when one was refused.
    """

    async def work() -> list[Delivered]:
        async with books() as the:
            partners = _partners(the)
            return await deliver(the.engine, the.settings, partners, day=day, at_once=at_once)

    found = perform(work)
    counts = {
        name: sum(one.result == name for one in found)
        for name in ("DELIVERED", "ALREADY", "WAITING", "FAILED", "REFUSED")
    }
    if as_json:
        answer(
            {name.lower(): n for name, n in counts.items()}
            | {"files": [one._asdict() | {"next_at": _instant(one.next_at)} for one in found]}
        )
    else:
        _told(found, counts)
    if counts["REFUSED"]:
        raise typer.Exit(UsageError.exit_code)
    if counts["FAILED"]:
        raise typer.Exit(WorldFailed.exit_code)


def _partners(the: Books) -> Partners:
    """The partners that the settings name, each a member in known layouts."""
    file = Path(the.settings.partners)
    partners = load_partners(file)
    expect_known(partners, file, the.members.codes(), known_layouts(the.settings))
    return partners


def _told(found: list[Delivered], counts: dict[str, int]) -> None:
    print(", ".join(f"{n} {name.lower()}" for name, n in counts.items() if n) or "nothing to deliver")
    done = [one for one in found if one.result in deliveries.DONE]
    if done:
        table(
            "Delivered 交付",
            ["file", "target", "attempt", "bytes", "sent", "result"],
            ([one.file, one.target, one.attempt, one.bytes, one.sent, one.result] for one in done),
            right=["attempt", "bytes", "sent"],
        )
    said: set[str] = set()
    for one in found:
        if one.message and one.message not in said:
            said.add(one.message)
            print(f"{one.result} {one.target}: {one.message}")
    later = [one.next_at for one in found if one.next_at is not None]
    if later:
        print(f"{len(later)} wait, the next attempt is at {_instant(min(later))}; --now tries at once")


def receive_files(as_json: Json = False) -> None:
    """Take what is new in the partners' inboxes, answer each file with an ACK 收文.

    Inboxes stand in partners.toml (CLEARING_PARTNERS). STM and HIS wait for `reconcile`, PYR and RTN become payout
    events, ACK is noted beside our file. Exit code 2 when a file was refused (its ACK says why),
    3 when an inbox could not be had.
    """

    async def work() -> list[Received]:
        async with books() as the:
            partners = _partners(the)
            return await receive(the.engine, the.settings, the.members, partners, now=datetime.now(UTC))

    tell_received(perform(work), as_json=as_json)


def tell_received(found: list[Received], *, as_json: bool, wanted: str = "") -> None:
    """Say what became of files that came in; exit code 2 for a refusal, but of the one that was to be refused."""
    if as_json:
        rows = [one._asdict() | {"faults": [str(fault) for fault in one.faults]} for one in found]
        answer({"files": rows})
    elif not found:
        print("nothing new")
    else:
        judged = [one for one in found if one.file]
        if judged:
            table(
                "Received 收文",
                ["file", "verdict", "records", "taken", "posted", "refused", "ack"],
                (
                    [one.file, one.verdict, one.records, one.taken, one.posted, one.refused, one.ack]
                    for one in judged
                ),
                right=["records", "taken", "posted", "refused"],
            )
        for one in found:
            if one.message:
                print(f"{one.verdict} {one.file or one.partner}: {one.message}")
            for fault in one.faults[:SHOWN_MAX]:
                print(fault)
            if len(one.faults) > SHOWN_MAX:
                print(f"{one.file}: {len(one.faults) - SHOWN_MAX} more faults stand in {one.ack}")
    if any(one.verdict in {"RJCT", "PART"} and one.file != wanted for one in found):
        raise typer.Exit(UsageError.exit_code)
    if any(one.verdict == FAILED for one in found):
        raise typer.Exit(WorldFailed.exit_code)


def _instant(at: Any) -> str | None:  # noqa: ANN401 - an instant or nothing
    return at.astimezone().isoformat(timespec="seconds") if at else None


@files_app.command("held")
def list_held(as_json: Json = False) -> None:
    """Files that came in and wait for a number before them 滞留来文.

    They are taken by themselves when the missing number comes. When it never does, a person decides: files release,
    files reject.
    """

    async def work() -> tuple[list[Waiting], tzinfo]:
        async with books() as the:
            return await waiting(the.engine), the.members.clock.zone

    found, zone = perform(work)
    if as_json:
        answer({"held": [one._asdict() | {"since": _instant(one.since)} for one in found]})
        return
    table(
        "Held 滞留来文",
        ["file", "from", "records", "since"],
        ([one.name, one.partner, one.records, local(one.since, zone)] for one in found),
        right=["records"],
    )


@files_app.command("release")
def release(name: HeldName, why: Why, who: Who = "", as_json: Json = False) -> None:
    """Take a held file although a number before it is missing 放行.

    What waited for it is taken after it. Who did so and why stands beside the verdict.
    """
    _ruled(name, Ruling(who or whoami(), why, take=True), as_json=as_json)


@files_app.command("reject")
def reject(name: HeldName, why: Why, who: Who = "", as_json: Json = False) -> None:
    """Reject a held file: nothing of it is taken, and its sender is told by an ACK 拒收."""
    _ruled(name, Ruling(who or whoami(), why, take=False), as_json=as_json)


def _ruled(name: str, ruling: Ruling, *, as_json: bool) -> None:
    path = Path(settings_now().partners)
    partners = load_partners(path) if path.exists() else Partners()

    async def work() -> list[Received]:
        async with books() as the:
            site = Site(the.engine, the.settings, the.members, datetime.now(UTC))
            return await rule(site, partners, name, ruling)

    found = perform(work)
    tell_received(found, as_json=as_json, wanted=name if not ruling.take else "")


@files_app.command("deliveries")
def list_deliveries(
    day: Annotated[date, typer.Argument(parser=a_date, metavar="DATE", help="Clearing date of the files.")],
    as_json: Json = False,
) -> None:
    """Every attempt to deliver a day's files: where, when, how much, what the receiver said 交付记录."""

    async def work() -> tuple[list[deliveries.Attempt], tzinfo]:
        async with books() as the, transaction(the.engine) as conn:
            there = await deliveries.attempts(conn, day=day)
            if not there:
                await days.opened(conn, day)
            return there, the.members.clock.zone

    found, zone = perform(work)
    if as_json:
        instants = ("started_at", "ended_at", "next_at")
        rows = [one._asdict() | {name: _instant(getattr(one, name)) for name in instants} for one in found]
        answer({"date": f"{day}", "attempts": rows})
        return
    table(
        f"Deliveries of {day} 交付记录",
        ["file", "target", "no", "at", "bytes", "result", "ack"],
        (
            [
                one.file,
                one.target,
                one.attempt,
                local(one.started_at, zone)[5:],
                one.bytes,
                one.result,
                one.ack,
            ]
            for one in found
        ),
        right=["no", "bytes"],
    )
    for one in found:
        if one.message:
            print(f"{one.file} {one.target} {one.attempt}: {one.message}")
