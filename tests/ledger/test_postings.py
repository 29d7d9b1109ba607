"""One row an event type: what it posts and which facts it changes, as the contract's table has it."""

# ruff: noqa: E501 - aligned tables
from __future__ import annotations

from typing import Any

import pytest

from clearing.ledger.decide import Incoming
from clearing.ledger.outcomes import Outcome
from clearing.ledger.rules import RULES
from tests.ledger.stories import ACROSS, ADVANCED, begun
from tests.ledger.world import UNKNOWN, B, World, changed_by, claim, postings_of

UP: dict[str, Any] = {"route": "UNIONPAY"}
R1: dict[str, Any] = {"source": "R1", "institution": "R1"}
H3: dict[str, Any] = {"source": "H3", "institution": "H3"}
V1: dict[str, Any] = {"source": "COUNTY", "institution": "V1"}
T1: dict[str, Any] = {"source": "T1", "route": "CHANNEL"}
DEPOSIT: dict[str, Any] = {"admission_no": "A1"}
MOVED = {"bank_ref": "RX", "bank_date": "2026-03-10"}
TOP_UP = MOVED | {"total": "150.00", "top_up": "50.00"}
REFUND = MOVED | {"total": "70.00", "refund": "30.00"}
I1 = {"source": "I1", "claim": claim("S-I", payer="I1", kind="CRITICAL")}
DEAD = {"card": "tok_card_D"}
NONE: dict[str, Any] = {}
PAYEE: dict[str, Any] = {"payee": {"name": "sealed-name", "account": "sealed-account"}}

