"""Private keys: made, read again, refused when others may read them, and never told."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from clearing.errors import UsageError
from clearing.files import sm2
from clearing.files.pem import pem
from clearing.files.public_keys import PublicKey, public_key
from clearing.jobs.keys import KeyFolder, NoKeys, key_store, make_pair, read_private, write_pair
from clearing.ledger.seal_terms import ED25519, SM2_SM3, Algorithm
from tests.files.test_sm2 import POINT, PRIVATE, openssl
from tests.jobs.running import settings_of

TEXT = b"file=a\nbytes=1\n"


@pytest.mark.parametrize("algorithm", [SM2_SM3, ED25519])
def test_a_pair_is_written_once_and_reads_back(tmp_path: Path, algorithm: Algorithm) -> None:
    """The private half for the owner alone, the public one beside it; neither is ever overwritten."""
    pair = make_pair(algorithm)
    public = write_pair(pair, tmp_path / "keys" / "sign.pem")
    assert public == tmp_path / "keys" / "sign.pub.pem"
    assert (tmp_path / "keys" / "sign.pem").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "keys").stat().st_mode & 0o077 == 0
    again = read_private(tmp_path / "keys" / "sign.pem")
    assert again.public == pair.public == public_key(public.read_text())
    assert again.public.verifies(again.sign(TEXT, "B1"), TEXT, "B1")
    with pytest.raises(UsageError, match="no key is overwritten"):
        write_pair(make_pair(algorithm), tmp_path / "keys" / "sign.pem")
    assert read_private(tmp_path / "keys" / "sign.pem").public == pair.public


def test_keys_that_openssl_made_are_taken(tmp_path: Path) -> None:
    """What a site makes with OpenSSL signs here, and OpenSSL verifies it."""
    for algorithm, made, digest in (("SM2", SM2_SM3, ["-digest", "sm3"]), ("ED25519", ED25519, [])):
        path = tmp_path / f"{algorithm}.pem"
        path.touch(0o600)
        path.write_bytes(openssl("genpkey", "-algorithm", algorithm))
        key = read_private(path)
        assert key.public.algorithm == made
        for name, content in (
            ("m", TEXT),
            ("s", key.sign(TEXT, sm2.USER_ID)),
            ("p", key.public.pem.encode()),
        ):
            (tmp_path / name).write_bytes(content)
        user = ["-pkeyopt", f"distid:{sm2.USER_ID}"] if digest else []
        files = ["-in", str(tmp_path / "m"), "-sigfile", str(tmp_path / "s"), "-inkey", str(tmp_path / "p")]
        said = openssl("pkeyutl", "-verify", "-pubin", "-rawin", *digest, *user, *files)
        assert said == b"Signature Verified Successfully\n"


HALF = sm2.private_der(PRIVATE, POINT).replace(bytes.fromhex("a144034200") + b"\x04" + POINT, b"")
# what stands in the file, what the message says
NO_KEYS: dict[str, tuple[Callable[[], str], str]] = {
    "nothing": (lambda: "", "expected one PEM block of a key, got 0"),
    "a public key": (lambda: make_pair(SM2_SM3).public.pem, "got -----BEGIN PUBLIC KEY-----"),
    "a passphrase": (
        lambda: openssl("genpkey", "-algorithm", "ED25519", "-aes256", "-pass", "pass:x").decode(),
        "not encrypted), got -----BEGIN ENCRYPTED PRIVATE KEY-----",
    ),
    "another curve": (
        lambda: openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256").decode(),
        "expected a key of SM2 or Ed25519, got ",
    ),
    "no DER": (lambda: pem("PRIVATE KEY", b"0"), "expected a key of SM2 or Ed25519: "),
    "two halves of two pairs": (
        lambda: pem("PRIVATE KEY", sm2.private_der(PRIVATE[::-1], POINT)),
        "expected two halves of one key pair",
    ),
}


@pytest.mark.parametrize(("content", "says"), NO_KEYS.values(), ids=NO_KEYS)
def test_what_is_no_private_key_is_refused(tmp_path: Path, content: Callable[[], str], says: str) -> None:
    """The message says what is wrong and repeats nothing of the file."""
    path, text = tmp_path / "key.pem", content()
    path.touch(0o600)
    path.write_text(text)
    with pytest.raises(UsageError, match=re.escape(says)) as caught:
        read_private(path)
    body = "".join(line for line in text.splitlines() if not line.startswith("-"))
    assert not any(body[at : at + 12] in str(caught.value) for at in range(max(len(body) - 12, 0)))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o602])
def test_a_key_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    """With the mode that it has and the command that mends it."""
    write_pair(make_pair(SM2_SM3), tmp_path / "sign-sm2.pem")
    (tmp_path / "sign-sm2.pem").chmod(mode)
    with pytest.raises(UsageError, match=f"expected mode 0600, got {mode:04o}. Next: chmod 600"):
        KeyFolder(tmp_path)


def test_a_folder_gives_its_keys_by_purpose(tmp_path: Path) -> None:
    """SM2 signs before Ed25519; several keys may open envelopes; other files are left alone."""
    pairs = {
        name: make_pair(ED25519 if name == "sign-ed25519" else SM2_SM3)
        for name in ("sign-ed25519", "sign-sm2", "open-2025", "open-2026")
    }
    for name, pair in pairs.items():
        write_pair(pair, tmp_path / f"{name}.pem")
    (tmp_path / "notes.txt").write_text("whatever")
    store = key_store(settings_of(keys=tmp_path))
    assert [signer.public for signer in store.signers()] == [
        pairs["sign-sm2"].public,
        pairs["sign-ed25519"].public,
    ]
    assert list(store.openers()) == [pairs["open-2025"].public, pairs["open-2026"].public]
    assert store.unwrap("0" * 16, b"") is None
    assert store.unwrap(pairs["open-2025"].public.id, b"no ciphertext") is None


def test_a_key_of_the_wrong_kind_for_its_name_is_refused(tmp_path: Path) -> None:
    """A name says what a key does."""
    write_pair(make_pair(ED25519), tmp_path / "sign-sm2.pem")
    with pytest.raises(
        UsageError, match=r"expected a key of SM2-SM3, got one of Ed25519. Next: name it sign-ed25519.pem"
    ):
        KeyFolder(tmp_path)
    (tmp_path / "sign-sm2.pem").rename(tmp_path / "open-1.pem")
    with pytest.raises(UsageError, match="to open envelopes, got one of Ed25519"):
        KeyFolder(tmp_path)


def test_a_site_without_keys_signs_nothing(tmp_path: Path) -> None:
    """Neither setting: no keys. A folder that is not there is an error, not a site without keys."""
    assert isinstance(key_store(settings_of()), NoKeys)
    with pytest.raises(UsageError, match="is no folder"):
        key_store(settings_of(keys=tmp_path / "keys"))


# ---------------------------------------------------------------- a device


class OpensslDevice:
    """A signing device as a site would write it: it keeps its key in another process, here OpenSSL's."""

    def __init__(self, key: Path) -> None:
        self.key = key
        self.public: PublicKey = public_key(openssl("pkey", "-in", str(key), "-pubout").decode())

    def sign(self, text: bytes, user_id: str) -> bytes:
        """Ask the other process."""
        asked = self.key.with_name("text")
        asked.write_bytes(text)
        return openssl(
            "pkeyutl", "-sign", "-inkey", str(self.key), "-rawin", "-digest", "sm3",
            "-pkeyopt", f"distid:{user_id}", "-in", str(asked),
        )  # fmt: skip


