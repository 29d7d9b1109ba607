"""The work list and the sign-off as people at a terminal use them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.console.conftest import FIXTURES, Clearing

STORY = sorted((FIXTURES / "days").glob("*-breaks-to-the-end"))
DAYS = [path.name[:10] for path in STORY]


@pytest.fixture
def story(run: Clearing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clearing:
    """The program on books in which the first day of the story is reconciled, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    assert run("init", "--members", str(STORY[0] / "members.toml"), "--open-day", DAYS[0]).code == 0
    assert run("ingest", str(STORY[0] / "events.jsonl")).code == 0
    assert run("close", DAYS[0]).code == 0
    folder = STORY[0] / "statements"
    done = run(
        "reconcile", DAYS[0], "--bank", f"BX={folder / 'STM_BX.csv'}", "--his", f"H1={folder / 'HIS_H1.csv'}"
    )
    assert (done.code, "5 breaks" in done.out) == (0, True), done
    return run


def test_a_break_is_taken_to_its_end_at_the_terminal(story: Clearing, tmp_path: Path) -> None:
    """List, assign, resolve with evidence, approve by somebody else, show: codes, tables and JSON."""
    (found,) = story("breaks", "list", "--code", "amt", "--json").json["breaks"]
    short = found["id"][:14]
    assert (found["desk"], found["label"], found["owner"]) == ("bank", "银行 BX 短款 18.00", "")
    listed = story("breaks", "list", "--open", "--bank", "BX", "--owner", "-")
    assert short in listed.out
    assert story("breaks", "assign", short, "--to", "ann", "--as", "lee").code == 0
    slip = tmp_path / "slip.pdf"
    slip.write_bytes(b"slip")
    said = story(
        "breaks", "resolve", short, "--end", "adjust", "--why", "the slip says 102.00", "--evidence", str(slip),
        "--as", "ann",
    )  # fmt: skip
    assert said.out.splitlines()[1:3] == ["  Dr 1091.H1 18.00", "  Cr 1010.BX 18.00"]
    alone = story("breaks", "approve", short, "--as", "ann")
    assert (alone.code, "expected the approval of somebody else" in alone.err) == (2, True)
    ended = story("breaks", "approve", short, "--as", "bob", "--json").json
    assert (ended["state"], ended["ending"]) == ("RESOLVED", "ADJUST")
    assert story("balances", "--account", "1091", "--json").json["accounts"] == {"1091.H1": "18.00"}
    steps = story("trace", ended["proposals"][0]["event"], "--json").json
    assert [(one["step"], one.get("state", "")) for one in steps][-1] == ("break", "RESOLVED")
    shown = story("breaks", "show", short).out
    for part in (
        "RESOLVED ADJUST",
        "ann (desk: bank)",
        "agreed: bob",
        "the slip says 102.00",
        "STM_BX.csv:3",
    ):
        assert part in shown, part
    assert story("breaks", "list", "--state", "resolved", "--json").json["breaks"][0]["id"] == found["id"]


