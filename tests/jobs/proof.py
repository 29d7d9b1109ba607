"""What came of a run, held against what must be: one outcome an event, one notice an outcome, the books of quiet.

picture             all that two runs of the same events must have in common
quiet_run           the picture of events that nothing happened to
as_in_quiet         everything, once a run with faults is over
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from clearing.store import days, files, parked
from clearing.store.session import transaction
from messages import Event, decode
from tests.jobs.running import FIRST_DAY, Books, Sent, Told, books, city_members, settings_of, told, values


class Outcome(NamedTuple):
    """How one event ended."""

    outcome: str
    reason: str
    clearing_date: date | None
    late: bool | None
    entry_id: str | None


@dataclass(frozen=True)
class Picture:
    """What two runs of the same events must have in common, whatever happened on the way."""

    outcomes: dict[tuple[str, str], Outcome]
    parked: list[tuple[str, str, str]]
    balances: dict[tuple[date, str], int]
    entries: list[tuple[Any, ...]]
    files: dict[str, str]
    states: dict[date, str]


async def picture(the: Books) -> Picture:
    """Everything that was decided, without who decided it and when."""
    outcomes = await the.rows(
        "SELECT e.source, e.id, coalesce(w.outcome, e.outcome), coalesce(w.reason, e.reason), "
        "coalesce(w.clearing_date, e.clearing_date), coalesce(w.late, e.late), "
        "coalesce(w.entry_id, e.entry_id)::text FROM event e LEFT JOIN woken w USING (source, id)"
    )
    sums = await the.rows(
        "SELECT clearing_date, account, sum(fen)::bigint FROM balance GROUP BY 1, 2 HAVING sum(fen) <> 0"
    )
    made = await the.rows("SELECT id::text, type, accounts, fens, legs FROM entry ORDER BY id")
    async with transaction(the.engine) as conn:
        known = await days.every(conn)
        waiting = await parked.everyone(conn)
        kept = [one for day in known for one in await files.of_day(conn, day.clearing_date)]
    return Picture(
        outcomes={(row[0], row[1]): Outcome(*row[2:]) for row in outcomes},
        parked=sorted((one.source, one.id, one.waits_for) for one in waiting),
        balances={(day, account): fen for day, account, fen in sums},
        entries=[(*row[:2], tuple(row[2]), tuple(row[3]), row[4]) for row in made],
        files={one.name: one.sha256.hex() for one in kept},
        states={one.clearing_date: one.state for one in known},
    )


def same(found: Picture, wanted: Picture) -> None:
    """Two runs came to the same; the parts are compared one by one so that a failure names its part."""
    differing = {
        key: (found.outcomes.get(key), one)
        for key, one in wanted.outcomes.items()
        if found.outcomes.get(key) != one
    }
    assert not differing, differing
    assert found.outcomes == wanted.outcomes
    assert found.parked == wanted.parked
    assert found.balances == wanted.balances
    assert found.entries == wanted.entries
    assert found.files == wanted.files
    assert found.states == wanted.states


async def quiet_run(url: str, sent: Sequence[Sent]) -> Picture:
    """What the city's events come to when nothing happens, the day closed."""
    async with books(url, settings_of(), city_members()) as quiet:
        await quiet.ingest(values(sent))
        await quiet.close(FIRST_DAY)
        return await picture(quiet)


async def as_in_quiet(the: Books, sent: Sequence[Sent], wanted: Picture) -> None:
    """After a run with faults: one outcome an event, each told; once the day is closed, the books of a quiet run."""
    await one_outcome_each(the, sent)
    await all_told(the)
    await the.close(FIRST_DAY)
    same(await picture(the), wanted)


