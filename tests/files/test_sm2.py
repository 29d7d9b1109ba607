"""National algorithms against the standards' own figures, and against OpenSSL on this machine."""

from __future__ import annotations

import base64
import hashlib
import subprocess
from pathlib import Path
from typing import NamedTuple

import gmssl_pyx
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.ciphers.modes import ECB
from hypothesis import given
from hypothesis import strategies as st

from clearing.files import sm2
from clearing.files.envelope import Enclosing, disclose
from clearing.files.pem import pem
from clearing.files.public_keys import PublicKey, key_of, public_key
from clearing.ledger.seal_terms import SM2_SM3, WrapForm

PRIVATE = bytes.fromhex("3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8")
POINT = bytes.fromhex(
    "09F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020"
    "CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13"
)
"""The key pair of the examples of GM/T 0003.5 (GB/T 32918.5), on the recommended curve."""
KEY = key_of(sm2.public_der(POINT))
FORMS: tuple[WrapForm, ...] = ("der", "C1C3C2", "C1C2C3")


def openssl(*words: str, given: bytes = b"") -> bytes:
    """What the machine's OpenSSL says."""
    try:
        return subprocess.run(["openssl", *words], input=given, capture_output=True, check=True).stdout
    except FileNotFoundError:
        pytest.fail("openssl is not there; install it: apt-get install openssl")


def enclose(content: bytes, key: bytes, iv: bytes, text: bytes) -> bytes:
    """What goes out of a file that is enclosed in two parts."""
    enclosing = Enclosing(key, iv, text)
    half = len(content) // 2
    return enclosing.add(content[:half]) + enclosing.add(content[half:]) + enclosing.end()


class Files(NamedTuple):
    """The example's key pair as OpenSSL takes it."""

    private: str
    public: str
    folder: Path

    def put(self, name: str, content: bytes) -> str:
        """A file's path."""
        (self.folder / name).write_bytes(content)
        return str(self.folder / name)


@pytest.fixture
def pair(tmp_path: Path) -> Files:
    """The example's key pair in PEM files."""
    made = Files(str(tmp_path / "key.pem"), str(tmp_path / "pub.pem"), tmp_path)
    made.put("key.pem", pem("PRIVATE KEY", sm2.private_der(PRIVATE, POINT)).encode())
    made.put("pub.pem", KEY.pem.encode())
    return made


# ---------------------------------------------------------------- the standards' figures


def test_sm3_of_the_standards_examples() -> None:
    """GM/T 0004, appendix A: abc, and 64 bytes."""
    for message, digest in (
        (b"abc", "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"),
        (b"abcd" * 16, "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"),
    ):
        assert hashlib.new("sm3", message).hexdigest() == digest


def test_sm2_takes_the_standards_signature() -> None:
    """GM/T 0003.5, appendix A: r and s over "message digest" hold, under the standard's user id alone."""
    signature = bytes.fromhex(
        "F5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3"
        "B1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA"
    )
    assert KEY.verifies(signature, b"message digest", "1234567812345678")
    assert KEY.verifies(sm2.signature_in(signature), b"message digest", "1234567812345678")
    assert not KEY.verifies(signature, b"message digest", "1234567812345679")
    assert not KEY.verifies(signature, b"message digesT", "1234567812345678")


def test_sm2_opens_the_standards_ciphertext() -> None:
    """GM/T 0003.5, appendix C: "encryption standard", in both orders of its parts."""
    c1 = bytes.fromhex(
        "0404EBFC718E8D1798620432268E77FEB6415E2EDE0E073C0F4F640ECD2E149A73"
        "E858F9D81E5430A57B36DAAB8F950A3C64E6EE6A63094D99283AFF767E124DF0"
    )
    c2 = bytes.fromhex("21886CA989CA9C7D58087307CA93092D651EFA")
    c3 = bytes.fromhex("59983C18F809E262923C53AEC295D30383B54E39D609D160AFCB1908D0BD8766")
    for form, rest in (("C1C3C2", c3 + c2), ("C1C2C3", c2 + c3)):
        for point in (c1, c1[1:]):
            der = sm2.wrapped_in(point + rest, form, len(c2))  # type: ignore[arg-type] # the two of the loop
            assert gmssl_pyx.sm2_decrypt(PRIVATE, der) == b"encryption standard"


