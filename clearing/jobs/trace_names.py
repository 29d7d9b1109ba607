"""What a person holds in hand, a number or a line of a file, and what it is the number of. 追踪起点

An event is SOURCE/ID, or the order number at an institution or a bank's reference that it used; a payout also its
order's id (with the attempt, or as ISO 20022 has it), its settlement or its row in the payer's list; an entry or
instruction its first digits; a line of any file FILE:LINE, as messages say it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from clearing.errors import UsageError
from clearing.files.check import read_lines
from clearing.files.names import FileName
from clearing.jobs.judge import FRAMED, STATEMENTS, read_rows
from clearing.jobs.orders import PAYOUT
from clearing.jobs.trace_orders import World, framed_rows, plain_bytes
from clearing.reconciliation.partner_files import Refused
from clearing.store import facts, files, instructions, payments, statements, trails, views

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from clearing.ledger.facts import Key
    from clearing.store.files import StoredFile
    from clearing.store.statements import StatementFile

FILE_LINE: Final = re.compile(r"(?P<file>[^/\\]+):(?P<line>[1-9]\d*)")
ID: Final = re.compile(r"[0-9a-f]{8,32}")
FORMS: Final = (
    "SOURCE/ID of an event or payout, MEMBER/NUMBER of an order or bank reference, an entry's or order's id, "
    "or FILE:LINE"
)


class Subject(NamedTuple):
    """What is to be followed."""

    kind: Literal["event", "entry", "instruction"]
    key: tuple[str, ...]
    """(source, id) of an event or payout, else the id."""


async def meant(conn: AsyncConnection, world: World, said: str) -> Subject:
    """What a number or line is of. 识别

    Raises:  UsageError when nothing is known under it, or several things are.
    """
    match = FILE_LINE.fullmatch(said)
    if match is not None:
        return await _of_line(conn, world, match["file"], int(match["line"]))
    found = await _order(conn, said) or await _of_source(conn, said) or await _digits(conn, said)
    if found is not None:
        return found
    if await files.get(conn, said) is not None or await trails.came_as(conn, said):
        raise UsageError(
            f"trace {said}: expected a line of it, such as {said}:2. See: clearing files show {said}"
        )
    if "/" in said:
        raise UsageError(
            f"trace {said}: no such event came, and no order or bank reference of that number is known. "
            "See: clearing quarantine list"
        )
    raise UsageError(f"trace {said}: expected {FORMS}, such as H1/H1-0029; there is nothing of this name")


# ---------------------------------------------------------------- by number


async def _order(conn: AsyncConnection, said: str) -> Subject | None:
    """By an order's own id, or by what it is called where there is room for 35 characters."""
    found = await payments.listed(conn, pay_id=said)
    return _of_order(found[0].order.pay_id, found[0].order.kind) if found else None


def _of_order(pay_id: str, kind: str) -> Subject:
    if kind != PAYOUT:
        return Subject("instruction", (pay_id,))
    source, _, rest = pay_id.partition("/")
    return Subject("event", (source, rest.rpartition("/")[0]))


async def _of_source(conn: AsyncConnection, said: str) -> Subject | None:
    """By SOURCE/ID, SOURCE/ID/ATTEMPT, PAYER/SETTLEMENT, PAYER/LIST/ROW, INSTITUTION/ORDER or BANK/REFERENCE."""
    source, slash, id_ = said.partition("/")
    if not slash or not source or not id_ or not said.isprintable():  # no event can have a control character
        return None
    if await views.event(conn, source, id_) is not None:
        return Subject("event", (source, id_))
    paid = await trails.payouts_named(conn, source, settlement_id=id_)
    head, slash, number = id_.rpartition("/")
    if not paid and slash and number.isdecimal():
        if ("payout", source, head) in await facts.read(conn, [("payout", source, head)]):
            return Subject("event", (source, head))
        paid = await trails.payouts_named(conn, source, batch_id=head, row_no=int(number))
    if paid:
        return _the_one(said, "payout", paid)
    taken = await _holder(conn, [("order", source, id_)])
    if taken is not None:
        return taken
    used = await trails.reference_used(conn, source, id_)
    return _the_one(said, "event", used) if used else None


async def _holder(conn: AsyncConnection, numbers: Sequence[Key]) -> Subject | None:
    """The event that holds the first of these numbers that any holds."""
    known = await facts.read(conn, numbers)
    held: Iterator[Any] = (known[key] for key in numbers if key in known)
    return next((Subject("event", (one.source, one.id)) for one in held if one.source), None)


