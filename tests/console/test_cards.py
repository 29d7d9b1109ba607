"""The registry through the commands: one card, counts at a date, a partner's snapshot beside ours."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.errors import UsageError
from clearing.jobs.snapshot import parse
from tests.console.conftest import Clearing, Said, clearing, day_folder

DAYS = ("2026-03-09", "2026-03-10", "2026-03-11")
SAMS = ("11112222333344445555", "99992222333344445555")


def events(*rows: tuple[str, str, dict[str, Any]]) -> bytes:
    """Hand-made events of 2026-03-09, a minute apart: (type, sender, data)."""
    lines = (
        {
            "specversion": "1.0",
            "id": f"more-{number:03}",
            "source": source,
            "type": type_,
            "time": f"2026-03-09T08:{number:02}:00+08:00",
            "data": data,
        }
        for number, (type_, source, data) in enumerate(rows)
    )
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def registered(card: str, person: str, stage: str = "BANK", **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """The body of a registration at B1."""
    at_bank = {"card_class": "NORMAL", "account_class": "I"} if stage == "BANK" else {}
    return {"card": card, "bank": "B1", "stage": stage, "person": person, **at_bank, **more}


CLAIM = {
    "settlement_id": "S-held",
    "payer": "F1",
    "kind": "OUTPATIENT",
    "total": "12.00",
    "eligible": "12.00",
    "fund_amount": "12.00",
    "patient_amount": "0.00",
}
MORE = events(
    (
        "card.registered",
        "B1",
        registered(
            "tok_new_0001",
            "per_P1_00001",
            area="990001",
            aliases=[{"kind": "HEALTH_CARD", "token": "hc_new_0001"}],
        ),
    ),
    ("card.registered", "CP", registered("tok_new_0001", "per_P1_00001", "PLATFORM")),
    ("card.registered", "H1", registered("tok_new_0001", "per_P1_00001", "HOSPITAL", institution="H1")),
    ("card.registered", "CP", registered("tok_half_0002", "per_half", "PLATFORM")),
    (
        "card.aliased",
        "CP",
        {"card": "tok_P2_B2_0001", "bank": "B2", "kind": "BOOKLET", "token": "booklet_0002"},
    ),
    (
        "card.changed",
        "B1",
        {"card": "tok_P3_B1_0001", "bank": "B1", "guardian": "per_mother", "area": "990002"},
    ),
    (
        "reimbursement.submitted",
        "F1",
        {
            "card": "hc_new_0001",
            "bank": "B1",
            "amount": "12.00",
            "claim": CLAIM,
            "approval": {"maker": "op-01", "checker": "op-02"},
        },
    ),
    ("terminal.registered", "CP", {"terminal": "0a0b0c0d0e01", "sam": SAMS[0], "institution": "H1"}),
    ("terminal.registered", "CP", {"terminal": "0a0b0c0d0e02", "sam": SAMS[0], "institution": "H2"}),
    ("terminal.locked", "CP", {"terminal": "0a0b0c0d0e02"}),
)


@pytest.fixture(scope="module")
def registry(module_database_url: str) -> Clearing:
    """The program on the three worked days with more cards and terminals."""

    def run(*words: str, **more: Any) -> Said:  # noqa: ANN401 - as `clearing`
        return clearing(module_database_url, *words, **more)

    members = str(day_folder("2026-03-09") / "members.toml")
    assert run("init", "--members", members, "--open-day", "2026-03-09").code == 0
    for day in DAYS:
        assert run("ingest", str(day_folder(day) / "events.jsonl")).code == 0
        if day == "2026-03-09":
            taken = run("ingest", "-", "--json", stdin=MORE).json
            assert (taken["posted"], taken["noted"]) == (1, 9), taken
        assert run("close", day).code == 0
    return run


def snapshot(folder: Path, *lines: str, name: str = "snapshot.csv") -> str:
    """A file of these lines."""
    path = folder / name
    path.write_text("\n".join((*lines, "")), encoding="utf-8")
    return str(path)


# ---------------------------------------------------------------- show


def test_a_card_is_shown_by_any_of_its_numbers(registry: Clearing) -> None:
    """A health card number shows the card with its registrations, held payout and the person's other card."""
    found = registry("cards", "show", "hc_new_0001", "--json").json
    assert (found["token"], found["state"], found["bank"]) == ("tok_new_0001", "ISSUED", "B1")
    assert found["asked"] == {"token": "hc_new_0001", "kind": "HEALTH_CARD"}
    assert [one["stage"] for one in found["registrations"]] == ["BANK", "PLATFORM", "HOSPITAL"]
    assert found["missing"] == []
    assert found["other_live_cards"] == [{"token": "tok_P1_B1_0001", "bank": "B1", "state": "LOST"}]
    assert [(one["payout"], one["amount"]) for one in found["held_payouts"]] == [("F1/more-006", "12.00")]