def test_a_device_signs_in_place_of_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CLEARING_KEY_STORE names a function of the site's own; what it gives is asked for signatures."""
    key = tmp_path / "device.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "SM2", "-out", str(key)], check=True)
    (tmp_path / "site_keys.py").write_text(
        "from pathlib import Path\n"
        "from clearing.jobs.keys import NoKeys\n"
        "from tests.jobs.test_keys import OpensslDevice\n"
        "class Store(NoKeys):\n"
        f"    def signers(self): return [OpensslDevice(Path({str(key)!r}))]\n"
        "def open_store(): return Store()\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    (signer,) = key_store(settings_of(key_store="site_keys:open_store")).signers()
    assert signer.public.verifies(signer.sign(TEXT, "B1"), TEXT, "B1")


@pytest.mark.parametrize("named", ["site_keys", "no_such_module:open", "clearing.jobs.keys:no_such_function"])
def test_a_device_that_is_not_there_is_named(named: str) -> None:
    """With what was expected."""
    with pytest.raises(UsageError, match="CLEARING_KEY_STORE: expected module:function"):
        key_store(settings_of(key_store=named))


def test_no_key_shows_itself() -> None:
    """Neither repr nor str of a pair has a byte of its private half."""
    for algorithm in (SM2_SM3, ED25519):
        pair = make_pair(algorithm)
        shown = f"{pair!r} {pair}"
        private = "".join(pair.pem().splitlines()[1:-1])
        assert not any(private[at : at + 8] in shown for at in range(len(private) - 8))
