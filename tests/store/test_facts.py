"""Facts come back as they were written."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from types import NoneType, UnionType
from typing import get_args, get_origin, get_type_hints

import pytest

from clearing.errors import InvariantViolated
from clearing.ledger.facts import Attempt, BankRef, Card, LivePayout, OrderNo, Payout, Seen, Step
from clearing.store import facts, put
from clearing.store.database import Database
from clearing.store.kinds import KINDS, Kind
from clearing.store.record import record
from clearing.store.session import transaction
from tests.store.made import DAY, NOON, Value, batch, entry, event, parked, posted, rejected, write

WORDS = ["", "B1", "tok_00000001", "健康卡·尾号", 'quote " and \\ back', "{a,b}", "NULL", "a'b", "1,2"]


def sample(hint: Value, chance: random.Random) -> Value:
    """Some value of a type."""
    origin: object = get_origin(hint)
    if origin is UnionType:
        return chance.choice(
            [None, sample(next(one for one in get_args(hint) if one is not NoneType), chance)]
        )
    if origin is tuple:
        inner = get_args(hint)
        if inner[-1] is Ellipsis:
            return tuple(sample(inner[0], chance) for _ in range(chance.randrange(4)))
        return tuple(sample(one, chance) for one in inner)
    if hasattr(hint, "_fields"):
        return hint(*(sample(one, chance) for one in get_type_hints(hint).values()))
    draw: dict[Value, Callable[[], Value]] = {
        str: lambda: chance.choice(WORDS),
        int: lambda: chance.randrange(-(2**62), 2**62),
        bool: lambda: chance.random() < 0.5,
        date: lambda: DAY + timedelta(days=chance.randrange(400)),
        datetime: lambda: NOON + timedelta(microseconds=chance.randrange(10**15)),
    }
    return draw[hint]()


def fact_of(kind: Kind, number: int, chance: random.Random) -> Value:
    """Some fact of a kind, its key told apart by a number."""
    values = {name: sample(hint, chance) for name, hint in kind.hints.items()}
    for name in kind.key:
        values[name] = DAY + timedelta(days=number) if kind.hints[name] is date else f"{name}-{number}"
    return kind.fact(**values)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(
    ("known", "together"), [(False, True), (False, False), (True, True)], ids=["new", "copied", "known"]
)
async def test_every_kind_comes_back_as_it_was_written(
    any_books: Database, monkeypatch: pytest.MonkeyPatch, name: str, *, known: bool, together: bool
) -> None:
    """Every field of every kind, put in or copied when new and replaced when known, survives to the microsecond."""
    if not together:
        monkeypatch.setattr(put, "ROWS_TOGETHER_MAX", 0)
    kind, chance = KINDS[name], random.Random(name)
    if known and kind.insert_only:
        return
    made = [fact_of(kind, number, chance) for number in range(30)]
    by_key = {(name, *(str(getattr(one, part)) for part in kind.key)): one for one in made}
    async with transaction(any_books.engine) as conn:
        if known:
            await write(conn, {key: fact_of(kind, n, chance) for n, key in enumerate(by_key)})
        await write(conn, by_key, frozenset() if known else by_key.keys())
        absent = (name, *("2020-01-01" if kind.hints[part] is date else "absent" for part in kind.key))
        assert await facts.read(conn, [*by_key, *by_key, absent]) == by_key


async def test_instants_with_another_offset_are_the_same_instants(books: Database) -> None:
    """A step that was taken at an offset of eight hours is read again as that instant."""
    east = NOON.astimezone(timezone(timedelta(hours=8)))
    first = "t1"
    card = Card(token=first, bank="B1", steps=(Step(east, "ACTIVE", ""),))
    async with transaction(books.engine) as conn:
        await write(conn, {("card", "t1"): card})
        found = (await facts.read(conn, [("card", "t1")]))["card", "t1"]
    assert found == card
    assert found.steps[0].at.utcoffset() == timedelta(0)


async def test_a_bank_reference_is_used_once(books: Database) -> None:
    """A second event cannot take a partner's reference, whatever was decided."""
    key = ("bank_ref", "B1", "2026-03-10", "R1")
    used = BankRef(partner="B1", bank_date=DAY, bank_ref="R1", source="H1", id="P1")
    async with transaction(books.engine) as conn:
        await write(conn, {key: used})
    with pytest.raises(Exception, match="pk_bank_ref"):
        async with transaction(books.engine) as conn:
            await write(conn, {key: used})


