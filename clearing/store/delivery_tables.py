"""What became of files on their way out and in: every attempt, every verdict. 交付表"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Date, Index, Integer, LargeBinary, Table, text
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

dispatch: Final = Table(
    "dispatch",
    metadata,
    _number("Running number."),
    _text("kind", "PAYOUT; IN_BANK or INTER_BANK for instructions of a closed day."),
    _text(
        "window",
        "Window it is of, or the day whose instructions it has; empty for one that somebody asked for.",
    ),
    _text("bank", "The bank that is to pay."),
    _now("at", "When."),
    _column("clearing_date", Date, "The first day that was not cut then: it went out before that one's cut."),
    _column("files", Integer, "PAY files it made."),
    _column("rows", BigInteger, "Control count: rows of all its files."),
    _column("total_fen", BigInteger, "Control total: the sum of all its files."),
    Index(
        "ix_dispatch_window", "kind", "window", "bank", unique=True, postgresql_where=text("\"window\" <> ''")
    ),
    comment="Payment orders handed to a bank, under one control total (代付发送)",
)

pay_line: Final = Table(
    "pay_line",
    metadata,
    _text("pay_id", "Payout and attempt, or the instruction.", key=True),
    _text(
        "pay_ref",
        "The same in 35 characters, as ISO 20022 has room for; the id itself where it is no longer.",
    ),
    _text("kind", "PAYOUT, IN_BANK or INTER_BANK."),
    _text("bank", "The bank that is to pay."),
    _column("amount_fen", BigInteger, "How much."),
    _column("dispatch", BigInteger, "The dispatch it went out with last."),
    _text("file", "The PAY file it went out in last."),
    _column(
        "sent", Integer, "How often it went out: more than once only after the bank said that it was busy."
    ),
    _text(
        "result",
        "S paid, F not paid, U unknown, AGAIN goes out once more, R came back; empty: no answer yet.",
    ),
    _text("bank_ref", "The bank's reference of that."),
    _column("bank_date", Date, "The bank's date of that.", null=True),
    _text("reason_code", "Why it was not paid or came back."),
    _column("answered_at", Instant, "When the last answer was taken in.", null=True),
    _column("answered_date", Date, "The first day that was not cut then.", null=True),
    _column("asked_at", Instant, "When the bank was last asked what became of it.", null=True),
    Index("ix_pay_line_ref", "pay_ref", unique=True),
    Index("ix_pay_line_open", "bank", "result", postgresql_where=text("result IN ('', 'U', 'AGAIN')")),
    comment="Every payment order and what the bank said of it (代付明细)",
)

instruction_again: Final = Table(
    "instruction_again",
    metadata,
    _text("id", "Id of an instruction that took the place of one that had failed.", key=True),
    _now("at", "When."),
    _column("clearing_date", Date, "The first day that was not cut then."),
    _text("by_whom", "Who."),
    comment="Who instructed a settlement again (重新指令)",
)

inbox_file: Final = Table(
    "inbox_file",
    metadata,
    _text("partner", "Whose inbox.", key=True),
    _text("place", "Where that is: machine and folder.", key=True),
    _text("name", "The file, or its manifest.", key=True),
    _column("size", BigInteger, "Its length in bytes when it was read."),
    _column("modified", BigInteger, "When it was last changed, by the other side's clock and in its unit."),
    _column("sha256", LargeBinary, "SHA-256 of what was read."),
    _now("since", "When this was first read so."),
    _column("settled", Boolean, "Whether it was read so again some seconds later: then the stamp is enough."),
    comment="How files lay in inboxes: one that was changed after it was judged is noticed (收件箱)",
)

verdict: Final = Table(
    "verdict",
    metadata,
    _column("file", BigInteger, "Number of the partner's file.", key=True),
    _column("no", Integer, "1, and one more each time it is judged.", key=True),
    _number("Running number over all files: they are judged one at a time.", "number"),
    _now("at", "When."),
    _text("verdict", "ACPT, PART or RJCT; HELD while a file before it is missing."),
    _column("records", BigInteger, "Detail lines it has."),
    _column("taken", BigInteger, "How many of them were taken."),
    _column("faults", JSONB, "Every fault: [line, field, column, expected, got, code]."),
    _text("ack", "Name of the ACK file that says so; empty where none is due."),
    _text("by_whom", "Who released or rejected a file that was held; empty when the rules decided."),
    _text("why", "Why."),
    comment="What was said of each file that came in (回执)",
)

file_again: Final = Table(
    "file_again",
    metadata,
    _text("file", "Name of a file of ours that a person had made after the day's own.", key=True),
    _text("kind", "VERSION: a day's file anew. USES: uses of cards, asked for again by number."),
    _text("source", "The file that it replaces, or whose lines it has."),
    _column("first_no", BigInteger, "Of USES, the first number; else 0."),
    _column("last_no", BigInteger, "Of USES, the last number; else 0."),
    _now("at", "When."),
    _text("by_whom", "Who."),
    _text("why", "Why."),
    comment="Files that were made again, by whom and why (重出文件)",
)

file_report: Final = Table(
    "file_report",
    metadata,
    _text("file", "Name of a MIS file.", key=True),
    _column("run", BigInteger, "The reconciliation run whose report it is."),
    _column("before", BigInteger, "The run of the day before that stood then; 0 for none."),
    comment="Which run a member's mismatch report is of: it can be made again (分户差错报告)",
)

acknowledgement: Final = Table(
    "acknowledgement",
    metadata,
    _text("file", "Name of our file.", key=True),
    _text("partner", "Who says so.", key=True),
    _column("received", BigInteger, "Number of the ACK file.", key=True),
    _text("verdict", "ACPT, PART or RJCT."),
    _column("records", BigInteger, "Detail lines the partner found."),
    _column("taken", BigInteger, "How many of them it took."),
    _column("faults", JSONB, "Every fault: [line, field, column, expected, got, code]."),
    comment="What receivers said of our files (对方回执)",
)
