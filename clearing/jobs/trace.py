"""Where something is that somebody asks about: its whole way through the books and all files. 全程追踪

A payment, a payout, an instruction: the same walk. Its record, outcome, entries, files and breaks; then, of money
that goes out, each order to a bank with the files it went out in, their deliveries, what the bank answered and what
that moved, in the order in which the books took it. Nothing is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from clearing.errors import UsageError
from clearing.jobs.dispatch import pay_id
from clearing.jobs.trace_files import files_of_entry
from clearing.jobs.trace_names import Subject, meant
from clearing.jobs.trace_orders import OrderWay, Step, World, order_way
from clearing.ledger.money import yuan
from clearing.store import entries, facts, instructions, payout_lists, trails, views

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from clearing.ledger.facts import EventKey, Payout
    from clearing.store.instructions import Line
    from clearing.store.trails import About


async def trace(conn: AsyncConnection, world: World, said: str) -> list[Step]:
    """The whole way of what a number or a line of a file is of, step by step. 全程追踪

    In:      SOURCE/ID of an event or payout, an order's id, an entry's or instruction's digits, FILE:LINE.
    Out:     steps in order; one of an entry has the entry itself under `entry`.
    Raises:  UsageError when nothing is known under it.
    """
    return await Way(conn, world).of(await meant(conn, world, said))


class Way:
    """One walk: what it has told already is not told again."""

    def __init__(self, conn: AsyncConnection, world: World) -> None:
        self.conn = conn
        self.world = world
        self.events: set[EventKey] = set()
        self._known: dict[EventKey, tuple[views.Row | None, views.Row | None]] = {}
        self.breaks: set[str] = set()

    async def of(self, subject: Subject) -> list[Step]:
        """The way of a payout or instruction where one is spoken of, else of the event or entry."""
        if subject.kind == "instruction":
            return await self.instruction(subject.key[0])
        if subject.kind == "entry":
            return await self.entry(subject.key[0])
        source, id_ = subject.key
        row, _ = await self._decided((source, id_))
        if row is None:
            raise UsageError(f"trace {source}/{id_}: no such event came. See: clearing quarantine list")
        data = from_json(row["raw"])["data"]
        original = _original(data) if row["type"].startswith("payout.") else (source, id_)
        key = ("payout", *original)
        payout: Payout | None = (await facts.read(self.conn, [key])).get(key)
        if payout is not None:
            return await self.payout(payout)
        if row["type"].startswith("settlement.") and await instructions.line_of(
            self.conn, data["instruction"]
        ):
            return await self.instruction(data["instruction"])
        return await self.event((source, id_)) + await self.undone((source, id_))

    # ------------------------------------------------------------ money that goes out

    async def payout(self, payout: Payout) -> list[Step]:
        """A payout: submitted, each attempt with its order, and all that was said of it since."""
        key = (payout.source, payout.id)
        row, _ = await self._decided(key)
        about = await trails.naming(self.conn, payout.id, row["batch"] if row else 0)
        entry_id = await self._entry_of(key)
        cards = {payout.card, *(one.card for one in payout.attempts)}
        about += await trails.later(self.conn, entry_id, cards) if entry_id else []
        since = (
            (await entries.of_ids(self.conn, [entry_id]))[entry_id].clearing_date if entry_id else date.min
        )
        steps = [await self._payout(payout), *await self.event(key)]
        ways = {
            number: await order_way(self.conn, self.world, pay_id(replace(payout, attempt=number)), since)
            for number in range(1, payout.attempt + 1)
        }
        steps += await self._said(about, ("original", *key), ways)
        found = await views.breaks_on_list(self.conn, payout.payer, payout.settlement_id)
        return steps + self._breaks(found)

    async def _payout(self, payout: Payout) -> Step:
        batches = (
            await payout_lists.batches(self.conn, payer=payout.payer, batch=payout.batch_id)
            if payout.batch_id
            else []
        )
        return {
            "step": "payout",
            "payout": f"{payout.source}/{payout.id}",
            "state": payout.state,
            "attempt": payout.attempt,
            "amount": yuan(payout.amount_fen),
            "payer": payout.payer,
            "settlement_id": payout.settlement_id,
            "kind": payout.kind,
            "bank": payout.bank,
            "batch_id": payout.batch_id or None,
            "row_no": payout.row_no,
            "batch_state": batches[0].state if batches else None,
        }

    async def instruction(self, id_: str) -> list[Step]:
        """A settlement of a closed day: what was netted, each instruction for it, its order and what became of it."""
        steps: list[Step] = []
        for line in await instructions.line_of(self.conn, id_):
            one = line.instruction
            if not steps:
                steps += await self.entry(one.id)
            steps.append(_instruction(line))
            way = await order_way(self.conn, self.world, one.id, one.clearing_date)
            since = await trails.cut_batch(self.conn, one.clearing_date)
            about = await trails.naming(self.conn, one.id, since)
            steps += await self._said(about, ("instruction", one.id), {0: way})
        return steps

    async def _said(
        self, about: Sequence[About], named: tuple[str, ...], ways: dict[int, OrderWay]
    ) -> list[Step]:
        """What was said of it, as the books took it; each order stands behind the event that sent it out.

        In:      what an event of it names, its original or an instruction; `ways` by attempt, 0 for an order that no
                 event sends out.
        Out:     an answer of a bank stands before the event that it became, behind the order when it became none.
        """
        told = [(one, from_json(one.raw)) for one in sorted(set(about), key=lambda one: (one.batch, one.no))]
        events = [((one.source, one.id), said) for one, said in told if named in _named(said["data"])]
        known = {key for key, _ in events}
        blocks = {
            number: [*way.out, *(one.step for one in way.answers if one.event not in known)]
            for number, way in ways.items()
        }
        steps = blocks.pop(0, [])
        for key, said in events:
            steps += [one.step for way in ways.values() for one in way.answers if one.event == key]
            steps += await self.event(key)
            if said["type"] == "payout.sent":
                steps += blocks.pop(said["data"].get("attempt", 1), [])
        return steps + [one for block in blocks.values() for one in block]

    # ------------------------------------------------------------ one event

    async def event(self, key: EventKey) -> list[Step]:
        """One event: its record, its outcomes, its entry with files and breaks, and records that repeated it."""
        row, later = await self._decided(key)
        if row is None or key in self.events:
            return []
        self.events.add(key)
        name = "/".join(key)
        steps: list[Step] = [
            {
                "step": "record",
                "event": name,
                "stream": row["stream"],
                "partition": row["partition"],
                "position": row["position"],
                "batch": row["batch"],
                "at": row["at"].isoformat(),
                "type": row["type"],
                "occurred_at": row["occurred_at"].isoformat(),
                **_people(from_json(row["raw"])["data"]),
            },
            _outcome(name, row),
        ]
        if later is not None:
            steps.append(_outcome(name, later))
        entry_id = (later or row)["entry_id"]
        if entry_id is not None:
            steps += await self.entry(entry_id.hex)
        steps += [
            {
                "step": "repeat",
                "event": name,
                **{label: one[label] for label in ("outcome", "reason", "stream", "position", "batch")},
            }
            for one in await views.repeats(self.conn, *key)
        ]
        return steps

    async def entry(self, entry_id: str) -> list[Step]:
        """An entry, what it undoes, the clearing files that have a line of it, the breaks that name it."""
        made = (await entries.of_ids(self.conn, [entry_id])).get(entry_id)
        if made is None:
            return []
        before = await entries.of_ids(self.conn, [made.original_id]) if made.original_id else {}
        lines = await files_of_entry(self.conn, made.clearing_date, entry_id)
        found = await views.breaks_with(self.conn, entry_id, made.bank_ref, f"{made.source}/{made.event_id}")
        return [
            {"step": "entry", "entry": made},
            *(
                {
                    "step": "original",
                    "id": one.id,
                    "event": f"{one.source}/{one.event_id}",
                    "type": one.type,
                    "clearing_date": f"{one.clearing_date}",
                }
                for one in before.values()
            ),
            *lines,
            *self._breaks(found),
        ]

    async def undone(self, key: EventKey) -> list[Step]:
        """What was done to an event later: voided, refunded, confirmed, each with its own way."""
        entry_id = await self._entry_of(key)
        made = (await entries.of_ids(self.conn, [entry_id])).get(entry_id) if entry_id else None
        if made is None or not made.card:
            return []
        found = await trails.later(self.conn, made.id, {made.card})
        found.sort(key=lambda one: (one.batch, one.no))
        return [step for one in found for step in await self.event((one.source, one.id))]

    async def _decided(self, key: EventKey) -> tuple[views.Row | None, views.Row | None]:
        """An event as it was decided first, and as it was once it had waited; None for what is not there."""
        if key not in self._known:
            self._known[key] = (await views.event(self.conn, *key), await views.woken(self.conn, *key))
        return self._known[key]

    async def _entry_of(self, key: EventKey) -> str:
        """The id of an event's entry, empty where it has none."""
        row, later = await self._decided(key)
        found = (later or row or {}).get("entry_id")
        return found.hex if found is not None else ""

    def _breaks(self, found: Sequence[views.Row]) -> list[Step]:
        new = [one for one in found if one["id"] not in self.breaks]
        self.breaks.update(one["id"] for one in new)
        return [
            {
                "step": "break",
                "id": one["id"],
                "code": one["code"],
                "vector": one["vector"],
                "amount": yuan(one["amount_fen"]),
                "state": one["state"],
            }
            for one in new
        ]


