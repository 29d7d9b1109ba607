"""A generated day through the pure ledger and the pure reconciliation: what was sent is what is found."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from clearing.jobs.generate import (
    BREAK_KINDS,
    SIZES,
    Generated,
    Plan,
    Planted,
    Sent,
    Summary,
    generate_day,
    members_of,
    write,
)
from clearing.jobs.generate.cards import registered_card
from clearing.jobs.generate.clerk import POOL_KEPT, Clerk, HeldCard
from clearing.jobs.generate.town import town_of
from clearing.ledger.accounts import is_memo
from clearing.ledger.case import Context
from clearing.ledger.decide import Folded, Incoming, decide
from clearing.ledger.facts import Facts, Payout, PayoutBatch
from clearing.ledger.members import Members
from clearing.ledger.members_file import load_members
from clearing.ledger.outcomes import Decision, Outcome
from clearing.reconciliation.ledger_side import LedgerRow, NotedTopup, RejectedUse, ledger_rows
from clearing.reconciliation.partner_files import Parsed, ParsedExport, ParsedStatement, Refused
from clearing.reconciliation.reconciled import Reconciled, reconcile
from clearing.reconciliation.statements import known_keys, parse_export, parse_statement
from messages import CATALOGUE, Event, decode
from tests.jobs.test_generate import DAY, a_day, city

REFUSED = {
    "order_already_paid",
    "exceeds_original",
    "unknown_source",
    "currency_not_supported",
    "bank_ref_reused",
    "reversed_before_arrival",
}


def fold(records: list[bytes], members: Members | None = None) -> Folded:
    """All records in one batch over empty books."""
    events = [decode(record) for record in records]
    assert [one for one in events if not isinstance(one, Event)] == []
    incoming = [Incoming(one) for one in events if isinstance(one, Event)]
    members = members or city()
    facts = Facts(networks=members.on(DAY).networks)
    return decide(incoming, [], facts, Context(members=members, open_day=DAY))


def final(folded: Folded) -> list[Decision]:
    """Every event's last outcome."""
    return [one for one in folded.decisions if one.outcome is not Outcome.PARKED] + folded.woken


def intended(sent: Iterable[Sent]) -> dict[tuple[str, str], str]:
    """What each record is meant to come to: the reason of its refusal, or empty."""
    return {(one.source, one.id): one.refused for one in sent}


def decided(outcomes: list[Decision]) -> dict[tuple[str, str], str]:
    """What each record came to."""
    return {
        (one.event.source, one.event.id): one.reason
        for one in outcomes
        if one.outcome is not Outcome.DUPLICATE
    }


def balances(folded: Folded) -> Counter[str]:
    """Fen by account."""
    sums: Counter[str] = Counter()
    for one in final(folded):
        for posting in one.entry.postings if one.entry else ():
            sums[posting.account] += posting.fen
    return sums


# -- the ledger ----------------------------------------------------------------------------------------------


def test_the_ledger_takes_a_generated_day_and_refuses_what_was_meant_to_be_refused() -> None:
    """Nothing is malformed, nothing waits at the end, money and memo balance, and some events had to wait."""
    sent = list(a_day(20_000).events())
    folded = fold([one.value for one in sent])
    outcomes = final(folded)
    assert intended(sent) == decided(outcomes)
    reasons = Counter(one.reason for one in outcomes if one.outcome is Outcome.REJECTED)
    assert reasons.keys() == REFUSED
    assert reasons.total() < 20_000 * 0.002
    assert folded.parked == {}
    woken = {one.event.type for one in folded.woken}
    assert woken >= {"payment.made", "payment.voided", "reimbursement.submitted"}
    sums = balances(folded)
    assert sum(fen for name, fen in sums.items() if is_memo(name)) == 0
    assert sum(fen for name, fen in sums.items() if not is_memo(name)) == 0
    assert all(fen <= 0 for name, fen in sums.items() if name.startswith("9011."))


NOT_OF_A_DAY = {"settlement.confirmed", "settlement.failed"}
"""They name an instruction of a day that was closed before."""


def test_a_day_draws_from_the_whole_catalogue() -> None:
    """Every event type comes in a day of 40 000 events, but for those that need a closed day."""
    types = {sent.type for sent in a_day(40_000, seed=3).events()}
    assert set(CATALOGUE) - types == NOT_OF_A_DAY


def size_day(name: str, **said: int) -> Generated:
    """A day of a size, with fewer events where said."""
    size = replace(SIZES[name], **said)
    members = load_members(tomllib.loads(members_of(size)))
    return generate_day(size.plan(), members, DAY, size.events, 1)


