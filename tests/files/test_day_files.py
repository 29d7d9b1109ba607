"""TXN and SUM of a day: the golden files, each rule of a line by a table, and sums that must agree."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.day.netting import net_day
from clearing.errors import InvariantViolated, UsageError
from clearing.files.check import check_file
from clearing.files.day_columns import DayColumns
from clearing.files.layout import load_layout, shipped
from clearing.files.lines import Target, Targets, instruction_line
from clearing.files.outgoing import day_files
from clearing.files.parse import parse
from clearing.files.plans import txn_lines
from clearing.files.records import InstructionLine, TxnLine
from clearing.files.totals import hash_part
from clearing.ledger.entry import Entry, Status
from clearing.ledger.entry_columns import EntryColumns
from clearing.ledger.members import Members
from clearing.ledger.members_file import load_members
from clearing.ledger.money import yuan
from tests.day.worked_days import fen, members
from tests.files.golden import FOLDER, golden
from tests.files.small_day import DAY, ENTRIES, VALUE_DATE, entry, files, netted, paid, totals

GOLDEN = dict(golden())


def test_the_golden_folder_has_the_files_of_the_day_and_no_others() -> None:
    """A member that comes or goes shows in the folder."""
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(GOLDEN)


def test_every_type_of_every_profile_is_there_to_look_at() -> None:
    """Whoever writes a reader finds a file of what is shipped."""
    there = {
        (layout.profile, said.type)
        for layout in shipped()
        for name in GOLDEN
        if (said := layout.parse_name(name)) is not None
    }
    assert there == {(layout.profile, kind) for layout in shipped() for kind in layout.types}


@pytest.mark.parametrize("name", GOLDEN)
def test_a_file_is_its_golden_file_to_the_byte(name: str) -> None:
    """The same entries give the same bytes, files and manifests alike."""
    assert (FOLDER / name).read_bytes() == GOLDEN[name]


LINES = [
    # type, postings, status → per account: dir amount mode fee settle account
    ("payment.made",         "1010.B1 9 G 2010.H1 -9 G", "SUCC",
     ["P 9.00 N 0.00 -9.00 1010.B1", "R 9.00 N 0.00 9.00 2010.H1"]),
    ("payment.made",
     "1010.B1 9 G 2011.R1 -9 G 2011.R1 0.30 F 2060.B1 -0.20 F 2060.B2 -0.10 F", "SUCC",
     ["P 9.00 N 0.00 -9.00 1010.B1", "R 9.00 N 0.30 8.70 2011.R1",
      "R 0.20 N 0.00 0.20 2060.B1", "R 0.10 N 0.00 0.10 2060.B2"]),
    ("payment.voided",       "1010.B1 -9 G 2011.R1 9 G 2011.R1 -0.30 F 2060.B2 0.30 F", "VOID",
     ["R 9.00 N 0.00 9.00 1010.B1", "P 9.00 N -0.30 -8.70 2011.R1", "P 0.30 N 0.00 -0.30 2060.B2"]),
    ("payment.made",
     "1010.B1 9 G 2010.H3 -9 G 2010.H3 9 S 1010.B1 -9 S 2010.H3 0.30 F 2060.B2 -0.30 F", "SUCC",
     ["P 9.00 I 0.00 0.00 1010.B1", "R 9.00 I 0.30 -0.30 2010.H3", "R 0.30 N 0.00 0.30 2060.B2"]),
    ("payment.voided",       "1010.B1 -9 G 2010.H3 9 G 2010.H3 -9 S 1010.B1 9 S", "VOID",
     ["R 9.00 I 0.00 0.00 1010.B1", "P 9.00 I 0.00 0.00 2010.H3"]),
    ("payment.confirmed",    "2050.H3 9 G 2010.H3 -9 G 2010.H3 9 S 1010.B1 -9 S", "SUCC",
     ["R 9.00 N 0.00 9.00 1010.B1", "R 9.00 I 0.00 0.00 2010.H3"]),
    ("payment.made",         "1050.CUP 9 G 2019.H1 -9 G", "SUCC", ["R 9.00 I 0.00 0.00 2019.H1"]),
    ("payment.refunded",     "1050.CUP -9 G 2019.V1 9 G", "REFD", ["P 9.00 I 0.00 0.00 2019.V1"]),
    ("fee.adjusted",         "2011.R1 0.20 F 2060.B2 -0.20 F", "SUCC",
     ["R 0.00 N 0.20 -0.20 2011.R1", "R 0.20 N 0.00 0.20 2060.B2"]),
    ("fee.adjusted",         "2011.R1 -0.20 F 2060.B2 0.20 F", "SUCC",
     ["R 0.00 N -0.20 0.20 2011.R1", "P 0.20 N 0.00 -0.20 2060.B2"]),
    ("card.replaced",        "1010.B2 5 F 2060.B2 -5 F", "SUCC",
     ["P 5.00 N 0.00 -5.00 1010.B2", "R 5.00 N 0.00 5.00 2060.B2"]),
    ("correction.approved",  "2010.H1 4 F 2060.B2 -4 F", "SUCC",
     ["P 4.00 N 0.00 -4.00 2010.H1", "R 4.00 N 0.00 4.00 2060.B2"]),
    ("correction.approved",  "2019.H1 4 G 1050.CUP -4 G", "SUCC", []),
    ("reimbursement.submitted", "1020.F1 9 G 2035.F1 -9 G", "HELD", ["P 9.00 N 0.00 -9.00 1020.F1"]),
    ("premium.paid",         "1010.B1 9 G 2040.F1 -9 G", "SUCC",
     ["P 9.00 N 0.00 -9.00 1010.B1", "R 9.00 N 0.00 9.00 2040.F1"]),
    ("crossregion.settled",  "9051.990001.990002 9 M 9050.990001.990002 -9 M", "SUCC", []),
    ("settlement.confirmed", "3010.B1 9 G 3010.B2 -9 G", "SUCC", []),
    ("day.roll_up",          "2010.H1 9 G 1010.B1 -9 G", "SUCC", []),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "legs", "status", "expected"), LINES)
def test_a_line_says_what_its_account_sees(kind: str, legs: str, status: str, expected: list[str]) -> None:
    """Direction, amount, mode, fee and settle amount of each position account, in order of account."""
    one = entry(1, kind, legs, status=Status(status))
    found = [line for _, line in txn_lines(one, Targets(members().on(DAY)))]
    shown = [
        " ".join(
            (x.direction, yuan(x.amount_fen), x.settle_mode, yuan(x.fee_fen), yuan(x.settle_fen), x.account)
        )
        for x in found
    ]
    assert shown == expected
    assert {line.status for line in found} <= {status}


def test_entries_give_the_same_lines_together_as_alone() -> None:
    """Each file's lines in order of entry, and the sums of its groups those of its lines."""
    shapes = [
        entry(no, kind, legs, status=Status(status)) for no, (kind, legs, status, _) in enumerate(LINES, 100)
    ]
    every, targets = sorted((*ENTRIES, *shapes), key=lambda one: one.id), Targets(members().on(DAY))
    alone: dict[Target, list[TxnLine]] = defaultdict(list)
    groups: dict[Any, list[int]] = defaultdict(lambda: [0] * 7)
    for one in every:
        for target, line in txn_lines(one, targets):
            alone[target].append(line)
            way = line.amount_fen if line.settle_mode == "N" else 0
            came_in, went_out = (way, 0) if line.direction == "R" else (0, way)
            said = (1, came_in, went_out, line.fee_fen, line.settle_fen, line.amount_fen, hash_part(one.id))
            sums = groups[target, (one.type, one.institution, one.bank, one.route)]
            sums[:] = [sum(pair) for pair in zip(sums, said, strict=True)]
    columns = DayColumns(DAY, targets)
    found = columns.txn(columns.planned(EntryColumns.of(every)))
    assert found is not None
    lines = iter(map(TxnLine._make, zip(*found.columns, strict=True)))
    assert {target: [next(lines) for _ in range(count)] for target, count in found.runs} == alone
    added: dict[Any, list[int]] = defaultdict(lambda: [0] * 7)
    for target, group, more in found.groups:
        added[target, group] = [sum(pair) for pair in zip(added[target, group], more, strict=True)]
    assert added == groups