def test_a_replaced_card_and_its_successor_name_each_other(registry: Clearing) -> None:
    """The old number says what replaced it; the alias has passed to the new one, from that instant."""
    old = registry("cards", "show", "tok_P2_B2_0001", "--json").json
    assert (old["state"], old["replaced_by"], old["aliases"]) == ("REPLACED", "tok_P2_B2_0002", [])
    assert [one["state"] for one in old["states"]] == ["ACTIVE", "REPLACED"]
    new = registry("cards", "show", "booklet_0002", "--json").json
    assert (new["token"], new["replaces"]) == ("tok_P2_B2_0002", ["tok_P2_B2_0001"])
    [alias] = new["aliases"]
    assert (alias["kind"], alias["since"]) == ("BOOKLET", "2026-03-11T06:00:00+00:00")


def test_a_changed_card_keeps_what_changed_and_when(registry: Clearing) -> None:
    """Each attribute is listed with its instant."""
    found = registry("cards", "show", "tok_P3_B1_0001", "--json").json
    assert (found["guardian"], found["area"]) == ("per_mother", "990002")
    assert {one["name"] for one in found["changes"]} == {"guardian", "area"}


@pytest.mark.parametrize("number", ["hc_new_0001", "tok_P2_B2_0001", "booklet_0002", "tok_P3_B1_0001"])
def test_tables_of_a_card_show_four_characters(registry: Clearing, number: str) -> None:
    """No token, alias or person stands in a table, and no line is wider than a page."""
    told = registry("cards", "show", number)
    assert told.code == 0, told.err
    assert not any(word in told.out for word in ("tok_", "hc_", "booklet_", "per_"))
    assert max(map(len, told.out.splitlines())) <= 100


def test_a_number_of_no_card_is_said_without_it(registry: Clearing) -> None:
    """Exit code 2, and the message has the last four characters only."""
    said = registry("cards", "show", "tok_nobody_7777")
    assert (said.code, said.out) == (2, "")
    assert "****7777" in said.err
    assert "tok_nobody" not in said.err


# ---------------------------------------------------------------- counts


def states_of(found: Any) -> dict[str, int]:  # noqa: ANN401 - JSON
    """Cards by state, over areas and banks."""
    sums: dict[str, int] = {}
    for one in found["counts"]:
        sums[one["state"]] = sums.get(one["state"], 0) + one["cards"]
    return sums


def test_cards_are_counted_by_their_state_at_a_date(registry: Clearing) -> None:
    """A loss counts from its day on, a replacement adds a card from its instant on."""
    first = registry("cards", "counts", "--date", "2026-03-09", "--json").json
    assert states_of(first) == {"ACTIVE": 7, "ISSUED": 1, "UNKNOWN": 1}
    second = registry("cards", "counts", "--date", "2026-03-10", "--json").json
    assert states_of(second) == {"ACTIVE": 6, "ISSUED": 1, "LOST": 1, "UNKNOWN": 1}
    now = registry("cards", "counts", "--json").json
    assert states_of(now) == {"ACTIVE": 6, "ISSUED": 1, "LOST": 1, "REPLACED": 1, "UNKNOWN": 1}
    assert now["cards"] == 10
    assert {"area": "990001", "bank": "B1", "state": "ISSUED", "cards": 1} in now["counts"]


def test_unfinished_cards_and_second_cards_are_listed(registry: Clearing) -> None:
    """Each missing registration has its count and cards; a person with two live cards is named."""
    found = registry("cards", "counts", "--rows", "3", "--json").json
    assert found["missing"]["BANK"] == {
        "cards": 1,
        "listed": [{"token": "tok_half_0002", "bank": "B1", "state": "UNKNOWN"}],
    }
    assert found["missing"]["PLATFORM"] == {"cards": 0, "listed": []}
    assert (found["missing"]["HOSPITAL"]["cards"], len(found["missing"]["HOSPITAL"]["listed"])) == (8, 3)
    assert found["several"]["persons"] == 1
    [one] = found["several"]["listed"]
    assert [card["token"] for card in one["cards"]] == ["tok_P1_B1_0001", "tok_new_0001"]


