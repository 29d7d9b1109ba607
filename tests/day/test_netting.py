"""Roll-up, bank nets and instructions: the worked days, each rule by a table, and what holds for any day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.day.netting import CARRY, IN_BANK, Netted, inter_bank, net_day, positions
from clearing.errors import InvariantViolated, NotBalanced, UsageError
from clearing.ledger.entry import entry_id
from clearing.ledger.members import Members
from clearing.ledger.members_file import load_members
from clearing.ledger.money import yuan
from tests.day.worked_days import DAYS, fen, members, sums, table

DAY = date(2026, 3, 10)
NETTED_TO_ZERO = ("1010", "2010", "2011", "1020", "1030", "1040", "2040", "2060")


def world(**changes: Mapping[str, Any]) -> Members:
    """Two banks, two hospitals, a clinic that settles with H2, a fund, a pharmacy; with changes."""
    bank = {"kind": "bank", "cnaps": "990121000010", "clearing_account": "C"}
    at = {"settlement_bank": "B1", "settlement_account": "S"}
    records: dict[str, dict[str, Any]] = {
        "B1": bank,
        "B2": bank,
        "B3": bank,
        "H1": {"kind": "hospital", **at},
        "H2": {"kind": "hospital", **at, "settlement_bank": "B2"},
        "V2": {"kind": "hospital", "settles_with": "H2"},
        "R1": {"kind": "pharmacy", **at, "settlement_bank": "B3"},
        "F1": {
            "kind": "fund",
            "expense_bank": "B1",
            "expense_account": "E",
            "income_bank": "B2",
            "income_account": "I",
        },
        "I1": {"kind": "insurer", **at},
        "T1": {"kind": "channel", **at, "settlement_bank": "B3"},
    }
    document: dict[str, Any] = {"platform": {"code": "PLAT"}}
    for code, record in records.items():
        row = {"code": code, **record, **changes.get(code, {})}
        document.setdefault(row.pop("kind"), []).append(row)
    return load_members(document)


def net(
    totals: Mapping[str, int],
    held: Mapping[tuple[str, str], int] | None = None,
    carried: Mapping[tuple[str, str], int] | None = None,
    who: Members | None = None,
    day: date = DAY,
) -> Netted:
    """Net with the world of this file."""
    who = who or world()
    return net_day(
        totals,
        held or {},
        carried or {},
        who.on(day),
        platform="PLAT",
        clock=who.clock,
        value_date=day + timedelta(days=1),
    )


def lines(netted: Netted) -> list[list[str]]:
    """The roll-up as a table: account, bank, side, yuan, kind."""
    return [[one.account, one.bank, one.side, yuan(one.amount_fen), one.kind] for one in netted.roll_up]


def after(totals: Mapping[str, int], netted: Netted) -> dict[str, int]:
    """The sums with the net step's entries posted."""
    found = Counter(totals)
    for entry in netted.entries:
        for name, amount, _ in entry.postings:
            found[name] += amount
    return dict(found)


@pytest.mark.parametrize("day", DAYS, ids=str)
def test_a_worked_day_nets_as_its_table_says(day: date) -> None:
    """Positions, roll-up, bank nets and instructions are those of the worked day, to the fen."""
    before, nets, rolled, paid = DAYS[day]
    netted = net(before, who=members(), day=day)
    assert [line[:4] for line in lines(netted)] == rolled
    assert netted.bank_nets == nets
    assert [[one.debtor, one.creditor, yuan(one.amount_fen)] for one in netted.inter_bank] == paid
    assert netted.positions == {
        name: amount for name, amount in sorted(before.items()) if name[:4] in NETTED_TO_ZERO
    }
    left = after(before, netted)
    assert not any(amount for name, amount in left.items() if name[:4] in NETTED_TO_ZERO)


def test_three_days_leave_in_transit_and_held_what_the_books_say() -> None:
    """3010 and 3020 after three days without confirmations are those of the worked day."""
    total: Counter[str] = Counter()
    for day, (before, *_) in DAYS.items():
        total.update({k: v for k, v in after(before, net(before, who=members(), day=day)).items() if k < "4"})
    open_after = {name: amount for name, amount in sorted(total.items()) if amount and name[:2] == "30"}
    assert open_after == sums("3010.B1 -4124.44  3010.B2 4124.44  3020.F1 640.00  3020.H1 70.00")