def test_sm4_of_the_standards_example() -> None:
    """GM/T 0002, appendix A: one block."""
    block = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
    encryptor = Cipher(SM4(block), ECB()).encryptor()  # noqa: S305 - the standard's example is one block
    assert encryptor.update(block).hex() == "681edf34d206965e86b3e94f536e4246"


def test_an_envelope_is_the_sm4_gcm_of_rfc_8998() -> None:
    """RFC 8998, appendix A.1: ciphertext and tag, made and opened."""
    plain = bytes.fromhex("AAAAAAAAAAAAAAAABBBBBBBBBBBBBBBBCCCCCCCCCCCCCCCCDDDDDDDDDDDDDDDD"
                          "EEEEEEEEEEEEEEEEFFFFFFFFFFFFFFFFEEEEEEEEEEEEEEEEAAAAAAAAAAAAAAAA")  # fmt: skip
    key, iv = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210"), bytes.fromhex("00001234567800000000ABCD")
    text = bytes.fromhex("FEEDFACEDEADBEEFFEEDFACEDEADBEEFABADDAD2")
    wire = enclose(plain, key, iv, text)
    assert wire.hex().upper() == (
        "17F399F08C67D5EE19D0DC9969C4BB7D5FD46FD3756489069157B282BB200735"
        "D82710CA5C22F0CCFA7CBF93D496AC15A56834CBCF98C397B4024A2691233B8D"
        "83DE3541E4C2B58177E065A9BF7B62EC"
    )
    assert disclose(wire, key, iv, text) == plain


