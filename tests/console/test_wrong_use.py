"""What people get wrong: a message with the next step, exit code 2, and no effect."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from clearing.jobs import verify
from tests.console.conftest import Clearing, clearing, day_folder

MEMBERS = str(day_folder("2026-03-09") / "members.toml")

UNKNOWN_BANK = """
[platform]
code = "PLAT"

[[hospital]]
code = "H1"
settlement_bank = "B9"
settlement_account = "1"
"""

WRONG = {
    # words after `clearing`                                             what the message says
    "ingest missing.jsonl": "missing.jsonl",
    "day show 2026-04-12": "was never opened; there are 2026-03-09",
    "day show tomorrow": "expected a date such as 2026-03-10",
    "positions 2026-13-01": "expected a date such as 2026-03-10",
    "close 2026-03-10": "day 2026-03-10",
    "day net 2026-03-09": "clearing day cut 2026-03-09",
    "files write 2026-03-09 --out {tmp}/out": "clearing close 2026-03-09",
    "files check missing.txt": "missing.txt",
    "reconcile 2026-03-09 --bank B1": "expected CODE=FILE",
    "reconcile 2026-03-09 --bank B1=missing.csv": "no such file",
    "reconcile 2026-03-09": "expected it cut",
    "reconcile 2026-03-15": "was never opened; there are 2026-03-09",
    "entries show zzz": "expected 8 to 32 hex digits",
    "entries show 2026030900000000": "there is none",
    "trace H1": "expected SOURCE/ID",
    "trace H1/none": "no such event came",
    "breaks show none": "there is none",
    "quarantine show abc": "there is none",
    "members approve 1": "cannot approve it: init has done so before",
    "members approve 9": "there is no such version",
    "balances --account 2010.H99": "expected an account or how it begins",
    "entries list --institution H99": "expected the code of a member",
    "breaks list --bank B99": "--bank B99: expected the code of a member",
    "breaks list --code SDI": "--code SDI: expected a code",
    "payouts list --payer F99": "expected the code of a member",
    "members load missing.toml": "missing.toml",
    "report 2026-03-09 --out {tmp} --format docx": "docx",
    "worker": "CLEARING_KAFKA_BOOTSTRAP",
    "no-such-command": "No such command",
    "balances --no-such-option": "No such option",
}


@pytest.mark.parametrize("words", WRONG, ids=str)
def test_wrong_use_is_said_and_exits_2(worked: Clearing, tmp_path: Path, words: str) -> None:
    """The message names what was wrong, stdout stays empty, the exit code is 2."""
    said = worked(*words.format(tmp=tmp_path).split())
    assert said.code == 2, said
    assert WRONG[words] in said.err
    assert said.out == ""
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("words", "code"),
    [("day show 2026-04-12", 2), ("positions 2026-13-01", 2), ("no-such-command", 2), ("balances", 3)],
    ids=str,
)
def test_a_machine_gets_one_object_also_where_there_is_no_answer(
    worked: Clearing, words: str, code: int
) -> None:
    """With --json stdout has the message, the exit code and whether it is worth trying again."""
    down = {"CLEARING_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"} if code == 3 else {}
    said = worked(*words.split(), "--json", **down)
    assert said.code == said.json["exit_code"] == code
    assert said.json["error"] in said.err
    assert said.json["retriable"] is (code == 3)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("not = [toml", "not a TOML file"),
        ("# 银行\nnot = toml", "line 1: expected UTF-8, got another encoding"),
        ("", "[platform]: missing"),
        ('[platform]\ncode = "PLAT"\nclearing_account = "1"\n', "holds no client money"),
        (
            UNKNOWN_BANK,
            "expected the code of a bank, got 'B9'",
        ),
    ],
    ids=["no TOML", "GBK", "empty", "an account of the platform", "unknown bank"],
)
def test_a_wrong_members_file_opens_nothing(run: Clearing, tmp_path: Path, text: str, says: str) -> None:
    """Every fault is named with the file, and no books are made."""
    file = tmp_path / "members.toml"
    file.write_text(text, encoding="gb18030")
    said = run("init", "--members", str(file), "--open-day", "2026-03-09")
    assert said.code == 2
    assert says in said.err
    assert str(file) in said.err
    assert "clearing init" in run("balances").err


def test_before_init_every_command_says_what_to_do(run: Clearing) -> None:
    """A database without books is no fault of ours: exit code 2 and the next step."""
    for words in (["balances"], ["day", "show", "2026-03-09"], ["verify"], ["members", "load", MEMBERS]):
        said = run(*words)
        assert said.code == 2, said
        assert "clearing init --members FILE --open-day DATE" in said.err


def test_init_again_changes_nothing_and_other_members_are_refused(worked: Clearing, tmp_path: Path) -> None:
    """The same file and day are no change; another file or first day is refused."""
    again = worked("init", "--members", MEMBERS, "--open-day", "2026-03-09", "--json").json
    assert again["members"] == {"version": 1, "loaded": False}
    assert again["day"] == {"date": "2026-03-09", "opened": False}
    other = tmp_path / "members.toml"
    other.write_text(
        Path(MEMBERS).read_text(encoding="utf-8").replace("Bank One", "Bank First"), encoding="utf-8"
    )
    assert "clearing members load" in worked("init", "--members", str(other), "--open-day", "2026-03-09").err
    assert "began on 2026-03-09" in worked("init", "--members", MEMBERS, "--open-day", "2026-03-10").err


def test_members_need_two_people(worked: Clearing, tmp_path: Path) -> None:
    """A new version waits; its maker cannot approve it, somebody else can, once."""
    other = tmp_path / "members.toml"
    other.write_text(
        Path(MEMBERS).read_text(encoding="utf-8").replace("Bank One", "Bank First"), encoding="utf-8"
    )
    assert worked("members", "load", str(other), "--as", "ann", "--json").json["version"] == 2
    assert "Bank First" not in worked("members", "show").out
    assert worked("members", "approve", "2", "--as", "ann").code == 2
    assert worked("members", "approve", "2", "--as", "ben").code == 0
    assert worked("members", "approve", "2", "--as", "cat").code == 2
    assert "Bank First" in worked("members", "show").out


def test_the_members_in_force_are_not_kept_again(worked: Clearing) -> None:
    """The same file is no version that somebody would have to approve: that is said."""
    said = worked("members", "load", MEMBERS, "--as", "ann", "--json").json
    assert said == {"version": 1, "state": "in force"}
    assert "Nothing was kept" in worked("members", "load", MEMBERS, "--as", "ann").out
    assert worked("members", "approve", "2", "--as", "ben").code == 2


def test_one_person_under_two_spellings_is_one(worked: Clearing, tmp_path: Path) -> None:
    """Capitals and blanks make no second pair of eyes, as elsewhere."""
    other = tmp_path / "members.toml"
    other.write_text(f"{Path(MEMBERS).read_text(encoding='utf-8')}\n", encoding="utf-8")
    assert worked("members", "load", str(other), "--as", "ann").code == 0
    for name in ("Ann", " ann", "ANN "):
        assert "they loaded it" in worked("members", "approve", "2", "--as", name).err


def test_an_account_without_a_name_is_called_by_its_number(
    run: Clearing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container may run us under any number; books are made there all the same."""

    def nobody(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    assert run("init", "--members", MEMBERS, "--open-day", "2026-03-09").code == 0
    other = tmp_path / "members.toml"
    text = Path(MEMBERS).read_text(encoding="utf-8")
    other.write_text(text.replace("Bank One", "Bank First"), encoding="utf-8")
    assert run("members", "load", str(other)).code == 0
    assert run("members", "approve", "2").code == 2
    assert run("members", "approve", "2", "--as", f"uid{os.geteuid() + 1}").code == 0


def test_an_older_version_of_the_members_does_not_come_after_a_newer(
    worked: Clearing, tmp_path: Path
) -> None:
    """What would not be in force is not approved, and the message names what is."""
    other = tmp_path / "members.toml"
    other.write_text(f"{Path(MEMBERS).read_text(encoding='utf-8')}\n", encoding="utf-8")
    for _ in range(2):
        assert worked("members", "load", str(other), "--as", "ann").code == 0
    assert worked("members", "approve", "3", "--as", "ben").code == 0
    said = worked("members", "approve", "2", "--as", "ben")
    assert said.code == 2
    assert "version 3 is newer and in force" in said.err


def test_a_day_that_is_not_over_is_cut_with_a_warning(run: Clearing) -> None:
    """Who closes tomorrow by mistake is told before it happens; a day that is over is cut without a word."""
    assert run("init", "--members", MEMBERS, "--open-day", "2099-12-31").code == 0
    said = run("day", "cut", "2099-12-31", "--json")
    assert (said.code, said.json["done"]) == (0, True)
    assert "2099-12-31 goes on until 2099-12-31 23:00:00" in said.err
    assert run("day", "cut", "2099-12-31").err == ""


def test_an_unknown_member_is_named(worked: Clearing, tmp_path: Path) -> None:
    """A statement of nobody is refused before anything is read."""
    worked("close", "2026-03-09")
    statement = tmp_path / "STM_B9.csv"
    statement.write_text("bank_ref\n", encoding="utf-8")
    said = worked("reconcile", "2026-03-09", "--bank", f"B9={statement}")
    assert said.code == 2
    assert "B9" in said.err


def test_a_statement_with_a_wrong_column_is_refused_whole(worked: Clearing, tmp_path: Path) -> None:
    """The message has file, line and column; no break and no run is stored."""
    worked("close", "2026-03-09")
    statement = tmp_path / "STM_B1.csv"
    statement.write_text(
        "bank_ref,platform_ref,bank_date,bank_time,type,direction,amont,status,card,original_bank_ref\n",
        encoding="utf-8",
    )
    said = worked("reconcile", "2026-03-09", "--bank", f"B1={statement}")
    assert said.code == 2
    assert "amont" in said.err
    assert worked("breaks", "list", "--json").json["breaks"] == []


def test_malformed_records_are_counted_and_listed_without_their_values(worked: Clearing) -> None:
    """Broken lines on stdin go to quarantine; the run exits 0."""
    card = "6222020200112233"
    lines = (
        b"{broken\n\xff\xfe\n"
        + b'{"specversion": "1.0", "id": "x", "source": "H1", "card": "%s"}\n' % card.encode()
    )
    said = worked("ingest", "-", "--json", stdin=lines)
    assert said.code == 0
    assert said.json["malformed"] == said.json["taken"] == 3
    listed = worked("quarantine", "list", "--json")
    assert len(listed.json["malformed"]) == 3
    assert card not in listed.out
    first = listed.json["malformed"][0]["sm3"]
    assert worked("quarantine", "show", first[:12], "--json").json["sm3"] == first


def test_a_database_that_is_not_there_exits_3() -> None:
    """The world failed: try again."""
    said = clearing("postgresql://nobody@127.0.0.1:1/none", "balances")
    assert said.code == 3
    assert "cannot connect" in said.err


def test_settings_override_the_platforms_clock(worked: Clearing) -> None:
    """The cutover and time zone of the settings win over those of the members file."""
    assert worked("members", "show", "--json").json["cutover"] == "23:00"
    settings = {"CLEARING_CUTOVER": "22:30", "CLEARING_TIMEZONE": "Asia/Urumqi"}
    told = worked("members", "show", "--json", **settings).json
    assert (told["cutover"], told["timezone"]) == ("22:30", "Asia/Urumqi")


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("CUTOVER", "late", "CLEARING_CUTOVER: expected a time of day such as 22:30, got 'late'"),
        ("DISPATCH_WINDOWS", "08:30 8", "CLEARING_DISPATCH_WINDOWS: expected a time of day"),
        ("TIMEZONE", "Mars/North", "CLEARING_TIMEZONE: expected a time zone such as Asia/Shanghai"),
        ("PARK_DAYS_MAX", "three", "CLEARING_PARK_DAYS_MAX: expected a whole number above 0, got 'three'"),
        ("KAFKA_SECURITY", "TLS", "CLEARING_KAFKA_SECURITY: expected PLAINTEXT, SSL"),
        ("CUTOFF", "22:00", "CLEARING_CUTOFF is no setting; expected CLEARING_CUTOVER?"),
        ("DATABASE_URL", "mysql://x", "CLEARING_DATABASE_URL: expected postgresql://… or embedded:DIR"),
    ],
)
def test_a_wrong_setting_is_named(run: Clearing, variable: str, value: str, says: str) -> None:
    """A setting that cannot be read or is misspelt is a usage error that names the variable."""
    said = run("balances", **{f"CLEARING_{variable}": value})
    assert said.code == 2
    assert says in said.err


