from __future__ import annotations

import json
import tomllib
from collections import Counter
from datetime import date
from pathlib import Path

import pytest
from stdnum.cn import uscc
from stdnum.iso7064 import mod_11_10

from clearing.errors import MembersRefused, UsageError
from clearing.jobs.generate import (
    BREAK_KINDS,
    CITY,
    FILE_KINDS,
    LIST_KINDS,
    NOT_PLANTED,
    Generated,
    Plan,
    generate_day,
    write,
)
from clearing.jobs.generate.plan import HOURS, NEXT_DAY
from clearing.ledger.members import Members
from clearing.ledger.members_file import load_members
from clearing.reconciliation.codes import CODES
from messages import CATALOGUE, Event, decode

DAY = date(2026, 3, 10)
WORKED = Path(__file__).parents[2] / "fixtures" / "files" / "members.toml"
UNDO_OF_A_CARD = ("payment.confirmed", "payment.reversed", "topup.reversed", "premium.refunded")


def city() -> Members:
    """The shipped city."""
    return load_members(tomllib.loads(CITY.read_text(encoding="utf-8")))


def a_day(events: int, seed: int = 1, *, breaks: float = 0, members: Members | None = None) -> Generated:
    """A day of the city."""
    return generate_day(Plan(breaks=breaks), members or city(), DAY, events, seed)


def decoded(generated: Generated) -> list[Event]:
    """Its events as the engine reads them; a malformed one fails."""
    found = [decode(sent.value) for sent in generated.events()]
    assert [one for one in found if not isinstance(one, Event)] == []
    return [one for one in found if isinstance(one, Event)]


# -- the same again ------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_day() -> None:
    """Chance comes from the seed alone, and a day can be read twice."""
    one, other = a_day(1000, breaks=12), a_day(1000, seed=2, breaks=12)
    assert list(one.steps()) == list(one.steps()) == list(a_day(1000, breaks=12).steps())
    assert list(one.events()) != list(other.events())


@pytest.mark.parametrize("events", [118, 200, 999, 4000])
def test_a_day_has_exactly_as_many_events_as_were_asked_for(events: int) -> None:
    """Repeated records count."""
    assert sum(1 for _ in a_day(events).events()) == events


def test_a_day_that_is_too_short_or_has_no_bank_is_refused() -> None:
    """Both say what is missing."""
    with pytest.raises(UsageError, match="18 institutions needs 118 events, got 117"):
        a_day(117)
    nobody = load_members({"platform": {"code": "PLAT"}})
    with pytest.raises(MembersRefused, match="0 issuers, 0 institutions, card platform none"):
        a_day(1000, members=nobody)


# -- what arrives --------------------------------------------------------------------------------------------


def test_events_arrive_in_order_on_one_day_under_the_keys_of_the_catalogue() -> None:
    """An undo of a payment goes under the card of what it undoes, as the contract asks."""
    generated, clock = a_day(4000), city().clock
    last = 0
    card_of: dict[tuple[str, str], str] = {}
    for sent in generated.events():
        event = decode(sent.value)
        assert isinstance(event, Event)
        assert sent.second >= last
        last = sent.second
        assert clock.date_of(event.time) == DAY
        assert (sent.type, sent.source, sent.id) == (event.type, event.source, event.id)
        assert sent.family == CATALOGUE[event.type].family
        data = json.loads(sent.value)["data"]
        card_of[event.source, event.id] = data.get("card", "")
        if event.type in UNDO_OF_A_CARD:
            known = card_of.get((data["original"]["source"], data["original"]["id"]))
            assert known in (sent.key, None)  # None: the undo came first
        elif event.type != "discharge.cancelled":
            assert sent.key == CATALOGUE[event.type].key(event)


def test_other_members_make_a_day_too() -> None:
    """The worked day's three hospitals, two banks and one pharmacy are town enough."""
    members = load_members(tomllib.loads(WORKED.read_text(encoding="utf-8")))
    assert len(decoded(a_day(600, members=members))) == 600


def share(events: list[Event], *names: str) -> float:
    """Events whose type begins with one of the names, of all."""
    return sum(event.type.startswith(names) for event in events) / len(events)


