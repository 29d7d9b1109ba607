# ruff: noqa: E501 - aligned tables
from __future__ import annotations

import tomllib
from datetime import date, timedelta
from typing import Any

import pytest

from clearing.errors import MembersRefused
from clearing.ledger.members import DAYS_MAX, Institution
from clearing.ledger.members_file import load_members
from tests.ledger.world import MEMBERS, MORE, members

GOOD = MEMBERS.read_text(encoding="utf-8") + MORE
BANK = '[[bank]]\ncode = "{}"\ncnaps = "990121000010"\nclearing_account = "99010000000000000"\n'
HOSPITAL = '[[hospital]]\ncode = "H9"\n{}\n'
ACCOUNT = 'settlement_bank = "B1"\nsettlement_account = "99010000000000091"\n'
FEE = '[[fee]]\nrate_bp = "1"\nfrom = "2026-01-01"\n'

# what is added to a good file → what the refusal says
# fmt: off
FAULTS = [
    ('[[clinic]]\ncode = "K1"\n',                                        r"\[\[clinic\]\]: not a kind of record; expected one of bank"),
    ('[[bank]]\ncode = "b9"\n',                                          r"\[\[bank\]\] \d code: String should match pattern"),
    ('[[bank]]\ncode = "B9"\n',                                          r"\[\[bank\]\] \d cnaps: is missing"),
    (BANK.format("B9") + 'color = "red"\n',                              r"\[\[bank\]\] \d color: there is no setting"),
    (BANK.format("B1"),                                                  r"bank B1: two records in force on 1970-01-01"),
    (BANK.format("H1") + 'valid_from = "2027-01-01"\n',                  r"hospital H1: two records in force|bank H1: two records in force|was a"),
    (HOSPITAL.format(""),                                                r"hospital H9: expected settlement_bank and settlement_account, or settles_with"),
    (HOSPITAL.format('settlement_bank = "H1"\nsettlement_account = "1"'), r"hospital H9 settlement_bank: expected the code of a bank, got 'H1'"),
    (HOSPITAL.format(ACCOUNT + 'settles_with = "H1"'),                   r"hospital H9: settles_with H1 and an account of its own; give one"),
    (HOSPITAL.format('settles_with = "B1"'),                             r"hospital H9 settles_with: expected a hospital or pharmacy, got 'B1'"),
    (HOSPITAL.format('settles_with = "V1"'),                             r"hospital H9 settles_with: V1 itself settles with another; one step only"),
    (HOSPITAL.format(ACCOUNT + 'agents = ["WHO"]'),                      r"hospital H9 agents: 'WHO' is no member"),
    (HOSPITAL.format(ACCOUNT + 'routes = ["BOAT"]'),                     r"\[\[hospital\]\] \d routes.0: Input should be"),
    (FEE + 'payee = "H1"\npayees = [{code = "B1", share = 1}]\n',        r"\[\[fee\]\] 2 record: Value error, give payee or payees, not both"),
    (FEE + 'payee = "CP"\n',                                             r"\[\[fee\]\] 2 payee CP: expected a member with a settlement bank, got card_platform"),
    (FEE + 'payee = "V1"\n',                                             r"\[\[fee\]\] 2 payee V1: it settles with another and has no account of its own"),
    (FEE + 'payee = "B1"\n' + FEE + 'payee = "B2"\n',                    r"\[\[fee\]\] 2 and 3: both can match one event with as many keys from 2026-01-01"),
]
# fmt: on


@pytest.mark.parametrize(("added", "says"), FAULTS, ids=[str(number) for number in range(len(FAULTS))])
def test_a_file_that_is_not_sound_is_refused_with_its_record(added: str, says: str) -> None:
    """Each fault names its record and field, what was expected and what it says."""
    with pytest.raises(MembersRefused, match=says):
        load_members(tomllib.loads(GOOD + added))


