"""What stands at the end of a day, as it stood then: payments of payers, payouts on their way, deposits. 存量取数

A day can be asked again later: what a payout has become since is taken back by the entries of later days.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, Final, NamedTuple, cast

from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.ledger import accounts
from clearing.ledger.accounts import code_of, owner_of
from clearing.ledger.facts import Payout
from clearing.reconciliation.fund_list import FundMove
from clearing.reconciliation.rows import ON_A_LIST
from clearing.reconciliation.standing import HeldStay, OpenPayout
from clearing.store import balances
from clearing.store.facts import event_of
from clearing.store.kinds import KINDS, columns
from clearing.store.session import DriverRow, driver

_ONE_DAY: Final = timedelta(days=1)
_PAYOUT: Final = KINDS["payout"]
_POSITIONS: Final = frozenset({accounts.FUND_EXPENSE, accounts.INSURER})
_SENT_DAYS_MAX: Final = 4
"""How many cuts back a payout may have been sent that was answered after the day."""


def _ids(first: date, after: date) -> tuple[str, str]:
    return f"{first:%Y%m%d}{'0' * 24}", f"{after:%Y%m%d}{'0' * 24}"


# ---------------------------------------------------------------- what payers paid

_MOVES: Final = """
    SELECT replace(e.id::text, '-', '') AS entry_id, e.type, e.source, e.event_id, e.clearing_date, e.occurred_at,
        e.payer, e.bank, e.institution, e.card, e.accounts, e.fens, p.settlement_id,
        CASE WHEN p.id IS NULL THEN v.raw END AS raw
    FROM entry e
    LEFT JOIN entry o ON o.id = e.original_id
    LEFT JOIN payout p ON p.source = coalesce(o.source, e.source) AND p.id = coalesce(o.event_id, e.event_id)
    JOIN event v ON v.source = e.source AND v.id = e.event_id
    WHERE e.id >= $1::uuid AND e.id < $2::uuid AND e.type = ANY($3)
    ORDER BY e.id
"""


async def fund_moves(conn: AsyncConnection, day: date) -> list[FundMove]:
    """All that moved the position of a fund or insurer on a day, in order of entry. 基金支出明细

    Out:     of a settlement of claims one a claim; fen negative where the payer pays.
    """
    rows = await (await driver(conn)).fetch(_MOVES, *_ids(day, day + _ONE_DAY), list(ON_A_LIST))
    return [one for row in rows for one in _moves_of(row)]


def _moves_of(row: DriverRow) -> Iterator[FundMove]:
    moved: dict[str, int] = {}
    for name, fen in zip(row["accounts"], row["fens"], strict=True):
        if code_of(name) in _POSITIONS:
            moved[owner_of(name)] = moved.get(owner_of(name), 0) - fen
    said: Any = event_of(row["raw"], row["entry_id"]).data if row["raw"] else None
    for payer, fen in moved.items():
        common: dict[str, Any] = {
            "payer": payer,
            "type": row["type"],
            "source": row["source"],
            "event_id": row["event_id"],
            "entry_id": row["entry_id"],
            "clearing_date": row["clearing_date"],
            "occurred_at": row["occurred_at"],
            "card": row["card"],
        }
        if row["type"] == "claim.settled":
            for claim in said.claims:
                yield FundMove(
                    **common,
                    settlement_id=claim.settlement_id,
                    paid_to=row["institution"],
                    fen=claim.deducted + claim.retained - claim.claimed,
                    claimed_fen=claim.claimed,
                    deducted_fen=claim.deducted,
                )
        elif fen:
            name = row["settlement_id"] or _name_of(row["type"], said)
            yield FundMove(**common, settlement_id=name, paid_to=row["institution"] or row["bank"], fen=fen)


def _name_of(type_: str, said: Any) -> str:  # noqa: ANN401 - the body of any event of a list
    """What a list calls a payment that is of no settlement."""
    if type_ == "retention.released":
        return f"{said.institution}/{said.year}"
    return f"{said.treat_area}/{said.insured_area}/{said.month}"


async def paid_out(
    conn: AsyncConnection, day: date, wanted: Iterable[tuple[str, str]], days_back: int
) -> list[tuple[str, str]]:
    """Which of these (bank, reference) are payouts that a bank has paid in the days up to one. 已付代付"""
    pairs = sorted(set(wanted))
    if not pairs:
        return []
    rows = await (await driver(conn)).fetch(
        """
        SELECT w.partner, w.ref FROM unnest($1::text[], $2::text[]) AS w(partner, ref)
        JOIN bank_ref b ON b.partner = w.partner AND b.bank_date BETWEEN $3 AND $4 AND b.bank_ref = w.ref
        JOIN entry e ON e.source = b.source AND e.event_id = b.id AND e.type = 'payout.result'
        """,
        [bank for bank, _ in pairs], [ref for _, ref in pairs], day - _ONE_DAY * days_back, day + _ONE_DAY,
    )  # fmt: skip
    return [(row["partner"], row["ref"]) for row in rows]


# ---------------------------------------------------------------- payouts on their way

_OPEN_NOW: Final = f"""
    SELECT {columns(_PAYOUT, "p")}, replace(e.id::text, '-', '') AS entry_id
    FROM payout p JOIN entry e ON e.source = p.source AND e.event_id = p.id
    WHERE p.state IN ('HELD', 'ACCEPTED', 'SENT', 'REJECTED', 'RETURNED') AND e.clearing_date <= $1