TARGETS = [
    ("1010.B1", "B1 001"), ("2060.B2", "B2 001"), ("2010.H1", "H1 001"), ("2060.H1", "H1 001"),
    ("2019.V1", "H2 001"), ("2060.V1", "H2 001"), ("1020.F1", "F1 001"), ("2040.F1", "F1 002"),
    ("2060.F1", "F1 001"), ("1030.I1", "I1 001"), ("1040.T1", "T1 001"),
]  # fmt: skip


@pytest.mark.parametrize(("account", "target"), TARGETS)
def test_a_line_goes_to_the_file_of_its_accounts_owner(account: str, target: str) -> None:
    """A clinic's lines are in the file of the one it settles with; a fund has one file an account."""
    found = Targets(members().on(DAY))[account]
    assert found is not None
    assert f"{found.receiver} {found.seq:03d}" == target


def test_every_member_has_its_files_on_an_empty_day_too() -> None:
    """With count 0 for each member that can have a position, and by kind; the body digest is nothing's."""
    empty = files([])
    assert [(one.type, one.receiver, one.seq) for one in empty.values() if one.receiver != "CP"] == [
        (kind, code, seq)
        for code, seqs in {
            "B1": 1,
            "B2": 1,
            "F1": 2,
            "H1": 1,
            "H2": 1,
            "H3": 1,
            "I1": 1,
            "R1": 1,
            "T1": 1,
        }.items()
        for seq in range(1, seqs + 1)
        for kind in ("TXN", "SUM", "ERR", *also(code, seq))
    ]
    assert [one.type for one in empty.values() if one.receiver == "CP"] == ["SWP"]
    assert {one.records for one in empty.values()} == {0}
    for one in empty.values():
        assert b"|0|0|1ab21d8355cfa17f8e61194831e81a8f22bec8c728fefb747ed035eb5082aa2b|END|" in one.content
        assert check_file(one.name, one.content).sound


