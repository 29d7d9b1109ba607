"""Lists of payouts: announced with their control totals, counted row by row, released when all fits. 代付批次"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from clearing.ledger import checks as c
from clearing.ledger.facts import Facts, Key, PayoutBatch
from clearing.ledger.members import PAYER
from clearing.ledger.money import yuan
from clearing.ledger.outcomes import Accepted, Parked, Reason, Rejected
from clearing.ledger.rules.rule import Rule

if TYPE_CHECKING:
    from clearing.ledger.case import Case
    from clearing.ledger.facts import Fact
    from messages import Event

PAYERS_OF: Final = (frozenset({"fund"}), PAYER)
"""Kinds of payers: of ordinary benefits, of CRITICAL."""


# -- rows of a batch -----------------------------------------------------------------------------------------


def batch_takes(case: Case) -> Rejected | Parked | None:
    """batch_differs: over count or total, another kind, a row number taken; parked for the header."""
    data, claim = case.data, case.data.claim
    if data.batch_id is None:
        return None
    key = ("batch", claim.payer, data.batch_id)
    batch: PayoutBatch | None = case.facts.get(*key)
    if batch is None or batch.state == "EXPECTED":
        return Parked(key, "the batch's header has not come")
    total_fen = batch.accepted_fen + data.amount
    wrong = ""
    if batch.kind != claim.kind:
        wrong = f"kind is {claim.kind}, the batch's is {batch.kind}"
    elif batch.state == "RELEASED":
        wrong = f"all {batch.rows} rows have come, it is released"
    elif data.row_no in batch.accepted_nos:
        wrong = f"row {data.row_no} was accepted before"
    elif len(batch.accepted_nos) + 1 > batch.rows:
        wrong = f"{batch.rows} rows were announced and accepted"
    elif total_fen > batch.total_fen:
        wrong = f"rows make {yuan(total_fen)}, announced were {yuan(batch.total_fen)}"
    return Rejected(Reason.BATCH_DIFFERS, f"{case.name}: batch {data.batch_id}: {wrong}") if wrong else None


def count_row(case: Case, *, accepted: bool, changes: dict[Key, Fact]) -> None:
    """The batch counts the row; when count, total and digest fit it is released for dispatch."""
    data, claim = case.data, case.data.claim
    key = ("batch", claim.payer, data.batch_id)
    batch: PayoutBatch = case.facts.get(*key) or PayoutBatch(
        payer=claim.payer,
        batch_id=data.batch_id,
        kind=claim.kind,
        rows=0,
        total_fen=0,
        digest="",
        state="EXPECTED",
        last_date=case.clearing_date,
    )
    after = replace(
        batch,
        counted=(*batch.counted, (data.row_no, case.event.id, data.amount, accepted)),
        counted_fen=batch.counted_fen + data.amount,
        accepted_fen=batch.accepted_fen + (data.amount if accepted else 0),
        accepted_nos=(*batch.accepted_nos, data.row_no) if accepted else batch.accepted_nos,
    )
    changes[key] = released(after)


def released(batch: PayoutBatch) -> PayoutBatch:
    """The batch, RELEASED when its rows fit its control totals."""
    fits = (
        batch.state == "OPEN"
        and len(batch.counted) == batch.rows
        and batch.counted_fen == batch.total_fen
        and rows_digest(batch.counted) == batch.digest
    )
    return replace(batch, state="RELEASED") if fits else batch


def rows_digest(rows: Iterable[tuple[int, str, int, bool]]) -> str:
    """SM3 hex of `id|amount` lines joined by a line feed, in row order."""
    lines = "\n".join(f"{id_}|{yuan(fen)}" for _, id_, fen, _ in sorted(rows))
    return hashlib.new("sm3", lines.encode()).hexdigest()


# -- reimbursement.batch_submitted ---------------------------------------------------------------------------


def batch_needs(event: Event, _: Facts) -> Iterable[Key]:
    """The batch."""
    data: Any = event.data
    yield ("batch", data.payer, data.batch_id)


def payer_of_kind(case: Case) -> Rejected | None:
    """unknown_member: a fund, or an insurer for CRITICAL."""
    data = case.data
    return c.member_of(case, "payer", data.payer, PAYERS_OF[data.kind == "CRITICAL"])


def batch_new(case: Case) -> Rejected | None:
    """batch_exists: a batch id is announced once."""
    data = case.data
    batch = case.facts.get("batch", data.payer, data.batch_id)
    if batch is None or batch.state == "EXPECTED":
        return None
    return Rejected(
        Reason.BATCH_EXISTS, f"{case.name}: batch {data.payer}/{data.batch_id} was announced before"
    )


def post_batch(case: Case) -> Accepted:
    """Noted: rows may come."""
    data = case.data
    key = ("batch", data.payer, data.batch_id)
    early = case.facts.get(*key)
    blank = PayoutBatch(
        payer=data.payer,
        batch_id=data.batch_id,
        kind=data.kind,
        rows=data.rows,
        total_fen=data.total,
        digest=data.digest,
        last_date=case.clearing_date,
    )
    batch = replace(
        early or blank,
        kind=data.kind,
        rows=data.rows,
        total_fen=data.total,
        digest=data.digest,
        state="OPEN",
        last_date=case.clearing_date,
    )
    return Accepted(None, {key: released(batch)})


BATCH: Final = Rule(
    batch_needs,
    (c.not_a_test, c.source_known, c.from_payer, c.members_known, payer_of_kind, c.day_has_come, batch_new),
    post_batch,
)
