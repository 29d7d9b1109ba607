"""How fast files are made and read here: one large file, and the close of a large day. 文件测速

one file      TXN lines rendered with all digests, then checked against its manifest, piece by piece
close         the `file` step of a day of payments between 10 banks and 200 hospitals, one profile a member:
              entries read, lines rendered, digests taken, parts stored, all in its one transaction
COPY TO       the same entries sent by the server and thrown away: what reading them costs at the least
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from clearing.errors import InvariantViolated
from clearing.files.check import Checker
from clearing.files.draft import PART_BYTES, Body, Draft
from clearing.files.layout import FileName, Layout, load_layout
from clearing.files.manifest import Manifest
from clearing.files.records import TxnLine
from clearing.files.render import Writer
from clearing.jobs import close
from clearing.jobs.bench.machine import Cpu, cpu_now, machine
from clearing.jobs.ingest import Stream
from clearing.jobs.setup import document_of, init
from clearing.ledger.entry import Entry, Leg, Posting, entry_id
from clearing.ledger.members import Members, load_members
from clearing.ledger.money import yuan
from clearing.store import embedded, entries, streams
from clearing.store.database import Database, open_database
from clearing.store.record import BatchRecord, record
from clearing.store.session import transaction

if TYPE_CHECKING:
    from clearing.settings import Settings

DAY: Final = date(2026, 3, 10)
BANKS: Final = 10
HOSPITALS: Final = 200
CHUNK: Final = 5000
OPENED: Final = datetime(2026, 3, 9, 15, tzinfo=UTC)
SECONDS: Final = 80_000
HIGH_WATER: Final = Path("/proc/self/status")


class Beside:
    """A digest that works in a thread of its own, in order. 旁路摘要"""

    def __init__(self, algorithm: str) -> None:
        self._hash = hashlib.new(algorithm)
        self._pool = ThreadPoolExecutor(1)
        self._last: Future[None] | None = None

    def update(self, data: bytes, /) -> None:
        """Take more bytes; they are digested later."""
        self._last = self._pool.submit(self._hash.update, data)

    def hexdigest(self) -> str:
        """The digest of all of them, once the thread is done."""
        if self._last is not None:
            self._last.result()
        return self._hash.hexdigest()

    def close(self) -> None:
        """Let the thread end."""
        self._pool.shutdown()


def lines(count: int) -> Iterator[TxnLine]:
    """TXN lines of many cards, references and amounts, in order of entry id."""
    for number in range(count):
        amount_fen = number * 7919 % 300_000 + 100
        yield TxnLine(
            f"{DAY:%Y%m%d}{number * 7919:024x}", "payment.made", "R", amount_fen, "SUCC", f"BR{number:08d}",
            f"H1-{number}", "", None, OPENED + timedelta(seconds=number * 61 % SECONDS), DAY,
            f"B{number % BANKS}", f"H{number % HOSPITALS}", "990100000001", "DIRECT", "N",
            f"tok_B1_{number:08d}", f"{number % 10_000:04d}", 0, amount_fen, "MEDICAL", False, "2010.H1", "",
        )  # fmt: skip


def one_file(layout: Layout, count: int, place: Path, members: Members) -> dict[str, Any]:
    """Render a TXN file of so many lines to disk with its digests, then check it piece by piece.

    Writes:  one file below `place`.
    Raises:  InvariantViolated when the file is not found sound.
    """
    name = FileName("TXN", "PLAT", "H1", DAY, 1, 1)
    body = Body(Writer(layout, "TXN", members.clock.zone), name)
    draft = Draft([body])
    body.sm3 = Beside("sm3")
    spool, target = place / "body", place / body.file
    rendered, made_lines = 0.0, lines(count)
    with spool.open("wb") as file:
        while chunk := list(islice(made_lines, CHUNK)):
            began = time.perf_counter()  # making up the lines is not what is measured
            draft.add("D", *chunk)
            _spill(body, file)
            body.sm3.hexdigest()
            rendered += time.perf_counter() - began
    began = time.perf_counter()
    made = draft.finished(body, members.clock)
    sha256, sm3 = Beside("sha256"), Beside("sm3")
    with target.open("wb") as file:
        for piece in (made.before, *_pieces(spool), made.after):
            file.write(piece)
            sha256.update(piece)
            sm3.update(piece)
    manifest = Manifest(
        file=made.name,
        bytes=made.size,
        records=made.records,
        amount_total=yuan(made.amount_total),
        hash_total=made.hash_total,
        sha256=sha256.hexdigest(),
        sm3=sm3.hexdigest(),
        run_id="bench",
        created_at=OPENED,
    )
    rendered += time.perf_counter() - began
    digests = [Beside(one) for one in ("sm3", "sha256", "sm3")]
    began = time.perf_counter()
    checker = Checker(made.name, layout, manifest, body=digests[0], sha256=digests[1], sm3=digests[2])
    for piece in _pieces(target):
        checker.feed(piece)
    checker.finish()
    parsed = time.perf_counter() - began
    for one in (body.sm3, sha256, sm3, *digests):
        one.close()
    if checker.faults or checker.totals.records != count:
        raise InvariantViolated(f"bench files: {made.name} is not sound: {[*map(str, checker.faults[:1])]}")
    return {
        "profile": layout.profile,
        "lines": count,
        "bytes": made.size,
        "render": rendered,
        "parse": parsed,
    }


def _spill(body: Body, file: Any) -> None:  # noqa: ANN401 - an open file
    _, content = body.take()
    body.sm3.update(content)
    file.write(content)


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PART_BYTES):
            yield piece


# ---------------------------------------------------------------- the close of a day


def members_file(profile: str) -> bytes:
    """Ten banks and two hundred hospitals, each with its files in one profile."""
    rows = [f'[platform]\ncode = "PLAT"\n[[card_platform]]\ncode = "CP"\nprofile = "{profile}"\n']
    rows += [
        f'[[bank]]\ncode = "B{number}"\ncnaps = "990121000010"\nclearing_account = "C{number}"\n'
        f'profile = "{profile}"\n'
        for number in range(BANKS)
    ]
    rows += [
        f'[[hospital]]\ncode = "H{number}"\nsettlement_bank = "B{number % BANKS}"\n'
        f'settlement_account = "A{number}"\nprofile = "{profile}"\n'
        for number in range(HOSPITALS)
    ]
    return "\n".join(rows).encode()


def payments(count: int) -> Iterator[Entry]:
    """The entries of so many payments."""
    for number in range(count):
        amount_fen, hospital = number * 7919 % 300_000 + 100, f"H{number % HOSPITALS}"
        bank = f"B{number // HOSPITALS % BANKS}"
        yield Entry(
            id=entry_id(DAY, f"PLAT/{hospital}/{number}"), clearing_date=DAY, type="payment.made",
            source=hospital, event_id=f"{number}",
            postings=(
                Posting(f"1010.{bank}", amount_fen, Leg.GROSS),
                Posting(f"2010.{hospital}", -amount_fen, Leg.GROSS),
            ),
            occurred_at=OPENED + timedelta(seconds=number * 61 % SECONDS), amount_fen=amount_fen,
            institution=hospital, bank=bank, route="DIRECT", partner=bank, bank_ref=f"BR{number:08d}",
            bank_date=DAY, order_no=f"{hospital}-{number}", terminal="990100000001",
            card=f"tok_{bank}_{number:08d}", card_last4=f"{number % 10_000:04d}", app_area="MEDICAL",
        )  # fmt: skip


async def _fill(database: Database, count: int) -> None:
    """Put the day's entries into the books, by the engine's own way of writing them."""
    made = payments(count)
    stream, position = Stream.of("bench", 0, None), 0
    while chunk := [entry for entry, _ in zip(made, range(CHUNK), strict=False)]:
        async with transaction(database.engine) as conn:
            heads = await streams.load(conn, "bench")
            stream = Stream.of("bench", 0, heads.get(0))
            await record(
                conn,
                BatchRecord(
                    stream=stream.name,
                    partition=0,
                    position_from=stream.position,
                    position_to=position + len(chunk),
                    previous=stream.digest,
                    lane=0,
                    entries=chunk,
                ),
            )
        position += len(chunk)


async def _close(database: Database, settings: Settings, members: Members, cluster: Path) -> dict[str, Any]:
    """The file step of the day, timed, with the processor time of both sides and the memory it reached."""
    await close.cut(database.engine, settings, members, DAY)
    await close.net(database.engine, members, DAY)
    async with transaction(database.engine) as conn:
        began, before = time.perf_counter(), cpu_now(cluster)
        sent = await entries.sent_out(conn, DAY)
        copy, copy_cpu = time.perf_counter() - began, cpu_now(cluster).since(before)
    _forget_high_water()
    began, before = time.perf_counter(), cpu_now(cluster)
    filed = await close.file(database.engine, settings, members, DAY)
    seconds, used = time.perf_counter() - began, cpu_now(cluster).since(before)
    return {
        "files": filed.files,
        "lines": filed.lines,
        "seconds": seconds,
        "cpu": used,
        "copy_seconds": copy,
        "copy_cpu": copy_cpu,
        "copy_bytes": sent,
        "memory_mb": _high_water(),
    }


def _forget_high_water() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _high_water() -> float | None:
    """The most memory since it was forgotten, MB; None where the machine does not tell."""
    try:
        told = dict(line.split(":", 1) for line in HIGH_WATER.read_text(encoding="ascii").splitlines())
        return round(int(told["VmHWM"].split()[0]) / 1024, 1)
    except (OSError, KeyError, ValueError):
        return None


async def bench_files(
    settings: Settings,
    count: int = 1_000_000,
    *,
    profile: str = "P",
    directory: Path | None = None,
    told: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Measure one file of `count` lines, and the close of a day of `count` entries. 文件测速

    In:      `settings` for rules, not for the database: that is an embedded one of its own below `directory`
             (default: the working directory), removed at the end.
    Out:     {"machine", "measurements": [a row each]}; a line's rate is lines a second.
    Writes:  nothing that stays.
    Again:   the same lines, other figures.
    """
    layout = load_layout(profile)
    members_bytes = members_file(profile)
    members = load_members(document_of(members_bytes))
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=directory or Path.cwd()) as folder:
        place = Path(folder)
        told(f"one TXN file of {count} lines")
        file = one_file(layout, count, place, members)
        async with _books(place / "database", members_bytes) as (database, cluster):
            ran_on = machine(f"PostgreSQL {database.server_version[0]}.{database.server_version[1]}", None)
            told(f"books with {count} entries")
            await _fill(database, count)
            told("the close's file step")
            closed = await _close(database, settings, members, cluster)
    return {
        "machine": ran_on,
        "conditions": {"profile": profile, "fsync": "on"},
        "measurements": _rows(file, closed, count),
    }


