"""What stands at the day's end, and whether the books agree with themselves: beside what moved. 存量取数"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Final

from clearing.day.states import State
from clearing.files.lines import Targets
from clearing.files.parse import Scan
from clearing.ledger.accounts import POSITION_CODES, code_of
from clearing.ledger.money import yuan
from clearing.reconciliation.lists import StayList
from clearing.reconciliation.rows import StatementRow
from clearing.reconciliation.standing import Finding, Standing, deposit_findings, transfer_findings
from clearing.store import balances, days, files, standing, standing_orders

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from clearing.jobs.reconcile_sides import Rest
    from clearing.ledger.members import Members, MembersOn
    from clearing.settings import Settings
    from clearing.store.sides.tables import SideTables

_NETTED: Final = frozenset({State.NETTED, State.FILED, State.RECONCILED})
_PAYERS: Final = frozenset({"fund", "insurer"})
_PAYOUT_DAYS: Final = 7
"""How far back a payout may lie that a bank takes back by itself."""
_SHOWN_MAX: Final = 5


async def standing_of(
    conn: AsyncConnection, settings: Settings, members: Members, day: date, lists: Mapping[str, StayList]
) -> Standing:
    """Payouts on their way and, where a hospital has sent its list, deposits, as they stood then. 存量

    Out:     findings, and each balance beside what it stands for; the same however late it is asked.
    """
    open_payouts = await standing.open_payouts(conn, day)
    orders = await standing_orders.open_orders(conn, day)
    findings: list[Finding] = transfer_findings([*open_payouts, *orders])
    held = await standing.on_their_way(conn, day)
    explained = {one.name for one in findings}
    kinds = members.on(day).kinds
    waiting = dict.fromkeys([*held, *(code for code, kind in kinds.items() if kind in _PAYERS)], 0)
    for one in open_payouts:
        waiting[one.payer] = waiting.get(one.payer, 0) + (0 if one.name in explained else one.fen)
    tied = [("FND", payer, held.get(payer, 0), fen) for payer, fen in waiting.items()]
    looked_at = {
        ("FND", code) for code in (*waiting, *(code for code, kind in kinds.items() if kind == "bank"))
    }
    for hospital, said in lists.items():
        listed = [(row.admission_no, row.closing_fen) for row in said.rows]
        stays, total = await standing.stays_held(
            conn, day, hospital, [number for number, _ in listed], str(members.clock.zone)
        )
        findings += deposit_findings(hospital, stays, listed, day, days_max=settings.deposit_days_max)
        tied.append(("DEP", hospital, total, sum(fen for _, fen in listed)))
        looked_at.add(("DEP", hospital))
    return Standing(findings=tuple(findings), looked_at=frozenset(looked_at), balances=tuple(tied))


async def paid_out(conn: AsyncConnection, left: Rest, day: date) -> list[tuple[str, str]]:
    """Of what banks have taken back in their statements, which are payouts of ours. 银行冲账"""
    taken_back = [
        (row.partner, row.original_bank_ref)
        for row in left.rows()
        if isinstance(row, StatementRow) and row.type == "REVERSAL" and row.direction == "D"
    ]
    return await standing.paid_out(conn, day, taken_back, _PAYOUT_DAYS)


# ---------------------------------------------------------------- the books against themselves


async def books_differ(conn: AsyncConnection, tables: SideTables, members: MembersOn, day: date) -> list[str]:
    """Where the day's entries, balances, positions and files contradict each other: LED-001. 账账核对

    Out:     one line a kind of contradiction; nothing when the books hold.
    """
    replayed = tables.sums_of_entries()
    kept = {name: fen for name, fen in (await balances.of_day(conn, day)).items() if fen}
    told = [
        f"{day} {what}: debits and credits differ by {yuan(fen)}" for what, fen in _groups(replayed) if fen
    ]
    other = sorted(name for name in {*kept, *replayed} if kept.get(name, 0) != replayed.get(name, 0))
    told += [
        f"{day} {name}: entries give {yuan(replayed.get(name, 0))}, the balance is {yuan(kept.get(name, 0))}"
        for name in other[:_SHOWN_MAX]
    ]
    now = await days.get(conn, day)
    if now is not None and State(now.state) in _NETTED:
        told += [
            f"{day} {name}: {yuan(fen)} is left after netting, expected 0.00"
            for name, fen in sorted(replayed.items())
            if code_of(name) in POSITION_CODES and fen
        ][:_SHOWN_MAX]
        told += await _files_differ(conn, members, day)
    return told


def _groups(sums: Mapping[str, int]) -> Iterable[tuple[str, int]]:
    """What money and memo accounts come to, each by itself."""
    for what, memo in (("money", False), ("memo", True)):
        yield what, sum(fen for name, fen in sums.items() if (name[0] == "9") is memo)


async def _files_differ(conn: AsyncConnection, members: MembersOn, day: date) -> list[str]:
    """Whether what each member's clearing files say in their heads is what its positions are.

    A layout without a head says nothing; of several layouts of a member each must agree by itself.
    """
    due: dict[str, int] = {}
    targets = Targets(members)
    for name, fen in (await balances.before_close(conn, day, memo=False)).items():
        if code_of(name) in POSITION_CODES:
            receiver = targets.of_owner(name).receiver
            due[receiver] = due.get(receiver, 0) - fen
    found = await files.ends(conn, day, "TXN")
    layouts = await files.layouts_by_digest(conn, {one.layout for one in found})
    said: dict[tuple[str, str], int] = {}
    for one in found:
        if layouts[one.layout].shape != "framed":
            continue
        scan = Scan(one.name, layouts[one.layout])
        _ = [*scan.feed(one.content), *scan.finish()]  # what stands between head and tail is not wanted
        net = scan.head.get("net_fen")
        key = one.receiver, one.profile
        said[key] = said.get(key, 0) + (net if isinstance(net, int) else 0)
    return [
        f"{day} files of {receiver}, profile {profile}: their nets come to {yuan(net)}, "
        f"its positions to {yuan(due.get(receiver, 0))}"
        for (receiver, profile), net in sorted(said.items())
        if net != due.get(receiver, 0)
    ][:_SHOWN_MAX]
