"""Locks on names that may not exist, and the cutover's."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.store import facts, locks
from clearing.store.database import Database
from clearing.store.session import transaction

PATIENCE_SECONDS = 300
"""For what takes a moment; where two wait for each other it would be for ever."""


async def _at_once(conn: AsyncConnection, names: Iterable[str]) -> bool:
    return await facts.look(conn, (), list(names), wait=False) is not None


async def test_a_name_is_held_to_the_end_of_the_transaction(any_books: Database) -> None:
    """Nobody else gets one of the names meanwhile; other names are free; afterwards all are."""
    async with transaction(any_books.engine) as one, transaction(any_books.engine) as other:
        await locks.lock(one, ["card/t1", "card/t2"])
        assert await _at_once(one, ["card/t1"])
        assert not await _at_once(other, ["card/t9", "card/t2"])
        assert await _at_once(other, ["card/t3"])
    async with transaction(any_books.engine) as conn:
        assert await _at_once(conn, ["card/t1", "card/t2", "card/t3"])


async def test_batches_in_any_order_never_wait_for_each_other(any_books: Database) -> None:
    """Eight workers that take the same names in other orders all come through."""
    names = [f"card/t{number}" for number in range(300)]

    async def work(turn: int) -> None:
        for _ in range(5):
            async with transaction(any_books.engine) as conn:
                await locks.lock(conn, names[turn:] + names[:turn])

    await asyncio.wait_for(asyncio.gather(*(work(turn * 37) for turn in range(8))), PATIENCE_SECONDS)


async def test_more_names_than_the_lock_table_holds(any_books: Database) -> None:
    """A batch beyond its share takes one lock on everything: it works alone, the table never fills."""
    names = [f"card/t{number}" for number in range(20_000)]
    async with transaction(any_books.engine) as one, transaction(any_books.engine) as other:
        await locks.lock(one, names)
        held = (
            await one.execute(text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"))
        ).scalar_one()
        assert held == 1
        assert not await _at_once(other, ["card/another"])
    async with transaction(any_books.engine) as one, transaction(any_books.engine) as other:
        await locks.lock(one, ["card/another"])
        assert not await _at_once(other, names)


async def test_who_only_reads_facts_holds_nothing(any_books: Database) -> None:
    """Reports and workers that tell what was committed keep no batch waiting, however large its names."""
    async with transaction(any_books.engine) as conn:
        await facts.read(conn, [("card", "t1"), ("stay", "H1", "A1")])
        await locks.lock(conn, [])
        held = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
        assert (await conn.execute(held)).scalar_one() == 0


async def test_the_cut_waits_for_batches_and_keeps_new_ones_away(any_books: Database) -> None:
    """Batches share the day; the cut has it alone."""
    order: list[str] = []

    async def batch(name: str, inside: asyncio.Event, go: asyncio.Event) -> None:
        async with transaction(any_books.engine) as conn:
            await locks.day_shared(conn)
            order.append(f"{name} in")
            inside.set()
            await go.wait()
            order.append(f"{name} out")

    async def cut() -> None:
        async with transaction(any_books.engine) as conn:
            await locks.day_exclusive(conn)
            order.append("cut")

    inside, go = ({name: asyncio.Event() for name in "abc"} for _ in range(2))
    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as tasks:
        started = {name: tasks.create_task(batch(name, inside[name], go[name])) for name in "ab"}
        await asyncio.gather(inside["a"].wait(), inside["b"].wait())
        tasks.create_task(cut())
        await _wait(any_books, 1)
        tasks.create_task(batch("c", inside["c"], go["c"]))
        await _wait(any_books, 2)
        for name in "cba":  # what c waits for is the cut, not its own turn
            go[name].set()
            if name in started:
                await started[name]
    assert sorted(order[:2]) == ["a in", "b in"]
    assert order[2:] == ["b out", "a out", "cut", "c in", "c out"]


async def _wait(database: Database, count: int) -> None:
    """Wait until so many transactions of these books wait for a lock on names or the day."""
    query = text(
        "SELECT count(*) FROM pg_locks JOIN pg_database ON oid = database"
        " WHERE NOT granted AND locktype = 'advisory' AND datname = current_database()"
    )
    async with database.engine.connect() as conn:
        while await conn.scalar(query) != count:
            await asyncio.sleep(0.01)
