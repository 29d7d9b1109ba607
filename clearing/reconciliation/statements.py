"""A bank's statement and a hospital's export: their columns, and what a line of them says. 对账单解析"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date
from typing import Final, Literal, cast

from clearing.ledger.business_day import BusinessClock
from clearing.reconciliation.breaks import OpenItem
from clearing.reconciliation.cells import Cells
from clearing.reconciliation.header_rows import Layout, Origin, belongs_to, keys_of, parse_rows
from clearing.reconciliation.partner_files import ParsedExport, ParsedStatement, Refused
from clearing.reconciliation.rows import HisRow, LedgerRow, PartnerStatus, StatementRow

STATEMENT_COLUMNS: Final = (
    "bank_ref", "platform_ref", "bank_date", "bank_time", "type", "direction", "amount", "status", "card",
    "original_bank_ref",
)  # fmt: skip
STATEMENT_MORE: Final = ("institution", "fee", "group")
EXPORT_COLUMNS: Final = (
    "order_no", "platform_ref", "trade_type", "direction", "amount", "status", "his_date", "his_time",
    "bank_ref", "original_order_no",
)  # fmt: skip
EXPORT_MORE: Final = ("bank", "card", "group")
TYPES: Final = ("PAY", "VOID", "REVERSAL", "REFUND", "TOPUP", "PREMIUM", "PAYOUT", "RETURN", "FEE", "OTHER")
TRADE_TYPES: Final = ("OPD", "ARREARS", "DEP", "DISCHARGE", "REFUND")
STATUSES: Final = ("SUCC", "FAIL", "REVD")


def parse_statement(
    data: bytes,
    *,
    partner: str,
    file: str,
    day: date | None,
    clock: BusinessClock,
    known: Collection[str] = (),
    partial: bool = False,
) -> ParsedStatement | Refused:
    """Rows of a bank's, network's or channel's canonical statement, or every error in it. 银行对账单

    In:      the file's bytes, UTF-8 with or without BOM; `known`: keys that may bring a row of another date
             here (`known_keys`); a file without a row of `day` or with a known key is of a wrong day, which is
             not asked when no day is given; `partial`: whether good lines are taken where single ones are wrong.
    Out:     Parsed, rows in file order with line numbers; Refused with up to 1 000 messages.
    Source:  contract "Clearing files", coming in.
    """
    return parse_rows(_STATEMENT, data, Origin(partner, file, clock), day, known, partial=partial)


def parse_export(
    data: bytes,
    *,
    partner: str,
    file: str,
    day: date | None,
    clock: BusinessClock,
    known: Collection[str] = (),
    partial: bool = False,
) -> ParsedExport | Refused:
    """Rows of a hospital's or pharmacy's canonical export, or every error in it. HIS导出

    In:      as `parse_statement`.
    Out:     as `parse_statement`.
    Source:  contract "Clearing files", coming in.
    """
    return parse_rows(_EXPORT, data, Origin(partner, file, clock), day, known, partial=partial)


def known_keys(ledger_rows: Iterable[LedgerRow], open_before: Iterable[OpenItem]) -> frozenset[str]:
    """The ids, references and numbers by which a partner's row of another date may belong to a day."""
    rows: list[LedgerRow] = list(ledger_rows)
    keys: set[str] = set()
    for item in open_before:
        rows.extend(item.found.ledger_rows)
        keys.update(key for row in item.found.bank_rows for key in keys_of(row))
        keys.update(key for row in item.found.his_rows for key in keys_of(row))
    for row in rows:
        keys.update((row.entry_id, row.bank_ref, row.order_no, row.receipt_no, row.admission_no))
        keys.update((*row.also, row.original_bank_ref, *row.original_keys))
    return frozenset(keys - {""})


def _statement_row(cells: Cells, origin: Origin, line: int) -> StatementRow:
    bank_date, bank_time = cells.date("bank_date"), cells.time_or_none("bank_time")
    return StatementRow(
        partner=origin.partner,
        bank_ref=cells.text("bank_ref"),
        platform_ref=cells.text("platform_ref"),
        bank_date=bank_date,
        bank_time=bank_time,
        type=cells.one_of("type", TYPES),
        direction=cast("Literal['D', 'C']", cells.one_of("direction", ("D", "C"))),
        amount_fen=cells.fen("amount"),
        status=cast("PartnerStatus", cells.one_of("status", STATUSES)),
        card=cells.card("card"),
        original_bank_ref=cells.text("original_bank_ref"),
        institution=cells.text("institution"),
        fee_fen=cells.fen_or_none("fee"),
        group=cells.text("group"),
        clearing_date=belongs_to(bank_date, bank_time, origin.clock),
        file=origin.file,
        line=line,
    )


def _his_row(cells: Cells, origin: Origin, line: int) -> HisRow:
    his_date, his_time = cells.date("his_date"), cells.time_or_none("his_time")
    return HisRow(
        partner=origin.partner,
        order_no=cells.text("order_no"),
        platform_ref=cells.text("platform_ref"),
        trade_type=cells.one_of("trade_type", TRADE_TYPES),
        direction=cast("Literal['R', 'P']", cells.one_of("direction", ("R", "P"))),
        amount_fen=cells.fen("amount"),
        status=cast("PartnerStatus", cells.one_of("status", STATUSES)),
        his_date=his_date,
        his_time=his_time,
        bank_ref=cells.text("bank_ref"),
        original_order_no=cells.text("original_order_no"),
        bank=cells.text("bank"),
        card=cells.card("card"),
        group=cells.text("group"),
        clearing_date=belongs_to(his_date, his_time, origin.clock),
        file=origin.file,
        line=line,
    )


_STATEMENT: Final = Layout(STATEMENT_COLUMNS, STATEMENT_MORE, _statement_row, of_bank=True)
_EXPORT: Final = Layout(EXPORT_COLUMNS, EXPORT_MORE, _his_row, of_bank=False)
