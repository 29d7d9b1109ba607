"""Keys and signatures as people use them: made, listed, shown, and a file verified with OpenSSL alone."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.console.conftest import ROOT, Clearing, clearing, day_folder

RECIPE = re.compile(r"<!-- run by tests/console/test_keys.py -->\n```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
NAME = "RHC_TXN_PLAT_B1_20260310_001_V1.txt"


@pytest.fixture(scope="module")
def signed(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A folder with the public key and a signed file of the worked day, as a bank has them."""
    folder = tmp_path_factory.mktemp("signed")
    settings: dict[str, Any] = {"CLEARING_KEYS": str(folder / "keys")}

    def run(*words: str) -> None:
        said = clearing(module_database_url, *words, **settings)
        assert said.code == 0, said.err

    run("keys", "make", "sign-sm2")
    run("init", "--members", str(day_folder("2026-03-09") / "members.toml"), "--open-day", "2026-03-09")
    for day in ("2026-03-09", "2026-03-10"):
        run("ingest", str(day_folder(day) / "events.jsonl"))
        run("close", day)
    run("files", "write", "2026-03-10", "--out", str(folder / "out"))
    for name in (NAME, f"{NAME}.ok"):
        shutil.copy(folder / "out" / "B1" / name, folder / name)
    shutil.copy(folder / "keys" / "sign-sm2.pub.pem", folder)
    return folder, settings


def verified(folder: Path) -> str:
    """What the README's recipe says in a folder."""
    if shutil.which("openssl") is None:
        pytest.fail("openssl is not there; install it: apt-get install openssl")
    (recipe,) = RECIPE.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    ran = subprocess.run(["bash", "-c", recipe], cwd=folder, capture_output=True, check=False)
    return (ran.stdout + ran.stderr).decode()


