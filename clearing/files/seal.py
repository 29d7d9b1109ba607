"""What a signature vouches for, and whether it does. 签章

Signed is a short text of the manifest's own fields (`Figures`), not the file: the digests in it stand for the
file's bytes, and name, counts and sums are bound too. A signing device gets some hundred bytes however long the
file is.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import gmssl_pyx

from clearing.files import sm2
from clearing.files.faults import Fault, Faults
from clearing.files.manifest import Figures, Manifest
from clearing.files.public_keys import PublicKey, public_key
from clearing.ledger.seal_terms import ED25519, SM2_SM3, Seal

ED25519_BYTES: Final = 64


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose signatures are taken on a file."""

    keys: tuple[PublicKey, ...]
    """Where there are none, no signature is asked for."""
    user_id: str = sm2.USER_ID


NOBODY: Final = Trust(())


def trust_of(terms: Seal, user_id: str) -> Trust:
    """Whose signatures are taken on files of a member.

    In:      its terms; the user id where it has none of its own.
    Raises:  ValueError for a key that is none; members with such a key are refused when they are loaded.
    """
    keys = tuple(public_key(one.public, one.id) for one in terms.keys)
    return Trust(keys, terms.user_id or user_id)


def wrong_keys(code: str, terms: Seal) -> Iterable[str]:
    """Every key of a member's terms that cannot be read, for whoever loads the members."""
    for number, one in enumerate(terms.keys, 1):
        try:
            public_key(one.public, one.id)
        except ValueError as error:
            yield f"{code} seal.keys {number}: {error}"
    if terms.envelope_key is not None:
        try:
            if public_key(terms.envelope_key).algorithm != SM2_SM3:
                yield f"{code} seal.envelope_key: expected a key of SM2, got one of {ED25519}"
        except ValueError as error:
            yield f"{code} seal.envelope_key: {error}"


def check_signature(name: str, content: bytes, manifest: Manifest | None, trust: Trust) -> tuple[Fault, ...]:
    """Compare a manifest's signature with the keys that are trusted on the file. 验签

    In:      the plain bytes of the file, to tell a signature that was made over them instead.
    Out:     nothing when it holds or none is asked for, else one fault that says what to do.
    """
    faults = Faults(name)
    if not trust.keys:
        return ()
    signature = manifest.signature if manifest else None
    if manifest is None or signature is None:
        faults.add(
            "FMT-013", f"a signature by {_names(trust.keys)} in the manifest", "none", column="signature"
        )
        return tuple(faults.found)
    key = next((one for one in trust.keys if one.id == signature.key_id), None)
    if key is None:
        faults.add("FMT-013", f"key {_names(trust.keys)}", signature.key_id, column="signature.key_id")
        return tuple(faults.found)
    if signature.alg != key.algorithm:
        faults.add("FMT-013", f"{key.algorithm}, as key {key.id} is", signature.alg, column="signature.alg")
        return tuple(faults.found)
    try:
        value = base64.b64decode(signature.value, validate=True)
        if key.algorithm == SM2_SM3:
            sm2.signature_in(value)
    except (binascii.Error, ValueError):
        value = b""
    if not value or (key.algorithm == ED25519 and len(value) != ED25519_BYTES):
        wanted = "64 bytes r and s, or DER" if key.algorithm == SM2_SM3 else f"{ED25519_BYTES} bytes"
        faults.add("FMT-013", f"base64 of {wanted}", signature.value, column="signature.value")
    elif not key.verifies(value, manifest.figures.text, trust.user_id):
        expected, got = (
            f"a signature of key {key.id} over {', '.join(Figures._fields)}",
            _made(key, value, content, manifest),
        )
        faults.add("FMT-013", expected, got, column="signature.value")
    return tuple(faults.found)


def _names(keys: Sequence[PublicKey]) -> str:
    return " or ".join(one.id for one in keys)


def _made(key: PublicKey, value: bytes, content: bytes, manifest: Manifest) -> str:
    """What a signature that does not fit was made over, as far as the usual mistakes go."""
    if key.verifies(value, content, sm2.USER_ID):
        return "one over the file's bytes"
    if key.algorithm == SM2_SM3:
        text, der = manifest.figures.text, sm2.signature_in(value)
        if key.verifies(value, text, sm2.USER_ID):
            return f"one with user id {sm2.USER_ID}"
        if gmssl_pyx.sm2_verify(key.point, text, der, None):
            return "one without a user id"
    return "one that does not fit"
