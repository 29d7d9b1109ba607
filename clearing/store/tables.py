"""The schema: what is kept, one comment a column. 表

Append-only tables refuse UPDATE, DELETE and TRUNCATE to everybody (a trigger), and the application has no
right to try. Checks, triggers, rights and the `posting` view stand in `migrations/versions/0001_rules.sql`.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

from clearing.store.kinds import KINDS, NAME, fact_table

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Instant: Final = DateTime(timezone=True)
_AS_IT_FILLS: Final = {"autosummarize": "on", "pages_per_range": "1024"}
"""Of an index by ranges of pages: else only a vacuum takes new ranges in, which large tables seldom see.

Ranges of 8 MB: the server notes 256 full ones a minute, and at the highest rate some ninety come.
"""


def _column(
    name: str,
    kind: TypeEngine[Any] | type[TypeEngine[Any]],
    comment: str,
    *,
    key: bool = False,
    null: bool = False,
) -> Column[Any]:
    return Column(name, kind, primary_key=key, nullable=null, comment=comment, autoincrement=False)


def _text(name: str, comment: str, *, key: bool = False) -> Column[Any]:
    """Text that is never null: empty where it does not apply."""
    return _column(name, NAME, comment, key=key)


def _number(comment: str, name: str = "id") -> Column[Any]:
    """A running number that the database gives."""
    return Column(name, BigInteger, Identity(always=True), primary_key=name == "id", comment=comment)


def _now(name: str, comment: str) -> Column[Any]:
    return Column(name, Instant, nullable=False, server_default=func.now(), comment=comment)


def _place(*, key: bool = False) -> tuple[Column[Any], Column[Any]]:
    """Where a row stands: its batch, and its number in it."""
    return (
        _column("batch", BigInteger, "The batch that wrote it.", key=key),
        _column("no", Integer, "Its number in that batch; notices and the digest go by it.", key=key),
    )


def _result() -> tuple[Column[Any], ...]:
    """What an outcome says beyond its name."""
    return (
        _text("reason", "Why it was refused, a code of the closed list."),
        _text("detail", "What was asked, what is there, and the difference."),
        _column("entry_id", Uuid, "The entry it made.", null=True),
        _column("clearing_date", Date, "Set when posted or noted.", null=True),
        _column("late", Boolean, "Whether that date is later than its time's own."),
    )


day = Table(
    "day",
    metadata,
    _column("clearing_date", Date, "The day.", key=True),
    _text("state", "open, cut, netted, filed, reconciled or signed; one step at a time, never back."),
    _column("cut_at", Instant, "When it was cut, by the clock of whoever cut it.", null=True),
    _column("cut_batch", BigInteger, "The last batch before its cut, the cut's own included.", null=True),
    _column("root", LargeBinary, "SM3 over the heads of all digest chains at the cut.", null=True),
    _column(
        "heads",
        JSONB,
        "Those heads: [stream/partition, digest in hex], in order of name.",
        null=True,
    ),
    Index("ix_day_open", "clearing_date", postgresql_where=text("state = 'open'")),
    comment="The days and how far each is closed (清算日)",
)

stream = Table(
    "stream",
    metadata,
    _text("name", "Topic, file or job.", key=True),
    _column("partition", Integer, "Its partition; 0 where it has none.", key=True),
    _column("position", BigInteger, "Where its next batch starts; moved by compare-and-set."),
    _column("digest", LargeBinary, "Head of its digest chain, 32 bytes."),
    _column("announced", BigInteger, "The last batch whose notices have been published."),
    comment="How far each stream partition has been taken in",
    postgresql_with={"fillfactor": "20"},
)

batch = Table(
    "batch",
    metadata,
    _number("Running number."),
    _text("stream", "Of which stream."),
    _column("partition", Integer, "Of which partition."),
    _column("position_from", BigInteger, "Position before it; null for the first of its stream.", null=True),
    _column("position_to", BigInteger, "Position after it."),
    _column("records", Integer, "How many records it took in."),
    _column("previous", LargeBinary, "Digest of the batch before in its stream partition."),
    _column("digest", LargeBinary, "SM3 over `previous` and this batch's outcomes and entries."),
    _now("at", "When it was written, by the database's clock."),
    Index("ix_batch_stream", "stream", "partition", "id"),
    comment="One transaction of the engine: what it took in and its link of the digest chain",
)

event = Table(
    "event",
    metadata,
    _text("source", "Member code of the producer.", key=True),
    _text("id", "Unique for ever within the source.", key=True),
    _text("type", "What happened."),
    _column("sm3", LargeBinary, "Digest of its content, 32 bytes."),
    _text(
        "outcome", "Its first outcome: posted, noted, rejected or parked; a parked one's last is in `woken`."
    ),
    *_result(),
    _text("waits_for", "What it waited for when it was first parked; empty if that came in the same batch."),
    _column("occurred_at", Instant, "The event's own time."),
    _column("raw", LargeBinary, "The record's bytes."),
    _column("position", BigInteger, "Where in its stream partition it was."),
    *_place(),
    Index("ix_event_batch", "batch"),
    Index(
        "ix_event_payout",
        "batch",
        postgresql_where=text("type LIKE 'payout.%' OR type LIKE 'settlement.%'"),
    ),
    Index("ix_event_occurred_at", "occurred_at", postgresql_using="brin", postgresql_with=_AS_IT_FILLS),
    comment="Every event that could be read, once",
)

woken = Table(
    "woken",
    metadata,
    _text("source", "Of the event.", key=True),
    _text("id", "Of the event.", key=True),
    _text("outcome", "posted, noted or rejected."),
    *_result(),
    *_place(),
    Index("ix_woken_batch", "batch"),
    comment="The last outcome of an event that had been parked (唤醒)",
)

repeat = Table(
    "repeat",
    metadata,
    *_place(key=True),
    _text("source", "Of the event."),
    _text("id", "Of the event."),
    _text("type", "Of the event."),
    _text("outcome", "duplicate, or rejected for an id used again with another content."),
    _text("reason", "id_reused, or the first outcome's reason."),
    _text("detail", "What differs."),
    _column("sm3", LargeBinary, "Digest of this record's content, 32 bytes."),
    _column("position", BigInteger, "Where in its stream partition it was."),
    _column("raw", LargeBinary, "The record's bytes."),
    comment="Records whose event id had been used",
)

quarantine = Table(
    "quarantine",
    metadata,
    *_place(key=True),
    _text("stream", "Where it came from."),
    _column("partition", Integer, "Where it came from."),
    _column("position", BigInteger, "Where it came from."),
    _text("where_", "Path of the field, or the place in the record."),
    _text("what", "What is wrong, without any value."),
    _text("source", "Of the event, where it could be read."),
    _text("id", "Of the event, where it could be read."),
    _text("type", "Of the event, where it could be read."),
    _column("sm3", LargeBinary, "Digest of the record's bytes."),
    _column("length", Integer, "Length of the record, bytes."),
    _column("raw", LargeBinary, "The record's bytes; null where they may be kept nowhere.", null=True),
    comment="Records that are no events (待处理)",
)

parked = Table(
    "parked",
    metadata,
    _text("source", "Of the event.", key=True),
    _text("id", "Of the event.", key=True),
    _number("Order of first parking.", "arrival"),
    _text("waits_for", "Name of the key it waits for."),
    _column("since", Date, "First uncut day when it first waited for something not a day.", null=True),
    _column("limit_days", Integer, "The cut of `since` and this many days ends the wait."),
    _text("detail", "What it waits for, for people."),
    _text(
        "line",
        "Its line (of a stay, payout, retention), whose later events wait for it; empty where none do.",
    ),
    _column("adds", Boolean, "Whether it only adds to what that holds: others like it need not wait."),
    _text("feeds", "A further line, to which it only adds; empty where there is none."),
    Index("ix_parked_waits_for", "waits_for", "arrival"),
    Index("ix_parked_line", "line", "arrival", postgresql_where=text("line <> ''")),
    Index("ix_parked_feeds", "feeds", "arrival", postgresql_where=text("feeds <> ''")),
    comment="Events that wait for something named (挂起)",
)

entry = Table(
    "entry",
    metadata,
    _column("id", Uuid, "The 32 hex digits of the public id: the clearing date, then SM3.", key=True),
    _column("clearing_date", Date, "The day it belongs to."),
    _text("type", "The event's type, or that of an end-of-day entry."),
    _text("source", "Of the event."),
    _text("event_id", "Of the event."),
    _column("accounts", ARRAY(NAME), "The postings' accounts."),
    _column("fens", ARRAY(BigInteger), "The postings' amounts: debit positive, never zero."),
    _text("legs", "The postings' reasons, one letter each: G gross, S settled, F fee, M memo."),
    _column("occurred_at", Instant, "The event's time."),
    _column("late", Boolean, "Whether its day is later than its time's own."),
    _column(
        "amount_fen", BigInteger, "The event's own amount, positive; 0 for memo-only events without one."
    ),
    _text("status", "What a file line says of its own event."),
    _text("institution", "The event's institution."),
    _text("bank", "The card's issuing bank."),
    _text("payer", "Fund or insurer."),
    _text("route", "DIRECT, UNIONPAY or CHANNEL."),
    _text("partner", "Whose `bank_ref` it is."),
    _text("bank_ref", "The partner's reference."),
    _column("bank_date", Date, "The partner's date.", null=True),
    _text("order_no", "The institution's order."),
    _text("receipt_no", "The institution's receipt."),
    _text("admission_no", "The stay."),
    _text("terminal", "The terminal."),
    _text("access", "By which way the holder came."),
    _text("card", "The card's own token, aliases resolved."),
    _text("card_last4", "Its last four digits."),
    _text("app_area", "Application area."),
    _column("original_id", Uuid, "The entry that this one undoes.", null=True),
    _column("original_date", Date, "That entry's day.", null=True),
    _text("text", "Free text of a correction; a reason code of a return."),
    *_place(),
    UniqueConstraint("source", "event_id"),
    Index(
        "ix_entry_day_batch",
        "clearing_date",
        "batch",
        postgresql_using="brin",
        postgresql_with=_AS_IT_FILLS,
    ),
    Index("ix_entry_card", "card"),
    comment="One balanced set of postings (记账凭证)",
)

balance = Table(
    "balance",
    metadata,
    _column("clearing_date", Date, "The day.", key=True),
    _text("account", "The account.", key=True),
    _column("lane", SmallInteger, "Whose share it is: workers never update each other's rows.", key=True),
    _column("fen", BigInteger, "Sum of the postings, debit positive."),
    comment="Each account's movement of a day, in one share a lane; readers add the shares",
    postgresql_with={"fillfactor": "50"},
)

FACTS: Final = {name: fact_table(metadata, kind) for name, kind in KINDS.items()}

Index("ix_alias_card", FACTS["alias"].c.card)
Index("ix_card_person", FACTS["card"].c.person)
Index(
    "ix_payout_root",
    FACTS["payout"].c.root,
    postgresql_where=text("state IN ('HELD','ACCEPTED','SENT','PAID')"),
)
Index("ix_payout_held", FACTS["payout"].c.card, postgresql_where=text("state = 'HELD'"))
Index("ix_payout_batch", FACTS["payout"].c.payer, FACTS["payout"].c.batch_id)
Index(
    "ix_payout_state",
    FACTS["payout"].c.state,
    postgresql_where=text("state IN ('HELD','ACCEPTED','SENT','REJECTED','RETURNED')"),
)
Index("ix_timeout_open", FACTS["timeout"].c.occurred_at, postgresql_where=text("state = 'OPEN'"))
Index("ix_instruction_day", FACTS["instruction"].c.clearing_date)