def test_a_bank_verifies_our_signature_with_openssl_alone(
    signed: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    """The README's recipe says OK to what we sent, and not to another total, name or byte."""
    folder, _ = signed
    for name in (NAME, f"{NAME}.ok", "sign-sm2.pub.pem"):
        shutil.copy(folder / name, tmp_path)
    assert verified(tmp_path) == "Verified OK\ndigest OK\n"
    manifest, content = (tmp_path / f"{NAME}.ok").read_bytes(), (tmp_path / NAME).read_bytes()
    for field in (b"records", b"hash_total", b"bytes"):
        (tmp_path / f"{NAME}.ok").write_bytes(manifest.replace(b'"%s": ' % field, b'"%s": 1' % field))
        assert "Verified OK" not in verified(tmp_path)
    (tmp_path / f"{NAME}.ok").write_bytes(manifest)
    (tmp_path / NAME).write_bytes(content.replace(b"|R|", b"|P|", 1))
    assert "digest OK" not in verified(tmp_path)


def test_files_check_verifies_the_signature(
    signed: tuple[Path, dict[str, Any]], tmp_path: Path, run: Clearing
) -> None:
    """By our own key, by one that is named, by a members file; one byte of the manifest changed is told."""
    folder, settings = signed
    path = folder / NAME
    assert run("files", "check", str(path), **settings).out == f"{NAME}: sound; signature good\n"
    assert "signature not checked" in run("files", "check", str(path)).out
    key = str(folder / "sign-sm2.pub.pem")
    assert run("files", "check", str(path), "--key", key, "--json").json["signature"] == "good"
    assert run("keys", "make", "sign-sm2", "--out", str(tmp_path)).code == 0
    other = run("files", "check", str(path), "--key", str(tmp_path / "sign-sm2.pub.pem"), "--json")
    assert other.code == 2
    assert other.json["signature"] == "bad"
    (fault,) = other.json["faults"]
    assert re.search(r"signature.key_id: expected key [0-9a-f]{16}, got \"[0-9a-f]{16}\" \[FMT-013\]", fault)
    for name in (NAME, f"{NAME}.ok"):
        shutil.copy(folder / name, tmp_path)
    ok = tmp_path / f"{NAME}.ok"
    ok.write_bytes(ok.read_bytes().replace(b'"replaces": null', b'"replaces": "x"'))
    changed = run("files", "check", str(tmp_path / NAME), **settings)
    assert changed.code == 2
    assert "expected a signature of key" in changed.out


def test_a_members_file_says_whose_signature_it_must_be(
    signed: tuple[Path, dict[str, Any]], tmp_path: Path, run: Clearing
) -> None:
    """A file as a bank would send it, checked with the terms of its record."""
    folder, settings = signed
    name = NAME.replace("PLAT_B1", "B1_PLAT")
    for end in ("", ".ok"):
        content = (folder / f"{NAME}{end}").read_bytes().replace(b"PLAT_B1", b"B1_PLAT")
        (tmp_path / f"{name}{end}").write_bytes(content)
    text = (day_folder("2026-03-09") / "members.toml").read_text(encoding="utf-8")
    public = run("keys", "show", str(folder / "sign-sm2.pub.pem"), "--form", "04", "--json").json["key"]
    seal = f'\nseal = {{ keys = [{{ public = "{public}" }}] }}'
    (tmp_path / "members.toml").write_text(
        re.sub(r'(\[\[bank\]\]\ncode = "B1")', rf"\1{seal}", text), encoding="utf-8"
    )
    said = run(
        "files",
        "check",
        str(tmp_path / name),
        "--members",
        str(tmp_path / "members.toml"),
        "--json",
        **settings,
    )
    assert said.json["signature"] == "bad", "the name is bound: a file of ours cannot come back as the bank's"


def test_keys_are_listed_and_shown_in_every_form(run: Clearing, tmp_path: Path) -> None:
    """By purpose and fingerprint; PEM, bare hex and hex with 04 are one key; no private byte is printed."""
    settings = {"CLEARING_KEYS": str(tmp_path / "keys")}
    made = [
        run("keys", "make", name, "--json", **settings).json
        for name in ("sign-sm2", "sign-ed25519", "open-2026")
    ]
    listed = run("keys", "list", "--json", **settings)
    assert [(one["name"], one["purpose"], one["algorithm"]) for one in listed.json["keys"]] == [
        ("sign-sm2", "sign", "SM2-SM3"),
        ("sign-ed25519", "sign", "Ed25519"),
        ("open-2026", "open", "SM2-SM3"),
    ]
    assert [one["fingerprint"] for one in listed.json["keys"]] == [one["fingerprint"] for one in made]
    public = made[0]["public"]
    forms = {
        form: run("keys", "show", public, "--form", form, "--json").json["key"]
        for form in ("pem", "hex", "04")
    }
    assert forms["04"] == f"04{forms['hex']}"
    assert run("keys", "show", "sign-sm2", **settings).out == run("keys", "show", public).out
    unknown = run("keys", "show", "nobody", **settings)
    assert unknown.code == 2
    assert unknown.err.startswith("nobody: expected a public key's file or the name of a key of this site")
    (tmp_path / "hex.txt").write_text(forms["hex"])
    assert run("keys", "show", str(tmp_path / "hex.txt")).out.startswith(forms["pem"])
    secret = "".join((tmp_path / "keys" / "sign-sm2.pem").read_text().splitlines()[1:-1])
    shown = " ".join(
        said.out + said.err
        for said in (
            listed,
            run("keys", "list", **settings),
            run("keys", "show", public),
            run("keys", "show", made[0]["private"]),
        )
    )
    assert not any(secret[at : at + 12] in shown for at in range(30, len(secret) - 60))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("keys", "make", "mine"), "expected sign-sm2 or sign-ed25519, or open-… for envelopes"),
        (("keys", "make", "open-../x"), "expected sign-sm2 or sign-ed25519, or open-… for envelopes"),
        (("keys", "show", "nothing.pem"), "nothing.pem: No such file"),
        (("keys", "list"), "is no folder. Next: clearing keys make"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_use_says_what_to_do(
    run: Clearing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], says: str
) -> None:
    """Exit code 2 and the next step."""
    monkeypatch.chdir(tmp_path)
    said = run(*words, CLEARING_KEYS=str(tmp_path / "keys"))
    assert said.code == 2
    assert says in said.err
