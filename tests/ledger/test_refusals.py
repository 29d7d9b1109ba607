"""One row a refusal of each type, in the contract's order, and the house rules that hold the order."""

# ruff: noqa: E501 - aligned tables
from __future__ import annotations

import re
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from clearing.ledger.outcomes import Outcome, Reason
from clearing.ledger.rules import RULES
from tests.ledger.stories import ADVANCED, begun
from tests.ledger.world import KEPT, SECOND_NETWORK, TEMP, UNKNOWN, B, claim, story

NONE: dict[str, Any] = {}
REF = {"bank_ref": "RX", "bank_date": "2026-03-10"}
USED = {"bank_ref": "R1", "bank_date": "2026-03-10"}
ORDER = {"order_no": "o1"}
H2 = {"source": "H2", "institution": "H2"}
V1 = {"source": "V1", "institution": "V1", "route": "UNIONPAY"}
UP = {"route": "UNIONPAY"}
CARD = {"card": "tok_card_A", "bank": "B1"}
R1_REGISTERS = {
    "source": "R1",
    "stage": "HOSPITAL",
    "institution": "R1",
    "card_class": None,
    "account_class": None,
}
NO_MEMBER = {"bank": "B9"}
USD = {"currency": "USD"}
LATER = {"at": "2026-03-10T23:30:00+08:00"}
OLD = {"at": "2026-12-01T10:00:00+08:00"}
TOP_UP = REF | {"total": "150.00", "top_up": "50.00"}
REFUND = REF | {"total": "70.00", "refund": "30.00"}
WRONG_CLAIM = [{"settlement_id": "S-ADV", "claimed": "81.00", "deducted": "0.00", "retained": "0.00"}]

