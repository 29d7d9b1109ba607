"""One line of one side deleted, changed, doubled or dated otherwise: exactly its code, both ways of matching."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, Final, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.ledger.entry import Entry, Posting
from clearing.ledger.money import yuan
from clearing.reconciliation.codes import AUTO_CLEARED
from clearing.reconciliation.reconciled import Reconciled
from tests.reconciliation.sides import DAY, NEXT, bank_line, entry, his_line
from tests.reconciliation.test_bulk import Line, by_the_passes, set_wise
from tests.reconciliation.test_properties import claimed
from tests.soaking import size

BEFORE: Final = DAY - timedelta(days=1)
KINDS: Final = ("paid", "deposit", "payout", "voided", "reversed", "part")
UNDO: Final = {"voided": "VOID", "reversed": "REVERSAL", "part": "REFUND"}


class Day(NamedTuple):
    """Three sides of a day."""

    ledger: list[Entry]
    bank: list[Line]
    his: list[Line]


def agreed(kinds: Sequence[tuple[str, int]]) -> Day:
    """A day on which three sides agree; numbers say which line is of what."""
    day = Day([], [], [])
    for number, (kind, fen) in enumerate(kinds):
        no, amount = f"{number}", yuan(fen)
        if kind == "payout":
            postings = (Posting("2035.F1", fen), Posting("1010.BX", -fen))
            day.ledger.append(
                entry(no, "payout.result", amount, postings=postings, institution="", order_no="")
            )
            day.bank.append(bank_line(no, amount, type="PAYOUT", direction="C"))
            continue
        deposit: dict[str, Any] = {"receipt_no": f"O{no}", "order_no": "", "admission_no": "A1"}
        more = deposit if kind == "deposit" else {}
        day.ledger.append(entry(no, "deposit.paid" if more else "payment.made", amount, **more))
        day.bank.append(bank_line(no, amount))
        day.his.append(his_line(no, amount, bank_ref=f"R{no}", trade_type="DEP" if more else "OPD"))
        if kind in UNDO:
            undo(day, no, kind, fen // 2 if kind == "part" else fen)
    return day


def undo(day: Day, no: str, kind: str, fen: int) -> None:
    """What takes a payment back, on all sides."""
    back, amount = f"{no}u", yuan(fen)
    day.ledger.append(entry(back, f"payment.{'refunded' if kind == 'part' else kind}", amount, original=no))
    # fmt: off
    day.bank.append(bank_line(back, amount, type=UNDO[kind], direction="C", original_bank_ref=f"R{no}"))
    day.his.append(his_line(
        back, amount, bank_ref=f"R{back}", trade_type="REFUND", direction="P", original_order_no=f"O{no}"
    ))
    # fmt: on


# ---------------------------------------------------------------- one line spoiled


def spoiled(day: Day, side: str, index: int, how: str) -> Day:
    """The day with one line of one side as somebody else would have it."""
    if side == "ledger":
        return day._replace(ledger=in_ledger(day.ledger, index, how))
    if side == "bank":
        return day._replace(bank=in_file(day.bank, index, how, "bank_date"))
    return day._replace(his=in_file(day.his, index, how, "his_date"))


def in_file(lines: Sequence[Line], index: int, how: str, date_name: str) -> list[Line]:
    """A partner's lines with one deleted, doubled, changed by a fen, or dated the day after or before."""
    line = dict(lines[index])
    if how == "delete":
        return [*lines[:index], *lines[index + 1 :]]
    if how == "double":
        return [*lines, line]
    if how in ("less", "more"):
        line["amount"] = yuan(int(line["amount"].replace(".", "")) + (1 if how == "more" else -1))
    elif how == "swap":
        line["direction"] = {"D": "C", "C": "D", "R": "P", "P": "R"}[line["direction"]]
    elif how == "fail":
        line["status"] = "FAIL"
    else:
        line[date_name] = f"{NEXT if how == 'after' else BEFORE}"
    return [*lines[:index], line, *lines[index + 1 :]]


