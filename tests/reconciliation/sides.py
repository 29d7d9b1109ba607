"""Three sides of a day, written short: what the tests of this room build their days from."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from clearing.ledger.accounts import BANK, HOSPITAL, account
from clearing.ledger.business_day import BusinessClock
from clearing.ledger.entry import Entry, Posting, entry_id
from clearing.reconciliation.ledger_side import NotedTopup, OpenTimeout, RejectedUse, ledger_rows
from clearing.reconciliation.partner_files import ParsedExport, ParsedStatement
from clearing.reconciliation.reconciled import Reconciled, reconcile
from clearing.reconciliation.rows import LedgerRow
from clearing.reconciliation.statements import (
    EXPORT_COLUMNS,
    EXPORT_MORE,
    STATEMENT_COLUMNS,
    STATEMENT_MORE,
    parse_export,
    parse_statement,
)

DAY = date(2026, 3, 10)
NEXT = date(2026, 3, 11)
SHANGHAI = ZoneInfo("Asia/Shanghai")
CLOCK = BusinessClock(SHANGHAI, time(23, 0))
WORKED = Path(__file__).parents[2] / "fixtures" / "statements" / "worked"
CREDITS = ("voided", "refunded", "reversed")


def fen(text: str) -> int:
    """Yuan text as fen."""
    return int(text.replace(".", ""))


def entry(
    no: str,
    type_: str,
    amount: str,
    *,
    day: date = DAY,
    original: str = "",
    original_day: date = DAY,
    **more: Any,  # noqa: ANN401 - any field of an entry
) -> Entry:
    """A posted event of bank BX and hospital H1; `no` names its event, order and reference."""
    signed = -fen(amount) if type_.endswith(CREDITS) else fen(amount)
    reversal = type_.endswith("reversed")
    fields: dict[str, Any] = {
        "institution": "H1",
        "bank": "BX",
        "route": "DIRECT",
        "partner": "" if reversal else "BX",
        "bank_ref": "" if reversal else f"R{no}",
        "bank_date": None if reversal else day,
        "order_no": "" if reversal else f"O{no}",
        "card": "tok_00000001",
        "original_id": entry_id(original_day, f"H1/{original}") if original else "",
        "postings": (Posting(account(BANK, "BX"), signed), Posting(account(HOSPITAL, "H1"), -signed)),
        **more,
    }
    return Entry(
        id=entry_id(day, f"H1/{no}"),
        clearing_date=day,
        type=type_,
        source="H1",
        event_id=no,
        occurred_at=datetime.combine(day, time(9), SHANGHAI),
        amount_fen=fen(amount),
        **fields,
    )


def csv_bytes(columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> bytes:
    """A file of these lines."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def bank_line(no: str, amount: str, *, day: date = DAY, **more: str) -> dict[str, str]:
    """One line of BX's statement: a successful payment under reference R<no> unless told otherwise."""
    return {
        "bank_ref": f"R{no}",
        "bank_date": day.isoformat(),
        "bank_time": "09:00:01",
        "type": "PAY",
        "direction": "D",
        "amount": amount,
        "status": "SUCC",
        **more,
    }


def his_line(no: str, amount: str, *, day: date = DAY, **more: str) -> dict[str, str]:
    """One line of H1's export: a payment received under order O<no> unless told otherwise."""
    return {
        "order_no": f"O{no}",
        "trade_type": "OPD",
        "direction": "R",
        "amount": amount,
        "status": "SUCC",
        "his_date": day.isoformat(),
        "his_time": "09:00:02",
        **more,
    }


def statement(lines: Iterable[Mapping[str, str]], *, day: date = DAY, partner: str = "BX") -> ParsedStatement:
    """A statement from lines; it must be sound."""
    data = csv_bytes([*STATEMENT_COLUMNS, *STATEMENT_MORE], lines)
    known = {line["bank_ref"] for line in lines}
    parsed = parse_statement(
        data, partner=partner, file=f"STM_{partner}.csv", day=day, clock=CLOCK, known=known
    )
    assert not hasattr(parsed, "errors"), parsed
    return parsed


def export(lines: Iterable[Mapping[str, str]], *, day: date = DAY, partner: str = "H1") -> ParsedExport:
    """An export from lines; it must be sound."""
    data = csv_bytes([*EXPORT_COLUMNS, *EXPORT_MORE], lines)
    known = {line["order_no"] for line in lines}
    parsed = parse_export(data, partner=partner, file=f"HIS_{partner}.csv", day=day, clock=CLOCK, known=known)
    assert not hasattr(parsed, "errors"), parsed
    return parsed


@dataclass(frozen=True)
class Sides:
    """One day's three sides; a partner's None means that its file is not given."""

    ledger: Sequence[Entry] = ()
    bank: Sequence[Mapping[str, str]] | None = ()
    his: Sequence[Mapping[str, str]] | None = ()
    rejected: Sequence[RejectedUse] = ()
    timeouts: Sequence[OpenTimeout] = ()
    noted: Sequence[NotedTopup] = ()
    rows: Sequence[LedgerRow] = field(default=())
    """Ledger rows that no entry gives."""

    def run(
        self,
        day: date = DAY,
        *,
        originals: Sequence[Entry] = (),
        after: Reconciled | None = None,
        ended: Collection[str] = (),
    ) -> Reconciled:
        """Reconcile the day, after another one where given, since when people have ended some breaks."""
        ours = ledger_rows(
            day,
            self.ledger,
            originals=originals,
            rejected=self.rejected,
            timeouts=self.timeouts,
            noted_topups=self.noted,
        )
        return reconcile(
            day,
            [*ours, *self.rows],
            {} if self.bank is None else {"BX": statement(self.bank, day=day)},
            {} if self.his is None else {"H1": export(self.his, day=day)},
            open_before=after.open_after if after else (),
            waiting_before=after.waiting if after else (),
            taken_before=after.taken if after else frozenset(),
            ended=ended,
        )


def worked_entries() -> list[Entry]:
    """The ledger of the worked example."""
    with (WORKED / "entries.csv").open(encoding="utf-8") as file:
        return [
            entry(row["no"], row["type"], row["amount"], original=row["original"])
            for row in csv.DictReader(file)
        ]


def expected(name: str) -> Any:  # noqa: ANN401 - JSON as it is written
    """What the worked example should print."""
    return json.loads((WORKED / "expected.json").read_text(encoding="utf-8"))[name]
