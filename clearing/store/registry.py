"""Cards, terminals and payouts as people look at them: read-only, whole sets at a time. 卡册与代付查询

Nothing here is on the way of an event, and nothing writes.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection
from datetime import date, datetime
from typing import Any, Final, NamedTuple, cast

from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.ledger.accounts import PAYOUTS_IN_PROCESS, RETURNED_FUNDS
from clearing.ledger.facts import Alias, Card, Payout, PayoutBatch, Terminal
from clearing.store.kinds import KINDS, Kind
from clearing.store.session import DriverRow, driver

_CHUNK: Final = 2_000
"""Rows that a walk over everything reads at a time."""


def columns(kind: Kind, of: str) -> str:
    """The columns of a kind, json as text: how the driver would read it is not ours to say."""
    return ", ".join(
        f"{of}.{name}::text AS {name}" if name in kind.json_names else f"{of}.{name}" for name in kind.hints
    )


_CARD, _ALIAS, _TERMINAL = KINDS["card"], KINDS["alias"], KINDS["terminal"]
_PAYOUT, _BATCH = KINDS["payout"], KINDS["batch"]
_CARDS: Final = f"SELECT {columns(_CARD, 'c')} FROM card c"  # noqa: S608 - our own column names
_ALIASES: Final = f"SELECT {columns(_ALIAS, 'a')} FROM alias a"  # noqa: S608
_TERMINALS: Final = f"SELECT {columns(_TERMINAL, 't')} FROM terminal t"  # noqa: S608


# ---------------------------------------------------------------- cards


async def cards(conn: AsyncConnection, tokens: Collection[str]) -> dict[str, Card]:
    """Cards by their own token; those that are not there are absent. 卡"""
    rows = await (await driver(conn)).fetch(f"{_CARDS} WHERE c.token = ANY($1::text[])", list(tokens))
    return {row["token"]: cast("Card", _CARD.of_row(row)) for row in rows}


async def aliases(conn: AsyncConnection, tokens: Collection[str]) -> dict[str, Alias]:
    """Aliases by their token; those that are not there are absent. 别名"""
    rows = await (await driver(conn)).fetch(f"{_ALIASES} WHERE a.token = ANY($1::text[])", list(tokens))
    return {row["token"]: cast("Alias", _ALIAS.of_row(row)) for row in rows}


async def aliases_of(conn: AsyncConnection, tokens: Collection[str]) -> list[Alias]:
    """The aliases that mean one of these cards now, in order of token. 卡的别名"""
    rows = await (await driver(conn)).fetch(
        f"{_ALIASES} WHERE a.card = ANY($1::text[]) ORDER BY a.token", list(tokens)
    )
    return [cast("Alias", _ALIAS.of_row(row)) for row in rows]


# A new number keeps the root of the first one: forward from there every step is a look by primary key.
_LINE: Final = f"""
    WITH RECURSIVE line AS (
        SELECT token, replaced_by, 1 AS no FROM card WHERE token = $1
        UNION SELECT c.token, c.replaced_by, line.no + 1
        FROM line JOIN card c ON c.token = line.replaced_by WHERE line.no < 1000
    )
    {_CARDS} JOIN (SELECT token, min(no) AS no FROM line GROUP BY token) l ON l.token = c.token ORDER BY l.no
"""  # noqa: S608 - our own column names


async def line_of(conn: AsyncConnection, root: str) -> list[Card]:
    """The cards of a chain of replacements from its first number on, oldest first. 换卡链"""
    return [
        cast("Card", _CARD.of_row({name: row[name] for name in _CARD.hints}))
        for row in await (await driver(conn)).fetch(_LINE, root)
    ]


async def cards_of_person(conn: AsyncConnection, person: str) -> list[Card]:
    """All cards of a person, whatever their state, in order of token; () for nobody. 本人的卡"""
    if not person:
        return []
    rows = await (await driver(conn)).fetch(f"{_CARDS} WHERE c.person = $1 ORDER BY c.token", person)
    return [cast("Card", _CARD.of_row(row)) for row in rows]


async def card_numbers(conn: AsyncConnection, number: str) -> list[str]:
    """The own tokens of the cards that a number means or has meant: one, or several of an alias. 卡号解析"""
    found = (await aliases(conn, [number])).get(number)
    return sorted({pointing.card for pointing in found.cards}) if found else [number]


async def every_card(conn: AsyncConnection, bank: str | None = None) -> AsyncIterator[Card]:
    """All cards, or a bank's with those that only named it so far, in no order, read as they are used. 全部卡"""
    query = (
        f"{_CARDS} WHERE $1::text IS NULL OR c.bank = $1 OR (c.bank = '' AND "
        "EXISTS (SELECT FROM jsonb_array_elements(c.registrations) r WHERE r ->> 1 = $1))"
    )
    async for row in (await driver(conn)).cursor(query, bank, prefetch=_CHUNK):
        yield cast("Card", _CARD.of_row(row))