def test_a_day_has_the_shares_of_its_plan() -> None:
    """Measured on 20 000 events: what, at least, at most."""
    events = decoded(a_day(20_000))
    made = [event for event in events if event.type == "payment.made"]
    money = [event for event in events if event.type.startswith(("payment.", "deposit."))]

    def of_payments(name: str) -> float:
        return sum(event.type == name for event in events) / len(made)

    places = Counter(getattr(event.data, "institution", "") for event in money)
    banks = Counter(getattr(event.data, "bank", "") for event in events if event.type == "card.activated")
    ids = Counter((event.source, event.id) for event in events)
    stays = sum(event.type == "admission.registered" for event in events)
    deposits = sum(event.type == "deposit.paid" for event in events)
    answered = [event for event in events if event.type == "payout.result"]
    hours = Counter((event.time.hour + 8) % 24 for event in made)
    visits: Counter[str] = Counter()
    paid: Counter[str] = Counter()
    for event in made:
        visit_id = getattr(event.data, "visit_id", None)
        if visit_id:
            visits[visit_id] += 1
            paid[visit_id] += getattr(event.data, "amount", 0)
    table = (
        ("card events, of all", share(events, "card."), 0.19, 0.21),
        ("payments, of all", share(events, "payment.made"), 0.55, 0.65),
        ("reimbursements, of all", share(events, "reimbursement.submitted"), 0.04, 0.08),
        ("refunds, of payments", of_payments("payment.refunded"), 0.02, 0.04),
        ("voids, of payments", of_payments("payment.voided"), 0.004, 0.006),
        ("time-outs, of payments", of_payments("payment.timed_out"), 0.0003, 0.0008),
        ("deposits, of a stay", deposits / stays, 2.2, 2.8),
        (
            "returns, of payouts",
            sum(e.type == "payout.returned" for e in events) / len(answered),
            0.002,
            0.005,
        ),
        ("the largest hospital, of payments and deposits", places["H1"] / len(money), 0.06, 0.10),
        ("the leading bank, of cards", banks["B1"] / banks.total(), 0.55, 0.65),
        ("repeated records", sum(n - 1 for n in ids.values()) / len(events), 0.0005, 0.0015),
        ("the peak hour, of payments", max(hours.values()) / len(made), max(HOURS) / 120, max(HOURS) / 75),
        ("yuan a visit", paid.total() / len(visits) / 100, 250, 450),
    )
    wrong = [
        f"{what}: {got:.4f}, expected {least} to {most}"
        for what, got, least, most in table
        if not least <= got <= most
    ]
    assert wrong == []


# -- planted breaks ------------------------------------------------------------------------------------------


def test_every_code_is_planted_or_says_why_not() -> None:
    """A code added to the table without a planting fails here; one that is planted has no reason left."""
    kinds = {*BREAK_KINDS, *FILE_KINDS, *LIST_KINDS} - NEXT_DAY.keys()
    assert kinds.isdisjoint(NOT_PLANTED)
    assert kinds | NOT_PLANTED.keys() == CODES.keys()
    assert all(NOT_PLANTED.values())


@pytest.mark.parametrize("breaks", [7, len(BREAK_KINDS), 3 * len(BREAK_KINDS), 0.02])
def test_kinds_are_planted_in_turn(breaks: float) -> None:
    """A count is kept to, and no kind is planted twice before the others that a day can carry."""
    made = generate_day(Plan(breaks=breaks), city(), DAY, 6000, 1)
    kinds = Counter(step.planted.kind for step in made.steps() if step.planted is not None)
    assert max(kinds.values()) - min(kinds.get(kind, 0) for kind in BREAK_KINDS) <= 1
    if isinstance(breaks, int):
        assert kinds.total() == breaks
        assert set(kinds) == set(BREAK_KINDS[:breaks])


# -- files ---------------------------------------------------------------------------------------------------


def test_a_day_is_written_as_files_that_a_second_run_leaves_as_they_are(tmp_path: Path) -> None:
    """Members, events, one file a partner with its totals, and the answers."""
    told: list[int] = []
    summary = write(a_day(2000, breaks=12), tmp_path, progress=told.append)
    first = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert write(a_day(2000, breaks=12), tmp_path) == summary
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == first
    assert told == [1000, 2000]
    assert summary.events == 2000 == len(first[summary.events_file].splitlines())
    assert first[summary.members] == CITY.read_bytes()
    assert sorted(summary.statements) == ["B1", "B2", "B3", "B4", "B5", "CUP", "T1"]
    assert len(summary.exports) == 18
    assert first[summary.statements["B5"]].decode().splitlines()[1:] == [
        "#TOTAL,0,0.00,0.00",
        "#BALANCE,0.00,0.00",
    ]
    answers = json.loads(first[summary.answers])
    assert len(answers) == 12 == len({answer["code"] for answer in answers})
    assert {"code", "partner", "keys", "amount"} <= answers[0].keys()


# -- the city ------------------------------------------------------------------------------------------------


def test_the_city_has_right_check_digits_and_belongs_to_nobody() -> None:
    """CNAPS, credit codes and organisation codes; areas of region 99 alone."""
    document = tomllib.loads(CITY.read_text(encoding="utf-8"))
    for bank in document["bank"]:
        mod_11_10.validate(bank["cnaps"])
        assert bank["cnaps"].startswith("99")
    for member in [*document["hospital"], *document["pharmacy"]]:
        uscc.validate(member["uscc"])
        assert member["uscc"][8:17] == member["org_code"]
        assert member["org_code"].startswith("PDY")
        assert member["area"].startswith("99")
    assert all(
        "Example" in member["name"]
        for rows in document.values()
        if isinstance(rows, list)
        for member in rows
        if "name" in member
    )


def test_the_fixture_and_the_shipped_city_are_one_file() -> None:
    """`fixtures/members/city.toml` leads to the package's own copy."""
    assert (Path(__file__).parents[2] / "fixtures" / "members" / "city.toml").resolve() == CITY.resolve()
