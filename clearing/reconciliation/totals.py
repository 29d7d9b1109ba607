"""A file against its own totals, and against files seen before. 总额核对"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from clearing.ledger.money import yuan
from clearing.reconciliation.breaks import Break, break_id
from clearing.reconciliation.codes import OPEN
from clearing.reconciliation.partner_files import Refused, SoundFile


@dataclass(frozen=True, slots=True)
class SeenFile:
    """A file taken in before."""

    partner: str
    file: str
    sha256: str


def gate(partner: str, file: str, sha256: str, seen: Iterable[SeenFile]) -> Literal["new", "again"] | Refused:
    """Whether a file is new, the same again (to be ignored), or refused under FIL-003. 重复文件

    In:      `seen`: files of the partner taken in before, of any day.
    Out:     "again" for the same bytes; Refused for other bytes under a name already used.
    Source:  contract "Clearing files", same file again.
    """
    ours = [one for one in seen if one.partner == partner]
    if any(one.sha256 == sha256 for one in ours):
        return "again"
    for one in ours:
        if one.file == file:
            had = one.sha256[:16]
            text = f"{file}: expected a new name for other content, got sha256 {sha256[:16]}…, had {had}…"
            return Refused(
                partner=partner, file=file, sha256=sha256, code="FIL-003", errors=(text + " [FIL-003]",)
            )
    return "new"


def total_breaks(day: date, partner: str, said: SoundFile, *, of_bank: bool) -> Iterator[Break]:
    """FIL-004 a bad line; TOT-001 and TOT-002: what its trailer says against what its rows add up to. 总额余额核对

    Out:     breaks without differences, no part of the proof; none where the trailer is absent or right.
    Source:  contract "Reconciliation", pass 7.
    """
    told, got = said.totals, said.counted
    for faults in said.bad:
        yield _file_break(day, partner, "FIL-004", faults, 0, of_bank=of_bank)
    if said.bad:
        return  # what the lines left out come to nobody can say
    if told is not None and told != got:
        detail = (
            f"{said.file}: #TOTAL says {told.rows} rows, in {yuan(told.in_fen)}, out {yuan(told.out_fen)}; "
            f"its rows are {got.rows}, in {yuan(got.in_fen)}, out {yuan(got.out_fen)}"
        )
        off = abs(told.in_fen - got.in_fen) or abs(told.out_fen - got.out_fen)
        yield _file_break(day, partner, "TOT-001", detail, off, of_bank=of_bank)
    balance = said.balance
    if balance is not None and balance.opening_fen + got.in_fen - got.out_fen != balance.closing_fen:
        due = balance.opening_fen + got.in_fen - got.out_fen
        off = balance.closing_fen - due
        detail = (
            f"{said.file}: #BALANCE opens at {yuan(balance.opening_fen)} and its rows give {yuan(due)}, "
            f"it closes at {yuan(balance.closing_fen)} "
            f"({yuan(abs(off))} too {'much' if off > 0 else 'little'})"
        )
        yield _file_break(day, partner, "TOT-002", detail, abs(off), of_bank=of_bank)


def refused_break(day: date, refused: Refused, *, of_bank: bool) -> Break:
    """The break of a file that was not taken in."""
    detail = "\n".join(refused.errors)
    return _file_break(day, refused.partner, refused.code, detail, 0, of_bank=of_bank)


def books_break(day: date, told: Sequence[str]) -> Break:
    """The break of books that contradict themselves: LED-001. 借贷不平"""
    return Break(
        id=break_id(day, "LED-001"),
        opened=day,
        code="LED-001",
        codes=("LED-001",),
        vector="L1B-H-",
        amount_fen=0,
        difference_fen=0,
        differences=(),
        detail="\n".join(told),
    )


def _file_break(day: date, partner: str, code: str, detail: str, amount_fen: int, *, of_bank: bool) -> Break:
    return Break(
        id=break_id(day, f"{code}|{partner}|{detail}"),
        opened=day,
        code=code,
        codes=(code,),
        vector="L-B1H-" if of_bank else "L-B-H1",
        amount_fen=amount_fen,
        difference_fen=0,
        differences=(),
        bank=partner if of_bank else "",
        institution="" if of_bank else partner,
        state=OPEN,
        detail=detail,
    )