# type, what was before, what is said, postings (debit positive), kinds of facts that change
# fmt: off
ROWS: list[tuple[str, str, dict[str, Any], str, str]] = [
    ("card.registered",    "nothing",                   {"card": UNKNOWN},       "",                                                                    "card original"),
    ("card.aliased",       "nothing",                   NONE,                    "",                                                                    "alias aliases_of original"),
    ("card.changed",       "nothing",                   NONE,                    "",                                                                    "card original"),
    ("card.activated",     "nothing",                   {"card": "tok_card_I"},  "",                                                                    "card original"),
    ("card.frozen",        "nothing",                   NONE,                    "",                                                                    "card original"),
    ("card.unfrozen",      "card frozen",               NONE,                    "",                                                                    "card original"),
    ("card.lost",          "nothing",                   NONE,                    "",                                                                    "card original"),
    ("card.found",         "card lost",                 NONE,                    "",                                                                    "card original"),
    ("card.replaced",      "nothing",                   {"fee": "5.00"},         "1010.B1 5.00 2060.B1 -5.00",                                          "aliases_of card original"),
    ("card.cancelled",     "nothing",                   NONE,                    "",                                                                    "card original"),
    ("card.terminated",    "nothing",                   NONE,                    "",                                                                    "card original"),
    ("card.holder_deceased", "nothing",                 NONE,                    "",                                                                    "card original"),
    ("card.duplicate_found", "nothing",                 NONE,                    "",                                                                    "card original"),
    ("terminal.registered", "nothing",                  {"terminal": "990100000002"}, "",                                                               "original terminal"),
    ("terminal.locked",    "nothing",                   NONE,                    "",                                                                    "original terminal"),
    ("terminal.unlocked",  "terminal locked",           NONE,                    "",                                                                    "original terminal"),
    ("terminal.lost",      "nothing",                   NONE,                    "",                                                                    "original terminal"),
    ("terminal.found",     "terminal lost",             NONE,                    "",                                                                    "original terminal"),
    ("terminal.recalled",  "nothing",                   NONE,                    "",                                                                    "original terminal"),
    ("terminal.scrapped",  "nothing",                   NONE,                    "",                                                                    "original terminal"),
    ("terminal.sam_replaced", "nothing",                NONE,                    "",                                                                    "original terminal"),
    ("payment.made",       "nothing",                   NONE,                    "1010.B1 100.00 2010.H1 -100.00",                                      "bank_ref order original"),
    ("payment.made",       "nothing",                   R1,                      "1010.B1 100.00 2011.R1 -99.62 2060.B2 -0.38",                         "bank_ref order original"),
    ("payment.made",       "nothing",                   R1 | UP,                 "1050.CUP 100.00 2019.R1 -100.00",                                     "bank_ref order original"),
    ("payment.made",       "nothing",                   T1,                      "1040.T1 100.00 2010.H1 -100.00",                                      "bank_ref order original"),
    ("payment.made",       "nothing",                   H3,                      "",                                                                    "bank_ref order original"),
    ("payment.made",       "nothing",                   H3 | {"card": B, "bank": "B2"}, "1010.B2 100.00 2010.H3 -100.00",                               "bank_ref order original"),
    ("payment.made",       "nothing",                   V1,                      "1010.B1 100.00 2010.H1 -100.00",                                      "bank_ref order original"),
    ("payment.voided",     "paid",                      NONE,                    "1010.B1 -100.00 2010.H1 100.00",                                      "bank_ref order original undo"),
    ("payment.voided",     "paid at the pharmacy",      {"source": "R1"},        "1010.B1 -100.00 2011.R1 99.62 2060.B2 0.38",                          "bank_ref order original undo"),
    ("payment.voided",     "paid by UnionPay",          UP,                      "1050.CUP -100.00 2019.H1 100.00",                                     "bank_ref order original undo"),
    ("payment.voided",     "confirmed",                 NONE,                    "1010.B1 -100.00 2010.H1 100.00",                                      "bank_ref order original undo"),
    ("payment.voided",     "owed and paid",             NONE,                    "1010.B1 -70.00 2010.H1 70.00 9040.H1 70.00 9041.H1.A1 -70.00",        "bank_ref order original stay undo"),
    ("payment.refunded",   "paid",                      {"amount": "40.00"},     "1010.B1 -40.00 2010.H1 40.00",                                        "bank_ref original undo"),
    ("payment.refunded",   "paid at the pharmacy",      {"source": "R1"},        "1010.B1 -100.00 2011.R1 100.00",                                      "bank_ref original undo"),
    ("payment.refunded",   "paid by UnionPay",          UP | {"amount": "1.00"}, "1050.CUP -1.00 2019.H1 1.00",                                         "bank_ref original undo"),
    ("payment.refunded",   "owed and paid",             {"amount": "20.00"},     "1010.B1 -20.00 2010.H1 20.00 9040.H1 20.00 9041.H1.A1 -20.00",        "bank_ref original stay undo"),
    ("payment.timed_out",  "nothing",                   NONE,                    "1010.B1 100.00 2050.H1 -100.00",                                      "bank_ref order original timeout"),
    ("payment.timed_out",  "nothing",                   {"bank_ref": None, "bank_date": None}, "",                                                      "order original timeout"),
    ("payment.timed_out",  "nothing",                   UP,                      "",                                                                    "bank_ref order original timeout"),
    ("payment.confirmed",  "timed out",                 NONE,                    "2010.H1 -100.00 2050.H1 100.00",                                      "bank_ref original timeout"),
    ("payment.confirmed",  "timed out at the pharmacy", {"source": "R1"},        "2011.R1 -99.62 2050.R1 100.00 2060.B2 -0.38",                         "bank_ref original timeout"),
    ("payment.confirmed",  "timed out by UnionPay",     UP,                      "1050.CUP 100.00 2019.H1 -100.00",                                     "bank_ref original timeout"),
    ("payment.reversed",   "paid",                      NONE,                    "1010.B1 -100.00 2010.H1 100.00",                                      "order original undo"),
    ("payment.reversed",   "timed out",                 NONE,                    "1010.B1 -100.00 2050.H1 100.00",                                      "order original timeout"),
    ("payment.reversed",   "confirmed",                 NONE,                    "1010.B1 -100.00 2010.H1 100.00",                                      "order original undo"),
    ("payment.reversed",   "deposit",                   NONE,                    "1010.B1 -100.00 2010.H1 100.00 9010.H1 -100.00 9011.H1.A1 100.00",    "original stay undo"),
    ("payment.reversed",   "nothing",                   NONE,                    "",                                                                    "original tombstone"),
    ("topup.made",         "nothing",                   NONE,                    "1010.B1 -100.00 1010.B2 100.00",                                      "bank_ref original"),
    ("topup.made",         "nothing",                   {"source": "T1", "method": "CHANNEL", "payer_bank": None}, "1010.B1 -100.00 1040.T1 100.00",    "bank_ref original"),
    ("topup.made",         "nothing",                   {"source": "B1", "method": "COUNTER", "payer_bank": None}, "",                                  "original"),
    ("topup.reversed",     "topped up",                 NONE,                    "1010.B1 100.00 1010.B2 -100.00",                                      "original undo"),
    ("premium.paid",       "nothing",                   NONE,                    "1010.B1 800.00 2040.F1 -800.00",                                      "bank_ref original premium"),
    ("premium.refunded",   "premium",                   NONE,                    "1010.B1 -400.00 2040.F1 400.00",                                      "original premium undo"),
    ("admission.registered", "nothing",                 NONE,                    "",                                                                    "original stay"),
    ("admission.cancelled", "stay",                     NONE,                    "",                                                                    "original stay"),
    ("deposit.paid",       "stay",                      NONE,                    "1010.B1 100.00 2010.H1 -100.00 9010.H1 100.00 9011.H1.A1 -100.00",    "bank_ref original stay"),
    ("deposit.voided",     "deposit",                   NONE,                    "1010.B1 -100.00 2010.H1 100.00 9010.H1 -100.00 9011.H1.A1 100.00",    "bank_ref original stay undo"),
    ("deposit.refunded",   "deposit",                   {"amount": "30.00"},     "1010.B1 -30.00 2010.H1 30.00 9010.H1 -30.00 9011.H1.A1 30.00",        "bank_ref original stay"),
    ("deposit.transferred", "two stays",                {"amount": "30.00"},     "9011.H1.A1 30.00 9011.H1.A2 -30.00",                                  "original stay"),
    ("discharge.settled",  "deposit",                   NONE,                    "9010.H1 -100.00 9011.H1.A1 100.00",                                   "original stay"),
    ("discharge.settled",  "deposit",                   TOP_UP,                  "1010.B1 50.00 2010.H1 -50.00 9010.H1 -100.00 9011.H1.A1 100.00",      "bank_ref original stay"),
    ("discharge.settled",  "deposit",                   REFUND,                  "1010.B1 -30.00 2010.H1 30.00 9010.H1 -100.00 9011.H1.A1 100.00",      "bank_ref original stay"),
    ("discharge.settled",  "deposit",                   ADVANCED,                "9010.H1 -100.00 9011.H1.A1 100.00 9020.F1.H1 80.00 9021.F1.H1 -80.00", "original settlement stay"),
    ("discharge.cancelled", "discharged with top-up",   MOVED | {"card": "tok_card_A", "bank": "B1"}, "1010.B1 -50.00 2010.H1 50.00 9010.H1 100.00 9011.H1.A1 -100.00", "bank_ref original stay undo"),
    ("discharge.cancelled", "advanced",                 NONE,                    "9010.H1 100.00 9011.H1.A1 -100.00 9020.F1.H1 -80.00 9021.F1.H1 80.00", "original settlement stay undo"),
    ("arrears.recorded",   "stay",                      NONE,                    "9040.H1 100.00 9041.H1.A1 -100.00",                                   "original stay"),
    ("arrears.written_off", "owed",                     {"amount": "60.00"},     "9040.H1 -60.00 9041.H1.A1 60.00",                                     "original stay"),
    ("arrears.paid",       "owed",                      {"amount": "70.00"},     "1010.B1 70.00 2010.H1 -70.00 9040.H1 -70.00 9041.H1.A1 70.00",        "bank_ref order original stay"),
    ("reimbursement.submitted", "nothing",              NONE,                    "1020.F1 100.00 2035.F1 -100.00",                                      "original payout payouts_of settlement"),
    ("reimbursement.submitted", "nothing",              PAYEE,                   "1020.F1 100.00 2035.F1 -100.00",                                      "original payout payouts_of settlement"),
    ("reimbursement.submitted", "nothing",              I1,                      "1030.I1 100.00 2035.I1 -100.00",                                      "original payout payouts_of settlement"),
    ("reimbursement.submitted", "nothing",              DEAD,                    "1020.F1 100.00 2030.F1 -100.00",                                      "original payout settlement"),
    ("reimbursement.submitted", "nothing",              {"claim": claim("S", **ACROSS)}, "1020.F1 100.00 2035.F1 -100.00 9050.990001.990002 100.00 9051.990001.990002 -100.00", "area original payout payouts_of settlement"),
    ("reimbursement.batch_submitted", "nothing",        NONE,                    "",                                                                    "batch original"),
    ("reimbursement.withdrawn", "submitted",            NONE,                    "1020.F1 -100.00 2035.F1 100.00",                                      "original payout payouts_of settlement"),
    ("reimbursement.withdrawn", "submitted across",     NONE,                    "1020.F1 -100.00 2035.F1 100.00 9050.990001.990002 -100.00 9051.990001.990002 100.00", "area original payout payouts_of settlement"),
    ("payout.sent",        "submitted",                 NONE,                    "",                                                                    "original payout"),
    ("payout.result",      "sent",                      NONE,                    "1010.B1 -100.00 2035.F1 100.00",                                      "bank_ref original payout settlement"),
    ("payout.result",      "submitted",                 {"result": "REJECTED", "reason_code": "R03"}, "2030.F1 -100.00 2035.F1 100.00",                 "bank_ref original payout payouts_of"),
    ("payout.returned",    "paid out",                  NONE,                    "1010.B1 100.00 2030.F1 -100.00",                                      "bank_ref original payout payouts_of"),
    ("payout.repaid",      "returned",                  NONE,                    "2030.F1 100.00 2035.F1 -100.00",                                      "original payout payouts_of"),
    ("payout.given_back",  "failed",                    NONE,                    "1020.F1 -100.00 2030.F1 100.00",                                      "original payout payouts_of settlement"),
    ("payout.recalled",    "paid out",                  NONE,                    "",                                                                    "original"),
    ("claim.settled",      "advanced",                  NONE,                    "1020.F1 60.00 2010.H1 -60.00 9020.F1.H1 -80.00 9021.F1.H1 80.00 9030.F1.H1 15.00 9031.F1.H1 -15.00", "original retention settlement"),
    ("retention.released", "retained",                  NONE,                    "1020.F1 10.00 2010.H1 -10.00 9030.F1.H1 -15.00 9031.F1.H1 15.00",     "original retention"),
    ("crossregion.settled", "submitted across",         NONE,                    "9050.990001.990002 -100.00 9051.990001.990002 100.00",                "area original"),
    ("crossregion.settled", "submitted across",         {"through": True},       "1020.F1 -100.00 1020.F2 100.00 9050.990001.990002 -100.00 9051.990001.990002 100.00", "area original"),
    ("settlement.confirmed", "nothing",                 NONE,                    "3010.B1 -100.00 3010.B2 100.00",                                      "bank_ref instruction original"),
    ("settlement.confirmed", "nothing",                 {"source": "B1", "instruction": "I2"}, "",                                                      "instruction original"),
    ("settlement.failed",  "nothing",                   NONE,                    "",                                                                    "instruction original"),
    ("settlement.failed",  "nothing",                   {"instruction": "I4"},   "",                                                                    "instruction original"),
    ("fee.adjusted",       "paid at the pharmacy",      NONE,                    "2011.R1 0.10 2060.B2 -0.10",                                          "original undo"),
    ("fee.adjusted",       "paid at the pharmacy",      {"direction": "LESS"},   "2011.R1 -0.10 2060.B2 0.10",                                          "original undo"),
    ("correction.approved", "nothing",                  NONE,                    "1010.B1 60.00 2091.H1 -60.00",                                        "original"),
]
# fmt: on


