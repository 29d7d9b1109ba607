# ruff: noqa: ANN401, E501 - fields of any rule, sums beside their entry
from __future__ import annotations

import tomllib
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.errors import MembersRefused
from clearing.ledger.fees import FeeRule, ambiguous, choose
from clearing.ledger.members_file import load_members
from clearing.ledger.outcomes import Outcome
from tests.ledger.world import MEMBERS, MORE, World, postings_of, story

DAY = date(2026, 3, 10)
KEYS = {"kind": "pharmacy", "ownership": "PROFIT", "level": "", "institution": "R1", "bank": "B1", "acquirer": "B2", "access": "", "route": "DIRECT"}  # fmt: skip
R1: dict[str, Any] = {"source": "R1", "institution": "R1"}


def rule(rate: str = "38", **said: Any) -> FeeRule:
    """A rule for pharmacies, paid to B2."""
    start = {"applies_to": {"kind": "pharmacy"}, "rate_bp": rate, "payee": "B2", "from": "2026-01-01"}
    return FeeRule.model_validate(start | said)


@pytest.mark.parametrize(
    ("rate", "cap", "amount", "fee"),
    [
        ("38", None, 10_000, 38),
        ("38", None, 1_316, 5),  # 5.0008
        ("50", None, 100, 1),  # half a fen up
        ("50", None, 99, 0),
        ("38", "13.00", 1_000_000, 1_300),
        ("12.5", None, 10_000, 13),  # 12.5 up
        ("0", None, 10_000, 0),
    ],
)
def test_a_fee_is_rounded_half_up_and_capped(rate: str, cap: str | None, amount: int, fee: int) -> None:
    """Per transaction, half-up to the fen, never more than the cap."""
    assert rule(rate, cap=cap).fee(amount) == fee


def test_the_rule_with_most_keys_wins_then_the_latest() -> None:
    """Of the rules that match, those with most keys, among them the latest start in force."""
    wide, narrow = rule("10"), rule("20", applies_to={"kind": "pharmacy", "bank": "B1"})
    later, future = rule("30", applies_to=narrow.applies_to, **{"from": "2026-02-01"}), rule("40", applies_to=narrow.applies_to, **{"from": "2026-04-01"})  # fmt: skip
    assert choose([wide, narrow, later, future], KEYS, DAY) == later
    assert choose([wide, narrow, later], KEYS | {"bank": "B2"}, DAY) == wide
    assert choose([wide], KEYS | {"kind": "hospital"}, DAY) is None


def test_rules_that_match_one_event_alike_are_ambiguous() -> None:
    """As many keys, no key that tells them apart, one start: refused; a different start or value is not."""
    bank, access = rule(applies_to={"bank": "B1"}), rule(applies_to={"access": "KIOSK"})
    assert ambiguous(bank, access)
    assert not ambiguous(bank, rule(applies_to={"bank": "B2"}))
    assert not ambiguous(bank, rule(applies_to={"access": "KIOSK"}, **{"from": "2026-02-01"}))
    assert not ambiguous(rule(valid_to="2026-01-31"), rule(valid_from="2026-02-01"))


@given(st.integers(0, 10**9), st.lists(st.integers(1, 100), min_size=1, max_size=4))
def test_payees_get_the_whole_fee(fee: int, shares: list[int]) -> None:
    """The parts of the payees add up to the fee, also where the issuer takes the acquirer's."""
    codes = ["B2", "ISSUER", "ACQUIRER", "T1"]
    shared = FeeRule.model_validate(
        {"rate_bp": "1", "from": "2026-01-01", "payees": [{"code": code, "share": share} for code, share in zip(codes, shares, strict=False)]}
    )  # fmt: skip
    parts = dict(shared.parts(fee, issuer="B1", acquirer=""))
    assert sum(parts.values()) == fee
    assert parts.keys() <= {"B1", "B2", "T1"}