async def every_terminal(conn: AsyncConnection, acquirer: str | None = None) -> AsyncIterator[Terminal]:
    """All terminals, or an acquirer's, in no order, read as they are used. 全部终端"""
    query = f"{_TERMINALS} WHERE $1::text IS NULL OR t.acquirer = $1"
    async for row in (await driver(conn)).cursor(query, acquirer, prefetch=_CHUNK):
        yield cast("Terminal", _TERMINAL.of_row(row))


# A card counts from its first registration on, a replacement's from its first step: it takes over the
# registrations of the card before it. The last step before the instant is the state; nearly always it is the
# last of all, so the others are looked at only when it is not. One walk over all cards serves all three lists.
_CENSUS: Final = """
    WITH at_date AS MATERIALIZED (
        SELECT c.token, c.person, c.area, told.at_bank, told.at_platform, told.at_hospital,
            coalesce(nullif(c.bank, ''), told.bank, '') AS bank,
            CASE WHEN told.at_bank THEN coalesce(step.state, 'ISSUED') ELSE 'UNKNOWN' END AS state
        FROM card c
        CROSS JOIN LATERAL (
            SELECT max(r ->> 1) AS bank, bool_or(r ->> 0 = 'BANK') AS at_bank,
                bool_or(r ->> 0 = 'PLATFORM') AS at_platform, bool_or(r ->> 0 = 'HOSPITAL') AS at_hospital
            FROM jsonb_array_elements(c.registrations) r WHERE (r ->> 3)::timestamptz < $1
        ) told
        CROSS JOIN LATERAL (
            SELECT CASE WHEN (c.steps -> -1 ->> 0)::timestamptz < $1 THEN c.steps -> -1 ->> 1 ELSE (
                SELECT s ->> 1 FROM jsonb_array_elements(c.steps) WITH ORDINALITY AS steps(s, no)
                WHERE (s ->> 0)::timestamptz < $1 ORDER BY no DESC LIMIT 1
            ) END AS state
        ) step
        WHERE told.at_bank IS NOT NULL AND (c.token = c.root OR c.root = '' OR step.state IS NOT NULL)
    ), counted AS (
        SELECT area, bank, state, count(*) AS cards FROM at_date GROUP BY 1, 2, 3
    ), live AS (
        SELECT * FROM at_date WHERE state IN ('UNKNOWN', 'ISSUED', 'ACTIVE', 'FROZEN_DEBIT', 'FROZEN_ALL', 'LOST')
    ), missing AS (
        SELECT stage, token, bank, state, count(*) OVER (PARTITION BY stage) AS of_stage,
            row_number() OVER (PARTITION BY stage ORDER BY token) AS no
        FROM live CROSS JOIN LATERAL (
            VALUES ('BANK', at_bank), ('PLATFORM', at_platform), ('HOSPITAL', at_hospital)
        ) AS place(stage, told) WHERE NOT told
    ), several AS (
        SELECT person, count(*) OVER () AS persons,
            json_agg(json_build_array(token, bank, state) ORDER BY token) AS cards
        FROM live WHERE person <> '' AND state <> 'UNKNOWN'
        GROUP BY person HAVING count(*) > 1 ORDER BY person LIMIT $2
    )
    SELECT
        (SELECT json_agg(json_build_array(area, bank, state, cards) ORDER BY area, bank, state) FROM counted)::text,
        (SELECT json_agg(json_build_array(stage, of_stage, token, bank, state) ORDER BY stage, no)
            FROM missing WHERE no <= $2)::text,
        (SELECT json_agg(json_build_array(person, persons, cards) ORDER BY person) FROM several)::text
"""


class CardCount(NamedTuple):
    """How many cards one area and bank have in one state."""

    area: str
    """As it is now; empty where no bank has named one."""
    bank: str
    state: str
    cards: int


class Unregistered(NamedTuple):
    """A card that has not ended and lacks a registration."""

    stage: str
    """BANK, PLATFORM or HOSPITAL: what is missing."""
    of_stage: int
    """How many cards lack it, those not listed too."""
    token: str
    bank: str
    state: str


