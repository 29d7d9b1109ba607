"""`trace`: the whole way of a payment, a payout, an instruction, or of a line of a file. 全程追踪"""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Annotated, Any

import typer

from clearing.console.edge import Json, answer, books, perform
from clearing.console.look import entry_shape
from clearing.console.orders import SAID
from clearing.console.show import grouped, local, table
from clearing.jobs.trace import trace
from clearing.jobs.trace_orders import Step, World
from clearing.store.session import transaction


def trace_way(
    what: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="SOURCE/ID, MEMBER/NUMBER, an order's, entry's or instruction's id, or FILE:LINE.",
        ),
    ],
    as_json: Json = False,
) -> None:
    """The whole way of a payment, payout or instruction: record, entries, files out and in, answers, breaks 全程追踪.

    Found by the event (H1/H1-0029), an institution's order number or a bank's reference that it used
    (H1/H1-1001, B1/BR00000005), by a payout's order (F1/P1/1) or what ISO 20022 calls it (EndToEndId), its
    settlement (F1/S-1) or row of a list (F1/BATCH-01/3), an entry or instruction by its first 8 digits or more, or a
    line of any file that went out or came in (RHC_PAY_PLAT_B1_20260310_001_V1.txt:2).
    """

    async def work() -> tuple[list[Step], tzinfo]:
        async with books() as the, transaction(the.engine) as conn:
            found = await trace(conn, World(the.settings, the.members), what)
            return [_shape(one) for one in found], the.members.clock.zone

    found, zone = perform(work)
    if as_json:
        answer(found)
        return
    table("", ["step", "what", "where"], ([one["step"], _what(one, zone), _where(one)] for one in found))


def _shape(one: Step) -> dict[str, Any]:
    """A step as JSON has it."""
    return {"step": "entry", **entry_shape(one["entry"])} if one["step"] == "entry" else one


def _what(one: dict[str, Any], zone: tzinfo) -> str:
    match one["step"]:
        case "record":
            return _words(f"{one['type']} of {_at(one['occurred_at'], zone)}", _people(one.get("people", {})))
        case "outcome" | "repeat":
            return _words(one["outcome"], one["reason"], one.get("detail", ""))
        case "entry":
            return "  ".join(f"{p['account']} {grouped(p['amount'])}" for p in one["postings"])
        case "original":
            return f"{one['type']} of {one['clearing_date']}"
        case "file":
            return f"{one['type']} for {one['receiver']}"
        case "break":
            return f"{one['code']} {one['vector']} {grouped(one['amount'])} {one['state']}"
        case _:
            return _of_money_out(one, zone)


def _of_money_out(one: dict[str, Any], zone: tzinfo) -> str:
    match one["step"]:
        case "payout":
            listed = f"list {one['batch_id']} {one['batch_state'] or ''}" if one["batch_id"] else ""
            return _words(
                one["state"],
                f"{grouped(one['amount'])} {one['kind']} {one['payer']}/{one['settlement_id']}",
                listed,
            )
        case "instruction":
            by = f"instructed again by {one['by']}" if one["by"] else ""
            return _words(one["state"], f"{grouped(one['amount'])} {one['debtor']} to {one['creditor']}", by)
        case "order":
            said = _words(SAID[one["result"] or ""], one["reason_code"] or "", one["bank_ref"] or "")
            return f"{grouped(one['amount'])} by {one['bank']}, {_at(one['sent_at'], zone)}: {said}"
        case "sent" | "asked":
            return f"{one['type']} V{one['version']} for {one['receiver']}, line {one['line']}"
        case "delivery":
            return _words(one["result"], f"to {one['target']} {_at(one['at'], zone)}", one["message"] or "")
        case "acknowledged":
            return _words(one["verdict"], f"by {one['partner']} {_at(one['at'], zone)}", *one["faults"])
        case _:
            said = SAID[one["result"]] if one["result"] else "cannot be read"
            told = _words(said, one["reason_code"] or "", one["bank_ref"] or "")
            return _words(f"{one['type']} {one['verdict'] or 'not judged'}: {told}", *one["faults"])


def _words(*words: str) -> str:
    return " ".join(filter(None, words))


def _at(instant: str, zone: tzinfo) -> str:
    return local(datetime.fromisoformat(instant), zone)


def _people(found: dict[str, dict[str, str]]) -> str:
    """Who made and who checked, as the event names them."""
    said = "; ".join(f"{two.get('maker', '')}, {two.get('checker', '')}" for two in found.values())
    return f"by {said}" if said else ""


def _where(one: dict[str, Any]) -> str:
    match one["step"]:
        case "record" | "repeat":
            return f"{one['stream']}[{one.get('partition', 0)}]@{one['position']} batch {one['batch']}"
        case "outcome":
            told = ", announced" if one["announced"] else ""
            return f"day {one['clearing_date']}{told}" if one["clearing_date"] else one["waits_for"]
        case "file":
            return str(one["name"])
        case "original":
            return str(one["event"])
        case "sent" | "asked" | "answer":
            return f"{one['file']}:{one['line']}"
        case "acknowledged":
            return str(one["ack"])
        case "delivery":
            return str(one["file"])
        case "payout" | "order" | "instruction":
            return str(one[one["step"]])
        case _:
            return str(one["id"])
