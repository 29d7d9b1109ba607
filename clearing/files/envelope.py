"""SM4-GCM envelopes: a file's bytes under a content key that only its receiver can unwrap. 数字信封

    wire = SM4-GCM(content key, iv, plain bytes; bound to the signed text) ‖ 16 bytes of tag

The manifest's `encryption` has the content key under the receiver's SM2 key. Digests and signature stay those
of the plain bytes: they prove the file, the envelope only hides it on its way.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Final, TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.ciphers.modes import GCM

from clearing.files import sm2
from clearing.files.faults import Fault, Faults
from clearing.files.manifest import Encryption, Manifest
from clearing.ledger.seal_terms import WrapForm

SM4_GCM: Final = "SM4-GCM"
KEY_BYTES: Final = 16
IV_BYTES: Final = 12
TAG_BYTES: Final = 16

Unwrap: TypeAlias = Callable[[str, bytes], bytes | None]
"""(key id, SM2 ciphertext in DER) → what is inside; None when nobody here has that key or it does not open."""


class Enclosing:
    """Makes the bytes that go out, part by part. 加密

    In:      16 bytes of key and 12 of iv that were never used for other bytes; the signed text.
    Out:     the same for the same, so that a delivery that was cut goes on where it stood.
    """

    def __init__(self, key: bytes, iv: bytes, text: bytes) -> None:
        self._cipher = Cipher(SM4(key), GCM(iv)).encryptor()
        self._cipher.authenticate_additional_data(text)

    def add(self, part: bytes) -> bytes:
        """The next bytes, as many as the part has."""
        return self._cipher.update(part)

    def end(self) -> bytes:
        """The tag."""
        return self._cipher.finalize() + self._cipher.tag


def disclose(wire: bytes, key: bytes, iv: bytes, text: bytes) -> bytes | None:
    """The plain bytes, None when a bit of key, iv, text or wire is another."""
    cipher = Cipher(SM4(key), GCM(iv, wire[-TAG_BYTES:])).decryptor()
    cipher.authenticate_additional_data(text)
    try:
        return cipher.update(wire[:-TAG_BYTES]) + cipher.finalize()
    except InvalidTag:
        return None


def open_envelope(
    name: str, wire: bytes, manifest: Manifest, unwrap: Unwrap, form: WrapForm
) -> bytes | tuple[Fault, ...]:
    """The plain bytes of a file that came in an envelope, or what is wrong with it. 拆封

    In:      the bytes as they came; a manifest with `encryption`; who has our private keys; the form agreed.
    """
    faults = Faults(name)
    sealed = manifest.encryption
    if sealed is None:
        return wire
    if sealed.alg != SM4_GCM:
        faults.add("FMT-014", SM4_GCM, sealed.alg, column="encryption.alg")
        return tuple(faults.found)
    if len(wire) < TAG_BYTES:
        faults.add("FMT-014", f"{TAG_BYTES} bytes of tag at the end", f"{len(wire)} bytes")
        return tuple(faults.found)
    key = _content_key(sealed, unwrap, form, faults)
    if key is None:
        return tuple(faults.found)
    iv = _base64(sealed.iv)
    if iv is None or len(iv) != IV_BYTES:
        faults.add("FMT-014", f"base64 of {IV_BYTES} bytes", sealed.iv, column="encryption.iv")
        return tuple(faults.found)
    content = disclose(wire, key, iv, manifest.figures.text)
    if content is None:
        expected = "bytes, iv and manifest as they were enclosed"
        faults.add("FMT-014", expected, f"{len(wire)} bytes whose tag does not fit")
        return tuple(faults.found)
    return content


def _content_key(sealed: Encryption, unwrap: Unwrap, form: WrapForm, faults: Faults) -> bytes | None:
    """The content key; where only another form opens it, the fault names that form."""
    wrapped = _base64(sealed.wrapped_key)
    if wrapped is None:
        faults.add("FMT-014", "base64", sealed.wrapped_key, column="encryption.wrapped_key")
        return None
    key = _unwrapped(sealed.key_id, wrapped, form, unwrap)
    if key is not None:
        return key
    others: tuple[WrapForm, ...] = ("C1C3C2", "C1C2C3", "der")
    other = next((one for one in others if _unwrapped(sealed.key_id, wrapped, one, unwrap) is not None), None)
    expected = f"{KEY_BYTES} bytes under our key {sealed.key_id} as {form}"
    got = f"{KEY_BYTES} bytes as {other}" if other else f"{len(wrapped)} bytes that no key of ours opens"
    faults.add("FMT-014", expected, got, column="encryption.wrapped_key")
    return None


def _unwrapped(key_id: str, wrapped: bytes, form: WrapForm, unwrap: Unwrap) -> bytes | None:
    try:
        key = unwrap(key_id, sm2.wrapped_in(wrapped, form, KEY_BYTES))
    except ValueError:
        return None
    return key if key is not None and len(key) == KEY_BYTES else None


def _base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