def test_the_table_of_counts_has_a_line_for_all(registry: Clearing) -> None:
    """Columns are the four words of the trade, the last line sums them, no token is shown."""
    told = registry("cards", "counts", "--date", "2026-03-11")
    assert told.code == 0, told.err
    assert all(word in told.out for word in ("办卡", "挂失", "补换卡", "注销"))
    assert "tok_" not in told.out
    [sums] = [line.split() for line in told.out.splitlines() if line.startswith("all ")]
    assert sums == ["all", "7", "0", "1", "1", "0", "1", "10"]


# ---------------------------------------------------------------- compare

HEADER = "token,bank,state,area,registrations"


def test_a_banks_snapshot_is_compared_with_its_cards(registry: Clearing, tmp_path: Path) -> None:
    """Only ours, only theirs, and each column that differs; ended cards may be left out; exit code 0."""
    file = snapshot(
        tmp_path,
        HEADER,
        "tok_P1_B1_0001,B1,ACTIVE,,BANK PLATFORM",
        "hc_new_0001,B1,ISSUED,990009,PLATFORM BANK",
        "tok_P3_B1_0001,B1,ACTIVE,990002,",
        "tok_P4_B2_0001,B1,ACTIVE,,",
        "tok_other_0001,B1,ACTIVE,,BANK",
        "#TOTAL,5",
    )
    said = registry("cards", "compare", file, "--from", "B1", "--json")
    assert said.code == 0, said.err
    found = said.json
    differs = {one["number"]: (one["what"], one["ours"], one["theirs"]) for one in found["differences"]}
    assert differs.pop("tok_P1_B1_0001") == ("differs", {"state": "LOST"}, {"state": "ACTIVE"})
    assert differs.pop("tok_new_0001") == (
        "differs",
        {"area": "990001", "registrations": "BANK PLATFORM HOSPITAL"},
        {"area": "990009", "registrations": "BANK PLATFORM"},
    )
    assert differs.pop("tok_P4_B2_0001") == ("differs", {"bank": "B2"}, {"bank": "B1"})
    assert differs.pop("tok_other_0001")[0] == "only_theirs"
    assert {what for what, _, _ in differs.values()} == {"only_ours"}
    assert set(differs) == {"tok_P5_B1_0001", "tok_P7_B1_0001", "tok_half_0002"}
    assert (found["theirs"], found["same"], found["counts"]["only_ours"]) == (5, 1, 3)
    told = registry("cards", "compare", file, "--from", "B1")
    assert (told.code, "tok_" in told.out) == (0, False)


def test_a_snapshot_named_by_its_date_is_compared_with_that_date(registry: Clearing, tmp_path: Path) -> None:
    """Sender and date come from the name: at the end of the ninth no card was lost or replaced."""
    lines = [f"tok_P{n}_B2_0001,B2,ACTIVE,," for n in (2, 4, 6)]
    name = "RHC_REG_B2_PLAT_20260309_001_V1.csv"
    found = registry("cards", "compare", snapshot(tmp_path, HEADER, *lines, name=name), "--json").json
    assert (found["from"], found["same"], found["differences"]) == ("B2", 3, [])
    later = registry("cards", "compare", str(tmp_path / name), "--date", "2026-03-11", "--json").json
    assert [(one["number"], one["what"]) for one in later["differences"]] == [
        ("tok_P2_B2_0001", "differs"),
        ("tok_P2_B2_0002", "only_ours"),
    ]


def test_the_card_platforms_terminals_are_compared(registry: Clearing, tmp_path: Path) -> None:
    """A header with a terminal is a snapshot of terminals; module and state are compared."""
    file = snapshot(
        tmp_path,
        "terminal,sam,institution,state",
        f"0a0b0c0d0e01,{SAMS[1]},H1,IN_USE",
        f"0a0b0c0d0e03,{SAMS[0]},H1,IN_USE",
    )
    found = registry("cards", "compare", file, "--from", "CP", "--json").json
    assert found["kind"] == "terminals"
    assert found["counts"] == {"sam": 1, "only_theirs": 1, "only_ours": 1}
    assert found["differences"][-1]["ours"] == {"sam": SAMS[0], "institution": "H2", "state": "LOCKED"}
    of_bank = registry("cards", "compare", file, "--from", "B2", "--json").json
    assert of_bank["counts"] == {"sam": 1, "only_theirs": 1}, (
        "a bank lacks no terminal that it does not acquire"
    )


