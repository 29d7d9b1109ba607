"""One large TXN file rendered to disk with its digests, and read back piece by piece. 单文件测速"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from clearing.errors import InvariantViolated
from clearing.files.check import Checker
from clearing.files.draft import PART_BYTES, Body, Draft
from clearing.files.layout import Layout
from clearing.files.manifest import Manifest
from clearing.files.names import FileName
from clearing.files.render import Writer
from clearing.jobs.bench.large_day import CHUNK, DAY, OPENED, lines
from clearing.jobs.bench.machine import Cpu
from clearing.ledger.members import Members
from clearing.ledger.money import yuan


class Timed(NamedTuple):
    """One run."""

    seconds: float
    cpu: Cpu


class Watch:
    """Adds up what passes between start and stop, with the processor time of all our threads. 秒表"""

    def __init__(self) -> None:
        self._seconds = self._python = 0.0

    def start(self) -> None:
        """Begin to count."""
        self._seconds -= time.perf_counter()
        self._python -= time.process_time()

    def stop(self) -> None:
        """Count no more."""
        self._seconds += time.perf_counter()
        self._python += time.process_time()

    def timed(self) -> Timed:
        """All that was counted."""
        return Timed(self._seconds, Cpu(self._python, None))


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
    watch, made_lines = Watch(), lines(count)
    with spool.open("wb") as file:
        while chunk := list(islice(made_lines, CHUNK)):
            watch.start()  # making up the lines is not what is measured
            draft.add("D", *chunk)
            _spill(body, file)
            body.sm3.hexdigest()
            watch.stop()
    watch.start()
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
    watch.stop()
    reading = Watch()
    digests = [Beside(one) for one in ("sm3", "sha256", "sm3")]
    reading.start()
    checker = Checker(made.name, layout, manifest, body=digests[0], sha256=digests[1], sm3=digests[2])
    for piece in _pieces(target):
        checker.feed(piece)
    checker.finish()
    reading.stop()
    for one in (body.sm3, sha256, sm3, *digests):
        one.close()
    if checker.faults or checker.totals.records != count:
        raise InvariantViolated(f"bench files: {made.name} is not sound: {[*map(str, checker.faults[:1])]}")
    return {
        "profile": layout.profile,
        "lines": count,
        "bytes": made.size,
        "render": watch.timed(),
        "parse": reading.timed(),
    }


def _spill(body: Body, file: Any) -> None:  # noqa: ANN401 - an open file
    file.write(body.take().content)


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PART_BYTES):
            yield piece