def with_more_cards(world: World) -> World:
    """One card that is only issued, and one that was cancelled."""
    for card in ("tok_card_I", "tok_card_D"):
        world.send("card.registered", "B1", "07:00:00", card=card)
        world.send(
            "card.registered",
            "CP",
            "07:00:00",
            card=card,
            stage="PLATFORM",
            card_class=None,
            account_class=None,
        )
    world.send("card.cancelled", "B1", "07:30:00", card="tok_card_D")
    return world


@pytest.mark.parametrize(
    ("kind", "before", "said", "postings", "changes"), ROWS, ids=lambda part: str(part)[:40]
)
def test_an_event_posts_what_its_row_says(
    kind: str, before: str, said: dict[str, Any], postings: str, changes: str
) -> None:
    """The postings of an event and the kinds of facts it changes are those of its row, and it balances."""
    world = with_more_cards(begun(before))
    folded = world.batch([Incoming(world.make(kind, **said))])
    done = folded.decisions[0]
    assert (done.reason, done.detail if done.reason else "") == ("", "")
    silent = not done.entry
    assert done.outcome is (Outcome.NOTED if silent else Outcome.POSTED)
    assert postings_of(done) == postings
    assert changed_by(folded) == " ".join(
        name for name in changes.split() if name not in {"original", "aliases_of", "payouts_of", "held"}
    )


def test_every_type_has_a_row() -> None:
    """A type of the rules without a row fails the build."""
    assert {row[0] for row in ROWS} == RULES.keys()


def test_immediate_mode_settles_at_once_and_mirrors_when_undone() -> None:
    """Where the card's bank is the settlement bank the credit and its settlement stand in one entry."""
    world = begun("nothing")
    done = world.send("payment.made", **H3)
    assert done.entry is not None
    assert [(one.account, one.fen, one.leg.value) for one in done.entry.postings] == [
        ("1010.B1", 10_000, "G"), ("2010.H3", -10_000, "G"), ("2010.H3", 10_000, "S"), ("1010.B1", -10_000, "S"),
    ]  # fmt: skip
    refund = world.send("payment.refunded", "H3", amount="15.00")
    assert postings_of(refund) == "1010.B1 -15.00 2010.H3 15.00"
    world.send("payment.made", **H3)
    void = world.send("payment.voided", "H3")
    assert void.entry is not None
    assert [(one.fen, one.leg.value) for one in void.entry.postings] == [
        (-10_000, "G"),
        (10_000, "G"),
        (-10_000, "S"),
        (10_000, "S"),
    ]