@contextlib.asynccontextmanager
async def _books(directory: Path, members_bytes: bytes) -> AsyncIterator[tuple[Database, Path]]:
    server = embedded.acquire(directory)
    try:
        async with open_database(server.dsn("postgres")) as database:
            await init(database.engine, members_bytes, DAY)
            yield database, server.cluster
    finally:
        embedded.release(directory)


def _rows(file: dict[str, Any], closed: dict[str, Any], count: int) -> list[dict[str, Any]]:
    def row(what: str, lines_: int, seconds: float, cpu: Cpu | None, **more: Any) -> dict[str, Any]:  # noqa: ANN401
        used = [None if one is None else round(one / lines_ * 1e6, 2) for one in cpu or (None, None)]
        return {
            "what": what,
            "lines": lines_,
            "seconds": round(seconds, 2),
            "lines_per_second": round(lines_ / seconds),
            "python_us": used[0],
            "database_us": used[1],
            **more,
        }

    return [
        row("one file rendered", file["lines"], file["render"], None, bytes=file["bytes"]),
        row("one file checked", file["lines"], file["parse"], None, bytes=file["bytes"]),
        row(
            "close, file step", closed["lines"], closed["seconds"], closed["cpu"],
            files=closed["files"], memory_mb=closed["memory_mb"],
            times_copy=round(closed["seconds"] / closed["copy_seconds"], 1),
        ),
        row("COPY TO of the entries", count, closed["copy_seconds"], closed["copy_cpu"], bytes=closed["copy_bytes"]),
    ]  # fmt: skip


def table(result: dict[str, Any]) -> Table:
    """The measurements as people read them. 测速表"""
    on = result["machine"]
    shown = Table(
        title="Files made and read 文件测速",
        caption=f"{on['cores']} cores, {on['python']}, {on['database']}; load before {on['load_before']}",
        title_justify="left",
        caption_justify="left",
    )
    shown.add_column("what")
    names: Sequence[str] = ("lines", "seconds", "lines/s", "Python µs", "database µs", "× COPY", "MB")
    for name in names:
        shown.add_column(name, justify="right")
    for row in result["measurements"]:
        cells = (row["python_us"], row["database_us"], row.get("times_copy"), row.get("memory_mb"))
        shown.add_row(
            row["what"],
            f"{row['lines']:,}",
            f"{row['seconds']:,.2f}",
            f"{row['lines_per_second']:,}",
            *("" if cell is None else f"{cell:,.1f}" for cell in cells),
        )
    return shown