def test_a_negative_day_of_a_hospital_that_carries_is_a_carry_line_with_the_same_books() -> None:
    """The worked day's H3 is carried by its bank, every other line is an ordinary one."""
    netted = net(DAYS[date(2026, 3, 11)][0], who=members(), day=date(2026, 3, 11))
    assert {one.account: one.kind for one in netted.roll_up if one.kind == CARRY} == {"2010.H3": CARRY}
    debit = world(H1={"negative": "debit"})
    carry = world(H1={"negative": "carry"})
    totals = sums("2010.H1 15.00  1010.B2 -15.00")
    assert net(totals, who=debit).entries == net(totals, who=carry).entries
    assert lines(net(totals, who=debit)) == table("2010.H1  B1  D  15.00  IN_BANK")
    assert lines(net(totals, who=carry)) == table("2010.H1  B1  D  15.00  CARRY")


RULES = [
    # what, sums of the day, held before, carried, roll-up
    ("items of one owner are a line", "1020.F1 9 2035.F1 -7 2030.F1 -2", "", "",
     "1020.F1 B1 D 9.00, 3020.F1 B1 C 9.00"),
    ("items that cancel give none",   "2035.F1 7 2030.F1 -7",            "", "", ""),
    ("items that shrink are taken",   "2035.F1 7 1010.B2 -7",            "F1 B1 7", "", "3020.F1 B1 D 7.00"),
    ("shortage and overage together", "1091.H1 3 2091.H1 -1 1010.B1 -2", "", "", "3020.H1 B1 D 2.00"),
    ("a clinic's items stay its own", "1010.B1 5 2050.V2 -5",            "", "", "3020.V2 B2 C 5.00"),
    ("a clinic's money is the other's", "1010.B1 5 2010.H2 -5",          "", "", "2010.H2 B2 C 5.00"),
    ("income goes to its own bank",   "1020.F1 4 2040.F1 -4", "", "", "1020.F1 B1 D 4.00, 2040.F1 B2 C 4.00"),
    ("held sums follow a new bank",   "", "H1 B3 8", "", "3020.H1 B1 C 8.00, 3020.H1 B3 D 8.00"),
    ("they follow beside a change",   "1010.B1 2 2050.H1 -2", "H1 B2 8", "",
     "3020.H1 B1 C 8.00, 3020.H1 B1 C 2.00, 3020.H1 B2 D 8.00"),
    ("a held shortage moves too",     "", "H1 B3 -8", "", "3020.H1 B1 D 8.00, 3020.H1 B3 C 8.00"),
    ("a credit repays what was carried", "1010.B2 9 2010.H1 -9", "", "H1 B1 4",
     "2010.H1 B1 C 9.00, 2010.H1 B1 D 4.00 CARRY"),
    ("but no more than the credit",   "1010.B2 9 2010.H1 -9", "", "H1 B1 40",
     "2010.H1 B1 C 9.00, 2010.H1 B1 D 9.00 CARRY"),
    ("what another bank carried waits", "1010.B2 9 2010.H1 -9", "", "H1 B3 4", "2010.H1 B1 C 9.00"),
    ("network pairs stay",            "1050.N 6 2019.H1 -6", "", "", ""),
    ("an empty day has no line",      "", "", "", ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("what", "totals", "held", "carried", "expected"), RULES, ids=[row[0] for row in RULES]
)
def test_the_roll_up_rule_by_rule(what: str, totals: str, held: str, carried: str, expected: str) -> None:
    """One rule of the roll-up a row."""
    netted = net(sums(totals), pairs(held), pairs(carried))
    wanted = [[*row.split(), IN_BANK][:5] for row in expected.split(", ") if row]
    assert lines(netted) == wanted, what
    assert sum(netted.bank_nets.values()) == 0
    assert len({one.id for one in netted.instructions}) == len(netted.instructions)


def pairs(text: str) -> dict[tuple[str, str], int]:
    """`owner bank yuan` as a mapping, or nothing."""
    cells = text.split()
    return {(cells[0], cells[1]): fen(cells[2])} if cells else {}


def test_a_moved_sum_posts_old_to_new_and_leaves_3020_as_it_was() -> None:
    """The two lines of a move add up to Dr 1010.old / Cr 1010.new, and the banks pay each other."""
    netted = net({}, {("H1", "B3"): 800})
    assert {k: v for k, v in after({}, netted).items() if v} == {"3010.B3": 800, "3010.B1": -800}
    assert netted.bank_nets == {"B1": -800, "B3": 800}


def test_ids_come_from_the_names_of_rule_9() -> None:
    """Entry and instruction share the id; a second line of one name takes /2."""
    netted = net(sums("1010.B1 2 2050.H1 -2"), {("H1", "B2"): 800})
    names = ["roll_up/3020.H1/B1", "roll_up/3020.H1/B1/2", "roll_up/3020.H1/B2", "net/B2>B1"]
    assert [one.id for one in netted.instructions] == [
        entry_id(DAY, f"PLAT/2026-03-10/{name}") for name in names
    ]
    assert [one.id for one in netted.entries] == [one.id for one in netted.instructions]
    assert [one.event_id for one in netted.entries] == [f"2026-03-10/{name}" for name in names]
    assert {one.source for one in netted.entries} == {"PLAT"}
    assert {one.occurred_at.isoformat() for one in netted.entries} == {"2026-03-10T15:00:00+00:00"}


MATCHES = [
    # nets                                  who pays whom
    ("B1 5 B2 -5",                         "B1 B2 5.00"),
    ("B1 7 B2 3 B3 -6 B4 -4",              "B1 B3 6.00, B2 B4 3.00, B1 B4 1.00"),
    ("B1 5 B2 5 B3 -5 B4 -5",              "B1 B3 5.00, B2 B4 5.00"),
    ("B1 4 B2 4 B3 4 B4 -12",              "B1 B4 4.00, B2 B4 4.00, B3 B4 4.00"),
    ("B1 9 B2 -3 B3 -3 B4 -3",             "B1 B2 3.00, B1 B3 3.00, B1 B4 3.00"),
    ("",                                   ""),
]  # fmt: skip


@pytest.mark.parametrize(("nets", "expected"), MATCHES)
def test_the_largest_debtor_pays_the_largest_creditor(nets: str, expected: str) -> None:
    """Ties go by code; what is left of either is ranked again."""
    found = [f"{debtor} {creditor} {yuan(amount)}" for debtor, creditor, amount in inter_bank(sums(nets))]
    assert ", ".join(found) == expected


REFUSED = [
    # sums                       error              what the message must say
    ("2010.H1 -5.00 1010.B1 5.02", NotBalanced,       "money is out of balance: expected 0.00, got 0.02"),
    ("2010.H1 -5.02 1010.B1 5.00", NotBalanced,       "0.02 (credits more) [LED-001]. See: clearing verify"),
    ("9010.H1 1.00",               NotBalanced,       "memo is out of balance"),
    ("2010.H9 -5 1010.B1 5",       UsageError,        "cannot net 2010.H9, expected a member"),
    ("3020.H1 5 1010.B1 -5",       InvariantViolated, "rolled up already"),
    ("1050.N 5 2010.H1 -5",        InvariantViolated, "to sum to 0.00, got -5.00 (receivers more)"),
]  # fmt: skip


@pytest.mark.parametrize(("totals", "error", "words"), REFUSED)
def test_a_day_that_cannot_be_netted_says_why(totals: str, error: type[Exception], words: str) -> None:
    """The difference and its direction stand in the message, and nothing is posted."""
    with pytest.raises(error) as caught:
        net(sums(totals))
    assert words in str(caught.value)


def test_positions_leave_out_zeros_items_and_memo() -> None:
    """Only position accounts that moved are positions."""
    assert positions(sums("2010.H1 0 2050.H1 3 9010.H1 2 1050.N 1 1010.B1 -3")) == {"1010.B1": -300}


BOOKS = [
    *(
        "1010.B1",
        "1010.B2",
        "1010.B3",
        "1020.F1",
        "1030.I1",
        "1040.T1",
        "2010.H1",
        "2010.H2",
        "2011.R1",
        "2040.F1",
    ),
    *("2060.B1", "2060.H2", "1091.H1", "2091.H1", "2050.V2", "2050.R1", "2030.F1", "2035.F1", "2035.I1"),
]
MOVING = st.dictionaries(st.sampled_from(BOOKS), st.integers(-(10**13), 10**13))
ITEMS = ("1091", "2091", "2050", "2030", "2035")
HELD = st.dictionaries(
    st.tuples(st.sampled_from(["H1", "V2", "F1"]), st.sampled_from(["B1", "B2", "B3"])),
    st.integers(-999, 999),
)


@given(MOVING, HELD, st.integers(0, 10**6))
def test_any_balanced_day_nets_out(
    moving: dict[str, int], held: dict[tuple[str, str], int], carried: int
) -> None:
    """Bank nets and later positions are zero, 3020 holds the items, at most n-1 instructions."""
    totals = {**moving, "1010.B1": moving.get("1010.B1", 0) - sum(moving.values())}
    netted = net(totals, held, {("H1", "B1"): carried}, world(H1={"negative": "carry"}))
    left = after(totals, netted)
    assert sum(netted.bank_nets.values()) == 0
    assert not any(amount for name, amount in left.items() if name[:4] in NETTED_TO_ZERO)
    for owner in ("H1", "V2", "R1", "F1", "I1"):
        items = sum(v for k, v in totals.items() if k[:4] in ITEMS and k[5:] == owner)
        assert left.get(f"3020.{owner}", 0) == -items
    assert len(netted.inter_bank) <= max(0, len(netted.bank_nets) - 1)
    assert len({one.id for one in netted.instructions}) == len(netted.instructions)
