"""Public keys: read from what partners send, told by a fingerprint, and what they verify. 公钥

A key says its own algorithm, so that a manifest cannot choose one.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

import gmssl_pyx
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from clearing.files import sm2
from clearing.files.pem import pem, unpem
from clearing.ledger.seal_terms import ED25519, SM2_SM3, Algorithm

PUBLIC: Final = "PUBLIC KEY"
ID_DIGITS: Final = 16
HEX: Final = re.compile(r"[0-9A-Fa-f]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One public key."""

    algorithm: Algorithm
    der: bytes
    """SubjectPublicKeyInfo."""
    id: str
    """As manifests name it: what its owner calls it, else the fingerprint."""

    @property
    def fingerprint(self) -> str:
        """The first 16 hex digits of the SHA-256 of the DER, which OpenSSL shows too."""
        return fingerprint(self.der)

    @property
    def pem(self) -> str:
        """As OpenSSL reads it."""
        return pem(PUBLIC, self.der)

    @property
    def point(self) -> bytes:
        """The 64 bytes of an SM2 key, the 32 of an Ed25519 key."""
        return sm2.point_from_der(self.der) if self.algorithm == SM2_SM3 else self.der[-32:]

    def verifies(self, signature: bytes, text: bytes, user_id: str) -> bool:
        """Whether the signature, of either form, is this key's over the text."""
        if self.algorithm == ED25519:
            try:
                Ed25519PublicKey.from_public_bytes(self.point).verify(signature, text)
            except InvalidSignature:
                return False
            return True
        try:
            der = sm2.signature_in(signature)
        except ValueError:
            return False
        return bool(gmssl_pyx.sm2_verify(self.point, text, der, user_id.encode()))


def fingerprint(der: bytes) -> str:
    """What people compare over the telephone, and the default `key_id`."""
    return hashlib.sha256(der).hexdigest()[:ID_DIGITS]


def public_key(text: str, key_id: str | None = None) -> PublicKey:
    """A public key from PEM, or from the hex of an SM2 point. 公钥

    In:      PEM with -----BEGIN PUBLIC KEY----- of an SM2 or Ed25519 key; or hex, spaces and colons aside: 64
             bytes, 65 that begin with 04, or 33 compressed.
    Raises:  ValueError with what was expected and got.
    """
    packed = re.sub(r"[\s:]", "", text)
    if HEX.fullmatch(packed):
        if len(packed) % 2:
            raise ValueError(f"expected hex of whole bytes, got {len(packed)} digits")
        der = sm2.public_der(sm2.point_of(bytes.fromhex(packed)))
        return PublicKey(SM2_SM3, der, key_id or fingerprint(der))
    label, der = unpem(text)
    if label != PUBLIC:
        raise ValueError(f"expected -----BEGIN {PUBLIC}-----, got -----BEGIN {label}-----")
    return key_of(der, key_id)


def key_of(der: bytes, key_id: str | None = None) -> PublicKey:
    """A public key from its SubjectPublicKeyInfo.

    Raises:  ValueError when it is not one of an SM2 or Ed25519 key.
    """
    algorithm, der = _read(der)
    return PublicKey(algorithm, der, key_id or fingerprint(der))


def _read(der: bytes) -> tuple[Algorithm, bytes]:
    try:
        return SM2_SM3, sm2.public_der(sm2.point_from_der(der))
    except ValueError as error:
        try:
            key = load_der_public_key(der)
        except (ValueError, UnsupportedAlgorithm):
            raise ValueError(f"expected a key of SM2 or Ed25519: {error}") from error
        if isinstance(key, Ed25519PublicKey):
            return ED25519, key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        raise ValueError(f"expected a key of SM2 or Ed25519, got {type(key).__name__}") from None
