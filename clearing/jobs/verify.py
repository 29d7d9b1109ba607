"""All that was ever promised of the stored books, checked once more from the rows themselves. 核验

    balances, groups    what is kept is what the entries make, and both groups sum to zero
    facts               what is open (payouts, time-outs, stays, claims) is what its accounts say
    outcomes, entries   one outcome a record, one owner an entry, ids that are derived, none after its day's cut
    references, undone  what may be used or done once was: bank references, undos, orders, payouts
    chains, days        every digest from its batch's rows, link by link; every cut day's root from its heads
    records, files      every kept byte against its digest
    reports             every member's mismatch report, made again from its run
    signatures          every signature of ours over the figures of its file
    sign_offs           every sign-off over its day's report and root, by three people; signed days by all who have to
    breaks              every break stands where its last step has brought it, each end agreed to by others

It reads one snapshot while workers go on, changes nothing and trusts no constraint: it is for the day on
which somebody with all rights has been at the tables.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import from_json

from clearing.day.netting import NET, ROLL_UP
from clearing.day.states import day_root
from clearing.jobs.sign import signature_holds
from clearing.jobs.verify_faults import OK, Faults, short, text_of
from clearing.jobs.verify_files import files_hold, rendered_again, reports_again, signatures_hold
from clearing.ledger.entry import entry_id
from clearing.ledger.money import yuan
from clearing.reconciliation.report import digest as report_digest
from clearing.store import audit, chain, proposals, signing, streams
from clearing.store.session import transaction
from messages.decode import canonical_bytes

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from clearing.ledger.members import Members

AMOUNTS: Final = {
    "balances": ("balance kept", "what its entries make"),
    "groups_zero": ("sum of all accounts", "every entry balances"),
    "entries_balanced": ("sum of its postings", "an entry balances or does not exist"),
    "payouts": ("balance", "payouts held, accepted or sent on 2035; rejected or returned on 2030"),
    "timeouts": ("balance", "open time-outs that the bank had debited"),
    "deposits": ("balance", "what the stays hold"),
    "arrears": ("balance", "what the stays owe"),
    "claims": ("balance", "claims advanced and not settled"),
    "retention": ("balance", "what the payers keep"),
    "areas": ("balance", "what the areas owe each other"),
    "in_transit": ("balance", "inter-bank instructions not confirmed"),
    "held": ("held at the settlement bank", "the day's change of the owner's items"),
    "positions": ("position after the roll-up", "nothing is left on a netted day"),
}
"""Check → what was summed, and what it stands for. 金额核验"""

FLAWS: Final = (
    "outcomes", "entries", "batches", "stays", "instructions", "orders", "references", "undone", "paid_once",
)  # fmt: skip


async def verify(
    engine: AsyncEngine, members: Members, *, told: Callable[[str], None] | None = None
) -> dict[str, Any]:
    """Check everything that is stored against everything it was made from. 账务核验

    In:      members whose platform code names the entries; `told` hears each check's name as it begins.
    Out:     {"ok": bool, "checks": {name: "ok" | the first fault and how many there are}}; memory stays flat.
    Writes:  nothing; one snapshot of the database, kept to the end.
    Again:   the same, until somebody mends the books.
    Raises:  WorldFailed when the database cannot be had. A fault found is an answer, not an exception.
    """
    walks: dict[str, Callable[[AsyncConnection], Awaitable[str]]] = {
        "entry_ids": lambda conn: _entry_ids(conn, members.platform.code),
        "chains": _chains,
        "days": _days,
        "records": _records,
        "files": files_hold,
        "rendered": lambda conn: rendered_again(conn, members),
        "reports": lambda conn: reports_again(conn, members),
        "signatures": signatures_hold,
        "sign_offs": _sign_offs,
        "breaks": _breaks,
    }
    checks: dict[str, str] = {}
    snapshot = engine.execution_options(isolation_level="REPEATABLE READ")
    async with transaction(snapshot) as conn:
        await audit.prepare(conn)
        for name in (*AMOUNTS, *FLAWS, *walks):
            if told is not None:
                told(name)
            if name in AMOUNTS:
                checks[name] = _amount_text(name, await audit.gap(conn, name))
            elif name in FLAWS:
                checks[name] = _flaw_text(await audit.flaw(conn, name))
            else:
                checks[name] = await walks[name](conn)
    return {"ok": all(text == OK for text in checks.values()), "checks": checks}


def _amount_text(name: str, gap: audit.Gap | None) -> str:
    if gap is None:
        return OK
    what, stands_for = AMOUNTS[name]
    more = gap.got_fen - gap.expected_fen
    return text_of(
        gap.where,
        f"{what}, expected {yuan(gap.expected_fen)} ({stands_for}), got {yuan(gap.got_fen)} "
        f"({yuan(abs(more))} more {'debit' if more > 0 else 'credit'})",
        gap.faults,
    )


def _flaw_text(flaw: audit.Flaw | None) -> str:
    return (
        OK if flaw is None else text_of(flaw.where, f"expected {flaw.expected}, got {flaw.got}", flaw.faults)
    )


# ---------------------------------------------------------------- walks


async def _entry_ids(conn: AsyncConnection, platform: str) -> str:
    """Every id is its clearing date and 24 digits of SM3 over its name."""
    faults = Faults()
    async for one in audit.entry_names(conn):
        # The name of an entry of the end of a day is its event id; that of any other has its source in it.
        of_day = one.type in (ROLL_UP, NET)
        name = f"{platform}/{one.event_id}" if of_day else f"{platform}/{one.source}/{one.event_id}"
        made = entry_id(one.clearing_date, name)
        if made != one.id.hex:
            faults.add(
                f"entry {one.id.hex}",
                f"expected id {made} (of {one.clearing_date}, {name}), got {one.id.hex}",
            )
    return faults.text


async def _chains(conn: AsyncConnection) -> str:
    """Each chain link by link from its first batch, and its last link is the stream's head."""
    faults = Faults()
    for stream, partition, head in await streams.heads(conn):
        where, last = f"{stream}[{partition}]", chain.GENESIS
        async for link in chain.recompute(conn, stream, partition):
            last = link.stored
            if link.sound:
                continue
            what = (
                f"digest of its rows, expected {short(link.stored)} as sealed, got {short(link.recomputed)}"
                if link.joined
                else "link to the batch before, expected that one's digest, got another"
            )
            faults.add(f"{where} batch {link.batch}", what)
        if last != head:
            faults.add(
                where, f"head of the chain, expected {short(last)} (its last batch), got {short(head)}"
            )
    return faults.text


