"""A day's entries, many at once, to the lines of TXN and SWP that they give. 明细行与用卡行

Entries come as frames and leave as frames: what is done with each of them is done outside the interpreter's lock.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import Final, NamedTuple

import polars as pl

from clearing.errors import InvariantViolated
from clearing.files.draft import Group
from clearing.files.lines import Target, Targets
from clearing.files.memo import Memo
from clearing.files.plans import OF_THE_LINE, TXN_FROM, LinePlan, Plan, plan_of
from clearing.files.records import TxnLine, UseLine
from clearing.files.totals import ID_DIGITS
from clearing.ledger.entry_columns import BETWEEN, EntryColumns

BETWEEN_FIELDS: Final = "\x1e"
SHAPE: Final = ("type", "accounts", "legs", "institution", "bank", "route")
"""What entries have in common that give the same lines in the same groups."""
PLACES: Final = pl.List(pl.UInt32())
NUMBER: Final = pl.UInt32()
USE_FROM: Final = {"event_type": "type", "entry_id": "id", "event_time": "occurred_at"}


class Planned(NamedTuple):
    """Some entries, and what each of them says."""

    chunk: EntryColumns
    plans: Sequence[Plan]
    """Of the shapes that are among them."""
    groups: Sequence[Group]
    """In which each shape's lines are counted."""
    of_entry: pl.DataFrame
    """For each entry the number of its shape, and what says whether it is looked at, or told as a use."""

    def looked_at(self) -> list[int]:
        """Which of them can say something in ERR, DEP or NRC."""
        late = self.chunk.frame["late"] & self.of_entry["lines"]
        return (self.of_entry["looked_at"] | late).arg_true().to_list()


class TxnColumns(NamedTuple):
    """Lines of TXN: those of a file under each other, in order of entry and account."""

    runs: Sequence[tuple[Target, int]]
    """The files, with how many lines each gets."""
    columns: Sequence[pl.Series]
    """By field of `TxnLine`."""
    groups: Sequence[tuple[Target, Group, Sequence[int]]]
    """What they add to the sums of `Draft.groups`."""

    def taken(self, files: Collection[Target]) -> pl.Series:
        """Of each line whether it stands in one of some files."""
        return pl.concat([pl.repeat(target in files, count, eager=True) for target, count in self.runs])


