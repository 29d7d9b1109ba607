"""How often Python looks for garbage in cycles while a job has many objects in its hands. 垃圾回收"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from typing import Final

OBJECTS: Final = 1_000_000


@contextlib.contextmanager
def many_objects() -> Iterator[None]:
    """Let the collector look less often: rows of a day make no cycles, and looking takes a third of the time."""
    usual = gc.get_threshold()
    gc.set_threshold(OBJECTS, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)
