"""Partners' files that are wrong as a whole, and what they should have been. 预埋坏文件

TOT-*  a statement's last lines say other sums than its lines come to; its lines are taken
FIL-*  an export is not there, has a cell that cannot be read, or a number that another file should come before

Sound copies stand in `corrected/`, under names of their own, for the run that mends the day.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from clearing.ledger.money import yuan

if TYPE_CHECKING:
    from clearing.jobs.generate.plan import Plan
    from clearing.jobs.generate.town import Town

OFF_FEN: Final = 100
"""By how much a total or a closing balance is wrong."""
CORRECTED: Final = "corrected"


class Spoiled(NamedTuple):
    """What was made of a file."""

    path: Path | None
    """Where it is now; None where it is missing."""
    corrected: Path
    amount_fen: int
    """Of the break it makes."""


def spoiled_files(plan: Plan, town: Town) -> dict[tuple[bool, str], str]:
    """Whose file is wrong, and how: (whether an export, code) → kind. 坏文件

    Out:     the last banks and the last institutions, one kind each; kinds for which nobody is left are absent.
    """
    banks, places = list(town.banks), [place.code for place in town.places]
    found: dict[tuple[bool, str], str] = {}
    for kind in plan.file_kinds:
        codes = banks if kind.startswith("TOT") else places
        if codes:
            found[kind.startswith("FIL"), codes.pop()] = kind
    return found


def spoil(kind: str, path: Path, in_fen: int, out_fen: int, rows: int) -> Spoiled | None:
    """Make a sound file wrong; None where an export without lines would be missed by nobody. 弄坏文件

    In:      what its lines come to.
    Writes:  the file, or another in its place; a sound copy in `corrected`.
    """
    if kind.startswith("FIL") and not rows:
        return None
    folder = path.parent.parent / CORRECTED
    folder.mkdir(exist_ok=True)
    corrected = folder / f"{path.stem}_V2{path.suffix}"
    text = path.read_text(encoding="utf-8")
    corrected.write_text(text, encoding="utf-8", newline="")
    if kind == "FIL-001":
        path.unlink()
        return Spoiled(None, corrected, 0)
    if kind == "FIL-003":
        numbered = path.with_name(f"{path.stem}_002_V1{path.suffix}")
        path.replace(numbered)
        return Spoiled(numbered, corrected, 0)
    path.write_text(_wrong(kind, text, in_fen, out_fen, rows), encoding="utf-8", newline="")
    return Spoiled(path, corrected, 0 if kind == "FIL-002" else OFF_FEN)


def _wrong(kind: str, text: str, in_fen: int, out_fen: int, rows: int) -> str:
    if kind == "FIL-002":
        head, first, rest = text.split("\n", 2)
        cells = first.split(",")
        cells[head.split(",").index("amount")] += "0"  # three decimals
        return "\n".join((head, ",".join(cells), rest))
    if kind == "TOT-001":
        right, wrong = in_fen, in_fen + OFF_FEN
        return text.replace(_total(rows, right, out_fen), _total(rows, wrong, out_fen))
    return text.replace(balance(in_fen, out_fen), balance(in_fen, out_fen, OFF_FEN))


def _total(rows: int, in_fen: int, out_fen: int) -> str:
    return f"#TOTAL,{rows},{yuan(in_fen)},{yuan(out_fen)}\n"


def trailer(rows: int, in_fen: int, out_fen: int, *, balanced: bool) -> str:
    """The last lines of a file: its totals, and of a statement its balance, which opens at nothing. 文件尾"""
    return _total(rows, in_fen, out_fen) + (balance(in_fen, out_fen) if balanced else "")


def balance(in_fen: int, out_fen: int, off_fen: int = 0) -> str:
    """The line that says where an account opened and closed."""
    return f"#BALANCE,{yuan(0)},{yuan(in_fen - out_fen + off_fen)}\n"