def in_ledger(entries: Sequence[Entry], index: int, how: str) -> list[Entry]:
    """Our entries with one missing, there twice, a fen off, or in the books of the day after or before."""
    one = entries[index]
    if how == "delete":
        return [*entries[:index], *entries[index + 1 :]]
    if how == "double":
        again = f"{one.id[:-1]}{'1' if one.id[-1] == '0' else '0'}"
        return [*entries, replace(one, id=again, event_id=f"{one.event_id}x")]
    if how in ("after", "before"):
        one = replace(one, clearing_date=NEXT if how == "after" else BEFORE)
    else:
        off = 1 if how == "more" else -1
        postings = (Posting(name, fen + (off if fen > 0 else -off), leg) for name, fen, leg in one.postings)
        one = replace(one, amount_fen=one.amount_fen + off, postings=tuple(postings))
    return [*entries[:index], one, *entries[index + 1 :]]


# ---------------------------------------------------------------- what it must be called

Table = dict[str, dict[str, tuple[str, ...]]]
"""Side → what was done to a line → the codes of its break."""

# fmt: off
ALONE: Final[Table] = {
    # of a line to which nothing more happens, or only a refund of a part
    "bank":   {"delete": ("SID-101",), "less": ("AMT-001",), "more": ("AMT-002",), "double": ("DUP-002",),
               "swap": ("DIR-001",), "fail": ("STA-002",), "after": ("SID-101",), "before": ("CUT-001", "IDN-002")},
    "his":    {"delete": ("SID-110",), "less": ("AMT-003",), "more": ("AMT-003",), "double": ("DUP-003",),
               "swap": ("DIR-001",), "fail": ("STA-003",), "after": ("SID-110",), "before": ()},
    "ledger": {"delete": ("SID-011",), "less": ("AMT-002",), "more": ("AMT-001",), "double": ("DUP-001",),
               "after": ("SID-011",), "before": ("CUT-001",)},
}
OF_A_PAIR: Final[Table] = {
    # of a payment that was taken back whole on the day, or of what took it back
    "bank":   {"delete": ("STA-003",), "less": ("STA-003", "AMT-001"), "more": ("STA-003", "AMT-002"),
               "double": ("DUP-002",), "swap": ("STA-003", "DIR-001"), "fail": ("STA-003",), "after": ("STA-003",),
               "before": ()},
    "his":    {"delete": ("STA-003",), "less": ("STA-003", "AMT-003"), "more": ("STA-003", "AMT-003"),
               "double": ("DUP-003",), "swap": ("STA-003", "DIR-001"), "fail": ("STA-003",), "after": ("STA-003",),
               "before": ()},
    "ledger": {"delete": ("STA-002", "STA-003"), "less": ("STA-002", "STA-003", "AMT-002"),
               "more": ("STA-002", "STA-003", "AMT-001"), "double": ("DUP-001",),
               "after": ("STA-002", "STA-003"), "before": ("CUT-001",)},
}
OTHERWISE: Final = {
    ("bank", "fail", "part's undo"): ("STA-004",),
    ("bank", "before", "part's undo"): ("CUT-002",),
    ("ledger", "delete", "payout"): ("SID-010",),  # no hospital has it
    ("ledger", "after", "payout"): ("SID-010",),
}
# fmt: on
LINES: Final = [(side, how) for side, each in ALONE.items() for how in each]


def expected(side: str, how: str, role: str) -> tuple[str, ...]:
    """The codes of the one break, () for none."""
    pair = role.startswith(("voided", "reversed"))
    return OTHERWISE.get((side, how, role)) or (OF_A_PAIR if pair else ALONE)[side][how]


def possible(side: str, how: str, role: str) -> bool:
    """Our books never have an undo without its original, or before it; and have no lines that failed."""
    if side != "ledger":
        return True
    undone = role in ("voided", "reversed", "part")
    return not (undone and how in ("delete", "after")) and not (role.endswith("undo") and how == "before")


# ---------------------------------------------------------------- three days, both ways


def by_set(
    day: date,
    ours: Sequence[Entry],
    bank: Sequence[Line],
    his: Sequence[Line],
    after: Reconciled | None,
    *,
    originals: Sequence[Entry] = (),
) -> Reconciled:
    """As the job does it."""
    return set_wise(day, ours, bank, his, after, [], originals=originals)


