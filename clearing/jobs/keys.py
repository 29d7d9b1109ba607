"""Our private keys: from PEM files of a folder, or a signing device behind the same interface. 密钥

    keys/sign-sm2.pem, keys/sign-ed25519.pem   sign what goes out; `<name>.pub.pem` beside it is for the partners
    keys/open-<anything>.pem                   SM2; open the envelopes of what comes in, any number of them

A device (HSM, 签名验签服务器) is a `KeyStore` of the site's own: `CLEARING_KEY_STORE=site_keys:open_store` names a
function without arguments that gives one. Its `Signer` gets the text to sign, some hundred bytes, and returns DER
for SM2 (the device computes Z from the user id and the SM3) or 64 bytes for Ed25519.

Key material is in no message, log, repr or database of ours.
"""

from __future__ import annotations

import importlib
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import gmssl_pyx
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from clearing.errors import UsageError
from clearing.files import sm2
from clearing.files.pem import pem, unpem
from clearing.files.public_keys import PublicKey, fingerprint
from clearing.ledger.seal_terms import ED25519, SM2_SM3, Algorithm

if TYPE_CHECKING:
    from clearing.settings import Settings

PRIVATE: Final = "PRIVATE KEY"
SIGN: Final = "sign"
OPEN: Final = "open"
FILES: Final[dict[Algorithm, str]] = {SM2_SM3: "sign-sm2.pem", ED25519: "sign-ed25519.pem"}
"""Algorithm → the file that signs with it; SM2 is taken first where nothing else is agreed."""
OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
PROBE: Final = b"both halves of a pair fit"


class Signer(Protocol):
    """Signs with one key."""

    @property
    def public(self) -> PublicKey:
        """The public half: it says the algorithm, and `key_id` of manifests."""
        ...

    def sign(self, text: bytes, user_id: str) -> bytes:
        """DER for SM2 with SM3 under the user id; the 64 bytes of Ed25519, which knows no user id.

        Raises:  WorldFailed when a device does not answer: nothing is written, the same step may run again.
        """
        ...


class KeyStore(Protocol):
    """Where our private keys are."""

    def signers(self) -> Sequence[Signer]:
        """The keys that sign, in order of preference; none when files are not signed."""
        ...

    def openers(self) -> Sequence[PublicKey]:
        """The public halves of the keys that open envelopes; each is known by its fingerprint."""
        ...

    def unwrap(self, key_id: str, wrapped: bytes) -> bytes | None:
        """What an SM2 ciphertext (DER) has inside, None when no key of that fingerprint opens it."""
        ...


class Ed25519Key:
    """An Ed25519 key pair from a file."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self._key = key
        self.public: Final = PublicKey(ED25519, der, fingerprint(der))

    def sign(self, text: bytes, user_id: str) -> bytes:  # noqa: ARG002 - Ed25519 knows none
        """The 64 bytes of the signature: the same for the same text."""
        return self._key.sign(text)

    def pem(self) -> str:
        """Both halves, for the key's own file and nothing else."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")


class Sm2Key:
    """An SM2 key pair from a file."""

    def __init__(self, private: bytes, point: bytes) -> None:
        der = sm2.public_der(point)
        self._private = private
        self._point = point
        self.public: Final = PublicKey(SM2_SM3, der, fingerprint(der))

    def sign(self, text: bytes, user_id: str) -> bytes:
        """The signature in DER: another each time, all of them good."""
        return bytes(gmssl_pyx.sm2_sign(self._private, self._point, text, user_id.encode()))

    def unwrap(self, wrapped: bytes) -> bytes | None:
        """What a ciphertext (DER) has inside, None when it was made for another key or is broken."""
        try:
            return bytes(gmssl_pyx.sm2_decrypt(self._private, wrapped))
        except gmssl_pyx.GmsslInnerError:
            return None

    def pem(self) -> str:
        """Both halves, for the key's own file and nothing else."""
        return pem(PRIVATE, sm2.private_der(self._private, self._point))


PrivateKey = Ed25519Key | Sm2Key