async def test_an_order_number_can_be_given_free_again(books: Database) -> None:
    """A void writes the same number with nobody as its taker."""
    key = ("order", "H1", "O1")
    async with transaction(books.engine) as conn:
        await write(conn, {key: OrderNo(institution="H1", order_no="O1", source="H1", id="P1")}, {key})
        free = OrderNo(institution="H1", order_no="O1", source="", id="")
        await write(conn, {key: free})
        assert await facts.read(conn, [key]) == {key: free}


async def test_seen_tells_the_last_outcome(books: Database) -> None:
    """A parked event counts as parked with what it waits for now, then as what it became, announced twice."""
    keys = [("seen", "H1", id_) for id_ in ("P1", "P2", "P3", "P4")]
    async with transaction(books.engine) as conn:
        decided = [posted("P1"), rejected("P2"), parked("P3", "card/x")]
        await record(conn, batch(decided))
        found = await facts.read(conn, keys)
        assert found["seen", "H1", "P1"] == Seen(
            source="H1", id="P1", type="payment.made", sm3=event("P1").sm3, outcome="posted",
            entry_id=entry("P1").id, clearing_date=DAY,
        )  # fmt: skip
        assert found["seen", "H1", "P2"].reason == "card_not_allowed"
        assert found["seen", "H1", "P3"].waits_for == "card/x"
        assert ("seen", "H1", "P4") not in found
        await write(conn, {keys[0]: found[keys[0]]})  # virtual: passed over
        await record(conn, batch(woken=[posted("P3", woken=True, notice_no=2)], stream="jobs"))
        third = (await facts.read(conn, keys))["seen", "H1", "P3"]
    assert (third.outcome, third.entry_id, third.waits_for, third.announced) == (
        "posted",
        entry("P3").id,
        "",
        2,
    )


async def test_an_original_is_its_event_and_its_entry(books: Database) -> None:
    """What another event names comes back as it was said and as it was booked, also when it was woken."""
    async with transaction(books.engine) as conn:
        await record(conn, batch([posted("P1"), rejected("P2"), parked("P3", "card/x")]))
        await record(conn, batch(woken=[posted("P3", woken=True, notice_no=2)], stream="jobs"))
        found = await facts.read(conn, [("original", "H1", id_) for id_ in ("P1", "P2", "P3", "P4")])
    assert found["original", "H1", "P1"].event == event("P1")
    assert found["original", "H1", "P1"].entry == entry("P1")
    assert found["original", "H1", "P2"].entry is None
    assert found["original", "H1", "P3"].entry == entry("P3")
    assert ("original", "H1", "P4") not in found


async def test_payouts_are_found_by_root_and_by_card(books: Database) -> None:
    """Limits count a root's live payouts; a card finds those held for it."""

    def payout(id_: str, state: str) -> Payout:
        attempts = (Attempt(1, "t1", "B1", NOON), Attempt(2, "t2", "B1", NOON + timedelta(days=1)))
        return Payout(
            source="F1", id=id_, state=state, payer="F1", settlement_id=id_, kind="INPATIENT", amount_fen=5,
            card="t2", bank="B1", root="t1", attempts=attempts, last_date=DAY,
        )  # fmt: skip

    states = ("HELD", "ACCEPTED", "SENT", "PAID", "REJECTED", "RETURNED")
    async with transaction(books.engine) as conn:
        await write(conn, {("payout", "F1", state): payout(state, state) for state in states})
        found = await facts.read(
            conn, [("payouts_of", "t1"), ("payouts_of", "t9"), ("held", "t2"), ("held", "t1")]
        )
    last = datetime(2026, 3, 11, 4, tzinfo=UTC)
    live = [LivePayout("F1", state, last, 5) for state in ("ACCEPTED", "HELD", "PAID", "SENT")]
    assert found == {
        ("payouts_of", "t1"): tuple(live),
        ("payouts_of", "t9"): (),
        ("held", "t2"): (("F1", "HELD"),),
        ("held", "t1"): (),
    }


@pytest.mark.parametrize("key", [("unheard", "x"), ("card", "a\x1fb")])
async def test_a_key_that_cannot_be_is_our_own_fault(books: Database, key: tuple[str, ...]) -> None:
    """An unknown kind, or a control character that no readable event holds, stops us."""
    with pytest.raises(InvariantViolated):
        async with transaction(books.engine) as conn:
            await facts.read(conn, [key])
