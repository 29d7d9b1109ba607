"""The end of a day with workers running, killed between its steps, run twice, and stopped by damage."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from clearing.errors import InvariantViolated, NotBalanced, UsageError, WorldFailed
from clearing.files.manifest import Manifest, read_manifest
from clearing.jobs.close import close, cut, file, net, preview
from clearing.jobs.deliver import write_files
from clearing.jobs.setup import approve, init, load, members_in_force
from clearing.jobs.verify import verify
from clearing.store import files
from clearing.store.database import open_database
from clearing.store.files import StoredFile
from clearing.store.session import transaction
from tests.jobs.proof import picture, same
from tests.jobs.running import DAYS, FIRST_DAY, books, settings_of, worked_lines, worked_members

CARDS = [line for line in worked_lines(9) if b'"card.' in line]


def at_noon(number: int, day: date) -> bytes:
    """A payment of 1.00 at noon of a day."""
    data: dict[str, Any] = {
        "card": "tok_P1_B1_0001",
        "bank": "B1",
        "institution": "H1",
        "amount": "1.00",
        "bank_ref": f"N{number}",
        "bank_date": str(day),
        "purpose": "OUTPATIENT",
        "order_no": f"N-{number}",
    }
    return json.dumps(
        {
            "specversion": "1.0",
            "id": f"N-{number}",
            "source": "H1",
            "type": "payment.made",
            "time": f"{day}T12:00:00+08:00",
            "data": data,
        }
    ).encode()


async def test_a_close_killed_anywhere_goes_on_where_it_stood(blank: Callable[[], str]) -> None:
    """The connection of a close is killed again and again; run until it comes through, the day is the same."""
    async with books(blank(), settings_of(), worked_members()) as quiet:
        await quiet.ingest(worked_lines(9))
        await quiet.close(FIRST_DAY)
        wanted = await picture(quiet)
    async with books(blank(), settings_of(), worked_members()) as the:
        await the.ingest(worked_lines(9))
        killer = await asyncpg.connect(the.url)
        killed = 0
        try:
            for wait_ms in [*range(0, 60, 4), 1_000_000]:
                async with open_database(the.url) as database:
                    closing = asyncio.create_task(
                        close(database.engine, the.settings, the.members, FIRST_DAY)
                    )
                    done, _ = await asyncio.wait({closing}, timeout=wait_ms / 1000)
                    if not done:
                        killed += 1
                        await the.engine.dispose()  # this test's own is not among those that are killed
                        await killer.execute(
                            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                        )
                    result = (await asyncio.gather(closing, return_exceptions=True))[0]
                    if not isinstance(result, BaseException):
                        break
        finally:
            await killer.close()
        assert killed > 0
        await the.close(FIRST_DAY)
        same(await picture(the), wanted)
        assert (await verify(the.engine, the.members))["ok"]


async def test_a_day_closed_step_by_step_or_twice_is_the_same(blank: Callable[[], str]) -> None:
    """Each step says it was done before; nothing is written; a step out of order is refused."""
    async with books(blank(), settings_of(), worked_members()) as the:
        await the.ingest(worked_lines(9))
        with pytest.raises(UsageError, match="2026-03-09"):
            await net(the.engine, the.members, FIRST_DAY)
        with pytest.raises(UsageError, match="2026-03-10"):
            await cut(the.engine, the.settings, the.members, FIRST_DAY + timedelta(days=1))
        first = await the.close(FIRST_DAY)
        assert [first[0].done, first[1], first[2].done] == [True, True, True]
        before = await picture(the), await the.one("SELECT count(*) FROM batch")
        again = await the.close(FIRST_DAY)
        assert [again[0].done, again[1], again[2].done] == [False, False, False]
        assert (await picture(the), await the.one("SELECT count(*) FROM batch")) == before


async def test_two_who_close_at_once_close_once(blank: Callable[[], str]) -> None:
    """Whoever comes second waits, and is told that each step was done."""
    async with books(blank(), settings_of(), worked_members()) as the:
        await the.ingest(worked_lines(9))
        async with open_database(the.url) as other:
            both = (the, replace(the, engine=other.engine))
            for step in (
                lambda one: cut(one.engine, one.settings, one.members, FIRST_DAY),
                lambda one: net(one.engine, one.members, FIRST_DAY),
                lambda one: file(one.engine, one.settings, one.members, FIRST_DAY),
            ):
                said = await asyncio.gather(*map(step, both))
                assert {getattr(one, "done", one) for one in said} == {False, True}


async def test_files_say_which_members_they_were_made_with(blank: Callable[[], str]) -> None:
    """Other members approved while a day is closed: its files are not made with the old ones under the new number."""
    document = (DAYS / "2026-03-10-worked-day" / "members.toml").read_bytes()
    async with books(blank(), settings_of(), worked_members()) as the:
        await init(the.engine, document, FIRST_DAY)
        members = await members_in_force(the.engine)
        await cut(the.engine, the.settings, members, FIRST_DAY)
        await net(the.engine, members, FIRST_DAY)
        await approve(the.engine, await load(the.engine, document + b"\n", "ann"), "bob")
        with pytest.raises(WorldFailed, match="version 2 was approved since"):
            await file(the.engine, the.settings, members, FIRST_DAY)
        members = await members_in_force(the.engine)
        assert (await file(the.engine, the.settings, members, FIRST_DAY)).done


async def test_events_after_the_cut_are_late_on_the_open_day(blank: Callable[[], str]) -> None:
    """Yesterday's payment enters today's books and today's files, and says so; yesterday's stay as they are."""
    async with books(blank(), settings_of(), worked_members()) as the:
        await the.ingest([*CARDS, at_noon(1, FIRST_DAY)])
        await the.close(FIRST_DAY)
        before = await picture(the)
        await the.ingest([at_noon(2, FIRST_DAY)])
        assert await the.rows("SELECT event_id, clearing_date, late FROM entry WHERE late") == [
            ("N-2", date(2026, 3, 10), True)
        ]
        await the.close(date(2026, 3, 10))
        after = await picture(the)
        assert {name: digest for name, digest in after.files.items() if name in before.files} == before.files
        carried = await the.one(
            "SELECT count(*) FROM file JOIN file_part USING (name) WHERE clearing_date = '2026-03-10' "
            "AND position(convert_to('N2', 'UTF8') IN content) > 0"
        )
        assert carried > 0


async def test_a_balance_that_is_not_its_entries_stops_the_day(blank: Callable[[], str]) -> None:
    """Damage by one who may do anything stops the net with LED-001; mended, the day goes on."""
    damage = "UPDATE balance SET fen = fen + :fen WHERE account = '2010.H1' AND clearing_date = '2026-03-09'"
    async with books(blank(), settings_of(), worked_members()) as the:
        await the.ingest(worked_lines(9))
        await the.as_superuser(damage.replace(":fen", "1"))
        with pytest.raises((NotBalanced, InvariantViolated), match=r"2010\.H1.*LED-001|LED-001.*2010\.H1"):
            await the.close(FIRST_DAY)
        assert await the.one("SELECT state FROM day WHERE clearing_date = '2026-03-09'") == "cut"
        assert await the.one("SELECT count(*) FROM instruction") == 0
        await the.as_superuser(damage.replace(":fen", "-1"))
        _, netted, filed = await the.close(FIRST_DAY)
        assert netted
        assert filed.done


async def test_an_empty_day_still_has_files(blank: Callable[[], str], tmp_path: Path) -> None:
    """A day without events closes, and every member of it has its files, with no lines in them."""
    async with books(blank(), settings_of(), worked_members()) as the:
        await the.close(FIRST_DAY)
        counts = await the.rows("SELECT receiver, records, amount_total_fen FROM file WHERE type = 'TXN'")
        assert {receiver for receiver, _, _ in counts} >= {"B1", "B2", "H1", "H2", "H3", "R1", "F1"}
        assert {(records, fen) for _, records, fen in counts} == {(0, 0)}
        written = await write_files(the.engine, FIRST_DAY, tmp_path)
        assert written.written == await the.one("SELECT count(*) FROM file")
        assert await the.one("SELECT count(*) FROM entry") == 0


async def test_files_are_delivered_once_and_never_over_others(
    blank: Callable[[], str], tmp_path: Path
) -> None:
    """A second delivery finds all there; a file that differs is refused and stays; every .ok has its file."""
    async with books(blank(), settings_of(), worked_members()) as the:
        with pytest.raises(UsageError, match="no files yet"):
            await write_files(the.engine, FIRST_DAY, tmp_path)
        await the.ingest(worked_lines(9))
        await the.close(FIRST_DAY)
        stored = await the.rows(
            "SELECT receiver, name, string_agg(content, '' ORDER BY no) FROM file JOIN file_part USING (name) "
            "GROUP BY receiver, name ORDER BY name"
        )
        first = await write_files(the.engine, FIRST_DAY, tmp_path)
        assert (first.written, first.already) == (len(stored), 0)
        when = stamps(tmp_path)
        again = await write_files(the.engine, FIRST_DAY, tmp_path)
        assert (again.written, again.already) == (0, len(stored))
        assert stamps(tmp_path) == when
        for receiver, name, content in stored:
            assert (tmp_path / receiver / name).read_bytes() == content
            manifest = read_manifest(f"{name}.ok", (tmp_path / receiver / f"{name}.ok").read_bytes())
            assert isinstance(manifest, Manifest)
            assert (manifest.file, manifest.bytes) == (name, len(content))
            assert manifest.sha256 == hashlib.sha256(content).hexdigest()
        assert len(when) == 2 * len(stored), "nothing else lies there"

        receiver, name, content = stored[0]
        (tmp_path / receiver / f"{name}.ok").unlink()  # killed between the file and its manifest
        (tmp_path / receiver / f"{name}.tmp").write_bytes(content[:10])
        assert (await write_files(the.engine, FIRST_DAY, tmp_path)).written == 1
        assert (tmp_path / receiver / f"{name}.ok").exists()

        target = tmp_path / receiver / name
        target.write_bytes(content + b" ")
        with pytest.raises(UsageError, match="other bytes"):
            await write_files(the.engine, FIRST_DAY, tmp_path)
        assert target.read_bytes() == content + b" "


def stamps(directory: Path) -> dict[str, int]:
    """Every file below a directory and when it was written."""
    return {str(path): path.stat().st_mtime_ns for path in directory.rglob("*") if path.is_file()}


async def test_a_file_stands_before_its_manifest(blank: Callable[[], str], tmp_path: Path) -> None:
    """A receiver that looks all the time never finds an .ok without its whole file."""
    async with books(blank(), settings_of(), worked_members()) as the:
        await the.ingest(worked_lines(9))
        await the.close(FIRST_DAY)
        contents = dict(
            iter(
                await the.rows(
                    "SELECT name, string_agg(content, '' ORDER BY no) FROM file_part GROUP BY name"
                )
            )
        )
    finished = asyncio.Event()

    def look() -> int:
        seen: set[Path] = set()
        while True:
            last = finished.is_set()
            for ok in set(tmp_path.rglob("*.ok")) - seen:
                assert ok.with_suffix("").read_bytes() == contents[ok.name.removesuffix(".ok")]
                seen.add(ok)
            if last:
                return len(seen)

    async with books(the.url, the.settings, the.members) as again:
        looking = asyncio.create_task(asyncio.to_thread(look))
        await write_files(again.engine, FIRST_DAY, tmp_path)
        finished.set()
        assert await looking == len(contents)


async def test_a_dry_run_gives_the_files_of_the_close_and_leaves_nothing(blank: Callable[[], str]) -> None:
    """Every byte is as the close then makes it; before that the day is open and has no files."""
    async with books(blank(), settings_of(), worked_members()) as the:
        await the.ingest(worked_lines(9))
        foretold: dict[str, bytes] = {}

        async def take(one: StoredFile, parts: AsyncIterator[bytes]) -> None:
            foretold[one.name] = b"".join([part async for part in parts])

        made = await preview(the.engine, the.settings, the.members, FIRST_DAY, take)
        assert await the.one("SELECT count(*) FROM file") == 0
        assert await the.one("SELECT state FROM day WHERE clearing_date = '2026-03-09'") == "open"
        await the.close(FIRST_DAY)
        stored = await the.rows(
            "SELECT name, string_agg(content, '' ORDER BY no) FROM file_part GROUP BY name"
        )
        assert dict(iter(stored)) == foretold
        async with transaction(the.engine) as conn:
            assert await files.of_day(conn, FIRST_DAY) == [replace(one, seal=None) for one in made]
        again = await preview(the.engine, the.settings, the.members, FIRST_DAY, take)
        assert [one.name for one in again] == [one.name for one in made]


async def test_a_member_gets_its_files_in_its_own_profile(blank: Callable[[], str], tmp_path: Path) -> None:
    """By the record in members.toml, a layout of the partner's own among them; the rest as the settings say."""
    (tmp_path / "own.toml").write_text(
        'like = "P"\nid = "OWNX0100"\nprofile = "OWN"\nextension = "own"\nonly = ["TXN"]\n', encoding="utf-8"
    )
    members = worked_members()
    named = {"B1": ("OWN", "F"), "F1": ("N",)}
    records = tuple(one.model_copy(update={"profile": named.get(one.code, ())}) for one in members.records)
    settings = settings_of(layouts=tmp_path, profiles="H")
    async with books(blank(), settings, replace(members, records=records)) as the:
        await the.ingest(worked_lines(9))
        await the.close(FIRST_DAY)
        rows = await the.rows(
            "SELECT DISTINCT receiver, profile, type FROM file WHERE receiver IN ('B1', 'F1', 'H1')"
        )
    found: dict[tuple[str, str], set[str]] = {(receiver, profile): set() for receiver, profile, _ in rows}
    for receiver, profile, kind in rows:
        found[receiver, profile].add(kind)
    assert found == {
        ("B1", "OWN"): {"TXN"},
        ("B1", "F"): {"TXN", "SUM", "ERR"},
        ("F1", "N"): {"TXN", "SUM", "ERR", "NRC"},
        ("H1", "H"): {"TXN", "SUM", "ERR", "DEP"},
    }