class KeyFolder:
    """The keys of a folder, read once."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise UsageError(f"keys: {folder} is no folder. Next: clearing keys make, or unset CLEARING_KEYS")
        self.folder: Final = folder
        self.names: Final[dict[str, PublicKey]] = {}
        """By the name of its file, without the ending; those that sign first."""
        self._signers: list[PrivateKey] = []
        for algorithm, name in FILES.items():
            if (folder / name).exists():
                key = read_private(folder / name)
                if key.public.algorithm != algorithm:
                    raise UsageError(
                        f"{folder / name}: expected a key of {algorithm}, got one of {key.public.algorithm}. "
                        f"Next: name it {FILES[key.public.algorithm]}"
                    )
                self._signers.append(key)
                self.names[Path(name).stem] = key.public
        self._openers: dict[str, Sm2Key] = {}
        for path in sorted(folder.glob(f"{OPEN}-*.pem")):
            if path.name.endswith(".pub.pem"):
                continue
            key = read_private(path)
            if not isinstance(key, Sm2Key):
                raise UsageError(
                    f"{path}: expected a key of {SM2_SM3} to open envelopes, got one of {ED25519}"
                )
            self._openers[key.public.id] = key
            self.names[path.stem] = key.public

    def signers(self) -> Sequence[Signer]:
        """SM2 before Ed25519."""
        return self._signers

    def openers(self) -> Sequence[PublicKey]:
        """In order of file name."""
        return [key.public for key in self._openers.values()]

    def unwrap(self, key_id: str, wrapped: bytes) -> bytes | None:
        """By the key of that fingerprint."""
        key = self._openers.get(key_id)
        return key.unwrap(wrapped) if key else None


class NoKeys:
    """Of a site that signs nothing and takes no envelopes."""

    def signers(self) -> Sequence[Signer]:
        """None."""
        return ()

    def openers(self) -> Sequence[PublicKey]:
        """None."""
        return ()

    def unwrap(self, key_id: str, wrapped: bytes) -> bytes | None:  # noqa: ARG002 - there is none to ask
        """Nothing opens."""
        return None


def key_store(settings: Settings) -> KeyStore:
    """Where this site's private keys are. 密钥库

    Raises:  UsageError for a folder, file or function that is not there or not fit.
    """
    if settings.key_store:
        return _device(settings.key_store)
    return KeyFolder(Path(settings.keys)) if settings.keys else NoKeys()


def names_of(store: KeyStore) -> Mapping[str, PublicKey]:
    """The public halves of our keys by name; of a device, which has no files, none."""
    return store.names if isinstance(store, KeyFolder) else {}


def _device(named: str) -> KeyStore:
    module, _, function = named.partition(":")
    try:
        store: KeyStore = getattr(importlib.import_module(module), function)()
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(
            f"CLEARING_KEY_STORE: expected module:function that gives a key store, got {named!r}: {error}"
        ) from error
    return store


def read_private(path: Path) -> PrivateKey:
    """A key pair from its PEM file.

    Raises:  UsageError when others may read the file, or it is no unencrypted PKCS #8 key of SM2 or Ed25519. The
             message repeats nothing of the file.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & OTHERS:
                raise UsageError(
                    f"{path}: a private key that others may read: expected mode 0600, got {mode:04o}. "
                    f"Next: chmod 600 {path}, and think about making a new key"
                )
            text = file.read().decode("ascii", "replace")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}. Next: name a key file that is there") from error
    try:
        return _private(text)
    except ValueError as error:
        raise UsageError(
            f"{path}: {error}. Next: openssl pkcs8 -topk8 -nocrypt, or clearing keys make"
        ) from None


def _private(text: str) -> PrivateKey:
    label, der = unpem(text)
    if label != PRIVATE:
        raise ValueError(
            f"expected -----BEGIN {PRIVATE}----- (PKCS #8, not encrypted), got -----BEGIN {label}-----"
        )
    try:
        private, point = sm2.pair_from_der(der)
    except ValueError as error:
        try:
            key = load_der_private_key(der, None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise ValueError(f"expected a key of SM2 or Ed25519: {error}") from None
        if isinstance(key, Ed25519PrivateKey):
            return Ed25519Key(key)
        raise ValueError(f"expected a key of SM2 or Ed25519, got {type(key).__name__}") from None
    pair = Sm2Key(private, point)
    if not pair.public.verifies(pair.sign(PROBE, sm2.USER_ID), PROBE, sm2.USER_ID):
        raise ValueError("expected two halves of one key pair, got two that do not fit")
    return pair


def make_pair(algorithm: Algorithm) -> PrivateKey:
    """A new key pair. 生成密钥"""
    if algorithm == ED25519:
        return Ed25519Key(Ed25519PrivateKey.generate())
    point, private = gmssl_pyx.sm2_key_generate()
    return Sm2Key(private, point)


def write_pair(pair: PrivateKey, path: Path) -> Path:
    """Write a key pair, mode 0600, and its public half beside it, which is named in the result.

    Writes:  path and <stem>.pub.pem.
    Again:   refused: a key is never overwritten, since files that it signed are still to be verified.
    Raises:  UsageError when either is there.
    """
    public = path.with_name(f"{path.stem}.pub.pem")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    for target, text, mode in ((path, pair.pem(), 0o600), (public, pair.public.pem, 0o644)):
        try:
            handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        except FileExistsError as error:
            raise UsageError(
                f"{target}: is there, and no key is overwritten. Next: give another name"
            ) from error
        with os.fdopen(handle, "w", encoding="ascii") as file:
            os.fchmod(handle, mode)
            file.write(text)
            file.flush()
            os.fsync(handle)
    return public
