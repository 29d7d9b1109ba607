"""A large day to measure with: payments between ten banks and two hundred hospitals. 测速用大日"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Final

from clearing.files.records import TxnLine
from clearing.jobs.ingest import Stream
from clearing.ledger.entry import Entry, Leg, Posting, entry_id
from clearing.store import streams
from clearing.store.database import Database
from clearing.store.record import BatchRecord, record
from clearing.store.session import transaction

DAY: Final = date(2026, 3, 10)
BANKS: Final = 10
HOSPITALS: Final = 200
CHUNK: Final = 5000
OPENED: Final = datetime(2026, 3, 9, 15, tzinfo=UTC)
SECONDS: Final = 80_000


def lines(count: int) -> Iterator[TxnLine]:
    """TXN lines of many cards, references and amounts, in order of entry id."""
    for number in range(count):
        amount_fen = number * 7919 % 300_000 + 100
        yield TxnLine(
            f"{DAY:%Y%m%d}{number * 7919:024x}", "payment.made", "R", amount_fen, "SUCC", f"BR{number:08d}",
            f"H1-{number}", "", None, OPENED + timedelta(seconds=number * 61 % SECONDS), DAY,
            f"B{number % BANKS}", f"H{number % HOSPITALS}", "990100000001", "DIRECT", "N",
            f"tok_B1_{number:08d}", f"{number % 10_000:04d}", 0, amount_fen, "MEDICAL", False, "2010.H1", "",
        )  # fmt: skip


def members_file(profile: str) -> bytes:
    """Ten banks and two hundred hospitals, each with its files in one profile."""
    rows = [f'[platform]\ncode = "PLAT"\n[[card_platform]]\ncode = "CP"\nprofile = "{profile}"\n']
    rows += [
        f'[[bank]]\ncode = "B{number}"\ncnaps = "990121000010"\nclearing_account = "C{number}"\n'
        f'profile = "{profile}"\n'
        for number in range(BANKS)
    ]
    rows += [
        f'[[hospital]]\ncode = "H{number}"\nsettlement_bank = "B{number % BANKS}"\n'
        f'settlement_account = "A{number}"\nprofile = "{profile}"\n'
        for number in range(HOSPITALS)
    ]
    return "\n".join(rows).encode()


def payments(count: int) -> Iterator[Entry]:
    """The entries of so many payments."""
    for number in range(count):
        amount_fen, hospital = number * 7919 % 300_000 + 100, f"H{number % HOSPITALS}"
        bank = f"B{number // HOSPITALS % BANKS}"
        yield Entry(
            id=entry_id(DAY, f"PLAT/{hospital}/{number}"), clearing_date=DAY, type="payment.made",
            source=hospital, event_id=f"{number}",
            postings=(
                Posting(f"1010.{bank}", amount_fen, Leg.GROSS),
                Posting(f"2010.{hospital}", -amount_fen, Leg.GROSS),
            ),
            occurred_at=OPENED + timedelta(seconds=number * 61 % SECONDS), amount_fen=amount_fen,
            institution=hospital, bank=bank, route="DIRECT", partner=bank, bank_ref=f"BR{number:08d}",
            bank_date=DAY, order_no=f"{hospital}-{number}", terminal="990100000001",
            card=f"tok_{bank}_{number:08d}", card_last4=f"{number % 10_000:04d}", app_area="MEDICAL",
        )  # fmt: skip


async def fill(database: Database, count: int) -> None:
    """Put the day's entries into the books, by the engine's own way of writing them."""
    made = payments(count)
    stream, position = Stream.of("bench", 0, None), 0
    while chunk := [entry for entry, _ in zip(made, range(CHUNK), strict=False)]:
        async with transaction(database.engine) as conn:
            heads = await streams.load(conn, "bench")
            stream = Stream.of("bench", 0, heads.get(0))
            await record(
                conn,
                BatchRecord(
                    stream=stream.name,
                    partition=0,
                    position_from=stream.position,
                    position_to=position + len(chunk),
                    previous=stream.digest,
                    lane=0,
                    entries=chunk,
                ),
            )
        position += len(chunk)