def test_several_breaks_are_given_to_somebody_at_once(story: Clearing) -> None:
    """By ids or by what they have in common; what waits for approval or is over stays whose it is."""
    every = story("breaks", "list", "--json").json["breaks"]
    assert len(every) == 5
    two = [one["id"] for one in every[:2]]
    given = story("breaks", "assign", *two, "--to", "ann", "--as", "lee", "--json").json["breaks"]
    assert [(one["id"], one["owner"], one["state"]) for one in given] == [
        (id_, "ann", "ASSIGNED") for id_ in two
    ]
    said = story("breaks", "assign", "--bank", "BX", "--owner", "-", "--to", "bob", "--as", "lee")
    assert (said.code, "bob" in said.out) == (0, True), said
    owners = {one["owner"] for one in story("breaks", "list", "--bank", "BX", "--json").json["breaks"]}
    assert owners == {"ann", "bob"}
    nobody = story("breaks", "assign", "--code", "GRP", "--to", "bob", "--as", "lee")
    assert (nobody.code, "none of these can be given" in nobody.err) == (2, True)
    for words in ((), (two[0], "--code", "SID")):
        assert (
            "expected ids, or what they have in common" in story("breaks", "assign", *words, "--to", "x").err
        )
    mixed = story("breaks", "assign", every[2]["id"], "nothing", "--to", "cat", "--as", "lee")
    assert mixed.code == 2
    assert "cat" not in {one["owner"] for one in story("breaks", "list", "--json").json["breaks"]}, (
        "all or none"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("list", "--state", "GONE"), "--state GONE: expected one of OPEN"),
        (("show", "9999"), "there is none"),
        (("assign", "2026"), "more than one begins so"),
        (
            ("resolve", "2026", "--end", "ADJUST", "--why", "x", "--leg", "1091.H1:X:1.00"),
            "ACCOUNT:SIDE:AMOUNT",
        ),
        (("resolve", "2026", "--end", "ADJUST", "--why", "x", "--leg", "1091.H1:D:1"), "ACCOUNT:SIDE:AMOUNT"),
        (("resolve", "2026", "--end", "ADJUST", "--why", "x", "--evidence", "none"), "none"),
    ],
)
def test_what_cannot_be_is_said_with_exit_code_2(
    three_days: Clearing, words: tuple[str, ...], message: str
) -> None:
    """Usage, not a traceback: on books without breaks most ids are none."""
    said = three_days("breaks", *words)
    assert said.code == 2
    assert message in said.err or "there is none" in said.err


def test_a_day_is_signed_and_sealed_at_the_terminal(story: Clearing, tmp_path: Path) -> None:
    """Who has not signed is told each time; the last approval seals the day; verify compares the folder."""
    for one in story("breaks", "list", "--open", "--json").json["breaks"]:
        assert story("breaks", "assign", one["id"], "--to", "ann").code == 0
    assert "waits for BX, H1, PLAT" in story("day", "sign", DAYS[0]).out
    text = story("day", "sign", DAYS[0], "--member", "H1", "--as", "ann", "--text").out
    assert text.splitlines()[:4] == [f"day={DAYS[0]}", "member=H1", "role=prepared", "person=ann"]
    said = story("day", "sign", DAYS[0])
    for member in ("H1", "BX", "PLAT"):
        for person in ("ann", "bob", "cat"):
            said = story("day", "sign", DAYS[0], "--member", member, "--as", person, "--json")
            assert said.code == 0, said.err
    assert (said.json["state"], said.json["archive"]["date"]) == ("signed", DAYS[0])
    assert story("day", "show", DAYS[0], "--json").json["state"] == "signed"
    checked = story("verify", "--archive", "archive", "--json").json
    assert (checked["ok"], checked["checks"]["archive"], checked["checks"]["sign_offs"]) == (True, "ok", "ok")
    (tmp_path / "archive" / DAYS[0] / "entries.jsonl").write_text("")
    broken = story("verify", "--archive", "archive")
    assert broken.code == 4
    again = story("reconcile", DAYS[0], "--bank", f"BX={STORY[0] / 'statements' / 'STM_BX.csv'}")
    assert (again.code, "it is signed" in again.err) == (2, True)


def test_quarantine_is_tried_again_at_the_terminal(story: Clearing, tmp_path: Path) -> None:
    """What is missing is shown; mended it goes in; a mended record needs the one it mends."""
    story("ingest", "-", stdin=b'{"specversion":"1.0","id":"BX-99","source":"BX"}\n')
    lacks = story("quarantine", "retry")
    assert (lacks.code, "BX/BX-99" in lacks.out, "--mended FILE" in lacks.out) == (0, True, True)
    (one,) = story("quarantine", "retry", "--json").json["malformed"]
    good = tmp_path / "good.json"
    good.write_text(
        '{"specversion":"1.0","id":"BX-99","source":"BX","type":"card.frozen","time":"2026-09-22T08:00:00+08:00",'
        '"data":{"card":"tok_P1_BX_0001","bank":"BX","scope":"ALL","reason":"asked for"}}'
    )
    taken = story("quarantine", "retry", one["sm3"][:12], "--mended", str(good), "--as", "ann")
    assert (taken.code, "BX/BX-99" in taken.out) == (0, True), taken
    assert story("quarantine", "retry", "--mended", str(good)).code == 2