@pytest.mark.parametrize(
    ("name", "events", "registered"),
    [("county", 6000, 0), ("city", 6000, 0), ("one-bank", 3000, 0), ("province", 12_000, 1000)],
)
def test_a_day_of_every_size_is_taken_as_it_is_meant(name: str, events: int, registered: int) -> None:
    """Cards registered before come first; then every record has the outcome it was made for."""
    day = size_day(name, events=events, registered=registered)
    sent = [*day.registrations(), *day.events()]
    assert len(sent) == events + 3 * registered
    folded = fold([one.value for one in sent], day.members)
    assert folded.parked == {}
    assert intended(sent) == decided(final(folded))
    read = [one for one in (decode(each.value) for each in sent) if isinstance(one, Event)]
    banks = {one.data.__dict__["bank"] for one in read if one.type == "card.activated"}
    assert len(banks) == SIZES[name].banks


def test_a_second_compensation_of_20_000_rows_fits_its_control_totals() -> None:
    """One header, 20 000 rows, five of them refused and counted: the batch is released, its money is all there."""
    rows = SIZES["year-end"].year_end_rows
    day = size_day("year-end")
    sent = [one for one in day.events() if one.family == "cards" or b'"batch_id":"BT' in one.value]
    folded = fold([one.value for one in sent], day.members)
    (batch,) = [
        one for one in folded.changes.values() if isinstance(one, PayoutBatch) and one.kind == "SECOND"
    ]
    assert (batch.rows, batch.state, len(batch.counted)) == (rows, "RELEASED", rows)
    assert sum(fen for _, _, fen, _ in batch.counted) == batch.total_fen
    bad = [no for no, _, _, accepted in batch.counted if not accepted]
    assert bad == [4000, 8000, 12_000, 16_000, 20_000]
    assert intended(sent) == decided(final(folded))
    payouts = [
        one for one in folded.changes.values() if isinstance(one, Payout) and one.batch_id == batch.batch_id
    ]
    assert sum(one.amount_fen for one in payouts) == batch.accepted_fen
    assert len(payouts) == rows - len(bad)


def test_what_is_remembered_of_a_day_does_not_grow_with_it() -> None:
    """Cards in use are bounded, those of before are made from their number."""
    clerk = Clerk(Plan(), city(), town_of(city(), DAY, Plan()), DAY, events=10**9, seed=1)
    for number in range(POOL_KEPT + 500):
        clerk.keep(HeldCard(f"tok_{number}", "B1", "0000", f"per_{number}", "I", 0))
    assert len(clerk.pool) == POOL_KEPT
    town = town_of(city(), DAY, Plan())
    assert registered_card(town, 8_699_999) == registered_card(town, 8_699_999)
    banks = Counter(registered_card(town, number).bank for number in range(10_000))
    assert 0.55 < banks["B1"] / 10_000 < 0.65


def test_topics_read_one_after_the_other_give_the_same_books_when_cards_come_first() -> None:
    """Order is promised inside a key only; what comes too early on another topic waits."""

    def last_outcomes(sent: list[Sent]) -> dict[tuple[str, str], tuple[str, str]]:
        return {
            (one.event.source, one.event.id): (one.outcome.value, one.reason)
            for one in final(fold([one.value for one in sent]))
            if one.outcome is not Outcome.DUPLICATE
        }

    sent = list(a_day(3000).events())
    topics = ("cards", "reimbursements", "control", "deposits", "payments")
    by_topic = sorted(sent, key=lambda one: topics.index(one.family))
    assert last_outcomes(by_topic) == last_outcomes(sent)


# -- the reconciliation --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """A day written, booked and reconciled."""

    summary: Summary
    found: Reconciled

    def codes(self) -> Counter[tuple[str, str, str, int]]:
        """What was found: code, reference, order number, fen."""
        return Counter((one.code, one.bank_ref, one.order_no, one.amount_fen) for one in self.found.breaks)

    def answers(self) -> Counter[tuple[str, str, str, int]]:
        """What was planted, in the same form."""
        return Counter((one.code, one.bank_ref, one.order_no, one.amount_fen) for one in self.summary.planted)