"""  # noqa: S608 - our own column names
_MOVED_SINCE: Final = f"""
    SELECT {columns(_PAYOUT, "p")}, replace(o.id::text, '-', '') AS entry_id,
        later.type, later.again
    FROM (
        SELECT DISTINCT ON (original_id) original_id, type,
            count(*) FILTER (WHERE type = 'payout.repaid') OVER (PARTITION BY original_id) AS again
        FROM entry
        WHERE id >= $1::uuid AND (type LIKE 'payout.%' OR type = 'reimbursement.withdrawn')
        ORDER BY original_id, clearing_date, batch, no
    ) AS later
    JOIN entry o ON o.id = later.original_id AND o.clearing_date <= $2
    JOIN payout p ON p.source = o.source AND p.id = o.event_id
"""  # noqa: S608 - our own column names
# The words of the index `ix_event_payout`: without them all events of these days would be read.
_SENT: Final = """
    SELECT v.raw, coalesce(w.clearing_date, v.clearing_date) AS clearing_date
    FROM event v LEFT JOIN woken w ON w.source = v.source AND w.id = v.id
    WHERE (v.type LIKE 'payout.%' OR v.type LIKE 'settlement.%') AND v.type = 'payout.sent'
        AND coalesce(w.clearing_date, v.clearing_date) <= $1
        AND v.batch > coalesce((SELECT max(cut_batch) FROM day WHERE clearing_date <= $2), 0)
"""


class _AsOf(NamedTuple):
    """A payout as it was at the end of a day."""

    payout: Payout
    """With the attempts that it had had by then."""
    state: str
    entry_id: str


async def open_payouts(conn: AsyncConnection, day: date) -> list[OpenPayout]:
    """Every payout that at the end of a day was neither paid nor over, in order of payer and name. 未达代付"""
    raw = await driver(conn)
    first, _ = _ids(day + _ONE_DAY, day)
    found: dict[tuple[str, str], _AsOf] = {}
    for row in await raw.fetch(_OPEN_NOW, day):
        one = _payout(row)
        state = one.state if one.last_date <= day else "ACCEPTED"
        found[one.source, one.id] = _AsOf(one, state, row["entry_id"])
    moved = [(_payout(row), row) for row in await raw.fetch(_MOVED_SINCE, first, day)]
    moved = [(replace(one, attempts=one.attempts[: -row["again"] or None]), row) for one, row in moved]
    for one, row in moved:
        state = _before(one, row["type"])
        if state:
            found[one.source, one.id] = _AsOf(one, state, row["entry_id"])
        else:
            found.pop((one.source, one.id), None)
    answered = {(one.source, one.id) for one, row in moved if row["type"] == "payout.result"}
    if answered:
        for row in await raw.fetch(_SENT, day, day - _ONE_DAY * _SENT_DAYS_MAX):
            said: Any = event_of(row["raw"], "payout.sent").data
            key = (said.original.source, said.original.id)
            if key in answered:
                found[key] = found[key]._replace(state="SENT")
    return [_open(found[key]) for key in sorted(found)]


def _payout(row: DriverRow) -> Payout:
    return cast("Payout", _PAYOUT.of_row({name: row[name] for name in _PAYOUT.hints}))


def _before(one: Payout, type_: str) -> str:
    """What a payout, with the attempts it had then, was before its first entry after the day; empty where paid."""
    if type_ in {"payout.repaid", "payout.given_back"}:
        return "RETURNED" if one.attempts[-1].return_ref else "REJECTED"
    return "" if type_ == "payout.returned" else "ACCEPTED"


def _open(one: _AsOf) -> OpenPayout:
    payout = one.payout
    last = payout.attempts[-1]
    back = one.state == "RETURNED"
    answered = back or one.state == "REJECTED"
    return OpenPayout(
        payer=payout.payer,
        name=f"{payout.source}/{payout.id}",
        state=one.state,
        bank=last.bank,
        bank_ref=(last.return_ref if back else last.result_ref) if answered else "",
        entry_id=one.entry_id,
        fen=payout.amount_fen,
        since=(last.return_date if back else last.result_date) if answered else None,
        reason=last.reason_code if answered else "",
        by_bank=not answered or bool(last.result),
    )


async def on_their_way(conn: AsyncConnection, day: date) -> dict[str, int]:
    """What accounts 2035 and 2030 say has not arrived at the end of a day, by payer, fen. 在途余额"""
    held: dict[str, int] = {}
    for code in (accounts.PAYOUTS_IN_PROCESS, accounts.RETURNED_FUNDS):
        for name, fen in (await balances.as_of(conn, day, f"{code}.")).items():
            held[owner_of(name)] = held.get(owner_of(name), 0) - fen
    return held


# ---------------------------------------------------------------- deposits

_STAYS: Final = """
    SELECT admission_no, (discharged_at AT TIME ZONE $3)::date AS settled FROM stay
    WHERE institution = $1 AND admission_no = ANY($2::text[]) AND discharged_at IS NOT NULL
"""


async def stays_held(
    conn: AsyncConnection, day: date, hospital: str, named: Sequence[str], zone: str
) -> tuple[list[HeldStay], int]:
    """What a hospital's stays hold at the end of a day, and what account 9010 says they hold together. 预交金余额

    In:      `named`: further stays to be told of, though they hold nothing.
    """
    prefix = f"{accounts.DEPOSITS}.{hospital}."
    held = {
        name.removeprefix(prefix): -fen for name, fen in (await balances.as_of(conn, day, prefix)).items()
    }
    numbers = sorted({*held, *named})
    rows = await (await driver(conn)).fetch(_STAYS, hospital, numbers, zone)
    settled = {row["admission_no"]: row["settled"] for row in rows if row["settled"] <= day}
    known = {*held, *settled}
    stays = [
        HeldStay(number, held.get(number, 0), settled.get(number)) for number in numbers if number in known
    ]
    contra = await balances.as_of(conn, day, f"{accounts.DEPOSITS_CONTRA}.{hospital}")
    return stays, contra.get(f"{accounts.DEPOSITS_CONTRA}.{hospital}", 0)