class DayColumns:
    """Makes lines of entries; keeps the shapes it has seen. 按列成行"""

    def __init__(self, day: date, targets: Targets) -> None:
        self._day = day
        self._plans = Memo(lambda shape: plan_of((shape[0], shape[1].split(BETWEEN), shape[2]), targets))
        self._targets: list[Target] = []
        self._number: dict[Target, int] = {}
        self._last = ""

    def planned(self, chunk: EntryColumns) -> Planned:
        """What each of the next entries says.

        Raises:  InvariantViolated if one is of another day, out of order or out of balance, or a position's owner
                 is no member in force.
        """
        frame = chunk.frame
        ids = frame["id"]
        rises = (ids > ids.shift(1, fill_value=self._last)).all()
        if not rises or (frame["clearing_date"] != self._day).any():
            self._refuse(chunk)
        shape = frame.select(shape=pl.concat_str(SHAPE, separator=BETWEEN_FIELDS))
        shapes = shape.unique()
        parts = [one.split(BETWEEN_FIELDS) for one in shapes["shape"]]
        plans = [self._plans[tuple(one[:3])] for one in parts]
        by_shape = shapes.with_columns(
            pl.Series("plan", range(len(plans)), NUMBER),
            _places("memo", [plan.memo for plan in plans]),
            _places("paid", [plan.paid for plan in plans]),
            pl.Series("lines", [bool(plan.lines) for plan in plans], pl.Boolean()),
            pl.Series("looked_at", [plan.looked_at for plan in plans], pl.Boolean()),
        )
        of_entry = shape.join(by_shape, on="shape", how="left", maintain_order="left")
        self._balanced(chunk, of_entry, any(plan.memo for plan in plans))
        self._last = ids[-1] if len(ids) else self._last
        groups = [(one[0], *one[3:]) for one in parts]
        return Planned(chunk, plans, groups, of_entry)

    def _balanced(self, chunk: EntryColumns, of_entry: pl.DataFrame, memo: bool) -> None:  # noqa: FBT001
        fens = chunk.frame["fens"]
        odd = fens.list.sum() != 0
        if memo:
            odd |= of_entry.select(moved=pl.lit(fens).list.gather(pl.col("memo")).list.sum())["moved"] != 0
        if odd.any():
            chunk.entries(odd.arg_true().to_list())  # refuses the first, and says by how much

    def _refuse(self, chunk: EntryColumns) -> None:
        last = self._last
        for id_, day in chunk.frame.select("id", "clearing_date").iter_rows():
            if day != self._day or id_ <= last:
                raise InvariantViolated(
                    f"files of {self._day}: entry {id_} of {day}: expected the day's entries in order of id, "
                    f"got it after {last or 'none'}. No file was written"
                )
            last = id_

    # ------------------------------------------------------------ lines

    def txn(self, planned: Planned) -> TxnColumns | None:
        """The lines of TXN of some entries, None when they give none.

        Source:  contract "Clearing files", D (TXN).
        """
        frame = planned.chunk.frame
        plans = [(no, line) for no, plan in enumerate(planned.plans) for line in plan.lines]
        by_plan = pl.DataFrame(
            {
                "plan": pl.Series([no for no, _ in plans], dtype=NUMBER),
                "target": pl.Series([self._target(line.target) for _, line in plans], dtype=NUMBER),
                "account": pl.Series([line.account for _, line in plans], dtype=pl.String),
                "alone": pl.Series([line.alone for _, line in plans], dtype=pl.Int32),
                "of": pl.Series(range(len(plans)), dtype=NUMBER),
            }
        )  # fmt: skip
        numbered = planned.of_entry.select("plan").with_row_index("at")
        lines = numbered.join(by_plan, on="plan", maintain_order="left_right").sort(
            "target", maintain_order=True
        )
        if not lines.height:
            return None
        at = lines["at"]
        own = _figures(lines, frame["fens"].gather(at), frame["type"].gather(at), plans)
        columns = [
            own[name] if name in own else frame[TXN_FROM.get(name, name)].gather(at)
            for name in TxnLine._fields
        ]
        runs = lines.group_by("target", maintain_order=True).len().iter_rows()
        return TxnColumns(
            [(self._targets[number], count) for number, count in runs],
            columns,
            self._groups(lines.select("target", "plan", **own, id=frame["id"].gather(at)), planned.groups),
        )

    def _target(self, target: Target) -> int:
        number = self._number.setdefault(target, len(self._targets))
        if number == len(self._targets):
            self._targets.append(target)
        return number

    def _groups(
        self, lines: pl.DataFrame, groups: Sequence[Group]
    ) -> list[tuple[Target, Group, Sequence[int]]]:
        """The sums of the lines of each file and group."""
        came_in = (pl.col("settle_mode") == "N") & (pl.col("direction") == "R")
        went_out = (pl.col("settle_mode") == "N") & (pl.col("direction") != "R")
        sums = lines.group_by("target", "plan").agg(
            pl.len(),
            (pl.col("amount_fen") * came_in).sum().alias("in_fen"),
            (pl.col("amount_fen") * went_out).sum().alias("out_fen"),
            pl.col("fee_fen").sum(),
            pl.col("settle_fen").sum(),
            pl.col("amount_fen").sum(),
            pl.col("id").str.tail(ID_DIGITS).str.to_integer(base=16, dtype=pl.Int64).sum(),
        )
        return [(self._targets[row[0]], groups[row[1]], row[2:]) for row in sums.iter_rows()]

    def uses(self, planned: Planned, first_no: int) -> Sequence[pl.Series] | None:
        """The uses of cards that some entries tell, by field of `UseLine`; None when they tell none. 用卡行

        In:      the number that the first of them gets among the date's uses.
        Out:     DEBIT when the card's money moved to the institution, else CREDIT.
        """
        frame = planned.chunk.frame
        paid = planned.of_entry["paid"]
        moved = pl.select(pl.lit(frame["fens"]).list.gather(pl.lit(paid)).list.sum()).to_series()
        # else a discharge that only used the deposit
        told = (moved != 0) | (frame["type"] == "payment.confirmed")
        at = (paid.is_not_null() & (frame["amount_fen"] != 0) & told).arg_true()
        count = len(at)
        if not count:
            return None
        way = pl.when(pl.lit(moved.gather(at)) < 0).then(pl.lit("CREDIT")).otherwise(pl.lit("DEBIT"))
        own = {
            "use_no": pl.int_range(first_no, first_no + count, eager=True),
            "outcome": pl.repeat("posted", count, eager=True),
            "reason": pl.repeat("", count, eager=True),
            "direction": pl.select(way).to_series(),
        }
        return [
            own[name] if name in own else frame[USE_FROM.get(name, name)].gather(at)
            for name in UseLine._fields
        ]


def _places(name: str, of_plan: Sequence[tuple[int, ...] | None]) -> pl.Series:
    """Places among postings, of which there are few different ones, as lists: those are slow to make."""
    different = list(dict.fromkeys(of_plan))
    number = {places: no for no, places in enumerate(different)}
    lists = pl.Series(name, different, PLACES)
    return lists.gather(pl.Series([number[places] for places in of_plan], dtype=NUMBER))


def _figures(
    lines: pl.DataFrame, fens: pl.Series, types: pl.Series, plans: Sequence[tuple[int, LinePlan]]
) -> dict[str, pl.Series]:
    """What lines say that is theirs and not their entry's: most are the one posting, as it moves."""
    alone = lines.select(fen=pl.lit(fens).list.get("alone"))
    told = alone.select(
        direction=pl.when(pl.col("fen") > 0).then(pl.lit("P")).otherwise(pl.lit("R")),
        amount_fen=pl.col("fen").abs(),
        settle_mode=pl.repeat("N", pl.len()),
        fee_fen=pl.repeat(0, pl.len(), dtype=pl.Int64),
        settle_fen=-pl.col("fen"),
    )
    own = {**told.to_dict(), "account": lines["account"]}
    more = (lines["alone"] < 0).arg_true()
    if len(more):
        rows = zip(types.gather(more), fens.gather(more).to_list(), lines["of"].gather(more), strict=True)
        figures = zip(*(plans[of][1].figures(kind, moved) for kind, moved, of in rows), strict=True)
        for name, values in zip(OF_THE_LINE[:5], figures, strict=True):
            own[name] = own[name].scatter(more, pl.Series(values))
    return own
