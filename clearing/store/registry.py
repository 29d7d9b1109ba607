"""Cards and terminals as people look at them: read-only, whole sets at a time. 卡册查询

Nothing here is on the way of an event, and nothing writes.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection
from datetime import datetime
from typing import Final, NamedTuple, cast

from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.ledger.facts import Alias, Card, Terminal
from clearing.store.kinds import KINDS, columns
from clearing.store.session import driver

_CHUNK: Final = 2_000
"""Rows that a walk over everything reads at a time."""


_CARD, _ALIAS, _TERMINAL = KINDS["card"], KINDS["alias"], KINDS["terminal"]
_CARDS: Final = f"SELECT {columns(_CARD, 'c')} FROM card c"  # noqa: S608 - our own column names
_ALIASES: Final = f"SELECT {columns(_ALIAS, 'a')} FROM alias a"  # noqa: S608
_TERMINALS: Final = f"SELECT {columns(_TERMINAL, 't')} FROM terminal t"  # noqa: S608


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
