"""Day and month reports from the books, as documents and as files. 日报与月报"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final

from clearing.errors import UsageError
from clearing.jobs.close import netting_of
from clearing.jobs.reports import FORMATS, possible, write_document
from clearing.ledger.accounts import CLAIMS, DEPOSITS, RETENTION, RETURNED_FUNDS
from clearing.ledger.members import Institution
from clearing.reports.daily import daily
from clearing.reports.daily_items import DayFigures
from clearing.reports.daily_member import figures_of
from clearing.reports.figures import Cards, Returned
from clearing.reports.monthly import MonthFigures, Place, monthly
from clearing.reports.table import Document
from clearing.store import balances, days, figures, instructions, payout_lists, registry
from clearing.store.session import transaction

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from clearing.ledger.members import Members

_RETURNED: Final = ("REJECTED", "RETURNED")
_EVERY: Final = 1_000_000
"""More payouts than wait at their payers on any day."""


async def day_document(engine: AsyncEngine, members: Members, day: date, member: str = "") -> Document:
    """The reports of a clearing date as one document, from one moment of the books. 日报

    In:      `member`: of this one alone, with nobody else's figures; empty for all.
    Raises:  UsageError when the day was never opened, or for a code that is nobody's.
    """
    if member and members.on(day).kind(member) is None:
        raise UsageError(
            f"report day {day} --member {member}: expected a member's code. See: clearing members show"
        )
    async with transaction(engine) as conn:
        known = await days.opened(conn, day)
        census = await registry.census(conn, members.clock.cut_to(day), 0)
        found = DayFigures(
            day=day,
            state=known.state,
            netted=await netting_of(conn, members, day),
            instructions=await instructions.of_day(conn, day),
            flows=await figures.flows(conn, day, day, member or None),
            deposits=await figures.layers(conn, DEPOSITS, day),
            claims=await figures.claims(conn, day, day),
            claims_fen=await balances.as_of(conn, day, f"{CLAIMS}."),
            retention=await figures.layers(conn, RETENTION, day),
            returned=await _returned(conn, day),
            returned_fen=await balances.as_of(conn, day, f"{RETURNED_FUNDS}."),
            cards=[Cards(*one) for one in census.counts],
        )
    names = _names(members)

    def name(code: str) -> str:
        return names.get(code, "")

    if not member:
        return daily(found, platform=_platform(members), name=name)
    told = f"{member} {name(member)}".rstrip()
    return daily(figures_of(found, member), platform=_platform(members), name=name, member=told)


async def _returned(conn: AsyncConnection, day: date) -> list[Returned]:
    """Payouts that waited at their payers at the end of the day."""
    found = await figures.returned_then(conn, day)
    for state in _RETURNED:
        for one in await payout_lists.payouts(conn, state=state, rows_max=_EVERY):
            if one.payout.last_date <= day:
                reason = one.payout.attempts[-1].reason_code if one.payout.attempts else ""
                said = one.payout
                found.append(Returned(said.payer, state, reason, said.amount_fen, said.last_date))
    return found


async def month_document(engine: AsyncEngine, members: Members, first: date) -> Document:
    """A month's statistics as one document; of a month that is not over, as far as it has come. 月报

    In:      the month's first day.
    Raises:  UsageError when no clearing date of the month was opened.
    """
    async with transaction(engine) as conn:
        of_month = [
            one.clearing_date
            for one in await days.every(conn)
            if (one.clearing_date.year, one.clearing_date.month) == (first.year, first.month)
        ]
        if not of_month:
            raise UsageError(f"month {first:%Y-%m}: none of its days was opened. See: clearing day list")
        since, last = min(of_month), max(of_month)
        where = _places(members, last)
        found = MonthFigures(
            first=since,
            last=last,
            days=len(of_month),
            flows=await figures.flows(conn, since, last),
            active=await figures.active(conn, since, last, [(code, *one) for code, one in where.items()]),
            held=await figures.deposits_held(conn, last),
            places=where,
        )
    return monthly(found, platform=_platform(members), names=_names(members))


def _places(members: Members, day: date) -> dict[str, Place]:
    """Where each institution is, by its record on a day, else by its last one."""
    on = members.on(day)
    found: dict[str, Place] = {}
    for code in sorted(members.codes()):
        record = on.by_code.get(code) or members.last_record(code)
        if isinstance(record, Institution):
            level = record.level or ("PHARMACY" if record.kind == "pharmacy" else "")
            found[code] = Place(record.area or "", level)
    return found


def _names(members: Members) -> dict[str, str]:
    records = ((code, members.last_record(code)) for code in members.codes())
    return {code: record.name for code, record in records if record is not None}


def _platform(members: Members) -> str:
    return members.platform.name or members.platform.code


async def write_day(
    engine: AsyncEngine,
    members: Members,
    day: date,
    out: Path,
    formats: Sequence[str] = FORMATS,
    *,
    member: str = "",
) -> list[Path]:
    """Write a day's reports into a directory, one file a format. 写日报

    In:      `member`: of this one alone.
    Writes:  out/RHC_DAY_<platform>_<member or ALL>_<date>.<format>: whole or not at all.
    Again:   the same bytes while the books say the same.
    Raises:  as `write_report`; UsageError when the day was never opened.
    """
    possible(formats)
    stem = f"RHC_DAY_{members.platform.code}_{member or 'ALL'}_{day:%Y%m%d}"
    return await write_document(await day_document(engine, members, day, member), out, stem, formats)


async def write_month(
    engine: AsyncEngine, members: Members, first: date, out: Path, formats: Sequence[str] = FORMATS
) -> list[Path]:
    """Write a month's statistics into a directory, one file a format. 写月报

    Writes:  out/RHC_MON_<platform>_ALL_<month>.<format>: whole or not at all.
    Again:   the same bytes while the books say the same.
    Raises:  as `write_report`; UsageError when no day of the month was opened.
    """
    possible(formats)
    stem = f"RHC_MON_{members.platform.code}_ALL_{first:%Y%m}"
    return await write_document(await month_document(engine, members, first), out, stem, formats)
