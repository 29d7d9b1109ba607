"""Each institution's day as vouchers in its own chart of accounts, written as files. 医院凭证导出"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import tomllib
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from clearing.errors import UsageError, on_disk, toml_fault
from clearing.jobs.close import netting_of, value_date
from clearing.jobs.reports import possible, write_document
from clearing.ledger.accounts import HOSPITAL, PHARMACY, code_of, owner_of
from clearing.ledger.members import Institution
from clearing.reports.hospital_chart import chart_for
from clearing.reports.journal import JournalFigures, journal
from clearing.store import days, figures
from clearing.store.session import transaction

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from clearing.day.netting import Netted
    from clearing.ledger.members import Members, MembersOn
    from clearing.reports.table import Document

USUAL: Final = "hospital"
"""The section of an institution that has none and whose level has none."""


def shipped_accounts() -> str:
    """The accounts file that holds where none is given: the government accounting system's codes. 科目对照样例"""
    return files("clearing.reports").joinpath("accounts.toml").read_text(encoding="utf-8")


def read_accounts(path: Path | None) -> Mapping[str, Any]:
    """An accounts file as a document, the shipped one for None.

    Raises:  UsageError when it cannot be read or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8") if path else shipped_accounts())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else toml_fault(error)
        raise UsageError(
            f"{path}: expected a TOML file in UTF-8: {said}. See: clearing report accounts"
        ) from error


async def journals(
    engine: AsyncEngine,
    members: Members,
    day: date,
    accounts: Mapping[str, Any],
    institutions: Sequence[str] = (),
) -> AsyncGenerator[tuple[str, Document]]:
    """The journals of a day by institution, one after the other: a day's entries are never all in memory. 凭证

    In:      the codes asked for; all institutions in force for none.
    Raises:  UsageError for a day never opened, a code that is no institution, or an account that is missing.
    """
    on = members.on(day)
    strange = [one for one in institutions if not isinstance(on.by_code.get(one), Institution)]
    if strange:
        raise UsageError(
            f"journal {day}: expected hospitals or pharmacies in force, got {', '.join(strange)}"
        )
    wanted = institutions or [
        code for code in sorted(on.by_code) if isinstance(on.by_code[code], Institution)
    ]
    platform = members.platform.name or members.platform.code
    async with transaction(engine) as conn:
        await days.opened(conn, day)
        netted = await netting_of(conn, members, day)
        for code in wanted:
            chart = chart_for(accounts, code, _usual(on, code, accounts))
            said = await _figures(conn, on, netted, code)
            yield code, await asyncio.to_thread(journal, said, chart, platform=platform)


def _usual(on: MembersOn, code: str, accounts: Mapping[str, Any]) -> str:
    """The section of an institution without one of its own: of its level, else of its kind, else the usual."""
    member = on.by_code[code]
    level = (getattr(member, "level", None) or "").lower()
    return next((one for one in (level, member.kind) if one in accounts), USUAL)


async def _figures(conn: AsyncConnection, on: MembersOn, netted: Netted, code: str) -> JournalFigures:
    settles_as = on.payable_of[code].code
    together = [one for one, other in on.payable_of.items() if other.code == settles_as]
    return JournalFigures(
        institution=code,
        name=on.by_code[code].name,
        day=netted.day,
        value_date=value_date(netted.day),
        settles_as=settles_as,
        entries=await figures.of_institutions(conn, netted.day, together),
        position_fen=sum(
            fen for account, fen in netted.positions.items()
            if code_of(account) in {HOSPITAL, PHARMACY} and owner_of(account) == settles_as
        ),
        roll_up=[
            line for line in netted.roll_up
            if code_of(line.account) in {HOSPITAL, PHARMACY} and owner_of(line.account) == settles_as
        ],
    )  # fmt: skip


async def write_journals(  # noqa: PLR0917 - the books, the day, and what is asked of it
    engine: AsyncEngine,
    members: Members,
    day: date,
    out: Path,
    accounts: Mapping[str, Any],
    institutions: Sequence[str] = (),
    formats: Sequence[str] = ("xlsx", "csv"),
) -> list[Path]:
    """Write the vouchers of a day, one file an institution and format. 写凭证

    Writes:  out/RHC_JNL_<platform>_<institution>_<date>.<format>: all of them or, when an account is missing, none.
    Again:   the same bytes while the books and the accounts file say the same.
    Raises:  as `journals`, `write_document`; WorldFailed for the folder.
    """
    possible(formats)
    with on_disk(out):
        await asyncio.to_thread(out.mkdir, parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix=".journal-", dir=out)
    written: list[Path] = []
    with folder as beside:
        async with contextlib.aclosing(journals(engine, members, day, accounts, institutions)) as made:
            async for code, document in made:
                stem = f"RHC_JNL_{members.platform.code}_{code}_{day:%Y%m%d}"
                written += await write_document(document, Path(beside), stem, formats)
        with on_disk(out):
            return [path.replace(out / path.name) for path in written]