def test_members_are_held_once_for_all_dates_between_two_changes() -> None:
    """However many dates events name, memory holds the members once a change, and few of the dates."""
    found = members()
    assert found.on(date(2026, 3, 9)).by_code is found.on(date(2026, 3, 10)).by_code
    for number in range(3 * DAYS_MAX):
        day = date(2000, 1, 1) + timedelta(days=number)
        assert found.on(day).day == day
    assert len(found._on) <= DAYS_MAX + 1
    later = load_members(tomllib.loads(GOOD + BANK.format("B9") + 'valid_from = "2026-03-10"\n'))
    assert [later.on(date(2026, 3, day)).kind("B9") for day in (9, 10, 11)] == [None, "bank", "bank"]
    ended = load_members(tomllib.loads(GOOD + BANK.format("B9") + 'valid_to = "2026-03-10"\n'))
    assert [ended.on(date(2026, 3, day)).kind("B9") for day in (11, 10, 9)] == [None, "bank", "bank"]


@pytest.mark.parametrize("field", ["settlement_account", "clearing_account", "held_account"])
def test_an_account_in_the_platforms_name_is_refused(field: str) -> None:
    """The platform holds no client money; a record that gives it an account is refused."""
    text = GOOD.replace('code = "PLAT"', f'code = "PLAT"\n{field} = "99"')
    with pytest.raises(MembersRefused, match=f"platform.* {field}: the platform holds no client money"):
        load_members(tomllib.loads(text))


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({}, "platform.: missing"),
        ({"platform": {"code": "PLAT", "timezone": "Mars/Base"}}, "unknown time zone 'Mars/Base'"),
    ],
)
def test_a_platform_must_be_there_and_know_its_time(document: dict[str, Any], says: str) -> None:
    """Without a platform, or with a time zone nobody knows, nothing is loaded."""
    with pytest.raises(MembersRefused, match=says):
        load_members(document)


def test_all_faults_are_told_at_once() -> None:
    """A file with three faults is refused with three lines."""
    text = GOOD + "".join(added for added, _ in FAULTS[1:3]) + HOSPITAL.format('level = "MOON"')
    with pytest.raises(MembersRefused) as refused:
        load_members(tomllib.loads(text))
    assert len(str(refused.value).splitlines()) >= 4


def test_agents_speak_for_institutions_and_payers_only() -> None:
    """A member speaks for itself, its agent for it; a bank's or another's word is its own."""
    text = (
        GOOD + '[[bank]]\ncode = "B9"\ncnaps = "990121000010"\nclearing_account = "9"\nagents = ["COUNTY"]\n'
    )
    on = load_members(tomllib.loads(text)).on(date(2026, 3, 10))
    assert on.may_speak_for("COUNTY", "V1")
    assert on.may_speak_for("V1", "V1")
    assert not on.may_speak_for("COUNTY", "H1")
    assert not on.may_speak_for("COUNTY", "B9")


def test_records_hold_for_their_dates() -> None:
    """Two records of one code follow each other; a member that has left is known by its last record only."""
    change = '[[pharmacy]]\ncode = "R9"\nvalid_to = "2026-02-28"\n' + ACCOUNT
    change += '[[pharmacy]]\ncode = "R9"\nvalid_from = "2026-03-01"\nmode = "immediate"\n' + ACCOUNT
    found = load_members(tomllib.loads(GOOD + change))
    modes = [found.on(day).by_code["R9"] for day in (date(2026, 2, 28), date(2026, 3, 1))]
    assert [one.mode for one in modes if isinstance(one, Institution)] == ["net", "immediate"]
    assert members().on(date(2026, 3, 2)).kind("GONE") is None
    assert members().last_record("GONE") is not None
    assert members().last_record("NEVER") is None


def test_money_of_a_clinic_goes_to_the_one_it_settles_with() -> None:
    """Payable, bank and mode of an institution that settles with another are the other's."""
    on = members().on(date(2026, 3, 10))
    assert on.payable_of["V1"].code == "H1"
    settling = on.settling("V1")
    assert settling is not None
    assert settling.settlement("2010") == ("B1", "99010000000000001")
    assert on.by_code["F1"].settlement("2040") == ("B2", "99020000000000004")
