"""`init` and `members`: what must be there before the first event. 初始化与参与方"""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from clearing.console.edge import Json, a_date, answer, books, perform, read_file, settings_now, whoami
from clearing.console.show import table
from clearing.errors import MembersRefused
from clearing.jobs import setup
from clearing.ledger.members import Member, Members
from clearing.store import views
from clearing.store.database import open_database
from clearing.store.session import transaction

members_app = typer.Typer(no_args_is_help=True, help="Who takes part: load, approve, show 参与方.")

Who = Annotated[str, typer.Option("--as", help="Who does it; the account's name when left out.")]


def init(
    members: Annotated[Path, typer.Option("--members", help="The members file (TOML).")],
    open_day: Annotated[
        date, typer.Option("--open-day", parser=a_date, metavar="DATE", help="The first clearing date.")
    ],
    as_json: Json = False,
) -> None:
    """Create or upgrade the schema, put the first members in force, open the first day 初始化."""

    async def work() -> None:
        content = read_file(members)
        async with open_database(settings_now().database_url) as database:
            try:
                ready = await setup.init(database.engine, content, open_day, maker=whoami())
            except MembersRefused as error:
                raise MembersRefused(f"{members}: {error}") from error
            how = database.how
        if as_json:
            answer(
                {
                    "database": how,
                    "members": {"version": ready.members, "loaded": ready.loaded},
                    "day": {"date": f"{ready.day}", "opened": ready.opened},
                }
            )
            return
        print(f"database   {how}")
        print(f"members    version {ready.members} {'put in force' if ready.loaded else 'was in force'}")
        print(f"first day  {ready.day} {'opened' if ready.opened else 'was opened before'}")
        print("next       clearing ingest FILE, or: clearing worker")

    perform(work)


@members_app.command("load")
def load(
    file: Annotated[Path, typer.Argument(help="The members file (TOML).")],
    who: Who = "",
    as_json: Json = False,
) -> None:
    """Keep a new version; it is in force once somebody else approves it 登记."""

    async def work() -> None:
        content = read_file(file)
        async with open_database(settings_now().database_url, make=False) as database:
            await setup.members_in_force(
                database.engine
            )  # before `init` there is nothing to add a version to
            try:
                number = await setup.load(database.engine, content, who or whoami())
            except MembersRefused as error:
                raise MembersRefused(f"{file}: {error}") from error
            stands = await setup.is_in_force(database.engine, number)
        if as_json:
            answer({"version": number, "state": "in force" if stands else "waits for approval"})
        elif stands:
            print(f"version {number} was read from this very file and is in force. Nothing was kept")
        else:
            print(
                f"version {number} is kept and waits. Next, by somebody else: clearing members approve {number}"
            )

    perform(work)


@members_app.command("approve")
def approve(
    version: Annotated[int, typer.Argument(help="Number of the version.")],
    who: Who = "",
    as_json: Json = False,
) -> None:
    """Put a version in force; its maker cannot 复核."""

    async def work() -> None:
        async with open_database(settings_now().database_url, make=False) as database:
            await setup.approve(database.engine, version, who or whoami())
        if as_json:
            answer({"version": version, "state": "in force"})
        else:
            print(f"version {version} is in force. Workers take it within a second")

    perform(work)


@members_app.command("show")
def show(as_json: Json = False) -> None:
    """Show the members in force and every version 现行资料."""

    async def work() -> None:
        async with books() as opened:
            async with transaction(opened.engine) as conn:
                versions = await views.members_versions(conn)
            told = _told(opened.members)
            if as_json:
                answer({"versions": versions, **told})
                return
            clock = opened.members.clock
            print(f"{opened.members.platform.code}: cutover {clock.cutover:%H:%M} {clock.zone}")
            rows = [
                [one[name] for name in ("kind", "code", "name", "bank", "from", "to")]
                for one in told["members"]
            ]
            table("Members 参与方", ["kind", "code", "name", "bank", "from", "to"], rows)
            table(
                "Versions 版本",
                ["version", "loaded by", "approved by", "SM3"],
                (
                    [one["id"], one["loaded_by"], one["approved_by"] or "waits", one["digest"][:16]]
                    for one in versions
                ),
            )

    perform(work)


def _told(members: Members) -> dict[str, Any]:
    kinds = Counter(one.kind for one in members.records if one.kind != "platform")
    rows = [_member(one) for one in members.records if one.kind != "platform"]
    return {
        "platform": members.platform.code,
        "cutover": f"{members.clock.cutover:%H:%M}",
        "timezone": f"{members.clock.zone}",
        "counts": dict(kinds),
        "members": rows,
        "fees": len(members.fees),
    }


def _member(one: Member) -> dict[str, Any]:
    settles = one.settlement("2010")
    other = getattr(one, "settles_with", None)
    return {
        "kind": one.kind,
        "code": one.code,
        "name": one.name,
        "bank": settles[0] if settles else f"with {other}" if other else "",
        "from": f"{one.valid_from or ''}",
        "to": f"{one.valid_to or ''}",
    }
