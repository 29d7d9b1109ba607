"""Set-wise and by the passes alone: the same day gives the same result, whatever the sides say."""

from __future__ import annotations

import csv
import os
import random
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.jobs.reconcile_sides import Given, TakenFiles, rest_of, take_file
from clearing.ledger.entry import Entry, Posting
from clearing.reconciliation.ledger_side import ledger_rows
from clearing.reconciliation.reconciled import Reconciled, reconcile
from clearing.reconciliation.report import report
from clearing.reconciliation.statements import EXPORT_COLUMNS, EXPORT_MORE, STATEMENT_COLUMNS, STATEMENT_MORE
from clearing.store.sides import rest
from clearing.store.sides.tables import ENTRY_COLUMNS, SEPARATOR, SideTables
from tests.reconciliation.sides import (
    CLOCK,
    DAY,
    NEXT,
    bank_line,
    csv_bytes,
    entry,
    export,
    his_line,
    statement,
)

Line = Mapping[str, str]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def write_entries(path: Path, entries: Iterable[Entry], originals: Mapping[str, Entry]) -> None:
    """Entries as `copy_entries` writes them."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(ENTRY_COLUMNS), lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
        writer.writeheader()
        for one in entries:
            original = originals.get(one.original_id)
            writer.writerow(
                {
                    "id": one.id,
                    "clearing_date": one.clearing_date,
                    "type": one.type,
                    "source": one.source,
                    "event_id": one.event_id,
                    "accounts": SEPARATOR.join(posting.account for posting in one.postings),
                    "fens": SEPARATOR.join(str(posting.fen) for posting in one.postings),
                    "legs": "".join(posting.leg.value for posting in one.postings),
                    "occurred_us": int((one.occurred_at - EPOCH).total_seconds() * 1_000_000),
                    "institution": one.institution,
                    "bank": one.bank,
                    "partner": one.partner,
                    "bank_ref": one.bank_ref,
                    "bank_date": one.bank_date or "",
                    "order_no": one.order_no,
                    "receipt_no": one.receipt_no,
                    "admission_no": one.admission_no,
                    "card": one.card,
                    "original_id": one.original_id,
                    "original_ref": original.bank_ref if original else "",
                    "original_order": original.order_no if original else "",
                    "original_receipt": original.receipt_no if original else "",
                    "original_admission": original.admission_no if original else "",
                }
            )


def before(found: Reconciled | None) -> dict[str, Any]:
    """What a day hands on."""
    if found is None:
        return {}
    return {"open_before": found.open_after, "waiting_before": found.waiting, "taken_before": found.taken}


def by_the_passes(
    day: date,
    ours: Sequence[Entry],
    bank: Sequence[Line],
    his: Sequence[Line],
    after: Reconciled | None,
    *,
    originals: Sequence[Entry] = (),
) -> Reconciled:
    """The oracle: every row goes through the passes."""
    statements = {"BX": statement(bank, day=day)}
    exports = {"H1": export(his, day=day)}
    rows = ledger_rows(day, ours, originals=originals)
    return reconcile(day, rows, statements, exports, **before(after))


def set_wise(  # noqa: PLR0917 - a day, its sides, and what came before
    day: date,
    ours: Sequence[Entry],
    bank: Sequence[Line],
    his: Sequence[Line],
    after: Reconciled | None,
    cleans: list[int],
    *,
    originals: Sequence[Entry] = (),
) -> Reconciled:
    """As the job does it; `originals` are of other days."""
    with tempfile.TemporaryDirectory() as folder:
        tables = SideTables(Path(folder), cutover=CLOCK.cutover)
        known = {one.id: one for one in (*originals, *ours)}
        write_entries(tables.folder / "entries.csv", ours, known)
        tables.entries = tables.folder / "entries.csv"
        taken = TakenFiles()
        keys = frozenset({line["bank_ref"] for line in bank} | {line["order_no"] for line in his})
        for kind, partner, columns, lines in (
            ("STM", "BX", (*STATEMENT_COLUMNS, *STATEMENT_MORE), bank),
            ("HIS", "H1", (*EXPORT_COLUMNS, *EXPORT_MORE), his),
        ):
            path = Path(folder) / f"{kind}_{partner}.csv"
            path.write_bytes(csv_bytes(columns, lines))
            one = Given(kind, partner, path.name, path, "", "")
            take_file(tables, taken, one, day, CLOCK, keys)
        assert taken.refused == []
        outside = [row for item in (after.open_after if after else ()) for row in item.found.rows()]
        left = rest_of(tables, taken, [*outside, *(after.waiting if after else ())])
        named = [one.original_id for one in left.entries if one.original_id]
        found = rest.entries_named(tables, named).values()
        tables.close()
    cleans.append(sum(line.matched for line in left.clean.lines))
    ours_left = ledger_rows(day, left.entries, originals=[*originals, *found])
    return reconcile(day, ours_left, left.statements, left.exports, clean=left.clean, **before(after))


KINDS = ("plain", "plain", "plain", "voided", "reversed", "part", "deposit", "payout")


def day_of(
    kinds: Sequence[tuple[str, int]], day: date, stamp: str
) -> tuple[list[Entry], list[Line], list[Line]]:
    """A day on which three sides agree."""
    ours: list[Entry] = []
    bank: list[Line] = []
    his: list[Line] = []
    for number, (kind, fen) in enumerate(kinds):
        no, back = f"{stamp}{number}", f"{stamp}{number}u"
        amount = f"{fen // 100}.{fen % 100:02d}"
        if kind == "payout":
            postings = (Posting("2035.F1", fen), Posting("1010.BX", -fen))
            ours.append(
                entry(no, "payout.result", amount, day=day, postings=postings, institution="", order_no="")
            )
            bank.append(bank_line(no, amount, day=day, type="PAYOUT", direction="C"))
            continue
        more: dict[str, Any] = (
            {"receipt_no": f"O{no}", "order_no": "", "admission_no": "A1"} if kind == "deposit" else {}
        )
        ours.append(entry(no, "deposit.paid" if more else "payment.made", amount, day=day, **more))
        bank.append(bank_line(no, amount, day=day))
        his.append(his_line(no, amount, day=day, **({"trade_type": "DEP"} if more else {})))
        if kind in ("plain", "deposit"):
            continue
        part = f"{fen // 200}.{fen // 2 % 100:02d}" if kind == "part" else amount
        type_ = {"voided": "VOID", "reversed": "REVERSAL", "part": "REFUND"}[kind]
        name = "payment.refunded" if kind == "part" else f"payment.{kind}"
        ours.append(entry(back, name, part, day=day, original=no, original_day=day))
        bank.append(bank_line(back, part, day=day, type=type_, direction="C", original_bank_ref=f"R{no}"))
        his.append(
            his_line(back, part, day=day, trade_type="REFUND", direction="P", original_order_no=f"O{no}")
        )
    return ours, bank, his


def noise(chance: random.Random, lines: Sequence[Line]) -> list[Line]:
    """Lines with accidents in a third of them."""
    out: list[Line] = []
    for line in lines:
        kind = chance.choice(ACCIDENTS) if chance.random() < 0.35 else ""
        if kind != "lost":
            out.append({**line, **spoiled(chance, kind, line, lines)})
        if kind == "twice":
            out.append(line)
    return out


ACCIDENTS = (
    "lost", "twice", "status", "direction", "amount", "date", "key", "group", "original", "card", "platform",
    "type", "space",
)  # fmt: skip


def spoiled(chance: random.Random, kind: str, line: Line, lines: Sequence[Line]) -> Line:
    """The cells that an accident changes."""
    at_bank = "bank_date" in line
    date_name, key, original, type_name = (
        ("bank_date", "bank_ref", "original_bank_ref", "type")
        if at_bank
        else ("his_date", "order_no", "original_order_no", "trade_type")
    )
    other = chance.choice(lines)
    return {
        "status": {"status": chance.choice(["FAIL", "REVD"])},
        "direction": {"direction": {"D": "C", "C": "D", "R": "P", "P": "R"}[line["direction"]]},
        "amount": {"amount": "1.23"},
        "date": {date_name: chance.choice(["2026-03-09", "2026-03-11", "2026-03-12"])},
        "key": {key: other[key]},
        "group": {"group": "g"},
        "original": {original: other[key]},
        "card": {"card": "tok_other001"},
        "platform": {"platform_ref": chance.choice(["20260310000000000000000000000000", "x"])},
        "type": {type_name: chance.choice(["REFUND", "FEE"] if at_bank else ["REFUND", "DEP"])},
        "space": {"bank_ref": f"{line.get('bank_ref', '')} "},
    }.get(kind, {})


plans = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(200, 10**7)), min_size=1, max_size=12)
CLEAN: list[int] = []


@settings(max_examples=400 if os.environ.get("CLEARING_SOAK") else 15, deadline=None)
@given(plans, plans, st.integers(0, 10**6))
def test_set_wise_is_what_the_passes_alone_find(
    first: list[tuple[str, int]], second: list[tuple[str, int]], seed: int
) -> None:
    """Breaks, ids, open items, proof, waiting rows and match rates are the same, two days running."""
    chance = random.Random(seed)
    oracle: Reconciled | None = None
    for day, plan, stamp in ((DAY, first, ""), (NEXT, second, "n")):
        ours, bank, his = day_of(plan, day, stamp)
        ours = [one for one in ours if chance.random() > 0.05]
        one, two = noise(chance, bank), noise(chance, his)
        quick = set_wise(day, ours, one, two, oracle, CLEAN)
        oracle = by_the_passes(day, ours, one, two, oracle)
        assert quick.breaks == oracle.breaks
        assert (quick.open_after, quick.waiting) == (oracle.open_after, oracle.waiting)
        assert (quick.matched, quick.proof, quick.roll) == (oracle.matched, oracle.proof, oracle.roll)
        files = {"BX": statement(one, day=day)}, {"H1": export(two, day=day)}
        assert report(quick, "", *files) == report(oracle, "", *files)


def test_some_of_it_was_quick() -> None:
    """The days above are not all noise: a good part of their matches never saw a pass."""
    assert sum(CLEAN) > len(CLEAN)