def also(code: str, seq: int) -> tuple[str, ...]:
    """What a member gets besides: a hospital its deposits, a payer its claims, in its first file."""
    return {"H": ("DEP",), "F": ("NRC",), "I": ("NRC",)}.get(code[0], ()) if seq == 1 else ()


def by_receiver_position(sums: dict[str, int], who: Members) -> dict[tuple[str, int], int]:
    """Positions added up over the accounts of each file."""
    targets = Targets(who.on(DAY))
    found: dict[tuple[str, int], int] = defaultdict(int)
    for account, amount in sums.items():
        target = targets[account]
        if target is not None and not account.startswith("2019"):
            found[target] += amount
    return found


def assert_sums_agree(entries: list[Entry]) -> None:
    """Header net = Σ settle amounts = Σ of SUM's nets = −position, for every receiver."""
    positions = by_receiver_position(totals(entries), members())
    for file in files(entries).values():
        if file.type not in ("TXN", "SUM"):
            continue
        parsed = parse(file.name, file.content, load_layout("P"))
        assert not parsed.faults
        settled = sum(
            r.record.settle_fen if r.tag == "D" else r.record.net_fen for r in parsed.rows if r.tag != "N"
        )
        assert parsed.head["net_fen"] == settled == file.net_fen == -positions[file.receiver, file.seq]


def test_the_small_days_sums_agree_in_all_files() -> None:
    """What the files say is what the books say, receiver by receiver."""
    assert_sums_agree(ENTRIES)


ACCOUNTS = ["1010.B1", "1010.B2", "1020.F1", "1030.I1", "1040.T1", "2010.H1", "2011.R1", "2040.F1", "2060.B2"]
LEG = st.tuples(
    st.sampled_from(ACCOUNTS), st.sampled_from(ACCOUNTS), st.integers(1, 10**9), st.sampled_from("GFS")
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(LEG, min_size=1, max_size=3), max_size=5), st.sampled_from(["payment.made", "x.y"]))
def test_any_entries_sum_to_positions(days: list[list[tuple[str, str, int, str]]], kind: str) -> None:
    """Whatever the legs, files and books agree, and every file is sound."""
    entries = [
        entry(n, kind, " ".join(f"{a} {yuan(v)} {leg} {b} {yuan(-v)} {leg}" for a, b, v, leg in legs))
        for n, legs in enumerate(days)
    ]
    assert_sums_agree(entries)
    assert [
        str(f) for file in files(entries).values() for f in check_file(file.name, file.content).faults
    ] == []


def test_a_corrected_file_is_the_next_version_and_names_what_it_replaces() -> None:
    """Version 2 says so in name, head and manifest; the other files stay version 1."""
    found = files(versions={("TXN", "B1", 1, "P"): 2})
    name = "RHC_TXN_PLAT_B1_20260310_001_V2.txt"
    assert found[name].replaces == "RHC_TXN_PLAT_B1_20260310_001_V1"
    assert b"|1|RHC_TXN_PLAT_B1_20260310_001_V1|20260310230000|\r\n" in found[name].content
    assert check_file(name, found[name].content).sound
    assert "RHC_SUM_PLAT_B1_20260310_001_V1.txt" in found