def _named(data: Any) -> Sequence[tuple[str, ...]]:  # noqa: ANN401 - JSON
    """What an event's data names that may be followed."""
    return (("original", *_original(data)), ("instruction", str(data.get("instruction", ""))))


def _original(data: Any) -> EventKey:  # noqa: ANN401 - JSON
    """(source, id) of what an event's data names as its original; empty texts where it names none."""
    named = data.get("original") or {}
    return named.get("source", ""), named.get("id", "")


def _people(data: Any) -> Step:  # noqa: ANN401 - JSON
    """Who decided what the event says, for the steps of a payout that need two people."""
    found = {
        name: data[name] for name in ("approval", "business", "finance") if isinstance(data.get(name), dict)
    }
    return {"people": found} if found else {}


def _outcome(event: str, row: views.Row) -> Step:
    return {
        "step": "outcome",
        "event": event,
        "outcome": row["outcome"],
        "reason": row["reason"],
        "detail": row["detail"],
        "waits_for": row.get("waits_for", ""),
        "clearing_date": f"{row['clearing_date']}" if row["clearing_date"] else None,
        "late": row["late"],
        "batch": row["batch"],
        "announced": row["announced"],
    }


def _instruction(line: Line) -> Step:
    one = line.instruction
    return {
        "step": "instruction",
        "instruction": one.id,
        "clearing_date": f"{one.clearing_date}",
        "kind": one.kind,
        "debtor": one.debtor,
        "creditor": one.creditor,
        "amount": yuan(one.amount_fen),
        "state": one.state,
        "value_date": f"{one.value_date}",
        "replaces": one.replaces or None,
        "by": line.by or None,
        "at": line.at.isoformat() if line.at else None,
    }