# type, what was before, what is said, why it is refused: each type's rows in the order in which the contract checks
# fmt: off
ROWS: list[tuple[str, str, dict[str, Any], str]] = [
    ("card.registered",    "nothing",      {"env": "TEST", "card": UNKNOWN},                    "test_event"),
    ("card.registered",    "nothing",      {"card_class": "TEST", "card": UNKNOWN},             "test_event"),
    ("card.registered",    "nothing",      {"source": "B8", "bank": "B8"},                      "unknown_source"),
    ("card.registered",    "nothing",      {"source": "B2"},                                    "source_not_allowed"),
    ("card.registered",    "nothing",      R1_REGISTERS,                                        "source_not_allowed"),
    ("card.registered",    "nothing",      {"source": "H1", "bank": "H1", "card": UNKNOWN},     "unknown_member"),
    ("card.registered",    "nothing",      {"source": "B2", "bank": "B2"},                      "card_differs"),
    ("card.registered",    "nothing",      {"card": UNKNOWN, "aliases": [{"kind": "CHIP", "token": B}]}, "card_differs"),
    ("card.registered",    "nothing",      NONE,                                                "card_state"),
    ("card.registered",    "nothing",      {"card": UNKNOWN, "issuer": "B2"},                   "issuer_not_valid"),
    ("card.aliased",       "nothing",      {"source": "F1"},                                    "source_not_allowed"),
    ("card.aliased",       "nothing",      {"institution": "H9"},                               "unknown_member"),
    ("card.aliased",       "nothing",      {"bank": "B2"},                                      "card_differs"),
    ("card.aliased",       "nothing",      {"token": B},                                        "card_differs"),
    ("card.changed",       "nothing",      {"card_class": "TEST"},                              "test_event"),
    ("card.changed",       "nothing",      {"source": "H1"},                                    "source_not_allowed"),
    ("card.changed",       "nothing",      {"source": "B2", "bank": "B2"},                      "card_differs"),
    ("card.activated",     "nothing",      {"source": "CP"},                                    "source_not_allowed"),
    ("card.activated",     "nothing",      NONE,                                                "card_state"),
    ("card.frozen",        "card lost",    NONE,                                                "card_state"),
    ("card.unfrozen",      "nothing",      NONE,                                                "card_state"),
    ("card.lost",          "card lost",    NONE,                                                "card_state"),
    ("card.found",         "nothing",      NONE,                                                "card_state"),
    ("card.replaced",      "nothing",      {"source": "CP"},                                    "source_not_allowed"),
    ("card.replaced",      "nothing",      {"new_card": KEPT},                                  "card_state"),
    ("card.cancelled",     "nothing",      {"source": "B2", "bank": "B2"},                      "card_differs"),
    ("card.terminated",    "nothing",      {"source": "H1"},                                    "source_not_allowed"),
    ("card.holder_deceased", "nothing",    {"source": "H1"},                                    "source_not_allowed"),
    ("card.duplicate_found", "nothing",    {"source": "B1"},                                    "source_not_allowed"),
    ("card.duplicate_found", "nothing",    {"bank": "B2"},                                      "card_differs"),
    ("terminal.registered", "nothing",     {"source": "B1"},                                    "source_not_allowed"),
    ("terminal.registered", "nothing",     {"acquirer": "H1"},                                  "unknown_member"),
    ("terminal.registered", "nothing",     NONE,                                                "card_state"),
    ("terminal.locked",    "terminal locked", NONE,                                             "card_state"),
    ("terminal.unlocked",  "nothing",      NONE,                                                "card_state"),
    ("terminal.lost",      "terminal lost", NONE,                                               "card_state"),
    ("terminal.found",     "nothing",      NONE,                                                "card_state"),
    ("terminal.recalled",  "nothing",      {"source": "H1"},                                    "source_not_allowed"),
    ("terminal.scrapped",  "nothing",      {"source": "H1"},                                    "source_not_allowed"),
    ("terminal.sam_replaced", "nothing",   {"source": "H1"},                                    "source_not_allowed"),
    ("payment.made",       "nothing",      {"env": "TEST"},                                     "test_event"),
    ("payment.made",       "nothing",      {"source": "H9", "institution": "H9"},               "unknown_source"),
    ("payment.made",       "nothing",      {"source": "GONE", "route": "CHANNEL"},              "unknown_source"),
    ("payment.made",       "nothing",      {"source": "H2"},                                    "source_not_allowed"),
    ("payment.made",       "nothing",      {"route": "CHANNEL"},                                "source_not_allowed"),
    ("payment.made",       "nothing",      USD,                                                 "currency_not_supported"),
    ("payment.made",       "nothing",      NO_MEMBER,                                           "unknown_member"),
    ("payment.made",       "nothing",      UP | {"network": "B1"},                              "unknown_member"),
    ("payment.made",       "nothing",      {"origin": {"institution": "B1", "visit_id": "v1"}}, "unknown_member"),
    ("payment.made",       "nothing",      V1,                                                  "route_not_agreed"),
    ("payment.made",       "terminal locked", {"terminal": "990100000001"},                     "terminal_blocked"),
    ("payment.made",       "card lost",    NONE,                                                "card_not_allowed"),
    ("payment.made",       "nothing",      {"bank": "B2"},                                      "card_differs"),
    ("payment.made",       "paid",         USED,                                                "bank_ref_reused"),
    ("payment.made",       "paid",         ORDER,                                               "order_already_paid"),
    ("payment.voided",     "premium",      {"original": {"source": "B1", "id": "e1"}},          "unknown_original"),
    ("payment.voided",     "paid",         {"source": "H2", "institution": "H2"},               "source_not_allowed"),
    ("payment.voided",     "paid",         {"institution": "H2"},                               "source_not_allowed"),
    ("payment.voided",     "paid",         USD,                                                 "currency_not_supported"),
    ("payment.voided",     "voided",       NONE,                                                "original_spent"),
    ("payment.voided",     "refunded",     NONE,                                                "original_spent"),
    ("payment.voided",     "paid",         LATER,                                               "void_after_cutover"),
    ("payment.voided",     "paid",         {"card": KEPT},                                      "card_differs"),
    ("payment.voided",     "paid",         UP,                                                  "route_differs"),
    ("payment.voided",     "paid",         {"amount": "99.99"},                                 "amount_differs"),
    ("payment.voided",     "paid",         USED,                                                "bank_ref_reused"),
    ("payment.refunded",   "topped up",    {"original": {"source": "B2", "id": "e1"}},          "unknown_original"),
    ("payment.refunded",   "reversed",     NONE,                                                "original_spent"),
    ("payment.refunded",   "paid",         {"card": B, "bank": "B2"},                           "card_differs"),
    ("payment.refunded",   "paid",         UP,                                                  "route_differs"),
    ("payment.refunded",   "refunded",     {"amount": "60.01"},                                 "exceeds_original"),
    ("payment.refunded",   "paid",         USED,                                                "bank_ref_reused"),
    ("payment.timed_out",  "nothing",      V1,                                                  "route_not_agreed"),
    ("payment.timed_out",  "nothing",      {"bank": "B2"},                                      "card_differs"),
    ("payment.timed_out",  "paid",         USED,                                                "bank_ref_reused"),
    ("payment.timed_out",  "paid",         ORDER,                                               "order_already_paid"),
    ("payment.confirmed",  "paid",         {"original": {"source": "H1", "id": "e1"}},          "unknown_original"),
    ("payment.confirmed",  "timed out",    {"source": "H2"},                                    "source_not_allowed"),
    ("payment.confirmed",  "confirmed",    NONE,                                                "original_spent"),
    ("payment.confirmed",  "timed out",    UP,                                                  "route_differs"),
    ("payment.reversed",   "topped up",    {"original": {"source": "B2", "id": "e1"}},          "unknown_original"),
    ("payment.reversed",   "paid",         {"source": "H2", "institution": None},               "source_not_allowed"),
    ("payment.reversed",   "paid",         {"institution": "H2"},                               "source_not_allowed"),
    ("payment.reversed",   "refunded",     NONE,                                                "original_spent"),
    ("payment.reversed",   "paid",         {"amount": "1.00"},                                  "amount_differs"),
    ("payment.reversed",   "discharged",   NONE,                                                "admission_closed"),
    ("payment.reversed",   "deposit used", NONE,                                                "exceeds_deposit"),
    ("topup.made",         "nothing",      {"source": "B1"},                                    "source_not_allowed"),
    ("topup.made",         "nothing",      USD,                                                 "currency_not_supported"),
    ("topup.made",         "nothing",      {"source": "H1", "payer_bank": "H1"},                "unknown_member"),
    ("topup.made",         "card frozen",  {"at": "11:00:00"},                                  "card_not_allowed"),
    ("topup.made",         "nothing",      {"bank": "B2", "payer_bank": "B2"},                  "card_differs"),
    ("topup.made",         "topped up",    USED,                                                "bank_ref_reused"),
    ("topup.reversed",     "paid",         {"original": {"source": "H1", "id": "e1"}},          "unknown_original"),
    ("topup.reversed",     "topped up",    {"source": "B1"},                                    "source_not_allowed"),
    ("topup.reversed",     "topped up and reversed", NONE,                                      "original_spent"),
    ("topup.reversed",     "topped up",    {"amount": "1.00"},                                  "amount_differs"),
    ("premium.paid",       "nothing",      {"source": "B2"},                                    "source_not_allowed"),
    ("premium.paid",       "nothing",      {"payer": "I1"},                                     "unknown_member"),
    ("premium.paid",       "nothing",      {"source": "B2", "bank": "B2"},                      "card_differs"),
    ("premium.paid",       "premium",      USED,                                                "bank_ref_reused"),
    ("premium.paid",       "nothing",      {"amount": "800.01"},                                "total_differs"),
    ("premium.paid",       "premium",      NONE,                                                "premium_already_paid"),
    ("premium.refunded",   "premium",      {"source": "B1"},                                    "source_not_allowed"),
    ("premium.refunded",   "premium",      {"amount": "400.01"},                                "total_differs"),
    ("premium.refunded",   "premium refunded", NONE,                                            "total_differs"),
    ("admission.registered", "nothing",    {"source": "H2"},                                    "source_not_allowed"),
    ("admission.registered", "nothing",    {"source": "R1", "institution": "R1"},               "unknown_member"),
    ("admission.registered", "nothing",    {"bank": "B2"},                                      "card_differs"),
    ("admission.registered", "stay",       NONE,                                                "admission_exists"),
    ("admission.registered", "cancelled stay", NONE,                                            "admission_exists"),
    ("admission.cancelled", "cancelled stay", NONE,                                             "admission_closed"),
    ("admission.cancelled", "deposit",     NONE,                                                "deposit_remains"),
    ("admission.cancelled", "owed",        NONE,                                                "deposit_remains"),
    ("deposit.paid",       "stay",         {"source": "H2"},                                    "source_not_allowed"),
    ("deposit.paid",       "card lost",    NONE,                                                "card_not_allowed"),
    ("deposit.paid",       "stay",         {"bank": "B2"},                                      "card_differs"),
    ("deposit.paid",       "deposit",      {"bank_ref": "R2", "bank_date": "2026-03-10"},       "bank_ref_reused"),
    ("deposit.paid",       "discharged",   NONE,                                                "admission_closed"),
    ("deposit.voided",     "paid",         {"original": {"source": "H1", "id": "e1"}},          "unknown_original"),
    ("deposit.voided",     "deposit",      {"admission_no": "A9"},                              "unknown_original"),
    ("deposit.voided",     "deposit",      LATER,                                               "void_after_cutover"),
    ("deposit.voided",     "deposit",      {"amount": "1.00"},                                  "amount_differs"),
    ("deposit.voided",     "discharged",   NONE,                                                "admission_closed"),
    ("deposit.voided",     "deposit used", NONE,                                                "exceeds_deposit"),
    ("deposit.refunded",   "deposit",      {"bank": "B2"},                                      "card_differs"),
    ("deposit.refunded",   "deposit",      {"bank_ref": "R2", "bank_date": "2026-03-10"},       "bank_ref_reused"),
    ("deposit.refunded",   "discharged",   NONE,                                                "admission_closed"),
    ("deposit.refunded",   "deposit",      {"amount": "100.01"},                                "exceeds_deposit"),
    ("deposit.refunded",   "deposit",      {"card": KEPT},                                      "card_differs"),
    ("deposit.refunded",   "deposit",      UP,                                                  "route_differs"),
    ("deposit.transferred", "deposit",     {"source": "H2"},                                    "source_not_allowed"),
    ("deposit.transferred", "discharged",  NONE,                                                "admission_closed"),
    ("deposit.transferred", "two stays",   {"amount": "100.01"},                                "exceeds_deposit"),
    ("discharge.settled",  "stay",         {"source": "H2"},                                    "source_not_allowed"),
    ("discharge.settled",  "card lost",    TOP_UP,                                              "card_not_allowed"),
    ("discharge.settled",  "deposit",      {"bank": "B2"},                                      "card_differs"),
    ("discharge.settled",  "discharged",   NONE,                                                "admission_closed"),
    ("discharge.settled",  "deposit",      {"total": "100.01"},                                 "discharge_unbalanced"),
    ("discharge.settled",  "deposit",      {"total": "90.00", "deposit_used": "90.00"},         "discharge_unbalanced"),
    ("discharge.settled",  "deposit",      {"stage": "INTERIM", "total": "100.01", "deposit_used": "100.01"}, "discharge_unbalanced"),
    ("discharge.settled",  "deposit",      TOP_UP | {"total": "140.00", "refund": "10.00"},     "discharge_unbalanced"),
    ("discharge.settled",  "deposit",      REFUND | {"total": "0.00", "refund": "100.01", "arrears": "0.01"}, "discharge_unbalanced"),
    ("discharge.settled",  "deposit",      {"total": "180.00", "claim": claim("S", "80.00", advanced=True)}, "discharge_unbalanced"),
    ("discharge.settled",  "deposit",      REFUND | {"card": KEPT},                             "card_differs"),
    ("discharge.settled",  "deposit",      REFUND | UP,                                         "route_differs"),
    ("discharge.settled",  "advanced again", ADVANCED,                                          "claim_already_paid"),
    ("discharge.cancelled", "paid",        {"original": {"source": "H1", "id": "e1"}},          "unknown_original"),
    ("discharge.cancelled", "discharged",  {"source": "H2"},                                    "source_not_allowed"),
    ("discharge.cancelled", "refund, then lost", REF | CARD | {"at": "11:00:00"},               "card_not_allowed"),
    ("discharge.cancelled", "recalled",    NONE,                                                "original_spent"),
    ("discharge.cancelled", "discharged with top-up", NONE,                                     "card_differs"),
    ("discharge.cancelled", "discharged with top-up", REF | {"card": KEPT, "bank": "B1"},       "card_differs"),
    ("discharge.cancelled", "discharged",  REF,                                                 "card_differs"),
    ("discharge.cancelled", "discharged with top-up", REF | CARD | UP,                          "route_differs"),
    ("discharge.cancelled", "discharged with top-up", CARD | {"bank_ref": "RD", "bank_date": "2026-03-10"}, "bank_ref_reused"),
    ("discharge.cancelled", "retained",    NONE,                                                "claim_settled"),
    ("discharge.cancelled", "discharged, arrears paid", NONE,                                   "arrears_paid"),
    ("arrears.recorded",   "stay",         {"source": "H2"},                                    "source_not_allowed"),
    ("arrears.recorded",   "stay",         USD,                                                 "currency_not_supported"),
    ("arrears.written_off", "owed",        {"amount": "100.01"},                                "exceeds_arrears"),
    ("arrears.paid",       "owed",         V1,                                                  "route_not_agreed"),
    ("arrears.paid",       "owed and paid", {"order_no": "o3", "amount": "1.00"},               "order_already_paid"),
    ("arrears.paid",       "owed",         {"amount": "100.01"},                                "exceeds_arrears"),
    ("reimbursement.submitted", "nothing", {"source": "F2"},                                    "source_not_allowed"),
    ("reimbursement.submitted", "nothing", {"source": "I1", "claim": claim("S", payer="I1")},   "unknown_member"),
    ("reimbursement.submitted", "nothing", {"depends_on": [{"payer": "H1", "settlement_id": "S"}]}, "unknown_member"),
    ("reimbursement.submitted", "nothing", {"card": TEMP},                                      "card_not_allowed"),
    ("reimbursement.submitted", "nothing", {"bank": "B2"},                                      "card_differs"),
    ("reimbursement.submitted", "batch",   {"batch_id": "BATCH", "row_no": 1, "claim": claim("S", kind="OUTPATIENT")}, "batch_differs"),
    ("reimbursement.submitted", "batch",   {"batch_id": "BATCH", "row_no": 1, "amount": "150.01", "claim": claim("S", "150.01")}, "batch_differs"),
    ("reimbursement.submitted", "batch, one row", {"batch_id": "BATCH", "row_no": 1, "amount": "50.00", "claim": claim("S", "50.00")}, "batch_differs"),
    ("reimbursement.submitted", "nothing", {"source": "F2", "claim": claim("S", payer="F2")},   "not_enrolled"),
    ("reimbursement.submitted", "submitted", {"claim": claim("S1")},                            "claim_already_paid"),
    ("reimbursement.submitted", "advanced", {"claim": claim("S-ADV")},                          "claim_already_paid"),
    ("reimbursement.submitted", "class II", {"amount": "10000.01", "claim": claim("S", "10000.01")}, "account_limit"),
    ("reimbursement.batch_submitted", "nothing", {"source": "F2"},                              "source_not_allowed"),
    ("reimbursement.batch_submitted", "nothing", {"source": "I1", "payer": "I1"},               "unknown_member"),
    ("reimbursement.batch_submitted", "batch", NONE,                                            "batch_exists"),
    ("reimbursement.withdrawn", "submitted", {"source": "F2"},                                  "source_not_allowed"),
    ("reimbursement.withdrawn", "sent",    NONE,                                                "payout_state"),
    ("payout.sent",        "submitted",    {"source": "B2"},                                    "source_not_allowed"),
    ("payout.sent",        "paid out",     NONE,                                                "payout_state"),
    ("payout.result",      "submitted",    {"source": "PLAT"},                                  "source_not_allowed"),
    ("payout.result",      "failed",       NONE,                                                "payout_state"),
    ("payout.result",      "submitted",    {"amount": "1.00"},                                  "amount_differs"),
    ("payout.result",      "paid and submitted", {"bank_ref": "R1", "bank_date": "2026-03-10"}, "bank_ref_reused"),
    ("payout.returned",    "failed",       NONE,                                                "payout_state"),
    ("payout.returned",    "paid out",     {"amount": "1.00"},                                  "amount_differs"),
    ("payout.repaid",      "returned",     {"card": TEMP},                                      "card_not_allowed"),
    ("payout.repaid",      "submitted",    NONE,                                                "payout_state"),
    ("payout.repaid",      "returned",     {"bank": "B2"},                                      "card_differs"),
    ("payout.repaid",      "returned, class III", NONE,                                         "account_limit"),
    ("payout.given_back",  "paid out",     NONE,                                                "payout_state"),
    ("payout.recalled",    "submitted",    NONE,                                                "payout_state"),
    ("claim.settled",      "advanced",     {"source": "F2"},                                    "source_not_allowed"),
    ("claim.settled",      "advanced",     {"institution": "R1"},                               "unknown_member"),
    ("claim.settled",      "advanced",     {"claims": WRONG_CLAIM, "paid": "81.00"},            "unknown_claim"),
    ("claim.settled",      "retained",     NONE,                                                "unknown_claim"),
    ("claim.settled",      "advanced",     {"institution": "H2"},                               "unknown_claim"),
    ("claim.settled",      "advanced",     {"paid": "60.01"},                                   "total_differs"),
    ("retention.released", "retained",     {"source": "F2"},                                    "source_not_allowed"),
    ("retention.released", "retained",     {"kept": "5.01"},                                    "exceeds_retention"),
    ("crossregion.settled", "submitted across", {"source": "F2"},                               "source_not_allowed"),
    ("crossregion.settled", "submitted across", {"insured_area": "990009", "through": True},    "unknown_member"),
    ("crossregion.settled", "submitted across", {"amount": "100.01"},                           "exceeds_claims"),
    ("settlement.confirmed", "nothing",    {"source": "B1"},                                    "source_not_allowed"),
    ("settlement.confirmed", "nothing",    {"instruction": "I9"},                               "unknown_original"),
    ("settlement.confirmed", "nothing",    {"instruction": "I3"},                               "original_spent"),
    ("settlement.confirmed", "nothing",    {"amount": "1.00"},                                  "amount_differs"),
    ("settlement.failed",  "nothing",      {"source": "H1"},                                    "source_not_allowed"),
    ("settlement.failed",  "nothing",      {"instruction": "I9"},                               "unknown_original"),
    ("settlement.failed",  "nothing",      {"instruction": "I3"},                               "original_spent"),
    ("fee.adjusted",       "premium",      {"original": {"source": "B1", "id": "e1"}},          "unknown_original"),
    ("fee.adjusted",       "paid",         {"source": "H1"},                                    "source_not_allowed"),
    ("fee.adjusted",       "paid",         {"bearer": "H2"},                                    "unknown_member"),
    ("fee.adjusted",       "paid",         {"payee": "V1"},                                     "unknown_member"),
    ("fee.adjusted",       "voided",       NONE,                                                "original_spent"),
    ("fee.adjusted",       "paid at the pharmacy", {"direction": "LESS", "amount": "0.39"},     "amount_differs"),
    ("correction.approved", "nothing",     {"source": "B1"},                                    "source_not_allowed"),
    ("correction.approved", "nothing",     {"legs": [{"account": "1010.B1", "side": "D", "amount": "1.00"}]}, "unbalanced"),
    ("correction.approved", "nothing",     {"legs": [{"account": "2035.F1", "side": "D", "amount": "1.00"}, {"account": "1010.B1", "side": "C", "amount": "1.00"}]}, "account_not_allowed"),
    ("correction.approved", "nothing",     {"legs": [{"account": "2010.V1", "side": "D", "amount": "1.00"}, {"account": "1010.B1", "side": "C", "amount": "1.00"}]}, "account_not_allowed"),
    ("correction.approved", "nothing",     {"legs": [{"account": "1050.CUP", "side": "C", "amount": "1.00"}, {"account": "1010.B1", "side": "D", "amount": "1.00"}]}, "account_not_allowed"),
]
LONGER: dict[str, tuple[Any, ...]] = {
    "advanced again": ("advanced", ("discharge.cancelled", NONE), ("admission.registered", {"admission_no": "A8"}), ("discharge.settled", ADVANCED), ("admission.registered", {"admission_no": "A9"}), ("deposit.paid", {"admission_no": "A9"})),
    "refund, then lost": ("discharged with refund", "card.lost"),
    "recalled":          ("discharged", "discharge.cancelled"),
    "class II":          ("nothing", "card.changed"),
    "batch, one row":    ("batch", ("reimbursement.submitted", {"batch_id": "BATCH", "row_no": 1})),
    "paid and submitted": ("premium", "reimbursement.submitted"),
    "returned, class III": ("nothing", ("reimbursement.submitted", {"amount": "2000.01", "claim": claim("S", "2000.01")}), "payout.result", "payout.returned", ("card.changed", {"account_class": "III"})),
}
# fmt: on
ELSEWHERE: Final = {
    Reason.ID_REUSED,
    Reason.TIME_IN_FUTURE,
    Reason.TOO_OLD,
    Reason.REVERSED_BEFORE_ARRIVAL,
    Reason.NEVER_ARRIVED,
}  # fmt: skip
"""Refusals that need a clock, days or an order of arrival: the tests below and test_decide.py show them."""


