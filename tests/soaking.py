"""How much of everything: little in `make test`, more in `make soak` (CLEARING_SOAK=1), by the same code.

CLEARING_SOAK_SECONDS says how long those tests of a soak run that go on for a time.
"""

from __future__ import annotations

import os
import random
from typing import Final

SOAK: Final = os.environ.get("CLEARING_SOAK") == "1"
SEED: Final = int(
    os.environ.get("CLEARING_TEST_SEED") or (random.SystemRandom().randrange(10_000) if SOAK else 7)
)
"""`make test` plays the same day each time, so that red says something about the change; `make soak` another
day and other moments each time. A failing test says which, CLEARING_TEST_SEED repeats it."""


def size(short: int, soak: int) -> int:
    """The number of `make test` or that of `make soak`."""
    return soak if SOAK else short


def seconds(short: float) -> float:
    """How long a test goes on that goes on for a time."""
    return float(os.environ.get("CLEARING_SOAK_SECONDS") or 600) if SOAK else short