ONE = "1010.B1 1 G 2010.H1 -1 G"
REFUSED = [
    # what is wrong                entries                                               must say
    ("an entry of another day",    [entry(1, "x", ONE, clearing_date=VALUE_DATE)],       "order of id"),
    ("entries out of order",       sorted(ENTRIES, key=lambda e: e.id, reverse=True),    "order of id"),
    ("an owner that is no member", [entry(1, "x", "1010.B1 1 G 2010.H9 -1 G")],          "2010.H9 moved"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "entries", "words"), REFUSED, ids=[row[0] for row in REFUSED])
def test_files_are_not_made_of_wrong_entries(what: str, entries: list[Entry], words: str) -> None:
    """Nothing is written that the books do not say."""
    with pytest.raises(InvariantViolated, match=words):
        list(day_files(DAY, entries, (), members(), value_date=VALUE_DATE, layout=load_layout("P")))
    assert what


def test_an_instruction_without_its_roll_up_entry_stops_the_files() -> None:
    """Its side cannot be guessed."""
    net = netted(ENTRIES)
    with pytest.raises(InvariantViolated, match="expected its roll-up entry"):
        list(day_files(DAY, [], net.instructions, members(), value_date=VALUE_DATE, layout=load_layout("P")))


def moving(**earlier: str) -> Members:
    """A hospital that moves from B1 to B2 on the day, and holds items at 3020."""
    bank = {"cnaps": "990121000010"}
    old: dict[str, Any] = {
        "settlement_bank": "B1",
        "settlement_account": "OLD",
        "valid_to": date(2026, 3, 9),
        **earlier,
    }
    new = {
        "settlement_bank": "B2",
        "settlement_account": "NEW",
        "valid_from": DAY,
        "held_account": "NEW-HELD",
    }
    return load_members(
        {
            "platform": {"code": "PLAT"},
            "bank": [{"code": code, "clearing_account": f"C-{code}", **bank} for code in ("B1", "B2")],
            "hospital": [{"code": "H1", **old}, {"code": "H1", **new}],
        }
    )


def instruction_lines(who: Members) -> list[InstructionLine]:
    """The instructions of a day on which H1's held 8.00 move to its new bank."""
    net = net_day(
        {},
        {("H1", "B1"): 800},
        {},
        who.on(DAY),
        platform="PLAT",
        clock=who.clock,
        value_date=DAY + timedelta(days=1),
    )
    sides = {one.bank: one.side for one in net.roll_up}
    return [instruction_line(one, sides.get(one.debtor, ""), who, VALUE_DATE)[1] for one in net.instructions]


def test_a_moved_held_sum_names_the_old_account_at_the_old_bank() -> None:
    """D takes from the account of the earlier record, C pays the new held account, the banks settle."""
    found = [
        f"{one.kind} {one.payer_account} {one.payee_account} {yuan(one.amount_fen)}"
        for one in instruction_lines(moving())
    ]
    assert found == ["IN_BANK OLD C-B1 8.00", "IN_BANK C-B2 NEW-HELD 8.00", "INTER_BANK C-B1 C-B2 8.00"]
    with pytest.raises(UsageError, match="keep its earlier record"):
        instruction_lines(moving(settlement_bank="B2"))


def test_a_txn_line_carries_the_entrys_own_dimensions() -> None:
    """Every text column comes from the entry unchanged."""
    one = entry(
        3,
        "payment.made",
        "1010.B1 9 G 2010.H1 -9 G",
        terminal="t",
        text="r",
        late=True,
        **paid("H1", "B1", 3),
    )
    line = txn_lines(one, Targets(members().on(DAY)))[1][1]
    expected = {
        "entry_id": one.id, "event_type": "payment.made", "bank_ref": "BR00000003", "order_no": "H1-1003",
        "event_time": one.occurred_at, "partner_date": DAY, "bank": "B1", "institution": "H1",
        "terminal": "t",        "route": "DIRECT",
        "card": "tok_B1_0003", "card_last4": "0003", "app_area": "MEDICAL", "late": True,
        "account": "2010.H1", "remark": "r", "amount_fen": fen("9"),
    }  # fmt: skip
    assert isinstance(line, TxnLine)
    assert {name: getattr(line, name) for name in expected} == expected
