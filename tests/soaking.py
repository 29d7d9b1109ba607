"""How much of everything: little in `make test`, more in `make soak` (CLEARING_SOAK=1), by the same code.

CLEARING_SOAK_SECONDS says how long each of those tests of a soak goes on that repeat a round for a time. What was
done (kills, cuts, pairs, events) stands in the last lines of the run.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from typing import Final

SOAK: Final = os.environ.get("CLEARING_SOAK") == "1"
SEED: Final = int(
    os.environ.get("CLEARING_TEST_SEED") or (random.SystemRandom().randrange(10_000) if SOAK else 7)
)
"""`make test` plays the same day each time, so that red says something about the change; `make soak` another
day and other moments each time. A failing test says which, CLEARING_TEST_SEED repeats it."""

done: Final = Counter[str]()
"""What the faults' tests of this run did, by name, for its last lines."""

notes: Final[list[str]] = []
"""What was measured on the way, a line each."""


def size(short: int, soak: int) -> int:
    """The number of `make test` or that of `make soak`."""
    return soak if SOAK else short


def seconds(short: float) -> float:
    """How long a test goes on that goes on for a time."""
    return float(os.environ.get("CLEARING_SOAK_SECONDS") or 600) if SOAK else short


def rounds() -> Iterator[int]:
    """A seed for each round: one in `make test`, in a soak as many as the time allows, and one at least."""
    until, seed = time.monotonic() + seconds(0), SEED
    while True:
        yield seed
        seed += 1
        if time.monotonic() >= until:
            return


def did(what: str, count: int = 1) -> None:
    """Count what was done to the engine, and survived."""
    done[what] += count