RULES = """
[[fee]]
applies_to = { institution = "H2" }
rate_bp = "100"
refund_returns = true
from = "2026-01-01"
payees = [{ code = "ISSUER", share = 2 }, { code = "ACQUIRER", share = 1 }]
"""


def test_issuer_and_acquirer_are_found_per_event() -> None:
    """The issuer is the card's bank, the acquirer the terminal's, the issuer again where that is unknown."""
    world = World(more=RULES)
    said: dict[str, Any] = {"source": "H2", "institution": "H2"}
    known = world.send("payment.made", **said, terminal="990100000001")
    assert postings_of(known) == "1010.B1 100.00 2010.H2 -99.00 2060.B1 -0.67 2060.B2 -0.33"
    assert postings_of(world.send("payment.made", **said)) == "1010.B1 100.00 2010.H2 -99.00 2060.B1 -1.00"


def test_refunds_return_the_fee_where_the_rule_says_so() -> None:
    """Per payee half-up of its fee as adjusted × Σ refunds / amount, less what it gave back before; all in the end."""
    world = story(World(more=RULES), ("payment.made", {"source": "H2", "institution": "H2"}))
    assert (
        postings_of(world.send("payment.refunded", "H2", amount="33.33"))
        == "1010.B1 -33.33 2010.H2 33.00 2060.B1 0.33"
    )
    world.send("fee.adjusted", payee="B1", amount="0.50")
    # 1.50 × 66.66 / 100 = 1.00 (0.9999 up), 0.33 of it was given back
    assert (
        postings_of(world.send("payment.refunded", "H2", amount="33.33"))
        == "1010.B1 -33.33 2010.H2 32.66 2060.B1 0.67"
    )
    assert (
        postings_of(world.send("payment.refunded", "H2", amount="33.34"))
        == "1010.B1 -33.34 2010.H2 32.84 2060.B1 0.50"
    )
    assert world.balances["2060.B1"] == 0


def test_a_void_gives_back_the_fee_as_adjusted() -> None:
    """The mirror carries the fee that stands, so that every payee and the institution end at zero."""
    for direction, payee in (("MORE", "B2"), ("LESS", "B2"), ("MORE", "T1")):
        world = story(
            World(),
            ("payment.made", R1),
            ("fee.adjusted", {"direction": direction, "payee": payee}),
            ("payment.voided", {"source": "R1"}),
        )
        assert {name: fen for name, fen in world.balances.items() if fen} == {}


def test_a_fee_adjusted_on_a_network_payment_is_given_back_by_its_void() -> None:
    """The network's payment has no payable among its postings, its institution's bears the fee all the same."""
    world = story(World(), ("payment.made", R1 | {"route": "UNIONPAY"}), ("fee.adjusted", {"bearer": "R1"}))
    done = world.send("payment.voided", "R1", route="UNIONPAY")
    assert done.outcome is Outcome.POSTED
    assert {name: fen for name, fen in world.balances.items() if fen} == {}


def test_a_fee_of_a_discharge_that_moved_nothing_cannot_be_adjusted() -> None:
    """A settlement of a bill of 0.00 is noted and has no entry: unknown_original, not a failure."""
    world = story(
        World(), "admission.registered", ("discharge.settled", {"total": "0.00", "deposit_used": "0.00"})
    )
    assert world.send("fee.adjusted").reason == "unknown_original"


def test_a_fee_rule_must_pay_a_member_with_an_account() -> None:
    """A payee that settles with another, or holds no account, is a fault of the file."""
    for payee in ("V1", "CP", "NOBODY"):
        text = (
            MEMBERS.read_text(encoding="utf-8")
            + MORE
            + f'[[fee]]\nrate_bp = "1"\nfrom = "2026-01-01"\npayee = "{payee}"\n'
        )
        with pytest.raises(MembersRefused, match=rf"payee {payee}: "):
            load_members(tomllib.loads(text))
