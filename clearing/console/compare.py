"""`cards compare`: a bank's or the card platform's snapshot beside our registry. 卡册核对"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.console.cards import At, instant_after
from clearing.console.edge import Books, Json, answer, books, perform, read_file
from clearing.console.look import Rows
from clearing.console.show import last4, table
from clearing.errors import UsageError
from clearing.files.layout import Layout
from clearing.jobs.judge import SNAPSHOT, name_of, plain_of
from clearing.jobs.layouts import reading_layouts
from clearing.jobs.registry import Compared, compare, counts
from clearing.jobs.seal import sealer_of
from clearing.jobs.snapshot import parse
from clearing.store import days, statements
from clearing.store.session import transaction

_NAME: Final = re.compile(r"RHC_REG_(?P<sender>[A-Z][A-Z0-9]*)_[A-Z0-9]+_(?P<day>\d{8})_.*")


class Found(NamedTuple):
    """A snapshot's cards or terminals beside ours."""

    of_cards: bool
    compared: Compared


def compare_snapshot(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A snapshot, or the name of one that was received.")
    ],
    sender: Annotated[
        str | None, typer.Option("--from", help="The bank or card platform; else by the file's name.")
    ] = None,
    day: At = None,
    rows_max: Rows = 100,
    as_json: Json = False,
) -> None:
    """A bank's or the card platform's snapshot beside our registry 卡册核对.

    REG in any layout, by its name, or plain CSV. Cards: token,bank,state,area,registrations. Terminals:
    terminal,sam,institution,state. A file named RHC_REG_FROM_PLAT_YYYYMMDD_… says whose it is and of which date.
    Nothing is stored or changed; differences are no failure (exit code 0).
    """

    async def work() -> tuple[list[Found], str]:
        async with books() as the, transaction(the.engine) as conn:
            today = await days.first_uncut(conn)
            code, on = _whose(file.name, sender, day, reading_layouts(the.settings, the.members, "", today))
            kind = next((one.kind for one in the.members.records if one.code == code), None)
            if kind not in {"bank", "card_platform"}:
                raise UsageError(
                    f"--from {code}: expected a bank or the card platform, got {kind or 'nobody'}"
                )
            data = read_file(file) if file.exists() else await _received(conn, the, file)
            layouts = reading_layouts(the.settings, the.members, code, today)
            before = await instant_after(conn, the, on)
            bank = code if kind == "bank" else None
            found = [
                Found(one.of_cards, await compare(conn, one, bank=bank, before=before, file=file.name))
                for one in parse(data, file.name, layouts)
            ]
            return found, code

    found, code = perform(work)
    if as_json:
        answer(_shape(found, file.name, code, rows_max))
        return
    for one in found:
        _told(one, file.name, code, rows_max)


async def _received(conn: AsyncConnection, the: Books, file: Path) -> bytes:
    """The plain bytes of a snapshot that came into an inbox, by its name.

    Raises:  UsageError when there is no such file, here or among those received.
    """
    kept = await statements.named(conn, SNAPSHOT, file.name)
    if kept is None:
        raise UsageError(
            f"{file}: there is no such file, and none of that name was received. Next: name a file that is there"
        )
    return plain_of(kept, sealer_of(the.settings, the.members))


def _shape(found: list[Found], name: str, code: str, rows_max: int) -> dict[str, Any]:
    """The shape of `clearing cards compare --json`."""
    differences = [one for each in found for one in each.compared.differences]
    return {
        "file": name,
        "from": code,
        "kind": " and ".join("cards" if one.of_cards else "terminals" for one in found),
        "theirs": sum(one.compared.theirs for one in found),
        "ours": sum(one.compared.ours for one in found),
        "same": sum(one.compared.same for one in found),
        "counts": counts(tuple(differences)),
        "differences": [
            {"number": one.number, "what": one.what, "ours": one.ours, "theirs": one.theirs}
            for one in differences[:rows_max]
        ],
        "more": max(len(differences) - rows_max, 0),
    }


def _told(one: Found, name: str, code: str, rows_max: int) -> None:
    of_cards, compared = one
    what = "card" if of_cards else "terminal"
    said = ", ".join(f"{key} {n}" for key, n in counts(compared.differences).items()) or "no differences"
    print(
        f"{name}  {compared.theirs} {what}s of {code}, {compared.ours} of ours, {compared.same} the same; {said}"
    )
    table(
        "Differences 差异",
        [what, "what", "ours", "theirs"],
        (
            [last4(row.number) if of_cards else row.number, row.what, _said(row.ours), _said(row.theirs)]
            for row in compared.differences[:rows_max]
        ),
    )
    if len(compared.differences) > rows_max:
        print(f"{len(compared.differences) - rows_max} more are not shown; see --rows")


def _said(seen: dict[str, str]) -> str:
    return ", ".join(f"{name} {value or '-'}" for name, value in seen.items())


def _whose(
    name: str, sender: str | None, day: date | None, layouts: Sequence[Layout]
) -> tuple[str, date | None]:
    """Sender and date of a snapshot: as asked, else as its name says."""
    said = name_of(name, layouts)
    if said is not None:
        sender, day = sender or said.sender or None, day or said.date
    named = _NAME.fullmatch(name)
    if named is not None:
        sender = sender or named["sender"]
        try:
            day = day or date.fromisoformat(named["day"])
        except ValueError as error:
            raise UsageError(
                f"{name}: expected a date in the name, got {named['day']}. Or: --date"
            ) from error
    if sender is None:
        raise UsageError(
            f"{name}: whose snapshot is it? Next: add --from with the bank's or card platform's code"
        )
    return sender, day
