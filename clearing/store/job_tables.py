"""What the jobs beside the engine keep: members, files out and in, reconciliation runs and breaks. 作业表"""

from __future__ import annotations

from typing import Final

from sqlalchemy import ARRAY, BigInteger, Date, Index, Integer, LargeBinary, Table, UniqueConstraint, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from clearing.store.kinds import NAME
from clearing.store.tables import Instant, _column, _now, _number, _text, metadata

members: Final = Table(
    "members",
    metadata,
    _number("Running number; the highest approved one is in force."),
    _now("loaded_at", "When it was loaded."),
    _text("loaded_by", "Who loaded it (maker)."),
    _column("digest", LargeBinary, "SM3 of the file."),
    _column("document", JSONB, "The whole reference data."),
    _text("approved_by", "Who approved it (checker), not the maker; empty while it waits."),
    _column("approved_at", Instant, "When it was approved.", null=True),
    comment="Reference data as it was loaded, each version kept (参与方资料)",
)

file: Final = Table(
    "file",
    metadata,
    _text("name", "File name; it says type, receiver, date, sequence and version.", key=True),
    _column("clearing_date", Date, "The day it is of."),
    _text("type", "TXN, SUM, ERR, DEP, NRC, PAY, SWP, REG, MIS..."),
    _text("receiver", "Member code of the receiver."),
    _column("seq", Integer, "Number in (profile, type, receiver, day), without gaps."),
    _column("version", Integer, "1, and one more each time it is corrected."),
    _text("profile", "The profile it was written in."),
    _column("layout", LargeBinary, "SM3 of that profile's layout as it then was; `layout` has it."),
    _column("members", BigInteger, "The version of the reference data it was written with."),
    _column("size", BigInteger, "Length in bytes."),
    _column("records", BigInteger, "Detail lines."),
    _column("amount_total_fen", BigInteger, "Control total of the amounts."),
    _text("hash_total", "Control total of the keys."),
    _column("sha256", LargeBinary, "SHA-256 of the bytes."),
    _column("sm3", LargeBinary, "SM3 of the bytes."),
    _text("replaces", "Name of the version it corrects."),
    _column("made_on", Date, "The day that was open when it was kept; a trigger says it.", null=True),
    UniqueConstraint("clearing_date", "profile", "type", "receiver", "seq", "version"),
    Index("ix_file_receiver", "receiver", "clearing_date"),
    comment="Clearing files as they were rendered (清算文件)",
)

file_part: Final = Table(
    "file_part",
    metadata,
    _text("name", "Of which file.", key=True),
    _column("no", Integer, "Its number in the file, from 0: head, lines, tail.", key=True),
    _column("content", LargeBinary, "Whole lines; all parts in order are the file."),
    comment="The bytes of clearing files, in parts so that a large one is never held whole (清算文件内容)",
)

layout: Final = Table(
    "layout",
    metadata,
    _column("sm3", LargeBinary, "SM3 of the document.", key=True),
    _text("profile", "Its profile."),
    _text("document", "The layout as canonical JSON."),
    comment="Every layout that a file was written in: what was sent can be made again (文件格式)",
)

statement_file: Final = Table(
    "statement_file",
    metadata,
    _number("Running number."),
    _text("kind", "STM, HIS, PYR, RTN, REG..."),
    _text("partner", "Member code of the sender."),
    _column("clearing_date", Date, "The day it was given for."),
    _text("name", "Its name as it came."),
    _column("sha256", LargeBinary, "SHA-256 of the bytes."),
    _column("sm3", LargeBinary, "SM3 of the bytes."),
    _column("content", LargeBinary, "Its bytes, kept before they are parsed."),
    _column("manifest", LargeBinary, "The manifest beside it, where there was one.", null=True),
    _now("received_at", "When it came."),
    UniqueConstraint("kind", "partner", "clearing_date", "name", "sha256"),
    comment="Files of partners as they came (对账单)",
)

reconciliation_run: Final = Table(
    "reconciliation_run",
    metadata,
    _number("Running number."),
    _column("clearing_date", Date, "The day that was reconciled."),
    _now("at", "When."),
    _column("inputs", JSONB, "The files it read, with their digests."),
    _column("matched", BigInteger, "Items without any code in which money moved."),
    _column("proof", JSONB, "The proof line of each partner."),
    _column(
        "closed",
        ARRAY(NAME),
        "Breaks of earlier days that people had ended since the day before; they count as cleared.",
    ),
    _column(
        "open_after", JSONB, "The breaks open after the day, with their rows: where the next day begins."
    ),
    _column("waiting", JSONB, "Rows of its files that belong to a later day."),
    _column("report", JSONB, "The mismatch report as a model; every rendering is made from it."),
    _column("listed", ARRAY(NAME), "The breaks it listed."),
    _column("cleared", ARRAY(NAME), "Those of them that it cleared by itself."),
    Index("ix_reconciliation_run_day", "clearing_date"),
    comment="Each time a day was reconciled (对账)",
)

taken_row: Final = Table(
    "taken_row",
    metadata,
    _column("digest", Uuid, "16 bytes of SHA-256 over all cells of the row but line and time.", key=False),
    _column("run", BigInteger, "The run that took it in."),
    Index("ix_taken_row_digest", "digest"),
    comment="The rows of partners' files that runs have taken in: a repeat is known on any day (已取行)",
)

break_: Final = Table(
    "break_",
    metadata,
    _text("id", "Its id, the same however often the day is run.", key=True),
    _column("first_run", BigInteger, "The run that found it first."),
    _column("last_run", BigInteger, "The last run that listed it."),
    _column("clearing_date", Date, "The day it was found in."),
    _text("code", "The lead code."),
    _column("codes", ARRAY(NAME), "All codes."),
    _text("vector", "Which sides have it: L1B0H1."),
    _column("amount_fen", BigInteger, "Its amount, unsigned."),
    _column(
        "difference_fen", BigInteger, "The bank's difference, else the HIS's; signed, ledger minus partner."
    ),
    _column("differences", JSONB, "Partner to fen, ledger minus partner."),
    _column("keys", JSONB, "bank_ref, order_no, entry_id."),
    _text("bank", "The bank concerned."),
    _text("institution", "The institution concerned."),
    _text("state", "Where in its life it is: that of its last step, else what the first run found."),
    _text("detail", "What a wrong total says."),
    _column("rows", JSONB, "The rows of the three sides, with file and line."),
    _text("owner", "Who works on it; empty while nobody does."),
    _text("ending", "How it ended; empty while it has not."),
    Index("ix_break_day", "clearing_date"),
    Index("ix_break_state", "state"),
    comment="Mismatches and how far each is settled (差错)",
)

break_step: Final = Table(
    "break_step",
    metadata,
    _text("break_id", "Of which break.", key=True),
    _column("no", Integer, "Number of the step.", key=True),
    _text("state", "The state it led to."),
    _text("ending", "How it ended, where it did."),
    _text("owner", "Who works on the break from then on."),
    _text("maker", "Who did it."),
    _text("checker", "Who approved it, never the maker; empty where no approval is due."),
    _text("why", "The reason given."),
    _column("evidence", LargeBinary, "SM3 of the evidence.", null=True),
    _column("proposal", Integer, "The proposal it makes, approves or refuses; 0 for none."),
    _now("at", "When."),
    comment="Each step in the life of a break (差错处理)",
)