@pytest.mark.parametrize(("kind", "before", "said", "reason"), ROWS, ids=lambda part: str(part)[:50])
def test_an_event_is_refused_as_its_row_says(
    kind: str, before: str, said: dict[str, Any], reason: str
) -> None:
    """The first refusal that applies is the row's, nothing is posted, and its detail says what was asked."""
    start, *rest = LONGER.get(before, (before,))
    world = story(begun(start), *rest)
    if before == "advanced again":
        said = said | {"admission_no": "A9"}
    balances = dict(world.balances)
    done = world.send(kind, **said)
    assert (done.outcome, done.reason) == (Outcome.REJECTED, reason), done.detail
    assert done.entry is None
    assert dict(world.balances) == balances
    assert kind in done.detail


def test_a_time_far_ahead_of_the_broker_is_refused() -> None:
    """Ten minutes ahead of the record's own timestamp is taken, a second more is time_in_future."""
    for seconds, outcome in ((0, Outcome.POSTED), (1, Outcome.REJECTED)):
        world = begun("nothing")
        recorded = datetime(2026, 3, 10, 1, 50, tzinfo=UTC) - timedelta(seconds=seconds)
        done = world.take(world.make("payment.made", at="10:00:00"), recorded)
        assert (done.outcome, done.reason) == (outcome, "time_in_future" if seconds else "")


