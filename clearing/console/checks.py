"""`quarantine`, `verify`: what could not be taken, and whether all that was taken holds. 待处理与校验"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from clearing.console.edge import Json, answer, books, perform, read_file, whoami
from clearing.console.look import Rows
from clearing.console.show import table
from clearing.console.signing import archive_checked
from clearing.errors import InvariantViolated, UsageError
from clearing.store import views
from clearing.store.session import transaction

quarantine_app = typer.Typer(no_args_is_help=True, help="Malformed records and parked events 待处理与挂起.")


@quarantine_app.command("list")
def list_quarantine(rows_max: Rows = 100, as_json: Json = False) -> None:
    """Records that could not be read, and events that wait for something 待处理清单."""

    async def work() -> tuple[list[views.Row], list[views.Row]]:
        async with books() as the, transaction(the.engine) as conn:
            return await views.quarantine(conn, rows_max), await views.waiting(conn, rows_max)

    malformed, parked = perform(work)
    if as_json:
        answer({"malformed": [_malformed(one) for one in malformed], "parked": parked})
        return
    table(
        "Malformed 待处理",
        ["SM3", "stream", "position", "where", "what"],
        ([one["sm3"][:12], one["stream"], one["position"], one["where_"], one["what"]] for one in malformed),
        right=["position"],
    )
    table(
        "Parked 挂起",
        ["event", "type", "waits for", "since"],
        (
            [f"{one['source']}/{one['id']}", one["type"], one["waits_for"], one["since"] or ""]
            for one in parked
        ),
    )


def _malformed(row: views.Row) -> dict[str, Any]:
    return {"where": row["where_"], **{name: value for name, value in row.items() if name != "where_"}}


@quarantine_app.command("show")
def show_quarantine(
    sm3: Annotated[str, typer.Argument(metavar="SM3", help="The record's digest, or how it begins.")],
    as_json: Json = False,
) -> None:
    """One record that could not be read; its bytes are not shown, they may hold what must not be seen."""

    async def work() -> views.Row:
        async with books() as the, transaction(the.engine) as conn:
            found = await views.quarantine(conn, 2, sm3.lower())
            if not found:
                raise UsageError(f"quarantine {sm3}: there is none. See: clearing quarantine list")
            return found[0]

    found = _malformed(perform(work))
    if as_json:
        answer(found)
    else:
        for name, value in found.items():
            print(f"{name:<10} {value}")


@quarantine_app.command("retry")
def retry_quarantine(
    sm3: Annotated[
        str, typer.Argument(metavar="[SM3]", help="One record, by how its digest begins; all when left out.")
    ] = "",
    mended: Annotated[
        Path | None, typer.Option("--mended", help="The record as it should have been, one JSON object.")
    ] = None,
    who: Annotated[str, typer.Option("--as", help="Who does it; the account's name when left out.")] = "",
    as_json: Json = False,
) -> None:
    """Take quarantined records again, as they came or mended; say what the others lack 待处理重试."""
    if mended is not None and not sm3:
        raise typer.BadParameter("--mended is of one record: expected its SM3")

    async def work() -> dict[str, Any]:
        from clearing.jobs.retry import retry  # noqa: PLC0415 - for this command only

        value = read_file(mended) if mended is not None else None
        async with books() as the:
            return await retry(
                the.engine,
                the.settings,
                the.members,
                begins=sm3,
                mended=value,
                maker=who or whoami(),
            )

    found = perform(work)
    if as_json:
        answer(found)
        return
    table(
        "Taken again 重试",
        ["SM3", "event", "type", "mended", "outcome", "reason"],
        (
            [
                one["sm3"][:12],
                one["event"],
                one["type"],
                "yes" if one["mended"] else "",
                one["outcome"],
                one["reason"],
            ]
            for one in found["retried"]
        ),
    )
    table(
        "Still malformed 待处理",
        ["SM3", "event", "where", "what is missing"],
        (
            [one["sm3"][:12], f"{one['source']}/{one['id']}".strip("/"), one["where"], one["what"]]
            for one in found["malformed"]
        ),
    )
    table(
        "Parked 挂起",
        ["event", "type", "waits for", "until the cut of"],
        (
            [one["event"], one["type"], one["detail"] or one["waits_for"], one["until"]]
            for one in found["parked"]
        ),
    )
    if found["malformed"]:
        print(
            "next  clearing quarantine retry SM3 --mended FILE, or let the producer send it again under the same id"
        )


def verify(
    archive: Annotated[
        Path | None, typer.Option("--archive", help="Compare sealed days in this folder with the books too.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Replay the books: balances, sums of zero, digest chains, stored files 校验."""

    async def work() -> dict[str, Any]:
        from clearing.jobs.verify import verify as check  # noqa: PLC0415 - for this command only

        async with books() as the:
            found = await check(the.engine, the.members)
            if archive is not None:
                said = await archive_checked(the.engine, archive)
                found["checks"]["archive"] = said
                found["ok"] = found["ok"] and said == "ok"
            return found

    found = perform(work)
    if as_json:
        answer(found)
    else:
        table("Verify 校验", ["check", "found"], found["checks"].items())
    if not found["ok"]:
        raise typer.Exit(InvariantViolated.exit_code)
