"""Notices of single credits and debits as they happen, to members whose record asks for them: camt.054. 实时入账通知

What a bank says of payouts moves the payer's and the bank's accounts long before the day's files say so. Whoever has
a layout with NTF in its record is told at once, in the transaction that moves them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from clearing.files.items import claim_lines
from clearing.files.lines import Targets
from clearing.files.names import FileName
from clearing.files.outgoing import file_of
from clearing.files.plans import txn_lines
from clearing.files.records import ClaimLine, TxnLine
from clearing.jobs.layouts import own_layouts
from clearing.jobs.orders import keep_made
from clearing.jobs.seal import sealer_of
from clearing.store import payments

if TYPE_CHECKING:
    from datetime import date

    from sqlalchemy.ext.asyncio import AsyncConnection

    from clearing.ledger.entry import Entry
    from clearing.ledger.members import Members, MembersOn
    from clearing.settings import Settings

NTF: Final = "NTF"


async def notify(
    conn: AsyncConnection, settings: Settings, members: Members, entries: Iterable[Entry]
) -> list[str]:
    """Tell members what entries have just moved of theirs. 入账通知

    In:      entries of this transaction; who has no layout with NTF in its record is told by the day's files alone.
    Out:     the names of the notices: one a receiver, clearing date and layout, numbered on without a gap.
    Writes:  file, file_part, layout, file_seal.
    Again:   an entry is made once, so it is told once.
    """
    told: dict[tuple[date, str], list[TxnLine]] = defaultdict(list)
    for entry in entries:
        on = members.on(entry.clearing_date)
        for receiver, line in _lines(entry, on):
            told[entry.clearing_date, receiver].append(line)
    names: list[str] = []
    for (day, receiver), lines in sorted(told.items(), key=lambda one: one[0]):
        for layout in own_layouts(settings, members, receiver, day):
            if NTF not in layout.types:
                continue
            await payments.one_at_a_time(conn)
            seq = await payments.next_seq(conn, day, layout.profile, NTF, receiver)
            name = FileName(NTF, members.platform.code, receiver, day, seq, 1)
            made = file_of(
                name, [("D", line) for line in lines], layout, members.clock, members.on(day).cnaps()
            )
            await keep_made(conn, sealer_of(settings, members), [made], layout)
            names.append(made.name)
    return names


def _lines(entry: Entry, on: MembersOn) -> Iterable[tuple[str, TxnLine]]:
    """What an entry moves, by whose it is: positions as in TXN, a payer's payouts in process and returned."""
    for target, line in txn_lines(entry, Targets(on)):
        yield target.receiver, line
    for target, claim in claim_lines(entry, on):
        yield target.receiver, _of_payer(entry, claim)


def _of_payer(entry: Entry, claim: ClaimLine) -> TxnLine:
    """A payer's line as a credit or debit of its own."""
    settle_fen = claim.amount_fen if claim.direction == "R" else -claim.amount_fen
    return TxnLine(
        claim.entry_id, claim.event_type, claim.direction, claim.amount_fen, claim.status, claim.bank_ref,
        entry.order_no, claim.original_entry_id, claim.original_clearing_date, claim.event_time,
        claim.partner_date, claim.bank, claim.institution, entry.terminal, entry.route, "N", claim.card,
        claim.card_last4, 0, settle_fen, entry.app_area, claim.late, claim.account, claim.remark,
    )  # fmt: skip
