"""How files between the platform and one member are signed and wrapped: its part of the members file. 签章约定

Reference data like the rest of a record: a member's new key is loaded by one person, approved by another, and
in force from a date. Here it is only text of the right form; `files.public_keys` reads it.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

SM2_SM3: Final = "SM2-SM3"
ED25519: Final = "Ed25519"
Algorithm: TypeAlias = Literal["SM2-SM3", "Ed25519"]
SignatureForm: TypeAlias = Literal["der", "rs"]
"""How an SM2 signature's two numbers are put together: the national standard's DER, or 64 bytes, r then s."""
WrapForm: TypeAlias = Literal["der", "C1C3C2", "C1C2C3"]
"""The order of an SM2 ciphertext's parts: DER (GB/T 35276), the standard of 2016, or its draft of 2010."""

PublicText = Annotated[str, Field(min_length=64, max_length=1000)]
"""PEM, or hex of an SM2 point: 64 bytes, with or without 04 before them, or 33 bytes compressed."""
KeyId = Annotated[str, Field(pattern=r"^[!-~]{1,64}$")]


class _Terms(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TrustedKey(_Terms):
    """A public key whose signatures count as the member's."""

    public: PublicText
    id: KeyId | None = None
    """`key_id` in the member's manifests; the key's fingerprint when left out."""


class Seal(_Terms):
    """Everything in which partners differ; what is left out is as most have it."""

    algorithm: Algorithm | Literal["none"] | None = None
    """Of our signature on files to the member; left out: by the key that the platform has, SM2 before Ed25519."""
    form: SignatureForm = "der"
    user_id: Annotated[str, Field(max_length=64)] = ""
    """The SM2 user id that goes into both sides' signatures; empty: the setting's."""
    keys: tuple[TrustedKey, ...] = ()
    """Where there are any, a file of the member without a signature by one of them is refused."""
    envelope_key: PublicText | None = None
    """SM2 public key of the member: files to it then go out in an SM4-GCM envelope."""
    envelope_form: WrapForm = "C1C3C2"
    """Of the content key in an envelope, both ways."""
    envelope_point: Literal["04", "bare"] = "04"
    """Whether our C1 begins with the byte 04; both are read."""


PLAIN: Final = Seal()
"""Of a member that says nothing."""
