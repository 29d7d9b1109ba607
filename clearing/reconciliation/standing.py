"""What stands at a day's end: deposits held, payouts on their way; found anew each day, known by its name. 存量核对

A movement is matched once; a balance that differs differs on every day until somebody mends it. So a finding is
held against the open breaks of before: the same again stays as it is, one that has changed is listed under its old
id, one that is gone clears by itself. What the findings of a partner come to is what its balance differs by.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final, NamedTuple

from clearing.ledger.money import yuan
from clearing.reconciliation.breaks import Break, OpenItem, break_id
from clearing.reconciliation.codes import AUTO_CLEARED, OPEN, SUSPECT, first_state, in_order
from clearing.reconciliation.proof import BalanceLine

FAMILY: Final = 3
"""Letters by which codes are one family: FND, DEP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that does not stand as it should. 存量差异"""

    codes: tuple[str, ...]
    partner: str
    """Whose balance it is part of: the hospital, or the payer."""
    name: str
    """The stay, the payout or the instruction: one finding each."""
    vector: str
    amount_fen: int
    difference_fen: int
    """Ledger minus partner."""
    bank: str = ""
    bank_ref: str = ""
    entry_id: str = ""
    detail: str

    @property
    def code(self) -> str:
        """The leading code."""
        return in_order(self.codes)[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """All that stands at the end of a day, as far as this run could look. 存量"""

    findings: tuple[Finding, ...] = ()
    looked_at: frozenset[tuple[str, str]] = frozenset()
    """(family, partner): of these, what is not found any more is gone."""
    balances: tuple[tuple[str, str, int, int], ...] = ()
    """(family, partner, ledger fen, other fen): what is tied out."""


NOTHING_STANDS: Final = Standing()


class Stood(NamedTuple):
    """What a run makes of the findings."""

    breaks: list[Break]
    open_after: list[OpenItem]
    """Of those that were found, the ones that are open; untouched ones of before are not among them."""
    kept: frozenset[str]
    """Ids of open breaks that this run has looked at: listed or the same as before."""
    touched: frozenset[str]
    """Ids of those that it lists."""


def stand(day: date, standing: Standing, before: Sequence[OpenItem], ended: Collection[str]) -> Stood:
    """Findings as breaks, known again by family, partner and name. 存量差错

    In:      `before`: open breaks of this kind; `ended`: ids of those that people have ended since.
    Out:     see `Stood`; one that people ended and that stands all the same is listed again.
    """
    known = {_key(item.found): item for item in before}
    found: list[Break] = []
    open_after: list[OpenItem] = []
    touched: set[str] = set()
    kept: set[str] = set()
    for one in sorted(standing.findings, key=lambda each: (each.partner, each.code[:FAMILY], each.name)):
        item = known.pop((one.code[:FAMILY], one.partner, one.name), None)
        if item is not None:
            kept.add(item.id)
            if _same(item.found, one) and not item.ended and item.id not in ended:
                open_after.append(item)
                continue
            touched.add(item.id)
        made = _break(day, one, item)
        found.append(made)
        open_after.append(OpenItem(found=made, sums=made.differences))
    for key, item in known.items():
        if key[:2] in standing.looked_at:
            kept.add(item.id)
            if not item.ended and item.id not in ended:
                touched.add(item.id)
                found.append(_gone(item.found))
    return Stood(found, open_after, frozenset(kept), frozenset(touched))


def _key(found: Break) -> tuple[str, str, str]:
    return (found.code[:FAMILY], found.differences[0][0] if found.differences else "", found.order_no)


def _same(before: Break, now: Finding) -> bool:
    return (before.codes, before.differences, before.detail) == (
        in_order(now.codes), ((now.partner, now.difference_fen),), now.detail
    )  # fmt: skip


def _break(day: date, one: Finding, item: OpenItem | None) -> Break:
    codes = in_order(one.codes)
    state = first_state(codes[0])
    if item is not None and item.found.state not in {OPEN, SUSPECT}:
        state = item.found.state
    return Break(
        id=item.id if item else break_id(day, f"{codes[0][:FAMILY]}|{one.partner}|{one.name}"),
        opened=item.found.opened if item else day,
        code=codes[0],
        codes=codes,
        vector=one.vector,
        amount_fen=one.amount_fen,
        difference_fen=one.difference_fen,
        differences=((one.partner, one.difference_fen),),
        bank_ref=one.bank_ref,
        order_no=one.name,
        entry_id=one.entry_id,
        bank=one.bank,
        institution=one.partner,
        state=state,
        new=item is None,
        detail=one.detail,
    )


def _gone(before: Break) -> Break:
    partner = before.differences[0][0] if before.differences else before.institution
    return replace(
        before, state=AUTO_CLEARED, new=False, difference_fen=0, differences=((partner, 0),),
        detail=f"{before.detail}; since then it is as it should be",
    )  # fmt: skip


def balance_lines(standing: Standing) -> dict[str, BalanceLine]:
    """A line for each balance that could be tied out, by family and partner. 余额核对"""
    explained: dict[tuple[str, str], int] = {}
    for one in standing.findings:
        key = (one.code[:FAMILY], one.partner)
        explained[key] = explained.get(key, 0) + one.difference_fen
    return {
        f"{family} {partner}": BalanceLine(
            family=family,
            partner=partner,
            ledger_fen=ledger_fen,
            other_fen=other_fen,
            explained_fen=explained.get((family, partner), 0),
        )
        for family, partner, ledger_fen, other_fen in sorted(standing.balances)
    }


# ---------------------------------------------------------------- deposits


class HeldStay(NamedTuple):
    """What our books hold for one stay at the end of a day. 在院预交金"""

    admission_no: str
    fen: int
    """Positive: the hospital holds it."""
    settled: date | None
    """Clearing date of the stay's last final settlement; None where there is none."""