def test_a_faulty_snapshot_is_refused_with_every_fault(registry: Clearing, tmp_path: Path) -> None:
    """Line and field of each fault are said, a card number is not; exit code 2."""
    file = snapshot(
        tmp_path,
        HEADER,
        "tok_P1_B1_0001,B1,GONE,,BANK",
        "6222020200112230,B1,ACTIVE,,",
        "tok_P3_B1_0001,B1,ACTIVE,,BANK SHOP",
        "tok_P5_B1_0001,B1",
        "tok_P7_B1_0001,,ACTIVE,,",
        "tok_P7_B1_0001,B1,ACTIVE,,",
        "#TOTAL,9",
    )
    said = registry("cards", "compare", file, "--from", "B1")
    assert (said.code, said.out) == (2, "")
    for fault in (
        "snapshot.csv:2 field 3 state: expected one of UNKNOWN ISSUED",
        "snapshot.csv:3 field 1 token: expected a card token, got a card number [FMT-011]",
        'snapshot.csv:4 field registrations: expected some of BANK PLATFORM HOSPITAL, got "SHOP"',
        "snapshot.csv:5 line: expected 5 fields, got 2",
        "snapshot.csv:6 field bank: expected a member's code, got another value",
        "snapshot.csv:7 field token: expected each one once",
        'snapshot.csv:8 trailer: expected #TOTAL,6 for 6 lines, got "#TOTAL,9"',
    ):
        assert fault in said.err
    assert "6222020200112230" not in said.err


@pytest.mark.parametrize(
    ("lines", "words", "says"),
    [
        ((HEADER,), (), "add --from"),
        ((HEADER,), ("--from", "H1"), "expected a bank or the card platform, got hospital"),
        ((HEADER,), ("--from", "B1", "--date", "2026-05-01"), "was never opened"),
        ((), ("--from", "B1"), "expected a header row, got an empty file"),
        (("token,bank,status,area,registrations",), ("--from", "B1"), 'got "status"'),
        (
            (HEADER, "hc_new_0001,B1,ISSUED,,", "tok_new_0001,B1,ISSUED,,"),
            ("--from", "B1"),
            "two lines mean card ****0001",
        ),
    ],
    ids=["no sender", "a hospital", "no day", "empty", "header", "one card twice"],
)
def test_what_cannot_be_compared_is_said(
    registry: Clearing, tmp_path: Path, lines: tuple[str, ...], words: tuple[str, ...], says: str
) -> None:
    """Exit code 2 with the next step or the place in the file."""
    said = registry("cards", "compare", snapshot(tmp_path, *lines), *words)
    assert (said.code, said.out) == (2, "")
    assert says in said.err


def test_a_date_that_no_calendar_has_in_a_name_is_said(registry: Clearing, tmp_path: Path) -> None:
    """The name is refused, unless --date says the date."""
    file = snapshot(tmp_path, HEADER, name="RHC_REG_B2_PLAT_20260399_001_V1.csv")
    said = registry("cards", "compare", file)
    assert (said.code, "20260399" in said.err) == (2, True)
    assert registry("cards", "compare", file, "--date", "2026-03-09").code == 0


@given(
    data=st.one_of(
        st.binary(max_size=200),
        st.lists(
            st.sampled_from([HEADER, "a,B1,ACTIVE,,", '"', "#TOTAL,1", "\0", "\r", "\ufeff", ",,,,"])
        ).map(lambda lines: "\n".join(lines).encode()),
    )
)
def test_any_bytes_are_a_snapshot_or_refused_by_line(data: bytes) -> None:
    """Whatever a file holds: rows, or messages that begin with the file's name."""
    said, found = "", None
    try:
        found = parse(data, "any.csv")
    except UsageError as refused:
        said = str(refused)
    if found is None:
        assert all(line.startswith("any.csv") for line in said.split("\n"))
    else:
        assert all(number and seen for one in found for number, seen in one.rows.items())


# ---------------------------------------------------------------- entries, balances, sources


def test_entries_are_found_by_any_number_of_a_card(registry: Clearing) -> None:
    """An alias that has passed to a new card finds the entries of both; a token those of its own card."""

    def listed(number: str) -> set[str]:
        found = registry("entries", "list", "--card", number, "--json").json["entries"]
        return {one["id"] for one in found}

    old, new, both = listed("tok_P2_B2_0001"), listed("tok_P2_B2_0002"), listed("booklet_0002")
    assert old
    assert both == old | new
    assert len(listed("hc_new_0001")) == 1