def rows_of(folded: Folded) -> tuple[LedgerRow, ...]:
    """Our side of the day, as the store would give it."""
    clock = city().clock
    outcomes = final(folded)
    rejected: list[RejectedUse] = []
    noted: list[NotedTopup] = []
    booked: dict[str, Any]
    for one in outcomes:
        event, said = one.event, _said(one.event)
        where: dict[str, Any] = {
            "source": event.source,
            "event_id": event.id,
            "clearing_date": clock.date_of(event.time),
        }
        if one.outcome is Outcome.NOTED and event.type == "topup.made":
            booked = {"bank_ref": said.bank_ref, "bank_date": said.bank_date, "amount_fen": said.amount}
            noted.append(NotedTopup(**where, **booked, bank=said.bank, card=said.card))
        if one.outcome is Outcome.REJECTED and getattr(said, "bank_ref", None):
            partner = {"DIRECT": said.bank, "CHANNEL": "T1", "UNIONPAY": "CUP"}[said.route]
            booked = {"bank_ref": said.bank_ref, "bank_date": said.bank_date, "amount_fen": said.amount}
            rejected.append(
                RejectedUse(
                    **where,
                    **booked,
                    type=event.type,
                    partner=partner,
                    direction="C" if event.type == "payment.refunded" else "D",
                    institution=said.institution,
                    bank=said.bank,
                    card=said.card,
                    order_no=said.order_no or "",
                )
            )
    entries = [one.entry for one in outcomes if one.entry is not None]
    return ledger_rows(DAY, entries, rejected=rejected, noted_topups=noted)


def _said(event: Event) -> Any:  # noqa: ANN401 - whichever body the type has
    return event.data


def run(out: Path, events: int, seed: int, plan: Plan) -> Run:
    """Write a day, book it and hold it against its own partners' files."""
    summary = write(generate_day(plan, city(), DAY, events, seed), out)
    ours = rows_of(fold(summary.events_file.read_bytes().splitlines()))
    known, clock = known_keys(ours, ()), city().clock
    statements: dict[str, ParsedStatement] = {}
    exports: dict[str, ParsedExport] = {}
    for code, path in summary.statements.items():
        parsed = parse_statement(
            path.read_bytes(), partner=code, file=path.name, day=DAY, clock=clock, known=known
        )
        assert not isinstance(parsed, Refused), parsed
        statements[code] = parsed
    for code, path in summary.exports.items():
        export = parse_export(
            path.read_bytes(), partner=code, file=path.name, day=DAY, clock=clock, known=known
        )
        assert not isinstance(export, Refused), export
        exports[code] = export
    return Run(summary, reconcile(DAY, ours, statements, exports))


def test_partners_agree_with_the_books_to_the_fen_where_nothing_is_planted(tmp_path: Path) -> None:
    """Time-outs, voids, refunds, recalls, top-ups and returned payouts included."""
    done = run(tmp_path, 6000, 5, Plan(breaks=0, timed_out=0.01, reversed=0.01, voided=0.02, returned=0.05))
    assert done.found.breaks == ()
    assert done.found.matched > 3000
    assert all(line.residual_fen == 0 for line in done.found.proof.values())


@pytest.mark.parametrize(
    ("seed", "plan"), [(1, Plan(breaks=12)), (2, Plan(breaks=len(BREAK_KINDS))), (3, Plan(breaks=0.02))]
)
def test_exactly_the_planted_breaks_are_found(tmp_path: Path, seed: int, plan: Plan) -> None:
    """Precision and recall are 1: code, reference, order number and amount of each."""
    done = run(tmp_path, 3000, seed, plan)
    assert done.answers().total() >= 12
    assert done.codes() == done.answers()
    assert all(line.residual_fen == 0 for line in done.found.proof.values())


def test_what_the_bank_dates_tomorrow_is_missing_today_and_cleared_tomorrow(tmp_path: Path) -> None:
    """The answer says both: SID-101 now, CUT-001 by the next run, of a refund CUT-002."""
    done = run(tmp_path, 1000, 1, Plan(breaks=4, break_kinds=("NEXT-DAY", "NEXT-DAY-UNDO")))
    planted: list[Planted] = done.summary.planted
    expected = Counter({("SID-101", "CUT-001"): 2, ("SID-101", "CUT-002"): 2})
    assert Counter((one.code, one.next_day) for one in planted) == expected
    assert done.codes() == done.answers()
    empty: dict[str, ParsedStatement] = {
        code: Parsed(partner=code, rows=(), files=()) for code in done.summary.statements
    }
    next_day = reconcile(
        DAY + timedelta(days=1),
        (),
        empty,
        {},
        open_before=done.found.open_after,
        waiting_before=done.found.waiting,
        taken_before=done.found.taken,
    )
    cleared = Counter({("CUT-001", "AUTO_CLEARED"): 2, ("CUT-002", "AUTO_CLEARED"): 2})
    assert Counter((one.code, one.state) for one in next_day.breaks) == cleared
