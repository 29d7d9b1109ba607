"""A small day made by hand: one entry of each kind that files must get right."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

from clearing.day.netting import Netted, net_day
from clearing.files.day_files import Versions
from clearing.files.layout import Layout, load_layout
from clearing.files.manifest import Manifest
from clearing.files.outgoing import RenderedFile, day_files
from clearing.ledger.entry import Entry, Leg, Posting, Status, entry_id, mirrored
from clearing.ledger.members import Members
from clearing.ledger.money import yuan
from tests.day.worked_days import fen, members

DAY = date(2026, 3, 10)
VALUE_DATE = date(2026, 3, 11)
OPENED = datetime(2026, 3, 10, 0, 15, tzinfo=UTC)
LEGS = {"G": Leg.GROSS, "S": Leg.SETTLED, "F": Leg.FEE, "M": Leg.MEMO}


def postings(text: str) -> tuple[Posting, ...]:
    """`account yuan leg` triples as postings."""
    cells = text.split()
    return tuple(
        Posting(name, fen(value), LEGS[leg])
        for name, value, leg in zip(cells[::3], cells[1::3], cells[2::3], strict=True)
    )


def entry(number: int, kind: str, legs: str, **more: Any) -> Entry:  # noqa: ANN401  (any of its fields)
    """The day's entry of that number: source SRC, id e-<number>, ten minutes after the one before."""
    return Entry(
        id=entry_id(DAY, f"PLAT/SRC/e-{number}"),
        type=kind,
        source="SRC",
        event_id=f"e-{number}",
        occurred_at=OPENED + timedelta(minutes=10 * number),
        **{"clearing_date": DAY, "postings": postings(legs), **more},
    )


def paid(institution: str, bank: str, number: int) -> dict[str, Any]:
    """What a payment with a card carries besides its postings."""
    return {
        "institution": institution,
        "bank": bank,
        "route": "DIRECT",
        "partner": bank,
        "bank_ref": f"BR{number:08d}",
        "bank_date": DAY,
        "order_no": f"{institution}-{1000 + number}",
        "card": f"tok_{bank}_{number:04d}",
        "card_last4": f"{number:04d}",
        "app_area": "MEDICAL",
    }


PHARMACY_PAYMENT = entry(
    2,
    "payment.made",
    "1010.B1 12.00 G 2011.R1 -12.00 G 2011.R1 0.05 F 2060.B2 -0.05 F",
    **paid("R1", "B1", 2),
)
CORRECTED = {"institution": "H1", "text": "=更正|王珅、韡、弢\n𠮷䶮"}
REFUNDED = {"status": Status.REFUNDED}
TERMINAL = {"terminal": "0123456789ab"}
SCHEME = {"bank": "B1", "payer": "F1", "app_area": "SCHEME"}
ENTRIES = [
    entry(1, "payment.made", "1010.B2 128.50 G 2010.H1 -128.50 G", **TERMINAL, **paid("H1", "B2", 1)),
    PHARMACY_PAYMENT,
    entry(3, "payment.made", "1010.B1 50 G 2010.H3 -50 G 2010.H3 50 S 1010.B1 -50 S", **paid("H3", "B1", 3)),
    entry(4, "payment.made", "1050.CUP 40 G 2019.H1 -40 G", **{**paid("H1", "B2", 4), "route": "UNIONPAY"}),
    entry(5, "topup.made", "1040.T1 500 G 1010.B2 -500 G", bank="B2", route="CHANNEL", app_area="FINANCE"),
    entry(6, "premium.paid", "1010.B1 1200 G 2040.F1 -1200 G", **SCHEME),
    entry(7, "reimbursement.submitted", "1020.F1 640 G 2035.F1 -640 G", **SCHEME),
    entry(8, "payment.made", "1010.B2 15 G 2010.H2 -15 G", **paid("V1", "B2", 8)),
    entry(
        9, "payment.voided", "", postings=mirrored(PHARMACY_PAYMENT.postings), status=Status.VOIDED,
        original_id=PHARMACY_PAYMENT.id, original_date=DAY, **paid("R1", "B1", 9),
    ),
    entry(10, "correction.approved", "1010.B1 3 G 2091.H1 -3 G", **CORRECTED),
    entry(11, "fee.adjusted", "2060.B2 0.01 F 2011.R1 -0.01 F", institution="R1", bank="B1"),
    entry(12, "card.replaced", "1010.B2 5 G 2060.B2 -5 G", bank="B2"),
    entry(13, "deposit.transferred", "9011.H2.A1 7 M 9011.H2.A2 -7 M", institution="H2"),
    entry(14, "payment.timed_out", "1010.B1 30 G 2050.H3 -30 G", **paid("H3", "B1", 14)),
    entry(
        15, "payment.confirmed", "2050.H3 30 G 2010.H3 -30 G 2010.H3 30 S 1010.B1 -30 S",
        late=True, **paid("H3", "B1", 15),
    ),
    entry(16, "payment.refunded", "2010.H3 20 G 1010.B1 -20 G", **REFUNDED, **paid("H3", "B1", 16)),
]  # fmt: skip


def totals(entries: list[Entry]) -> dict[str, int]:
    """The sum of the entries' postings by account."""
    found: Counter[str] = Counter()
    for one in entries:
        for name, amount, _ in one.postings:
            found[name] += amount
    return dict(found)


def netted(entries: list[Entry], who: Members | None = None) -> Netted:
    """The day's net step over entries."""
    who = who or members()
    return net_day(
        totals(entries),
        {},
        {},
        who.on(DAY),
        platform="PLAT",
        clock=who.clock,
        value_date=DAY + timedelta(days=1),
    )


def files(
    entries: list[Entry] = ENTRIES, layout: Layout | None = None, versions: Versions | None = None
) -> dict[str, RenderedFile]:
    """The files of a day of entries, by name."""
    net = netted(entries)
    every = sorted([*entries, *net.entries], key=lambda one: one.id)
    rendered = day_files(
        DAY,
        every,
        net.instructions,
        members(),
        value_date=VALUE_DATE,
        layout=layout or load_layout("P"),
        versions=versions,
    )
    return {one.name: one for one in rendered}


def manifest_for(file: RenderedFile, *, run_id: str, created_at: datetime) -> Manifest:
    """The manifest that goes with a rendered file."""
    return Manifest(
        file=file.name,
        bytes=len(file.content),
        records=file.records,
        amount_total=yuan(file.amount_total),
        hash_total=file.hash_total,
        sha256=hashlib.sha256(file.content).hexdigest(),
        sm3=hashlib.new("sm3", file.content).hexdigest(),
        run_id=run_id,
        created_at=created_at,
        replaces=file.replaces or None,
    )