def test_entries_are_found_by_person(registry: Clearing) -> None:
    """Those of all cards of the person, and of one card where both are asked; of nobody none."""

    def listed(*words: str) -> list[str]:
        return [one["id"] for one in registry("entries", "list", *words, "--json").json["entries"]]

    of_cards = {
        one for card in ("tok_P1_B1_0001", "tok_new_0001") for one in listed("--card", card, "--rows", "500")
    }
    assert set(listed("--person", "per_P1_00001", "--rows", "500")) == of_cards
    assert listed("--person", "per_P1_00001", "--card", "hc_new_0001") == listed("--card", "tok_new_0001")
    assert listed("--person", "per_P1_00001", "--card", "tok_P2_B2_0001") == []
    assert listed("--person", "per_nobody") == []


def test_balances_as_they_stood_at_the_end_of_a_date(registry: Clearing) -> None:
    """The sum of what moved up to that date; the last date's are those of now."""
    moved = [registry("balances", "--date", day, "--json").json["accounts"] for day in DAYS[:2]]
    found = registry("balances", "--as-of", DAYS[1], "--json").json
    names = sorted({*moved[0], *moved[1]})
    sums = {name: sum(Decimal(one.get(name, "0")) for one in moved) for name in names}
    assert {name: Decimal(fen) for name, fen in found["accounts"].items()} == {
        name: fen for name, fen in sums.items() if fen
    }
    assert found["as_of"] == DAYS[1]
    last = registry("balances", "--as-of", DAYS[2], "--json").json["accounts"]
    assert last == registry("balances", "--json").json["accounts"]
    assert "2026-03-10" in registry("balances", "--as-of", DAYS[1]).out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("balances", "--as-of", "2026-05-01"), "was never opened"),
        (("balances", "--as-of", "2026-03-09", "--date", "2026-03-09"), "one of them"),
        (("sources", "2026-05-01"), "was never opened"),
    ],
    ids=["no day", "both", "no day of sources"],
)
def test_wrong_dates_are_said(registry: Clearing, words: tuple[str, ...], says: str) -> None:
    """Exit code 2 and nothing on stdout."""
    said = registry(*words)
    assert (said.code, said.out) == (2, "")
    assert says in said.err


def test_missing_numbers_of_producers_are_listed(worked: Clearing) -> None:
    """Numbers count whatever their outcome, across the cutover too; a record that comes later ends its gap."""

    def told(*numbers: tuple[int, str]) -> bytes:
        return b"".join(
            json.dumps(
                {
                    "specversion": "1.0",
                    "id": f"n-{seq}",
                    "source": "CP",
                    "type": "card.registered",
                    "time": time,
                    "producerseq": seq,
                    "traceparent": 'any "text"\\ \0 \ud800',
                    "data": registered(f"tok_numbered_{seq}", "per_numbered", "PLATFORM"),
                }
            ).encode()
            + b"\n"
            for seq, time in numbers
        )

    morning, before, after = (f"2026-03-{at}+08:00" for at in ("09T08:00:00", "09T22:59:00", "09T23:01:00"))
    numbered = told((1, morning), (2, morning), (5, morning), (8, before), (10, after))
    taken = worked("ingest", "-", "--json", stdin=numbered).json
    assert taken["noted"] == 5, taken
    [found] = worked("sources", "2026-03-09", "--json").json["sources"]
    assert (found["source"], found["numbers"], found["first"], found["last"]) == ("CP", 4, 1, 8)
    assert (found["gaps"], found["missing"]) == ([[3, 4], [6, 7], [9, 9]], 5)
    again = told((1, morning)).replace(b'"producerseq": 1', b'"producerseq": 6')
    assert worked("ingest", "-", "--json", stdin=again).json["duplicate"] == 1
    assert worked("sources", "2026-03-09", "--json").json["sources"][0]["gaps"] == [[3, 4], [7, 7], [9, 9]]
    assert worked("ingest", "-", stdin=told((4, before), (3, morning))).code == 0
    assert worked("sources", "2026-03-09", "--json").json["sources"][0]["gaps"] == [[7, 7], [9, 9]]
    assert "7, 9" in worked("sources", "2026-03-09").out
