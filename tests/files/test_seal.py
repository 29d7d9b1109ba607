"""A signature that holds, and every way in which one does not, each with what to look at."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import gmssl_pyx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from clearing.files import sm2
from clearing.files.check import check_file
from clearing.files.envelope import open_envelope
from clearing.files.faults import Fault
from clearing.files.manifest import Encryption, Manifest, Signature, read_manifest, write_manifest
from clearing.files.public_keys import PublicKey, key_of
from clearing.files.seal import Trust, check_signature, trust_of, wrong_keys
from clearing.ledger.members_file import load_members
from clearing.ledger.seal_terms import ED25519, Seal, WrapForm
from tests.files.small_day import files, manifest_for
from tests.files.test_sm2 import KEY, POINT, PRIVATE, enclose

NAME = "RHC_TXN_PLAT_B1_20260310_001_V1.txt"
FILE = files()[NAME]
PLAIN = manifest_for(FILE, run_id="r", created_at=datetime(2026, 3, 10, 16, tzinfo=UTC))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
USER = sm2.USER_ID


def ed25519_key() -> PublicKey:
    """The public half of OTHER."""
    der = bytes.fromhex("302a300506032b6570032100") + OTHER.public_key().public_bytes_raw()
    return key_of(der, "B1-2026")


def signed(text: bytes = PLAIN.figures.text, user_id: bytes | None = USER.encode(), **more: str) -> Manifest:
    """The file's manifest, signed with the example key over the text, and what else is said instead."""
    value = base64.b64encode(gmssl_pyx.sm2_sign(PRIVATE, POINT, text, user_id)).decode()
    fields = {"alg": "SM2-SM3", "key_id": KEY.id, "value": value, **more}
    return PLAIN.model_copy(update={"signature": Signature(**fields)})


TRUST = Trust((KEY, ed25519_key()))


def test_what_is_signed_can_be_read() -> None:
    """One line a field, in the order that partners are told; null is nothing."""
    assert PLAIN.figures.text.decode().splitlines() == [
        f"file={NAME}",
        f"bytes={len(FILE.content)}",
        f"records={FILE.records}",
        f"amount_total={PLAIN.amount_total}",
        f"hash_total={FILE.hash_total}",
        f"sha256={FILE.sha256}",
        f"sm3={FILE.sm3}",
        "replaces=",
    ]
    assert PLAIN.figures.text.endswith(b"replaces=\n")


def test_a_good_signature_of_either_kind_and_form_holds() -> None:
    """SM2 as DER and as r and s, Ed25519; and the file with it is sound."""
    der = signed()
    assert der.signature is not None
    bare = base64.b64encode(sm2.signature_out(base64.b64decode(der.signature.value), "rs")).decode()
    assert len(base64.b64decode(bare)) == 64
    edwards = base64.b64encode(OTHER.sign(PLAIN.figures.text)).decode()
    for manifest in (der, signed(value=bare), signed(alg=ED25519, key_id="B1-2026", value=edwards)):
        again = read_manifest("x.ok", write_manifest(manifest))
        assert again == manifest
        assert check_file(NAME, FILE.content, manifest, trust=TRUST).sound


def test_nothing_is_asked_for_where_no_key_is_trusted() -> None:
    """A partner without keys sends files without signatures."""
    assert check_signature(NAME, FILE.content, PLAIN, Trust(())) == ()
    assert check_signature(NAME, FILE.content, None, Trust(())) == ()


BOTH = f"{KEY.id} or B1-2026"
SIGNED = (
    f"a signature of key {KEY.id} over file, bytes, records, amount_total, hash_total, sha256, sm3, replaces"
)
BASE64 = "base64 of 64 bytes r and s, or DER"
# the manifest that came, the column of the fault, expected, got
WRONG: dict[str, tuple[Manifest | None, str, str, str]] = {
    "no manifest": (None, "signature", f"a signature by {BOTH} in the manifest", "none"),
    "not signed": (PLAIN, "signature", f"a signature by {BOTH} in the manifest", "none"),
    "unknown key": (signed(key_id="77"), "signature.key_id", f"key {BOTH}", "77"),
    "another algorithm": (signed(alg="RSA"), "signature.alg", f"SM2-SM3, as key {KEY.id} is", "RSA"),
    "no base64": (signed(value="äöü"), "signature.value", BASE64, "äöü"),
    "no signature": (signed(value="AAAA"), "signature.value", BASE64, "AAAA"),
    "cut off": (
        signed(alg=ED25519, key_id="B1-2026", value="AAAA"),
        "signature.value",
        "base64 of 64 bytes",
        "AAAA",
    ),
    "over the file": (signed(FILE.content), "signature.value", SIGNED, "one over the file's bytes"),
    "without user id": (signed(user_id=None), "signature.value", SIGNED, "one without a user id"),
    "of other figures": (signed(b"figures"), "signature.value", SIGNED, "one that does not fit"),
    "of zeros": (
        signed(value=base64.b64encode(bytes(64)).decode()),
        "signature.value",
        SIGNED,
        "one that does not fit",
    ),
}