async def _days(conn: AsyncConnection) -> str:
    """Each cut day's root comes from the heads it noted, and those are links of their chains."""
    faults = Faults()
    for day in await audit.cut_days(conn):
        made = day_root(day.heads)
        if made != day.root:
            faults.add(
                f"day {day.clearing_date}",
                f"root, expected {short(made)} (of the {len(day.heads)} heads it noted), "
                f"got {short(day.root)}",
            )
        for name, digest in day.heads.items():
            if not await audit.has_link(conn, name, digest):
                faults.add(
                    f"day {day.clearing_date} chain {name}",
                    f"expected a batch with the head noted at the cut, {short(digest)}, got none",
                )
    return faults.text


async def _records(conn: AsyncConnection) -> str:
    """Every record's bytes give the digest and the name under which they are kept."""
    faults = Faults()
    async for said in audit.records(conn):
        if said.table == "quarantine":
            made, name = _sm3(said.raw), (said.source, said.id)
        else:
            try:
                sent = from_json(said.raw)
                made, name = _sm3(canonical_bytes(sent)), (sent.get("source"), sent.get("id"))
            except (ValueError, AttributeError):
                made, name = b"", (said.source, said.id)
        if made != said.sm3:
            faults.add(
                said.where,
                f"digest of its bytes, expected {short(said.sm3)}, got {short(made) or 'no JSON'}",
            )
        elif name != (said.source, said.id):
            faults.add(said.where, "its bytes, expected its own source and id, got another event's")
    return faults.text


async def _sign_offs(conn: AsyncConnection) -> str:
    """Every sign-off names its run's report and its day's root, and what is signed by key is signed by it."""
    faults = Faults()
    async for step, report, root in signing.every(conn):
        where = f"day {step.clearing_date} {step.member} {step.role}"
        if step.report.hex() != report_digest(report):
            faults.add(
                where,
                f"report, expected {report_digest(report)[:16]} (of run {step.run}), got {short(step.report)}",
            )
        elif step.root != root:
            faults.add(where, f"root, expected the day's {short(root or b'')}, got {short(step.root)}")
        elif not signature_holds(step):
            faults.add(where, "signature, expected one over what it signs, got one that does not fit")
    for day in await signing.not_all(conn):
        faults.add(
            f"day {day}", "expected a signed day to be approved by all who have to, got one that is not"
        )
    return faults.text


async def _breaks(conn: AsyncConnection) -> str:
    """Every break stands where its last step has brought it, and every end was agreed to by others than its maker."""
    faults = Faults()
    for break_id, what in await proposals.forged(conn):
        faults.add(f"break {break_id}", what)
    return faults.text


def _sm3(value: bytes) -> bytes:
    return hashlib.new("sm3", value).digest()
