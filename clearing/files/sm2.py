"""The written forms of SM2 keys, signatures and ciphertexts, and from one to the other. 国密 SM2

Banks differ in form only: DER or bare numbers, the order of a ciphertext's parts, the byte 04 before a point.
Inside, a signature and a ciphertext are DER, a public key is 64 bytes.
"""

from __future__ import annotations

from typing import Annotated, Final

import gmssl_pyx
from cryptography.hazmat import asn1
from cryptography.x509 import ObjectIdentifier

from clearing.ledger.seal_terms import SignatureForm, WrapForm

EC_KEY: Final = ObjectIdentifier("1.2.840.10045.2.1")
SM2_CURVE: Final = ObjectIdentifier("1.2.156.10197.1.301")
NUMBER: Final = 32
"""Bytes of a coordinate, of r and s, of SM3, of the private key."""
POINT: Final = 2 * NUMBER
UNCOMPRESSED: Final = b"\x04"
USER_ID: Final = "1234567812345678"
"""The user id of GM/T 0009 where nothing else was agreed."""


@asn1.sequence
class KeyAlgorithm:
    """Elliptic curve key, and on which curve."""

    algorithm: ObjectIdentifier
    curve: ObjectIdentifier


@asn1.sequence
class PublicInfo:
    """SubjectPublicKeyInfo."""

    algorithm: KeyAlgorithm
    point: asn1.BitString


@asn1.sequence
class PrivateInfo:
    """PKCS #8."""

    version: int
    algorithm: KeyAlgorithm
    key: bytes


@asn1.sequence
class EcPrivate:
    """ECPrivateKey of RFC 5915, inside PKCS #8 or alone."""

    version: int
    private: bytes
    curve: Annotated[ObjectIdentifier | None, asn1.Explicit(0)]
    public: Annotated[asn1.BitString | None, asn1.Explicit(1)]


@asn1.sequence
class TwoNumbers:
    """A signature: GB/T 35276."""

    r: int
    s: int


@asn1.sequence
class Ciphertext:
    """C1 as its two coordinates, C3, C2: GB/T 35276."""

    x: int
    y: int
    c3: bytes
    c2: bytes


def point_of(key: bytes) -> bytes:
    """An SM2 public key as its 64 bytes.

    In:      64 bytes, 65 with 04 before them, or 33 compressed.
    Raises:  ValueError when it is none of these or no point of the curve.
    """
    try:
        return bytes(gmssl_pyx.normalize_sm2_public_key(key))
    except gmssl_pyx.InvalidValueError as error:
        raise ValueError(f"expected a point of the SM2 curve, got {len(key)} bytes that are none") from error


def public_der(point: bytes) -> bytes:
    """SubjectPublicKeyInfo of a public key of 64 bytes."""
    bits = asn1.BitString(data=UNCOMPRESSED + point, padding_bits=0)
    return asn1.encode_der(PublicInfo(algorithm=KeyAlgorithm(algorithm=EC_KEY, curve=SM2_CURVE), point=bits))


def private_der(private: bytes, point: bytes) -> bytes:
    """PKCS #8 of a key pair, as OpenSSL writes it."""
    bits = asn1.BitString(data=UNCOMPRESSED + point, padding_bits=0)
    key = asn1.encode_der(EcPrivate(version=1, private=private, curve=None, public=bits))
    return asn1.encode_der(
        PrivateInfo(version=0, algorithm=KeyAlgorithm(algorithm=EC_KEY, curve=SM2_CURVE), key=key)
    )


def point_from_der(der: bytes) -> bytes:
    """The 64 bytes of a SubjectPublicKeyInfo.

    Raises:  ValueError when it is not one of an SM2 key.
    """
    info = asn1.decode_der(PublicInfo, der)
    _on_curve(info.algorithm)
    return point_of(info.point.as_bytes())


def pair_from_der(der: bytes) -> tuple[bytes, bytes]:
    """(private key, public key) of a PKCS #8 structure.

    Raises:  ValueError when it is not one of an SM2 key, or its public half was left out.
    """
    info = asn1.decode_der(PrivateInfo, der)
    _on_curve(info.algorithm)
    key = asn1.decode_der(EcPrivate, info.key)
    if key.public is None:
        raise ValueError("expected both halves of the key pair, got the private one alone")
    if len(key.private) != NUMBER:
        raise ValueError(f"expected a private key of {NUMBER} bytes, got {len(key.private)}")
    return key.private, point_of(key.public.as_bytes())


def _on_curve(algorithm: KeyAlgorithm) -> None:
    if (algorithm.algorithm, algorithm.curve) != (EC_KEY, SM2_CURVE):
        got = f"{algorithm.algorithm.dotted_string} {algorithm.curve.dotted_string}"
        raise ValueError(f"expected a key on the curve {SM2_CURVE.dotted_string} (SM2), got {got}")


def signature_out(der: bytes, form: SignatureForm) -> bytes:
    """A DER signature in the form a partner takes."""
    if form == "der":
        return der
    both = asn1.decode_der(TwoNumbers, der)
    return both.r.to_bytes(NUMBER) + both.s.to_bytes(NUMBER)


def signature_in(value: bytes) -> bytes:
    """A signature of either form as DER: 64 bytes are r and s, a DER of that length is not met in practice.

    Raises:  ValueError when it is neither.
    """
    if len(value) == POINT:
        r, s = int.from_bytes(value[:NUMBER]), int.from_bytes(value[NUMBER:])
        return asn1.encode_der(TwoNumbers(r=r, s=s))
    asn1.decode_der(TwoNumbers, value)
    return value


def wrapped_out(der: bytes, form: WrapForm, *, prefix: bool) -> bytes:
    """A DER ciphertext in the form a partner takes; `prefix` puts 04 before C1."""
    if form == "der":
        return der
    parts = asn1.decode_der(Ciphertext, der)
    c1 = (UNCOMPRESSED if prefix else b"") + parts.x.to_bytes(NUMBER) + parts.y.to_bytes(NUMBER)
    return c1 + (parts.c3 + parts.c2 if form == "C1C3C2" else parts.c2 + parts.c3)


def wrapped_in(value: bytes, form: WrapForm, length: int) -> bytes:
    """A ciphertext of a partner's form as DER.

    In:      how many bytes are inside: with that, 04 before C1 shows by the length.
    Raises:  ValueError when it is not of that form.
    """
    if form == "der":
        asn1.decode_der(Ciphertext, value)
        return value
    bare = POINT + NUMBER + length
    if len(value) == bare + 1 and value.startswith(UNCOMPRESSED):
        value = value[1:]
    if len(value) != bare:
        raise ValueError(f"expected {bare} bytes, or {bare + 1} that begin with 04, got {len(value)}")
    c1, rest = value[:POINT], value[POINT:]
    c3, c2 = (rest[:NUMBER], rest[NUMBER:]) if form == "C1C3C2" else (rest[length:], rest[:length])
    x, y = int.from_bytes(c1[:NUMBER]), int.from_bytes(c1[NUMBER:])
    return asn1.encode_der(Ciphertext(x=x, y=y, c3=c3, c2=c2))
