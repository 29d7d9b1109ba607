"""A function's results kept, as a dict that makes what it does not have: the fastest look-up there is. 备忘"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

KEPT_MAX: Final = 1 << 17
"""Every second of a day; then it begins anew, so that memory stays flat."""


class Memo(dict[Any, Any]):
    """`memo[key]` is `make(key)`, made once as long as it is kept."""

    def __init__(self, make: Callable[[Any], Any]) -> None:
        super().__init__()
        self.make = make

    def __missing__(self, key: Any) -> Any:  # noqa: ANN401  (any key that can be hashed)
        if len(self) >= KEPT_MAX:
            self.clear()
        value = self[key] = self.make(key)
        return value