def test_variables_that_kubernetes_leaves_are_no_misspelt_settings(worked: Clearing) -> None:
    """A service named clearing-kafka beside us does not stop us."""
    others = {"CLEARING_KAFKA_PORT": "tcp://10.0.0.1:9092", "CLEARING_SERVICE_HOST": "10.0.0.2"}
    assert worked("balances", **others).code == 0


def test_books_that_do_not_hold_exit_4(worked: Clearing, monkeypatch: pytest.MonkeyPatch) -> None:
    """`verify` with a fault says which, and calls for a person."""

    async def found_wrong(*_: object) -> dict[str, object]:
        return {"ok": False, "checks": {"balances": "1010.B1: 0.01 more debit"}}

    monkeypatch.setattr(verify, "verify", found_wrong)
    said = worked("verify", "--json")
    assert said.code == 4
    assert said.json["ok"] is False


def test_what_nobody_expected_exits_4_without_a_traceback(
    worked: Clearing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of ours is short and says where to look; CLEARING_DEBUG shows the rest."""

    async def broken(*_: object) -> dict[str, object]:
        raise KeyError("tok_secret")

    monkeypatch.setattr(verify, "verify", broken)
    said = worked("verify")
    assert said.code == 4
    assert "CLEARING_DEBUG=1" in said.err
    assert "tok_secret" not in said.err
    assert "Traceback" in worked("verify", CLEARING_DEBUG="1").err