async def one_outcome_each(the: Books, sent: Iterable[Sent]) -> None:
    """Every event has one first outcome, one last one, and an entry exactly when it is posted."""
    ids = {(event.source, event.id) for event in map(decode, values(sent)) if isinstance(event, Event)}
    rows = await the.rows("SELECT source, id FROM event")
    assert len(rows) == len(set(rows))
    assert set(rows) == ids
    open_ends = await the.rows(
        "SELECT e.source, e.id FROM event e LEFT JOIN woken w USING (source, id) "
        "LEFT JOIN parked p USING (source, id) "
        "WHERE (e.outcome = 'parked') <> ((w.id IS NOT NULL) OR (p.id IS NOT NULL)) "
        "OR (w.id IS NOT NULL AND p.id IS NOT NULL)"
    )
    assert open_ends == []
    entries = await the.rows(
        "SELECT e.source, e.id FROM event e LEFT JOIN woken w USING (source, id) "
        "LEFT JOIN entry n ON n.source = e.source AND n.event_id = e.id "
        "WHERE (coalesce(w.outcome, e.outcome) = 'posted') <> (n.id IS NOT NULL)"
    )
    assert entries == []


# ---------------------------------------------------------------- notices

USES = frozenset(
    {
        "payment.made", "payment.confirmed", "payment.voided", "payment.refunded", "payment.reversed",
        "deposit.paid", "deposit.voided", "deposit.refunded", "arrears.paid", "discharge.settled",
        "discharge.cancelled",
    }
)  # fmt: skip
"""Events that are a card's use at an institution, besides time-outs that the bank had debited."""


async def all_told(the: Books) -> None:
    """Every outcome has its notice, every notice its outcome, and what is said twice is said alike.

    A repeat of an event says its first outcome again under the same id, so it may stand beside it.
    """
    found = await told(the.settings)
    by_id: dict[str, set[bytes]] = {}
    for one in found:
        if one.family == "results" and one.body["data"]["outcome"] != "duplicate":
            by_id.setdefault(one.id, set()).add(one.value)
    events = await the.rows("SELECT source, id, outcome FROM event")
    woken = await the.rows("SELECT source, id FROM woken")
    reused = await the.rows("SELECT source, id FROM repeat WHERE outcome = 'rejected'")
    firsts = {f"{source}/{name}/1" for source, name, _ in events}
    lasts = {f"{source}/{name}/2" for source, name in woken}
    others = {name for name in by_id if not name.endswith(("/1", "/2"))}
    assert by_id.keys() - others == firsts | lasts
    assert {name.rpartition("/")[0] for name in others} == {f"{source}/{name}" for source, name in reused}
    assert [name for name, said in by_id.items() if len(said) > 1] == []
    await _swipes_told(the, found)
    kept = await the.rows("SELECT stream, partition, position FROM quarantine")
    quarantined = {one.id for one in found if one.family == "quarantine"}
    assert quarantined == {f"{stream}/{partition}/{position}" for stream, partition, position in kept}


async def _swipes_told(the: Books, found: Sequence[Told]) -> None:
    """Every card use has its swipe: what was posted, and what was refused though a bank had debited."""
    rows = await the.rows(
        "SELECT e.source, e.id, e.type, coalesce(w.outcome, e.outcome), e.raw, w.id IS NOT NULL, n.amount_fen "
        "FROM event e LEFT JOIN woken w USING (source, id) "
        "LEFT JOIN entry n ON n.source = e.source AND n.event_id = e.id"
    )
    wanted = set()
    for source, name, kind, outcome, raw, was_parked, _ in rows:
        data = json.loads(raw)["data"]
        used = kind in USES and (not kind.startswith("discharge.") or "bank_ref" in data)
        used = used or (kind == "payment.timed_out" and "bank_ref" in data)
        # A confirmation or a recall that is refused does not say how much it was about: there is nothing to tell.
        told = outcome == "rejected" and "bank_ref" in data and ("amount" in data or "top_up" in data)
        if used and (outcome == "posted" or told):
            wanted.add(f"{source}/{name}/{2 if was_parked else 1}")
    swipes = {one.id: one.body["data"] for one in found if one.family == "swipes"}
    assert wanted <= swipes.keys(), wanted - swipes.keys()
    assert {name for name in swipes.keys() - wanted if swipes[name]["outcome"] != "noted"} == set()
    fens = {f"{row[0]}/{row[1]}": row[6] for row in rows if row[6]}
    wrong = [
        name
        for name, swipe in swipes.items()
        if swipe["outcome"] == "posted"
        and round(float(swipe["amount"]) * 100) != fens[name.rpartition("/")[0]]
        and not swipe["type"].startswith("discharge.")
    ]
    assert wrong == []
