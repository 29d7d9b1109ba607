"""Lists that come beside statements and exports: a payer's payments, a hospital's deposits by stay. 清单解析

    NRC   what a fund or insurer paid on a day, a line a payment     → rows of the third side, as an export's
    DEP   what each stay of a hospital held, moved and holds          → `Stay`, held against account 9011

Both are read as statements are: columns by the names in the header row, `#TOTAL` and `#BALANCE` at the end, every
error of a file at once. DEP may also come in the layout in which it goes out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, cast

from clearing.ledger.business_day import BusinessClock
from clearing.ledger.money import yuan
from clearing.reconciliation.cells import Cells, Errors
from clearing.reconciliation.header_rows import (
    Layout,
    Origin,
    belongs_to,
    decoded,
    header_of,
    numbered,
    parse_rows,
    refused_for,
)
from clearing.reconciliation.partner_files import Balance, ParsedExport, Refused, SoundFile, Totals
from clearing.reconciliation.rows import LIST_TYPES, HisRow, PartnerStatus
from clearing.reconciliation.statements import STATUSES
from clearing.reconciliation.trailers import trailer_of

LIST_COLUMNS: Final = (
    "settlement_id", "platform_ref", "trade_type", "direction", "amount", "status", "nrc_date",
)  # fmt: skip
LIST_MORE: Final = ("nrc_time", "bank", "institution", "claimed", "deducted", "card", "group")
STAY_COLUMNS: Final = ("admission_no", "opening", "paid", "refunded", "used", "transferred", "closing")
STAY_MORE: Final = ("institution", "line_no")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """One stay of a hospital's list: opening + paid − refunded − used + transferred = closing, fen. 预交金明细"""

    admission_no: str
    opening_fen: int
    paid_fen: int
    refunded_fen: int
    used_fen: int
    transferred_fen: int
    """Positive came from another stay."""
    closing_fen: int
    line: int = 0

    @property
    def due_fen(self) -> int:
        """What its movements make of its opening balance."""
        return self.opening_fen + self.paid_fen - self.refunded_fen - self.used_fen + self.transferred_fen


@dataclass(frozen=True, slots=True, kw_only=True)
class StayList:
    """A hospital's list of a day. 预交金清单"""

    partner: str
    rows: tuple[Stay, ...]
    files: tuple[SoundFile, ...]


def parse_list(
    data: bytes, *, partner: str, file: str, clock: BusinessClock, partial: bool = False
) -> ParsedExport | Refused:
    """Rows of a fund's or insurer's list of payments, or every error in it. 基金清单

    In:      UTF-8 with or without BOM; amounts unsigned, direction P where the payer paid, R where it got back;
             `institution` or `bank`: whom it paid; of a CLAIM `claimed` and `deducted`.
    Out:     as `parse_export`.
    """
    return parse_rows(_LIST, data, Origin(partner, file, clock), None, (), partial=partial)


def _list_row(cells: Cells, origin: Origin, line: int) -> HisRow:
    day, at = cells.date("nrc_date"), cells.time_or_none("nrc_time")
    return HisRow(
        partner=origin.partner,
        order_no=cells.text("settlement_id"),
        platform_ref=cells.text("platform_ref"),
        trade_type=cells.one_of("trade_type", LIST_TYPES),
        direction=cast("Literal['R', 'P']", cells.one_of("direction", ("R", "P"))),
        amount_fen=cells.fen("amount"),
        status=cast("PartnerStatus", cells.one_of("status", STATUSES)),
        his_date=day,
        his_time=at,
        bank=cells.text("institution") or cells.text("bank"),
        card=cells.card("card"),
        group=cells.text("group"),
        claimed_fen=cells.fen_or_none("claimed"),
        deducted_fen=cells.fen_or_none("deducted"),
        clearing_date=belongs_to(day, at, origin.clock),
        file=origin.file,
        line=line,
    )


_LIST: Final = Layout(LIST_COLUMNS, LIST_MORE, _list_row, of_bank=False)


def is_stay_list(data: bytes) -> bool:
    """Whether a hospital's file begins with the header row of a list of stays."""
    head = data[:4096].removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0]
    names = {name.strip() for name in head.decode("utf-8", "replace").split(",")}
    return {"admission_no", "closing"} <= names <= {*STAY_COLUMNS, *STAY_MORE}


def parse_stays(data: bytes, *, partner: str, file: str) -> StayList | Refused:
    """The stays of a hospital's list, or every error in it. 预交金清单

    In:      UTF-8 with or without BOM; one line a stay, in which the movements lead from opening to closing.
             `#TOTAL,<stays>,<in>,<out>` and `#BALANCE,<opening>,<closing>` over all stays may follow.
    """
    errors = Errors(file)
    rows: list[Stay] = []
    totals: Totals | None = None
    balance: Balance | None = None
    text = decoded(data, errors)
    lines = numbered(text or "", errors)
    header = next(lines, None)
    at = header_of(STAY_COLUMNS, STAY_MORE, header, errors) if text is not None else None
    for line, cells in lines if header is not None and at is not None else ():
        if cells[0].startswith("#"):
            totals, balance = trailer_of(cells, line, (totals, balance), errors)
        elif header is not None and at is not None and len(cells) == len(header[1]):
            rows.append(_stay(Cells(at, cells, line, errors), line, errors))
        else:
            expected = f"expected {len(header[1]) if header else 0} fields, got {len(cells)}"
            errors.add(line, "line", expected, "FMT-003")
    _once_each(rows, errors)
    if errors.found:
        return refused_for(errors, data, partner, of_bank=False)
    said = SoundFile.of(file, data, counted_stays(rows), totals=totals, balance=balance)
    return StayList(partner=partner, rows=tuple(rows), files=(said,))


def counted_stays(rows: Iterable[Stay]) -> Totals:
    """What the stays add up to, as a `#TOTAL` line would say it: in and out as they move the balance."""
    moves = [(row.paid_fen, row.refunded_fen + row.used_fen, row.transferred_fen) for row in rows]
    in_fen = sum(paid + max(moved, 0) for paid, _, moved in moves)
    out_fen = sum(out + max(-moved, 0) for _, out, moved in moves)
    return Totals(len(moves), in_fen, out_fen)


def _stay(cells: Cells, line: int, errors: Errors) -> Stay:
    row = Stay(
        admission_no=cells.text("admission_no"),
        opening_fen=cells.signed("opening"),
        paid_fen=cells.signed("paid"),
        refunded_fen=cells.signed("refunded"),
        used_fen=cells.signed("used"),
        transferred_fen=cells.signed("transferred"),
        closing_fen=cells.signed("closing"),
        line=line,
    )
    if row.due_fen != row.closing_fen:
        text = f"expected closing {yuan(row.due_fen)} after the stay's movements, got {yuan(row.closing_fen)}"
        errors.add(line, "closing", text, "FMT-009")
    return row


def _once_each(rows: Iterable[Stay], errors: Errors) -> None:
    seen: dict[str, int] = {}
    for row in rows:
        if not row.admission_no:
            errors.add(row.line, "admission_no", "expected an admission number, got none", "FMT-004")
        elif row.admission_no in seen:
            first = seen[row.admission_no]
            errors.add(
                row.line, "admission_no", f"expected each stay once, got that of line {first}", "FMT-008"
            )
        seen.setdefault(row.admission_no, row.line)