@pytest.mark.parametrize(("manifest", "column", "expected", "got"), WRONG.values(), ids=WRONG)
def test_a_signature_that_does_not_hold_says_why(
    manifest: Manifest | None, column: str, expected: str, got: str
) -> None:
    """One fault, FMT-013, with the field of the manifest, what was expected and what came."""
    (fault,) = check_signature(NAME, FILE.content, manifest, TRUST)
    assert (fault.code, fault.column, fault.expected, fault.got) == ("FMT-013", column, expected, got)
    assert fault in check_file(NAME, FILE.content, manifest, trust=TRUST).faults


def test_the_default_user_id_in_place_of_the_agreed_one_is_told() -> None:
    """The usual mistake of a partner that agreed on an id of its own."""
    (fault,) = check_signature(NAME, FILE.content, signed(), Trust((KEY,), "B1-AGREED"))
    assert fault.got == f"one with user id {USER}"


CHANGES: list[dict[str, Any]] = [
    {"file": "RHC_TXN_PLAT_B1_20260311_001_V1.txt"},
    {"bytes": 1},
    {"records": 99},
    {"amount_total": "0.00"},
    {"hash_total": 0},
    {"sha256": "0" * 64},
    {"sm3": "0" * 64},
    {"replaces": "RHC_TXN_PLAT_B1_20260310_001_V0"},
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_every_signed_figure_is_bound(change: dict[str, Any]) -> None:
    """Whoever changes one figure of the manifest breaks the signature."""
    (fault,) = check_signature(NAME, FILE.content, signed().model_copy(update=change), TRUST)
    assert fault.code == "FMT-013"


def test_faults_come_in_the_order_of_the_checks() -> None:
    """Manifest, then digests, then the signature, then the lines."""
    broken = FILE.content.replace(b"|R|", b"|X|", 1)
    manifest = signed().model_copy(update={"file": "other.txt"})
    codes = [one.code for one in check_file(NAME, broken, manifest, trust=TRUST).faults]
    assert codes == ["FMT-011", "FMT-012", "FMT-012", "FMT-013", "FMT-004", "FMT-009"]


# ---------------------------------------------------------------- envelopes


def wrapped(form: WrapForm, **more: str) -> tuple[bytes, Manifest]:
    """The file in an envelope for the example key: wire bytes and manifest."""
    key = bytes(16)
    der = gmssl_pyx.sm2_encrypt(POINT, key)
    fields = {
        "alg": "SM4-GCM",
        "key_id": KEY.id,
        "wrapped_key": base64.b64encode(sm2.wrapped_out(der, form, prefix=True)).decode(),
        "iv": base64.b64encode(bytes(12)).decode(),
        **more,
    }
    manifest = PLAIN.model_copy(update={"encryption": Encryption(**fields)})
    return enclose(FILE.content, key, bytes(12), PLAIN.figures.text), manifest


def unwrap(key_id: str, der: bytes) -> bytes | None:
    """The receiver's key."""
    if key_id != KEY.id:
        return None
    try:
        return bytes(gmssl_pyx.sm2_decrypt(PRIVATE, der))
    except gmssl_pyx.GmsslInnerError:
        return None


@pytest.mark.parametrize("form", ["der", "C1C3C2", "C1C2C3"])
def test_an_envelope_opens_in_the_form_agreed(form: WrapForm) -> None:
    """And in no other, but the message names the form in which it would."""
    wire, manifest = wrapped(form)
    assert wire != FILE.content
    assert open_envelope(NAME, wire, manifest, unwrap, form) == FILE.content
    agreed: WrapForm = "C1C2C3" if form != "C1C2C3" else "C1C3C2"
    faults = open_envelope(NAME, wire, manifest, unwrap, agreed)
    assert isinstance(faults, tuple)
    assert (faults[0].code, faults[0].got) == ("FMT-014", f"16 bytes as {form}")


def test_a_file_without_an_envelope_passes_through() -> None:
    """Where the manifest names no encryption the bytes are the file."""
    assert open_envelope(NAME, b"plain", PLAIN, unwrap, "der") == b"plain"


NOT_OURS = "113 bytes that no key of ours opens"
# what is said instead, the column of the fault, what was got
SPOILT: dict[str, tuple[dict[str, str], str, str]] = {
    "algorithm": ({"alg": "SM4-CBC"}, "encryption.alg", "SM4-CBC"),
    "another's key": ({"key_id": "0" * 16}, "encryption.wrapped_key", NOT_OURS),
    "no base64": ({"wrapped_key": "!"}, "encryption.wrapped_key", "!"),
    "cut off": ({"wrapped_key": "AAAA"}, "encryption.wrapped_key", "3 bytes that no key of ours opens"),
    "short iv": ({"iv": "AAAA"}, "encryption.iv", "AAAA"),
    "other iv": ({"iv": base64.b64encode(b"1" * 12).decode()}, "", "bytes whose tag does not fit"),
}


@pytest.mark.parametrize(("change", "column", "got"), SPOILT.values(), ids=SPOILT)
def test_an_envelope_that_does_not_open_says_why(change: dict[str, str], column: str, got: str) -> None:
    """One fault, FMT-014."""
    wire, manifest = wrapped("C1C3C2", **change)
    faults = open_envelope(NAME, wire, manifest, unwrap, "C1C3C2")
    assert isinstance(faults, tuple)
    (fault,) = faults
    assert (fault.code, fault.column) == ("FMT-014", column)
    assert got in fault.got


def test_an_envelope_is_bound_to_its_manifest() -> None:
    """The ciphertext of one file cannot be sent under another's manifest."""
    wire, manifest = wrapped("der")
    moved = manifest.model_copy(update={"file": "RHC_TXN_PLAT_B1_20260311_001_V1.txt"})
    faults = open_envelope(moved.file, wire, moved, unwrap, "der")
    assert isinstance(faults, tuple)
    assert "tag does not fit" in faults[0].got


@given(st.binary(max_size=300), st.sampled_from(["der", "C1C3C2", "C1C2C3"]))
def test_any_bytes_are_no_envelope_but_never_a_crash(content: bytes, form: WrapForm) -> None:
    """Neither as the file nor as the wrapped key."""
    wire, manifest = wrapped("der")
    assert isinstance(open_envelope(NAME, content, manifest, unwrap, "der"), tuple)
    _, other = wrapped("der", wrapped_key=base64.b64encode(content).decode())
    found = open_envelope(NAME, wire, other, unwrap, form)
    assert isinstance(found, tuple)
    assert all(isinstance(one, Fault) for one in found)


# ---------------------------------------------------------------- what was agreed

MEMBERS: dict[str, Any] = {
    "platform": {"code": "PLAT"},
    "bank": [
        {
            "code": "B1",
            "cnaps": "105100000017",
            "clearing_account": "A1",
            "seal": {
                "algorithm": "SM2-SM3",
                "form": "rs",
                "user_id": "B1-AGREED",
                "keys": [{"public": POINT.hex(), "id": "K1"}, {"public": f"04{POINT.hex()}"}],
                "envelope_key": KEY.pem,
                "envelope_form": "C1C2C3",
                "envelope_point": "bare",
            },
        }
    ],
}


def test_the_members_file_says_what_was_agreed() -> None:
    """A member's keys, ids and forms, as data."""
    (_, bank) = load_members(MEMBERS).records
    assert list(wrong_keys("B1", bank.seal)) == []
    trust = trust_of(bank.seal, USER)
    assert [key.id for key in trust.keys] == ["K1", KEY.fingerprint]
    assert (trust.user_id, bank.seal.form, bank.seal.envelope_form) == ("B1-AGREED", "rs", "C1C2C3")
    assert trust_of(Seal(), USER) == Trust((), USER)


def test_a_key_that_is_none_is_named_with_its_place() -> None:
    """The member, the number of the key, what is wrong with it."""
    terms = Seal.model_validate(
        {"keys": [{"public": KEY.pem}, {"public": "0" * 128}], "envelope_key": ed25519_key().pem}
    )
    assert list(wrong_keys("B1", terms)) == [
        "B1 seal.keys 2: expected a point of the SM2 curve, got 64 bytes that are none",
        "B1 seal.envelope_key: expected a key of SM2, got one of Ed25519",
    ]