def test_a_refund_is_too_old_after_the_limit() -> None:
    """A refund is taken up to `refund_days_max` days after the original's clearing date, not a day later."""
    for days, reason in ((180, ""), (181, "too_old")):
        world = begun("paid")
        for _ in range(days):
            world.cut()
        assert world.send("payment.refunded").reason == reason


def test_a_payment_reversed_before_it_came_is_refused() -> None:
    """A tombstone by one who may, for the same amount, refuses the original; any other is only listed."""
    rows = ((NONE, "reversed_before_arrival"), ({"amount": "9.00"}, ""), ({"source": "H2", "institution": "H2"}, ""), ({"source": "B1"}, "reversed_before_arrival"))  # fmt: skip
    for said, reason in rows:
        world = begun("nothing")
        assert (
            world.send("payment.reversed", **({"original": {"source": "H1", "id": "late"}} | said)).outcome
            is Outcome.NOTED
        )
        assert world.send("payment.made", id="late").reason == reason


def test_a_network_must_be_named_where_several_are_members() -> None:
    """UNIONPAY without a network is unknown_member when two are members; an undo takes its original's."""
    world = begun("nothing", more=SECOND_NETWORK)
    assert world.send("payment.made", **UP).reason == "unknown_member"
    assert world.send("payment.made", **UP, network="NET2").outcome is Outcome.POSTED
    assert world.send("payment.refunded", **UP, amount="1.00", network="CUP").reason == "route_differs"
    done = world.send("payment.refunded", **UP, amount="1.00")
    assert done.entry is not None
    assert done.entry.partner == "NET2"