def deposit_findings(
    hospital: str, ours: Iterable[HeldStay], listed: Iterable[tuple[str, int]], day: date, *, days_max: int
) -> list[Finding]:
    """DEP-001 where a stay's balance differs, DEP-002 where it is negative or open long after discharge. 预交金核对

    In:      what the books hold by stay, all of the hospital; (admission number, closing fen) of its list; after how
             many days a discharged stay should hold nothing.
    Out:     one finding a stay; a stay that one side does not have holds nothing there.
    """
    books = {one.admission_no: one for one in ours}
    his = dict(listed)
    found = []
    for number in sorted({*books, *his}):
        mine = books.get(number, HeldStay(number, 0, None))
        theirs = his.get(number, 0)
        codes = {"DEP-001"} if mine.fen != theirs else set()
        late = mine.settled is not None and (day - mine.settled).days > days_max
        if min(mine.fen, theirs) < 0 or (late and (mine.fen or theirs)):
            codes.add("DEP-002")
        if codes:
            settled = f", settled {mine.settled}" if mine.settled else ""
            detail = f"stay {number}{settled}: books hold {yuan(mine.fen)}, the HIS {yuan(theirs)}"
            found.append(
                Finding(
                    codes=in_order(codes),
                    partner=hospital,
                    name=number,
                    vector=f"L{int(number in books)}B-H{int(number in his)}",
                    amount_fen=abs(mine.fen or theirs),
                    difference_fen=mine.fen - theirs,
                    detail=detail,
                )
            )
    return found


# ---------------------------------------------------------------- payouts and instructions


class OpenPayout(NamedTuple):
    """A payout, or an instruction, that has not arrived at the end of a day. 未达划拨"""

    payer: str
    name: str
    """source/id of the payout, or the instruction's id."""
    state: str
    """HELD, ACCEPTED, SENT, REJECTED, RETURNED; as of that day."""
    bank: str
    bank_ref: str
    entry_id: str
    fen: int
    since: date | None = None
    """The bank's date of its answer."""
    reason: str = ""
    by_bank: bool = True
    """False where it never went to a bank: a card that had ended."""


_ON_ITS_WAY: Final = {"SENT": "FND-001", "REJECTED": "FND-002", "RETURNED": "FND-003"}
_SAID: Final = {
    "FND-001": "given to {bank}, no answer",
    "FND-002": "{bank} did not pay it, {since} {reason}",
    "FND-003": "came back from {bank}, {since} {reason}",
}


def transfer_findings(open_payouts: Iterable[OpenPayout]) -> list[Finding]:
    """FND-001 unanswered, FND-002 failed, FND-003 returned: what was to be paid and has not arrived. 划拨核对

    In:      every payout of the books that is neither paid nor over; those that no bank has been given, or that wait
             for their card, are no break.
    """
    found = []
    for one in open_payouts:
        code = _ON_ITS_WAY.get(one.state) if one.by_bank else None
        if code is not None:
            said = _SAID[code].format(bank=one.bank, since=one.since or "", reason=one.reason).strip()
            found.append(
                Finding(
                    codes=(code,),
                    partner=one.payer,
                    name=one.name,
                    vector="L1B0H-" if code == "FND-001" else "L1B1H-",
                    amount_fen=one.fen,
                    difference_fen=one.fen,
                    bank=one.bank,
                    bank_ref=one.bank_ref,
                    entry_id=one.entry_id,
                    detail=f"{one.name}: {said}",
                )
            )
    return found