class SeveralCards(NamedTuple):
    """A person with more than one live card."""

    person: str
    persons: int
    """How many there are, those not listed too."""
    cards: list[tuple[str, str, str]]
    """(token, bank, state), in order of token."""


class Census(NamedTuple):
    """All cards at an instant."""

    counts: list[CardCount]
    """In order of area, bank, state; what nobody has is absent."""
    unregistered: list[Unregistered]
    """In order of stage and token."""
    several: list[SeveralCards]
    """In order of person."""


async def census(conn: AsyncConnection, before: datetime, rows_max: int) -> Census:
    """Cards by area, bank and state just before an instant, unfinished ones, second live cards. 卡统计

    In:      how many cards a missing stage, and how many persons, are listed at most.
    Out:     all of one moment, from one walk over all cards.
    """
    row = await (await driver(conn)).fetchrow(_CENSUS, before, rows_max)
    counted, missing, several = ([] if found is None else json.loads(found) for found in row)
    return Census(
        [CardCount(*one) for one in counted],
        [Unregistered(*one) for one in missing],
        [SeveralCards(person, persons, [tuple(c) for c in cards]) for person, persons, cards in several],
    )


# ---------------------------------------------------------------- payouts


class PayoutRow(NamedTuple):
    """A payout and the clearing date of its submission."""

    payout: Payout
    submitted: date


class TieOut(NamedTuple):
    """An account of payouts beside what its payouts make."""

    account: str
    payouts_fen: int
    """Sum of the payouts that stand on it, positive."""
    balance_fen: int
    """Of the account over all payers asked for, debit positive."""

    @property
    def difference_fen(self) -> int:
        """What the payouts make less what the account owes: 0 when the books hold."""
        return self.payouts_fen + self.balance_fen


class PayoutTotals(NamedTuple):
    """Payouts by state, and what they make beside their accounts."""

    states: dict[str, tuple[int, int]]
    """State to (count, fen)."""
    accounts: list[TieOut]


ON_ACCOUNT: Final = {
    PAYOUTS_IN_PROCESS: ("HELD", "ACCEPTED", "SENT"),
    RETURNED_FUNDS: ("REJECTED", "RETURNED"),
}
"""Account to the states whose payouts stand on it."""

_LISTED: Final = f"""
    SELECT {columns(_PAYOUT, "p")}, e.clearing_date AS submitted
    FROM payout p JOIN entry e ON e.source = p.source AND e.event_id = p.id
    WHERE ($1::text IS NULL OR p.state = $1) AND ($2::text IS NULL OR p.payer = $2)
        AND ($3::text IS NULL OR p.batch_id = $3) AND ($4::date IS NULL OR e.clearing_date = $4)
        AND ($5::text IS NULL OR p.card = $5)
    ORDER BY e.clearing_date, p.source, p.id LIMIT $6
"""  # noqa: S608 - our own column names
_BATCHES: Final = f"""
    SELECT {columns(_BATCH, "b")} FROM payout_batch b
    WHERE ($1::text IS NULL OR b.payer = $1) AND ($2::text IS NULL OR b.batch_id = $2)
        AND ($3::date IS NULL OR b.last_date = $3)
    ORDER BY b.state, b.last_date DESC, b.payer, b.batch_id LIMIT $4
"""  # noqa: S608 - our own column names
# One statement, so one moment: both sides of the tie-out are of the same books.
_TIE_OUT: Final = """
    SELECT '' AS code, state, count(*) AS payouts, sum(amount_fen)::bigint AS fen FROM payout
    WHERE $1::text IS NULL OR payer = $1 GROUP BY state
    UNION ALL
    SELECT split_part(account, '.', 1), '', 0, sum(fen)::bigint FROM balance
    WHERE split_part(account, '.', 1) = ANY($2::text[])
        AND ($1::text IS NULL OR split_part(account, '.', 2) = $1) GROUP BY 1
"""


async def payouts(
    conn: AsyncConnection,
    *,
    state: str | None = None,
    payer: str | None = None,
    batch: str | None = None,
    submitted: date | None = None,
    card: str | None = None,
    rows_max: int = 100,
) -> list[PayoutRow]:
    """Payouts by state, payer, batch, card, or clearing date of their submission, oldest first. 代付清单"""
    rows = await (await driver(conn)).fetch(_LISTED, state, payer, batch, submitted, card, rows_max)
    return [PayoutRow(_payout(row), row["submitted"]) for row in rows]