# -- house rules -------------------------------------------------------------------------------------------------

PLACES: Final = {
    "card_known": "card_not_allowed", "kept_card_known": "card_not_allowed", "recall_may_debit": "card_not_allowed",
    "terminal_known": "card_not_allowed", "original_here": "unknown_original", "rejected_original": "unknown_original",
    "tombstone": "unknown_original", "timeout_answered": "original_spent", "already_reversed": "original_spent",
    "stay_takes_deposit": "admission_closed", "stay_is_open": "admission_closed",
    "stay_known": "admission_closed", "dependencies_met": "account_limit",
    "recall_in_turn": "original_spent", "payout_in_turn": "payout_state", "retention_in_turn": "time_in_future", "claims_in_turn": "time_in_future",
}  # fmt: skip
"""Checks that park or note something: the refusal at whose place they stand."""
LAST_GENERAL: Final = list(Reason).index(Reason.ORDER_ALREADY_PAID)

# A type's own refusals in the order of its row; card_differs and route_differs here look at the stay.
OWN: dict[str, str] = {
    "card.registered": "card_state issuer_not_valid",
    "card.replaced": "card_state card_state",
    "card.duplicate_found": "card_state card_state",
    "payment.confirmed": "admission_closed",
    "payment.reversed": "admission_closed exceeds_deposit",
    "premium.paid": "total_differs premium_already_paid",
    "premium.refunded": "total_differs",
    "admission.registered": "admission_exists",
    "admission.cancelled": "admission_closed deposit_remains",
    "deposit.paid": "admission_closed",
    "deposit.voided": "admission_closed exceeds_deposit",
    "deposit.refunded": "admission_closed exceeds_deposit card_differs route_differs",
    "deposit.transferred": "admission_closed admission_closed exceeds_deposit",
    "discharge.settled": "admission_closed discharge_unbalanced card_differs route_differs claim_already_paid",
    "discharge.cancelled": "claim_settled arrears_paid",
    "arrears.recorded": "admission_closed",
    "arrears.written_off": "admission_closed exceeds_arrears",
    "arrears.paid": "admission_closed exceeds_arrears",
    "reimbursement.submitted": "batch_differs not_enrolled claim_already_paid account_limit account_limit",
    "reimbursement.batch_submitted": "batch_exists",
    "payout.repaid": "account_limit",
    "claim.settled": "unknown_claim total_differs",
    "retention.released": "exceeds_retention",
    "crossregion.settled": "exceeds_claims",
    "correction.approved": "unbalanced account_not_allowed",
}


