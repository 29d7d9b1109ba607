"""What became of files on their way out and in: every attempt, every verdict. 交付表"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, Table, text
from sqlalchemy.dialects.postgresql import JSONB

from clearing.store.tables import Instant, _column, _now, _number, _text, metadata

delivery_attempt: Final = Table(
    "delivery_attempt",
    metadata,
    _number("Running number."),
    _text("file", "Name of the clearing file."),
    _text("target", "Name of the target, as partners.toml has it."),
    _text("place", "Where that was: machine and folder."),
    _column("attempt", Integer, "Number of the attempt for this file and target, from 1."),
    _now("started_at", "When it began."),
    _column("ended_at", Instant, "When it ended; null while it runs.", null=True),
    _text(
        "result", "STARTED, DELIVERED, ALREADY (it stood there), FAILED, REFUSED or BROKEN (we were killed)."
    ),
    _column("bytes", BigInteger, "Length of the file."),
    _column("sent", BigInteger, "Bytes sent by this attempt."),
    _column("resumed_from", BigInteger, "Bytes that an earlier attempt had left there."),
    _column("sha256", LargeBinary, "SHA-256 of the file."),
    _column("manifest", LargeBinary, "The manifest that went with it.", null=True),
    _column("receipt", JSONB, "What the other side let us see of it.", null=True),
    _text("message", "Why it failed or was refused; empty when it did not."),
    _column("next_at", Instant, "Not tried again before; null when there is nothing to try.", null=True),
    Index("ix_delivery_attempt_file", "file", "target", "attempt", unique=True),
    Index(
        "ix_delivery_attempt_once",
        "file",
        "target",
        unique=True,
        postgresql_where=text("result IN ('DELIVERED', 'ALREADY')"),
    ),
    comment="Every attempt to bring a file to a receiver (交付记录)",
)
