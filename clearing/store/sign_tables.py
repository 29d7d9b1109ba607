"""Who has signed a day, and what was sealed away of it then. 签署表

What these tables promise by themselves (three people, in order, over one report) stands in `0001_signing.sql`.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Date, Index, LargeBinary, Table

from clearing.store.tables import _column, _now, _text, metadata

sign_duty: Final = Table(
    "sign_duty",
    metadata,
    _column("run", BigInteger, "The reconciliation run that is signed.", key=True),
    _text("member", "Who has to sign it.", key=True),
    comment="Who has to sign a day (应签方)",
)

sign_off: Final = Table(
    "sign_off",
    metadata,
    _column("run", BigInteger, "The reconciliation run that is signed.", key=True),
    _text("member", "Who signs.", key=True),
    _text("role", "prepared, reviewed or approved, by three people.", key=True),
    _column("clearing_date", Date, "The day."),
    _text("person", "Who did it."),
    _column("report", LargeBinary, "SM3 of the run's report."),
    _column("root", LargeBinary, "The day's root over all digest chains."),
    _text("alg", "Ed25519 or SM2-SM3; empty where nothing was signed by key."),
    _column("signer", LargeBinary, "SubjectPublicKeyInfo of the key."),
    _text("user_id", "SM2 user id in the signature."),
    _text("signature", "Over the text of `day.signing.sign_off_text`, base64."),
    _now("at", "When."),
    Index("ix_sign_off_day", "clearing_date"),
    comment="Each step of the members' sign-off of a day (签署)",
)

archive: Final = Table(
    "archive",
    metadata,
    _column("clearing_date", Date, "The day.", key=True),
    _column("sm3", LargeBinary, "SM3 of the manifest of its archive."),
    _column("manifest", LargeBinary, "The manifest."),
    _now("at", "When it was sealed."),
    comment="What was sealed away of a signed day (归档)",
)
