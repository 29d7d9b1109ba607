"""Tables for people: yuan with thousands, signed, debit positive. 表格"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any, Final, Literal

from moneyed import CNY, Money
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from messages import amount_text

if TYPE_CHECKING:
    from clearing.store.files import StoredFile

WIDTH: Final = 100
"""Columns of a page where the terminal does not say."""
_SHOWN: Final = 4
AMOUNTS: Final = frozenset(
    {"amount", "debit", "credit", "yuan", "ledger", "other", "explained", "residual", "difference"}
)


def yuan(fen: int) -> str:
    """Signed fen as yuan text for machines: -5 is "-0.05"."""
    return amount_text(fen)


def money(fen: int) -> str:
    """Signed fen as people read it: "-1,234.50"."""
    return grouped(yuan(fen))


def grouped(amount: str) -> str:
    """Yuan text as people read it: "-1234.50" is "-1,234.50"."""
    return f"{Money(amount, CNY).amount:,.2f}"


def last4(card: str) -> str:
    """A card as it may be shown: its last four characters."""
    return f"****{card[-_SHOWN:]}" if card else ""


def local(instant: datetime, zone: tzinfo) -> str:
    """An instant as screens show it: the platform's own time, to the second."""
    return f"{instant.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def page() -> Console:
    """Where tables go: stdout, at least wide enough to be read."""
    console = Console(highlight=False, markup=False, emoji=False)
    return (
        console if console.is_terminal else Console(highlight=False, markup=False, emoji=False, width=WIDTH)
    )


def made(title: str, files: Sequence[StoredFile], *, records: str = "records") -> None:
    """Print files that were made and wait to be delivered; `records` says what their lines are. 重出"""
    rows = ([one.name, one.receiver, one.records, money(one.amount_total_fen), one.replaces] for one in files)
    table(title, ["name", "receiver", records, "amount", "replaces"], rows, right=[records])
    print("next: clearing deliver")


def table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Iterable[str] = ()
) -> None:
    """Print a table; the columns named in `right` and all amounts stand right, an id is never broken."""
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    to_the_right = {*right, *AMOUNTS}
    for column in columns:
        where: Literal["left", "right"] = "right" if column in to_the_right else "left"
        drawn.add_column(column, justify=where, overflow="fold", no_wrap=column == "id")
    count = 0
    for row in rows:
        drawn.add_row(*(Text(str(cell)) for cell in row))
        count += 1
    console = page()
    if count:
        if title:
            console.print(title, style="bold")
        console.print(drawn)
    else:
        console.print(f"{title}: none" if title else "none")
    console.print()
