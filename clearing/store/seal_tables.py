"""How a stored file is signed and wrapped: made once with the file, since SM2 draws new numbers each time. 签章表"""

from __future__ import annotations

from typing import Final

from sqlalchemy import LargeBinary, Table

from clearing.store.tables import _column, _text, metadata

file_seal: Final = Table(
    "file_seal",
    metadata,
    _text("name", "The file.", key=True),
    _text("alg", "SM2-SM3 or Ed25519; empty when it is not signed."),
    _column("signer", LargeBinary, "SubjectPublicKeyInfo of the key that signed."),
    _text("user_id", "SM2 user id in the signature."),
    _text("key_id", "Fingerprint of the key that signed."),
    _text("value", "The signature, base64, in the form the receiver takes."),
    _text("envelope_alg", "SM4-GCM; empty when it goes out plain."),
    _text("envelope_key_id", "Fingerprint of the key of the receiver."),
    _text("wrapped_key", "The content key under that key, base64, in the form the receiver takes."),
    _column("iv", LargeBinary, "Of the envelope."),
    _column("content_key", LargeBinary, "Of the envelope: the same bytes go out whenever it is sent."),
    comment="Signatures and envelopes of clearing files, made with them (签章)",
)
