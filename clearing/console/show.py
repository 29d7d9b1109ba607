"""Tables for people: yuan with thousands, signed, debit positive. 表格"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any, Final, Literal

from moneyed import CNY, Money
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from messages import amount_text

if TYPE_CHECKING:
    from clearing.store.files import StoredFile

WIDTH: Final = 100
"""Columns of a page where the terminal does not say."""
_PIPE: Final = 160
"""Columns within which texts are folded where nobody sees a terminal: one long text does not spread a whole table."""
_GAP: Final = 3
"""Columns between two columns of a table."""
_CHINESE_MIN: Final = 8
"""To how few columns text that is not ASCII may be folded."""
_SHOWN: Final = 4
AMOUNTS: Final = frozenset(
    {"amount", "debit", "credit", "yuan", "ledger", "other", "explained", "residual", "difference", "total"}
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
    """Print a table: no amount, id, name or other word is ever broken, so that each can be found and copied.

    Columns named in `right` and all amounts stand right. On a terminal that is too narrow the gaps close, then texts
    fold between words; what still has no room goes on beyond the edge. In a pipe there is room for most rows.
    """
    cells = [[str(cell) for cell in row] for row in rows]
    console = page()
    if not cells:
        print(f"{title}: none\n" if title else "none\n")
        return
    to_the_right = {*right, *AMOUNTS}
    room, least_gap = (console.width, 1) if console.is_terminal else (_PIPE, _GAP)
    widths, gap = _widths(columns, cells, to_the_right, room, least_gap)
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, gap // 2))
    for column, width in zip(columns, widths, strict=True):
        where: Literal["left", "right"] = "right" if column in to_the_right else "left"
        drawn.add_column(column, justify=where, overflow="fold", width=width)
    for row in cells:
        drawn.add_row(*map(Text, row))
    console.width = sum(widths) + gap * len(widths)
    with console.capture() as lines:
        if title:
            console.print(title, style="bold", soft_wrap=True)
        console.print(drawn)
    print(*(line.rstrip() for line in lines.get().splitlines()), "", sep="\n")


def _widths(
    columns: Sequence[str], cells: Sequence[Sequence[str]], right: Collection[str], room: int, least_gap: int
) -> tuple[list[int], int]:
    """How wide each column is drawn, and the gap between two: 3, or the least where there is no room."""
    texts = [[row[at] for row in cells] for at in range(len(columns))]
    widths = [max(map(cell_len, (name, *texts[at]))) for at, name in enumerate(columns)]
    if sum(widths) + _GAP * (len(widths) - 1) <= room:
        return widths, _GAP
    least = [
        max(_word(name), *map(cell_len if name in right else _word, texts[at]))
        for at, name in enumerate(columns)
    ]
    for _ in range(sum(widths) + least_gap * (len(widths) - 1) - room):
        at = max(range(len(widths)), key=lambda at: widths[at] - least[at])
        widths[at] = max(widths[at] - 1, least[at])
    return widths, least_gap


def _word(text: str) -> int:
    """Columns of the longest word, which is not broken; Chinese may be broken anywhere."""
    return max((cell_len(word) if word.isascii() else _CHINESE_MIN for word in text.split()), default=0)
