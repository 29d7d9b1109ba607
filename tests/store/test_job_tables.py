"""What the jobs beside the engine keep."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from clearing.errors import InvariantViolated, UsageError
from clearing.files.draft import PART_BYTES, Part
from clearing.store import breaks, days, files, reference, statements, streams
from clearing.store.breaks import Asked, StoredBreak
from clearing.store.database import Database
from clearing.store.files import StoredFile, in_parts
from clearing.store.record import record
from clearing.store.session import transaction
from tests.store.made import DAY, NOON, batch, posted

FILE = StoredFile(
    name="RHC_TXN_PLAT_B1_20260310_001_V1.txt", clearing_date=DAY, type="TXN", receiver="B1", seq=1,
    version=1, profile="P", layout=bytes(32), members=1, size=2, records=1,
    amount_total_fen=5, hash_total="5", sha256=bytes(32), sm3=bytes(32),
)  # fmt: skip
BREAK = StoredBreak(
    id="BRK-1", first_run=1, last_run=1, clearing_date=DAY, code="SID-101", codes=("SID-101",),
    vector="L1B0H1", amount_fen=8000, differences={"B1": 8000}, keys={"bank_ref": "R1"}, bank="B1",
    state="SUSPECT", rows={"L": []},
)  # fmt: skip


async def test_the_days_follow_each_other(books: Database) -> None:
    """The first uncut day is the oldest open one; its cut opens the next and keeps the chains' heads."""
    async with transaction(books.engine) as conn:
        with pytest.raises(UsageError):
            await days.first_uncut(conn)
        await days.open_day(conn, DAY)
        await days.open_day(conn, DAY)
        await record(conn, batch([posted("P1")]))
        assert await days.first_uncut(conn) == DAY
        heads = {f"{name}/{number}": digest for name, number, digest in await streams.heads(conn)}
        await days.cut(conn, DAY, NOON, bytes(32), heads)
        assert await days.first_uncut(conn) == DAY + timedelta(days=1)
        found = await days.get(conn, DAY)
        kept = (
            await conn.execute(text("SELECT heads FROM day WHERE clearing_date = '2026-03-10'"))
        ).scalar_one()
        assert [one.state for one in await days.every(conn)] == ["cut", "open"]
        with pytest.raises(UsageError):
            await days.step(conn, DAY, "filed")
    assert found == days.Day(DAY, "cut", NOON, bytes(32))
    assert kept == [["clearing.payments/0", heads["clearing.payments/0"].hex()]]


async def test_a_file_is_kept_byte_for_byte(books: Database) -> None:
    """A file comes back as it was rendered, and its name is taken for ever."""
    second = replace(FILE, name="V2", version=2, replaces=FILE.name)
    async with transaction(books.engine) as conn:
        await files.add(conn, [second, FILE])
        assert await files.of_day(conn, DAY) == [FILE, second]
        assert await files.get(conn, "V2") == second
        assert await files.get(conn, "V3") is None
        await files.add_parts(conn, [Part("V2", 1, b"T|\r\n"), Part("V2", 0, b"H|\r\n")])
        assert await files.content(conn, "V2") == b"H|\r\nT|\r\n"
        with pytest.raises(InvariantViolated, match="expected its bytes"):
            await files.content(conn, "V3")
    with pytest.raises(Exception, match="pk_file"):
        async with transaction(books.engine) as conn:
            await files.add(conn, [FILE])


def test_parts_end_with_a_line_and_are_the_file() -> None:
    """A line is never in two parts, so that whoever looks for an id finds it in one."""
    content = b"".join(b"%07d\r\n" % number for number in range(PART_BYTES // 4))
    parts = list(in_parts("V1", content))
    assert [one.no for one in parts] == [0, 1, 2]
    assert all(one.content.endswith(b"\r\n") for one in parts)
    assert b"".join(one.content for one in parts) == content


async def test_a_statement_that_comes_twice_is_kept_once(books: Database) -> None:
    """The same bytes from the same partner for the same day have one number."""
    async with transaction(books.engine) as conn:
        keep = {"kind": "STM", "partner": "B1", "day": DAY, "name": "b1.csv"}
        first = await statements.keep(conn, **keep, content=b"1")  # type: ignore[arg-type]
        assert await statements.keep(conn, **keep, content=b"1") == first  # type: ignore[arg-type]
        assert await statements.keep(conn, **keep, content=b"2") != first  # type: ignore[arg-type]
        found = await statements.of_day(conn, DAY)
    assert [one.content for one in found] == [b"1", b"2"]
    assert found[0].sm3 == hashlib.new("sm3", b"1").digest()


async def test_a_break_keeps_its_first_run_and_its_life(books: Database) -> None:
    """A second run renews a break under its id; its state is changed by steps alone, each says who and why."""
    async with transaction(books.engine) as conn:
        run = await breaks.add_run(conn, DAY, [{"name": "b1.csv"}], 2, {"B1": {"residual": 0}})
        again = await breaks.add_run(conn, DAY, [], 2, {})
        assert again > run
        await breaks.save(conn, [])
        await breaks.save(conn, [BREAK])
        await breaks.save(conn, [replace(BREAK, first_run=2, last_run=2, code="AMT-001", state="OPEN")])
        assert await breaks.of_day(conn, DAY) == [
            replace(BREAK, last_run=2, code="AMT-001", codes=["SID-101"])
        ]
        await breaks.step(conn, "BRK-1", "ASSIGNED", maker="ann", why="looks", owner="ann")
        await breaks.step(conn, "BRK-1", "AUTO_CLEARED", maker="reconcile", why="run 3", ending="LATE_MATCH")
        (found,) = await breaks.wanted(conn, Asked(states=["AUTO_CLEARED"], owner="ann", code="AMT"))
        assert (found.id, found.ending) == ("BRK-1", "LATE_MATCH")
        steps = await conn.execute(text("SELECT no, state, owner, ending FROM break_step ORDER BY no"))
        assert [tuple(row) for row in steps] == [
            (1, "ASSIGNED", "ann", ""),
            (2, "AUTO_CLEARED", "ann", "LATE_MATCH"),
        ]


async def test_reference_data_needs_two_people(books: Database) -> None:
    """A version is in force when somebody else has approved it, once, and it never changes."""
    async with transaction(books.engine) as conn:
        assert await reference.in_force(conn) is None
        number = await reference.add(conn, {"platform": {"code": "PLAT"}}, b"file", "ann")
        assert await reference.in_force(conn) is None
        with pytest.raises(UsageError):
            await reference.approve(conn, number, "ann", NOON)
        await reference.approve(conn, number, "bob", NOON)
        with pytest.raises(UsageError):
            await reference.approve(conn, number, "eve", NOON)
        await reference.add(conn, {"platform": {"code": "NEXT"}}, b"file", "ann")
        assert await reference.in_force(conn) == (number, {"platform": {"code": "PLAT"}})
    with pytest.raises(Exception, match="approved once"):
        async with transaction(books.engine) as conn:
            await conn.execute(text("UPDATE members SET approved_by = 'eve' WHERE approved_by = 'bob'"))