@given(
    plain=st.binary(min_size=1, max_size=200),
    key=st.binary(min_size=16, max_size=16),
    iv=st.binary(min_size=12, max_size=12),
)
def test_another_library_opens_our_envelopes(plain: bytes, key: bytes, iv: bytes) -> None:
    """GmSSL makes the same ciphertext and tag; a flipped bit anywhere is refused."""
    wire = enclose(plain, key, iv, b"text")
    cipher, tag = gmssl_pyx.sm4_gcm_encrypt(key, iv, b"text", plain)
    assert wire == cipher + tag
    assert disclose(wire, key, iv, b"text") == plain
    for at in (0, len(wire) // 2, len(wire) - 1):
        broken = bytearray(wire)
        broken[at] ^= 1
        assert disclose(bytes(broken), key, iv, b"text") is None
    assert disclose(wire, key, iv, b"texT") is None


# ---------------------------------------------------------------- OpenSSL


def test_openssl_reads_our_keys(pair: Files) -> None:
    """Both halves are as OpenSSL writes them itself, and the fingerprint is what it shows."""
    assert openssl("pkey", "-in", pair.private, "-pubout") == KEY.pem.encode()
    assert openssl("pkcs8", "-topk8", "-nocrypt", "-in", pair.private) == Path(pair.private).read_bytes()
    der = openssl("pkey", "-pubin", "-in", pair.public, "-outform", "DER")
    assert der == KEY.der
    assert openssl("dgst", "-sha256", given=der).decode().split()[-1].startswith(KEY.fingerprint)


def test_openssl_and_we_take_each_others_signatures(pair: Files) -> None:
    """SM2 with SM3 under a user id, both ways."""
    message = pair.put("m", b"text to sign\n")
    theirs = openssl(
        "pkeyutl",
        "-sign",
        "-inkey",
        pair.private,
        "-rawin",
        "-digest",
        "sm3",
        "-pkeyopt",
        "distid:B1",
        "-in",
        message,
    )
    assert KEY.verifies(theirs, b"text to sign\n", "B1")
    assert not KEY.verifies(theirs, b"text to sign\n", "B2")
    ours = pair.put("sig", gmssl_pyx.sm2_sign(PRIVATE, POINT, b"text to sign\n", b"B1"))
    said = openssl(
        "dgst", "-sm3", "-sigopt", "distid:B1", "-verify", pair.public, "-signature", ours, message
    )
    assert said == b"Verified OK\n"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("prefix", [True, False])
def test_openssl_and_we_open_each_others_wrapped_keys(pair: Files, form: WrapForm, prefix: bool) -> None:  # noqa: FBT001
    """A content key wrapped by either is unwrapped by the other, whatever form it went through."""
    content_key = bytes(range(16))
    theirs = openssl("pkeyutl", "-encrypt", "-pubin", "-inkey", pair.public, given=content_key)
    through = sm2.wrapped_in(sm2.wrapped_out(theirs, form, prefix=prefix), form, 16)
    assert through == theirs
    assert gmssl_pyx.sm2_decrypt(PRIVATE, through) == content_key
    ours = sm2.wrapped_out(gmssl_pyx.sm2_encrypt(POINT, content_key), form, prefix=prefix)
    back = openssl("pkeyutl", "-decrypt", "-inkey", pair.private, given=sm2.wrapped_in(ours, form, 16))
    assert back == content_key


# ---------------------------------------------------------------- forms


def test_a_public_key_is_read_in_every_form() -> None:
    """PEM, 64 bytes, 65 with 04, 33 compressed, capitals, spaces and colons: one key."""
    compressed = ("03" if POINT[-1] % 2 else "02") + POINT[:32].hex()
    spaced = " ".join(f"{byte:02X}" for byte in POINT)
    for text in (
        KEY.pem,
        POINT.hex(),
        f"04{POINT.hex().upper()}",
        compressed,
        spaced,
        f"04:{POINT.hex(':')}",
    ):
        assert public_key(text) == KEY
    assert public_key(KEY.pem, "B1-2026") == PublicKey(SM2_SM3, KEY.der, "B1-2026")


# what was given, what the message says
NO_KEYS = [
    ("", "expected one PEM block of a key, got 0"),
    (KEY.pem * 2, "expected one PEM block of a key, got 2"),
    (POINT.hex()[:-1], "expected hex of whole bytes, got 127 digits"),
    (POINT.hex()[:-2], "expected a point of the SM2 curve, got 63 bytes that are none"),
    (f"05{POINT.hex()}", "expected a point of the SM2 curve, got 65 bytes that are none"),
    ("00" * 64, "expected a point of the SM2 curve, got 64 bytes that are none"),
    (POINT[32:].hex() + POINT[:32].hex(), "expected a point of the SM2 curve"),
    (
        KEY.pem.replace("PUBLIC", "PRIVATE"),
        "expected -----BEGIN PUBLIC KEY-----, got -----BEGIN PRIVATE KEY-----",
    ),
    (pem("PUBLIC KEY", b"0"), "expected a key of SM2 or Ed25519"),
    (KEY.pem.replace("M", "=", 1), "expected base64 between the PEM lines"),
]


@pytest.mark.parametrize(("text", "says"), NO_KEYS, ids=[says for _, says in NO_KEYS])
def test_what_is_no_public_key_is_refused(text: str, says: str) -> None:
    """The message says what was expected and what was got."""
    with pytest.raises(ValueError, match="expected") as caught:
        public_key(text)
    assert says in str(caught.value)


def test_a_key_of_another_kind_is_named() -> None:
    """An RSA or P-256 key is refused by name."""
    for words, kind in (
        (["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], "ECPublicKey"),
        (["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], "RSAPublicKey"),
    ):
        private = openssl("genpkey", *words)
        with pytest.raises(ValueError, match=kind):
            public_key(openssl("pkey", "-pubout", given=private).decode())


@given(st.binary(max_size=200))
def test_any_bytes_are_no_key_or_one_but_never_a_crash(content: bytes) -> None:
    """Readers of keys, signatures and ciphertexts refuse with ValueError and nothing else."""
    for read in (
        sm2.point_of,
        sm2.point_from_der,
        sm2.pair_from_der,
        sm2.signature_in,
        lambda value: sm2.wrapped_in(value, "C1C3C2", 16),
        lambda value: sm2.wrapped_in(value, "der", 16),
        lambda value: public_key(value.decode("latin-1")),
        lambda value: public_key(base64.b64encode(value).decode()),
        lambda value: public_key(pem("PUBLIC KEY", value)),
    ):
        try:
            read(content)
        except ValueError:
            continue
    assert not KEY.verifies(content, b"text", "1234567812345678")