def _the_one(said: str, what: str, found: Sequence[tuple[str, str]]) -> Subject:
    """The only one.

    Raises:  UsageError that names them when there are several.
    """
    if len(found) > 1:
        names = ", ".join("/".join(one) for one in found)
        raise UsageError(
            f"trace {said}: expected one {what}, got {len(found)}: {names}. Next: trace one of them"
        )
    return Subject("event", found[0])


async def _digits(conn: AsyncConnection, said: str) -> Subject | None:
    """By the first digits of an entry's or instruction's id."""
    digits = said.replace("-", "").lower()
    if not ID.fullmatch(digits):
        return None
    orders = await instructions.starting(conn, digits)
    entries = await views.entries_starting(conn, digits)
    if len({one.id for one in entries}.union(orders)) > 1:
        raise UsageError(f"trace {said}: more than one entry begins so. See: clearing entries list")
    if orders:
        return Subject("instruction", (orders[0],))
    return await _entry(conn, entries[0].id) if entries else None


async def _entry(conn: AsyncConnection, entry_id: str) -> Subject:
    """An entry's event; itself where the end of a day made it."""
    (found,) = await views.entries_starting(conn, entry_id)
    if await views.event(conn, found.source, found.event_id) is None:
        return Subject("entry", (entry_id,))
    return Subject("event", (found.source, found.event_id))


# ---------------------------------------------------------------- by a line of a file


async def _of_line(conn: AsyncConnection, world: World, name: str, line: int) -> Subject:
    """What a line of a file speaks of, one of ours or a partner's."""
    stored = await files.get(conn, name)
    came = await trails.came_as(conn, name) if stored is None else []
    if stored is None and not came:
        raise UsageError(
            f"trace {name}:{line}: no file of this name went out or came in. See: clearing files list DATE"
        )
    record = await _ours(conn, stored, line) if stored else None
    partner = ""
    for number in came:  # a name that came again: the newest whose line speaks of something
        kept = await statements.get(conn, number)
        partner, record = kept.partner, _theirs(world, kept, line)
        if record is not None:
            break
    if record is None:
        raise UsageError(
            f"trace {name}:{line}: expected a line of detail, got none there. Next: look at the file"
        )
    found = await _spoken_of(conn, record, partner)
    if found is not None:
        return found
    raise UsageError(
        f"trace {name}:{line}: the line names nothing that is in the books. See: clearing breaks list"
    )


async def _ours(conn: AsyncConnection, stored: StoredFile, line: int) -> Any:  # noqa: ANN401 - a record of any type
    layout = (await files.layouts_by_digest(conn, [stored.layout]))[stored.layout]
    content = await files.content(conn, stored.name)
    rows = read_lines(stored.name, content, layout).rows
    return next((row.record for row in rows if row.line == line), None)


def _theirs(world: World, kept: StatementFile, line: int) -> Any:  # noqa: ANN401 - a record or row of any type
    plain = plain_bytes(world, kept)
    if kept.kind in FRAMED:
        return next((row.record for row in framed_rows(world, kept, plain) if row.line == line), None)
    if kept.kind not in STATEMENTS:
        return None
    said = FileName(
        kept.kind, kept.partner, "", kept.clearing_date, 1, 1
    )  # a name given by hand says nothing
    read = read_rows(kept.partner, kept.name, plain, said, world.members, partial=True)
    rows: Iterator[Any] = iter(()) if isinstance(read, Refused) else iter(read.rows)
    return next((row for row in rows if getattr(row, "line", 0) == line), None)


async def _spoken_of(conn: AsyncConnection, record: Any, partner: str) -> Subject | None:  # noqa: ANN401
    """What a record names, the surest first: an order, an instruction, an event, an entry, a partner's own number."""

    def of(name: str) -> str:
        return str(getattr(record, name, None) or "")

    if pay_id := of("pay_id"):
        return await _order(conn, pay_id)
    if instruction := of("instruction_id"):
        return Subject("instruction", (instruction,))
    if event_id := of("event_id"):
        return Subject("event", (record.source, event_id))
    for digits in (of("entry_id"), of("platform_ref")):
        if ID.fullmatch(digits) and await views.entries_starting(conn, digits):
            return await _entry(conn, digits)
    numbers: list[Key] = [
        ("bank_ref", partner, of("bank_date"), of("bank_ref")),
        ("order", partner, of("order_no")),
    ]
    if holder := await _holder(conn, [key for key in numbers if all(key)]):
        return holder
    paid = await trails.payouts_named(conn, partner, settlement_id=of("order_no")) if of("order_no") else []
    return Subject("event", paid[0]) if len(paid) == 1 else None
