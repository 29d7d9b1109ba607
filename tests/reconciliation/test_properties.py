"""What holds for every day, whatever is in it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.ledger.entry import Entry
from clearing.ledger.money import yuan
from clearing.reconciliation.ledger_side import ledger_rows
from clearing.reconciliation.reconciled import Reconciled, reconcile
from clearing.reconciliation.rows import HisRow, StatementRow
from tests.reconciliation.sides import DAY, NEXT, Sides, bank_line, entry, export, his_line, statement

Line = Mapping[str, str]
KINDS = ("plain", "voided", "reversed", "part")


def day_of(kinds: Sequence[tuple[str, int]]) -> tuple[list[Entry], list[Line], list[Line]]:
    """A day on which three sides agree: payments, some taken back whole or in part."""
    ours: list[Entry] = []
    bank: list[Line] = []
    his: list[Line] = []
    for number, (kind, fen) in enumerate(kinds):
        no, back = f"{number}", f"{number}u"
        amount = yuan(fen)
        ours.append(entry(no, "payment.made", amount))
        bank.append(bank_line(no, amount))
        his.append(his_line(no, amount))
        if kind == "plain":
            continue
        part = yuan(fen // 2) if kind == "part" else amount
        type_ = {"voided": "VOID", "reversed": "REVERSAL", "part": "REFUND"}[kind]
        name = "payment.refunded" if kind == "part" else f"payment.{kind}"
        ours.append(entry(back, name, part, original=no))
        bank.append(bank_line(back, part, type=type_, direction="C", original_bank_ref=f"R{no}"))
        his.append(his_line(back, part, trade_type="REFUND", direction="P", original_order_no=f"O{no}"))
    return ours, bank, his


days = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(200, 10**7)), min_size=1, max_size=8).map(
    day_of
)
few = settings(max_examples=60, deadline=None)


def claimed(found: Reconciled) -> Counter[str]:
    """How often each partner's line stands in a match or a break."""
    rows: list[StatementRow | HisRow] = []
    for match in found.matches:
        rows.extend((*match.bank_rows, *match.his_rows))
    for one in found.breaks:
        rows.extend((*one.bank_rows, *one.his_rows))
    return Counter(f"{row.file}:{row.line}" for row in rows)


@few
@given(days)
def test_a_day_on_which_all_agree_has_no_breaks(day: tuple[list[Entry], list[Line], list[Line]]) -> None:
    """Our own rows against themselves match, each line once."""
    found = Sides(*day).run()
    assert found.breaks == ()
    assert set(claimed(found).values()) == {1}


def noise(seed: int, lines: list[Line], amount_first: str) -> list[Line]:
    """Lines with a handful of accidents."""
    chance = random.Random(f"{seed}{amount_first}")
    out: list[Line] = []
    for line in lines:
        dice = chance.random()
        one: dict[str, Any] = dict(line)
        if dice < 0.1:
            continue
        if dice < 0.2:
            one["status"] = chance.choice(["FAIL", "REVD"])
        elif dice < 0.3:
            one["direction"] = {"D": "C", "C": "D", "R": "P", "P": "R"}[one["direction"]]
        elif dice < 0.4:
            one["amount"] = "1.23"
        elif dice < 0.5:
            key = "bank_date" if "bank_date" in one else "his_date"
            one[key] = chance.choice(["2026-03-08", "2026-03-09", "2026-03-11"])
        elif dice < 0.6:
            out.append(dict(line))
        elif dice < 0.7:
            key = "bank_ref" if "bank_date" in one else "order_no"
            one[key] = one[key][:2]
        elif dice < 0.75:
            one["group"] = "g"
        out.append(one)
    return out


@settings(max_examples=150, deadline=None)
@given(days, days, st.integers(0, 10**6))
def test_the_proof_stands_and_the_order_of_lines_does_not_matter(
    day: tuple[list[Entry], list[Line], list[Line]],
    after: tuple[list[Entry], list[Line], list[Line]],
    seed: int,
) -> None:
    """Whatever the sides say, two days running: no residual, each line once, the same breaks in any order."""
    bank, his = noise(seed, day[1], "b"), noise(seed, day[2], "h")
    chance = random.Random(seed)
    first: Reconciled | None = None
    for on, ours, ours_bank, ours_his in (
        (DAY, day[0], bank, his),
        (NEXT, [again(one) for one in after[0]], noise(seed + 1, day[1], "b"), noise(seed + 1, day[2], "h")),
    ):
        rows = list(ledger_rows(on, ours))
        before = first
        one, two = statement(ours_bank, day=on), export(ours_his, day=on)
        given_before: dict[str, Any] = {
            "open_before": before.open_after if before else (),
            "waiting_before": before.waiting if before else (),
            "taken_before": before.taken if before else frozenset(),
        }
        first = reconcile(on, rows, {"BX": one}, {"H1": two}, **given_before)
        chance.shuffle(rows)
        mixed = [list(one.rows), list(two.rows)]
        for each in mixed:
            chance.shuffle(each)  # type: ignore[arg-type]
        second = reconcile(
            on,
            rows,
            {"BX": replace(one, rows=tuple(mixed[0]))},  # type: ignore[arg-type]
            {"H1": replace(two, rows=tuple(mixed[1]))},  # type: ignore[arg-type]
            **given_before,
        )
        assert second.breaks == first.breaks
        assert second.open_after == first.open_after
        assert len({one.id for one in first.breaks}) == len(first.breaks)
        assert all(line.residual_fen == 0 for line in first.proof.values())
        if before is None:
            assert set(claimed(first).values()) <= {1}


def again(one: Entry) -> Entry:
    """The same entry on the next day under another id."""
    return replace(one, id=f"{NEXT:%Y%m%d}{one.id[8:]}", clearing_date=NEXT, event_id=f"{one.event_id}n")
