"""`day sign` and `day archive`: who has signed a day, and what was sealed away of it. 签署与归档"""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from clearing.console.edge import Day, Json, answer, books, perform, whoami
from clearing.console.show import local, table
from clearing.day.signing import ROLES

_DIGEST_SHOWN = 16


def sign_day(  # noqa: PLR0917 - the options of a command
    day: Day,
    member: Annotated[
        str, typer.Option("--member", help="For whom; without it, who has signed is told.")
    ] = "",
    who: Annotated[str, typer.Option("--as", help="Who does it; the account's name when left out.")] = "",
    key: Annotated[Path | None, typer.Option("--key", help="Private key of the member, PEM.")] = None,
    signature: Annotated[
        str, typer.Option("--signature", metavar="BASE64", help="Made elsewhere, over what --text gives.")
    ] = "",
    text: Annotated[bool, typer.Option("--text", help="Only say what is to be signed.")] = False,
    as_json: Json = False,
) -> None:
    """Prepare, review, approve: three people a member; the last member's approval signs the day 签署."""
    if (text or key or signature) and not member:
        raise typer.BadParameter("expected --member CODE with it")

    async def work() -> tuple[dict[str, Any], dict[str, Any] | None, Any]:
        from clearing.jobs.archive import archive  # noqa: PLC0415 - for this command only
        from clearing.jobs.desk import Desk  # noqa: PLC0415 - the same
        from clearing.jobs.sign import Pen, sign, sign_text, signed  # noqa: PLC0415 - the same

        async with books() as the:
            person = who or whoami()
            desk = Desk(engine=the.engine, settings=the.settings, members=the.members, person=person)
            if text:
                sys.stdout.write((await sign_text(desk, day, member)).decode())
                raise typer.Exit
            if not member:
                return await signed(desk, day), None, the.members.clock.zone
            found = await sign(desk, day, member, Pen(key=key, signature=signature))
            sealed = None
            if found["state"] == "signed":
                sealed = await archive(the.engine, the.members, day, Path(the.settings.archive))
                found = await signed(desk, day)
            return found, sealed, the.members.clock.zone

    found, sealed, zone = perform(work)
    if as_json:
        answer(found | ({"archive": sealed} if sealed else {}))
        return
    print(f"{found['date']}  {found['state']}  run {found['run']}, {found['open']} open breaks")
    print(f"report SM3 {found['report'][:_DIGEST_SHOWN]}  root {found['root'][:_DIGEST_SHOWN]}")
    table(
        "Sign-off 签署",
        ["member", *ROLES],
        ([one["member"], *(_role(one[role], zone) for role in ROLES)] for one in found["members"]),
    )
    if found["waiting"]:
        print(f"waits for {', '.join(found['waiting'])}")
    if sealed:
        print(f"sealed in {sealed['folder']}, SM3 {sealed['sm3'][:_DIGEST_SHOWN]}")


def _role(step: dict[str, str] | None, zone: Any) -> str:  # noqa: ANN401 - a time zone
    if step is None:
        return "-"
    return (
        f"{step['by']} {local(datetime.fromisoformat(step['at']), zone)[5:16]}{' key' if step['key'] else ''}"
    )


def archive_day(
    day: Day,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder of all archives; the setting's when left out.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Seal a signed day away as JSON, Parquet and its files; again gives the same bytes 归档."""

    async def work() -> dict[str, Any]:
        from clearing.jobs.archive import archive  # noqa: PLC0415 - for this command only

        async with books() as the:
            return await archive(the.engine, the.members, day, out or Path(the.settings.archive))

    found = perform(work)
    if as_json:
        answer(found)
    else:
        print(
            f"{found['date']}  {found['files']} files in {found['folder']}, SM3 {found['sm3'][:_DIGEST_SHOWN]}"
        )


async def archive_checked(engine: Any, folder: Path) -> str:  # noqa: ANN401 - SQLAlchemy's engine
    """What `verify --archive` says of a folder."""
    from clearing.jobs.archive import check_archive  # noqa: PLC0415 - for this command only

    faults = await check_archive(engine, folder)
    if not faults:
        return "ok"
    return faults[0] + (f"; {len(faults)} such in all, this is the first" if len(faults) > 1 else "")