def places(kind: str) -> list[tuple[str, str]]:
    """(check, refusal) of a rule's checks, as their docstrings begin or PLACES says."""
    found = []
    for check in RULES[kind].checks:
        name = getattr(check, "__name__", "")
        first = re.split(r"[:, ]", (check.__doc__ or "").strip())[0]
        found.append((name, PLACES.get(name, first)))
    return found


@pytest.mark.parametrize("kind", RULES)
def test_checks_stand_in_the_order_of_the_contract(kind: str) -> None:
    """The shared refusals come in the order of Reason, then the type's own in the order of its row.

    Two stand out of line: a test card is test_event beside the event's own, and an original that was rejected or
    is of another kind is unknown_original before the sender is looked at.
    """
    order = [reason.value for reason in Reason]
    found = places(kind)
    assert [reason for _, reason in found if reason not in order] == []
    if kind == "card.registered":
        found = [(name, reason) for name, reason in found if name != "aliases_free"]
    early = [
        reason
        for name, reason in found
        if name in {"check", "original_timed_out", "original_can_be_reversed"}
    ]
    assert early in ([], ["unknown_original"])
    rest = [
        reason
        for name, reason in found
        if name not in {"check", "original_timed_out", "original_can_be_reversed"}
    ]
    own = OWN.get(kind, "card_state" if kind.startswith(("card.", "terminal.")) else "").split()
    if kind in {"card.aliased", "card.changed"}:
        own = []
    general, mine = rest[: len(rest) - len(own)], rest[len(rest) - len(own) :]
    assert mine == own
    numbers = [order.index(reason) for reason in general]
    assert numbers == sorted(numbers), general
    assert all(number <= LAST_GENERAL for number in numbers)


def test_every_reason_has_a_row() -> None:
    """A reason that no row shows fails the build, but for those shown by tests of their own."""
    assert {row[3] for row in ROWS} | {one.value for one in ELSEWHERE} == {one.value for one in Reason}


def test_every_type_has_a_refusal_and_rows_follow_the_order_of_its_checks() -> None:
    """Each type has a row, and its rows stand in the order in which its checks would refuse."""
    rows = defaultdict(list)
    for kind, _, _, reason in ROWS:
        rows[kind].append(reason)
    assert rows.keys() == RULES.keys()
    for kind, reasons in rows.items():
        checks = [reason for _, reason in places(kind)]
        at = 0
        for reason in reasons:
            assert reason in checks[at:], (kind, reason, checks[at:])
            at = checks.index(reason, at)