def three_days(day: Day, way: Any) -> dict[date, Reconciled]:  # noqa: ANN401 - either way of matching
    """The day, with nothing but what was put there on the day before and after."""
    found: dict[date, Reconciled] = {}
    last: Reconciled | None = None
    for on in (BEFORE, DAY, NEXT):
        ours = [one for one in day.ledger if one.clearing_date == on]
        earlier = [one for one in day.ledger if one.clearing_date < on]
        files = (day.bank, day.his) if on == DAY else ([], [])
        found[on] = last = way(on, ours, *files, last, originals=earlier)
    return found


def check(day: Day, role: str, side: str, index: int, how: str, *, ways: Sequence[Any]) -> None:
    """One spoiled line has its codes, nothing else has any, and what was dated otherwise is clear in the end."""
    told = (side, how, role)
    for way in ways:
        found = three_days(spoiled(day, side, index, how), way)
        codes = expected(side, how, role)
        assert [one.codes for one in found[DAY].breaks] == ([codes] if codes else []), told
        assert all(line.residual_fen == 0 for each in found.values() for line in each.proof.values()), told
        if how in ("after", "before"):
            assert found[NEXT].open_after == (), told
            crossed = [one for one in found[NEXT].breaks if not one.new]
            undo = "CUT-002" if role.endswith("undo") else "CUT-001"
            assert {(one.code, one.state) for one in crossed} <= {(undo, AUTO_CLEARED)}, told
            assert bool(crossed) == (how == "after"), told
        claims = claimed(found[DAY])
        assert not claims or max(claims.values()) == 1, told
        rows = [row for one in found[DAY].matches for row in one.ledger_rows]
        rows += [row for one in found[DAY].breaks for row in one.ledger_rows]
        ours = [(row.source, row.event_id, row.partner) for row in rows]
        assert len(ours) == len(set(ours)), told


def role_of(day: Day, kinds: Sequence[tuple[str, int]], side: str, index: int) -> str:
    """Of what a line is: one of KINDS, or an undo of one."""
    name = day.ledger[index].event_id if side == "ledger" else getattr(day, side)[index]["bank_ref"][1:]
    kind = kinds[int(name.rstrip("u"))][0]
    return f"{kind}'s undo" if name.endswith("u") else kind


@pytest.mark.parametrize(("side", "how"), LINES)
def test_any_one_line_spoiled_gives_exactly_its_code(side: str, how: str) -> None:
    """Every kind of line of every side, in every way: the codes of the one break, all of them."""
    kinds = [(kind, 10_000 * number) for number, kind in enumerate(KINDS, 1)]
    day = agreed(kinds)
    for index in range(len(getattr(day, side))):
        role = role_of(day, kinds, side, index)
        if possible(side, how, role):
            check(day, role, side, index, how, ways=[by_the_passes])


days = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(200, 10**7)), min_size=1, max_size=8)


@settings(max_examples=size(6, 400), deadline=None)
@given(days, st.sampled_from(LINES), st.data())
def test_both_ways_of_matching_call_it_the_same(
    kinds: list[tuple[str, int]], what: tuple[str, str], data: st.DataObject
) -> None:
    """Among any other payments, set-wise and by the passes alone."""
    (side, how), day = what, agreed(kinds)
    roles = [role_of(day, kinds, side, index) for index in range(len(getattr(day, side)))]
    indexes = [index for index, role in enumerate(roles) if possible(side, how, role)]
    if indexes:
        index = data.draw(st.sampled_from(indexes))
        check(day, roles[index], side, index, how, ways=[by_the_passes, by_set])


@settings(max_examples=size(3, 100), deadline=None)
@given(days)
def test_our_own_files_against_our_ledger_have_no_breaks(kinds: list[tuple[str, int]]) -> None:
    """Both ways, on the day itself and around it, and every payment that stands is a match."""
    day = agreed(kinds)
    stands = sum(2 if kind == "part" else kind not in ("voided", "reversed") for kind, _ in kinds)
    for way in (by_the_passes, by_set):
        found = three_days(day, way)
        assert [one for each in found.values() for one in each.breaks] == []
        assert found[DAY].matched == stands
