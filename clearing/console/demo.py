"""`clearing demo`: one screen that says what the product does. 演示"""

from __future__ import annotations


def demo() -> None:
    """A generated city day, cleared, reconciled and told on one screen 演示."""