def _payout(row: DriverRow) -> Payout:
    return cast("Payout", _PAYOUT.of_row({name: row[name] for name in _PAYOUT.hints}))


async def batches(
    conn: AsyncConnection,
    *,
    payer: str | None = None,
    batch: str | None = None,
    day: date | None = None,
    rows_max: int = 100,
) -> list[PayoutBatch]:
    """Batches of payouts, those not released first; `day` is the last that they changed on. 代付批次"""
    rows = await (await driver(conn)).fetch(_BATCHES, payer, batch, day, rows_max)
    return [cast("PayoutBatch", _BATCH.of_row(row)) for row in rows]


async def totals(conn: AsyncConnection, payer: str | None = None) -> PayoutTotals:
    """All payouts, or a payer's, by state, beside the accounts that they stand on. 代付余额核对

    Out:     an account each for 2030 and 2035, also when nothing stands on it; both sides of one moment.
    """
    rows = await (await driver(conn)).fetch(_TIE_OUT, payer, list(ON_ACCOUNT))
    states = {row["state"]: (row["payouts"], row["fen"]) for row in rows if row["state"]}
    kept = {row["code"]: row["fen"] for row in rows if row["code"]}
    accounts = [
        TieOut(code, sum(states[one][1] for one in on_it if one in states), kept.get(code, 0))
        for code, on_it in sorted(ON_ACCOUNT.items())
    ]
    return PayoutTotals(dict(sorted(states.items())), accounts)


# ---------------------------------------------------------------- producers' numbers

# Numbers are read out of the records as they came; an hour more on both sides shows where a day joins the next.
# PostgreSQL reads no text with an escaped zero or half a pair in it, records may hold both: escapes are blanked.
_GAPS: Final = """
    WITH every AS (
        SELECT source, occurred_at, raw FROM event
        UNION ALL
        SELECT r.source, e.occurred_at, r.raw FROM repeat r JOIN event e ON e.source = r.source AND e.id = r.id
    ), told AS (
        SELECT source, occurred_at, raw FROM every
        WHERE occurred_at >= $1::timestamptz - interval '1 hour'
            AND occurred_at < $2::timestamptz + interval '1 hour'
            AND position('"producerseq"'::bytea IN raw) > 0
    ), numbered AS (
        SELECT source, occurred_at,
            (regexp_replace(convert_from(raw, 'UTF8'), '\\\\.', '_', 'g')::json ->> 'producerseq')::bigint AS seq
        FROM told
    ), of_number AS (
        SELECT source, seq, bool_or(occurred_at >= $1 AND occurred_at < $2) AS of_day
        FROM numbered WHERE seq IS NOT NULL GROUP BY source, seq
    ), following AS (
        SELECT source, seq, of_day, lag(seq) OVER numbers AS before, lag(of_day) OVER numbers AS before_of_day
        FROM of_number WINDOW numbers AS (PARTITION BY source ORDER BY seq)
    )
    SELECT source, count(*) FILTER (WHERE of_day) AS numbers, min(seq) FILTER (WHERE of_day) AS first,
        max(seq) FILTER (WHERE of_day) AS last,
        coalesce(json_agg(json_build_array(before + 1, seq - 1) ORDER BY seq)
            FILTER (WHERE seq > before + 1 AND (of_day OR before_of_day)), '[]')::text AS gaps
    FROM following GROUP BY source HAVING bool_or(of_day) ORDER BY source
"""


class Producer(NamedTuple):
    """What a source numbered of one date's events."""

    source: str
    numbers: int
    """How many numbers came."""
    first: int
    last: int
    gaps: list[tuple[int, int]]
    """(first, last) missing number, in order."""


async def producers(conn: AsyncConnection, since: datetime, before: datetime) -> list[Producer]:
    """Sources that number their events, with the numbers missing between two instants. 报文序号缺口

    In:      the first instant and the first after, of the events' own times; all kept events are walked over.
    Out:     in order of source; a source without numbers is absent. A record in quarantine is a gap;
             one told again counts with its number then, at the time of the first.
    """
    found: list[Any] = await (await driver(conn)).fetch(_GAPS, since, before)
    return [
        Producer(
            row["source"],
            row["numbers"],
            row["first"],
            row["last"],
            [tuple(g) for g in json.loads(row["gaps"])],
        )
        for row in found
    ]
