"""How often Python looks for garbage in cycles while a job has many objects in its hands. 垃圾回收"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from typing import Final

OBJECTS: Final = 1_000_000


def look_seldom() -> None:
    """Let the collector look less often: rows of a day make no cycles, and looking takes a third of the time."""
    gc.set_threshold(OBJECTS, *gc.get_threshold()[1:])


@contextlib.contextmanager
def many_objects() -> Iterator[None]:
    """Look seldom for a while."""
    usual = gc.get_threshold()
    look_seldom()
    try:
        yield
    finally:
        gc.set_threshold(*usual)
