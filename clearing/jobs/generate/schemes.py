"""Reimbursements with their payouts, and top-ups. 报销与充值"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from clearing.jobs.generate.cards import card_for, class_one, register
from clearing.jobs.generate.clerk import LONGEST, HeldCard, Planted
from clearing.jobs.generate.partners import booked
from clearing.jobs.generate.stays import APPROVED
from clearing.ledger.money import yuan

if TYPE_CHECKING:
    from clearing.jobs.generate.clerk import Clerk, Line

BATCH_ROWS: Final = 20
SPREAD: Final = 3600
"""Seconds over which a large batch's rows come."""
CRITICAL: Final = 0.02
"""Reimbursements that the insurer adds to, once the fund has paid."""
TOPUPS_FEN: Final = (10_000, 20_000, 30_000, 50_000, 100_000)
REVERSED: Final = 0.01
"""Top-ups by channel that are taken back."""
KINDS: Final = ("OUTPATIENT", "OUTPATIENT", "OUTPATIENT", "OUTPATIENT", "INPATIENT", "SECOND")


class Payout(NamedTuple):
    """One payout under way."""

    source: str
    id: str
    card: HeldCard
    fen: int
    settlement: str

    @property
    def key(self) -> str:
        """The record key of its events."""
        return f"{self.source}/{self.id}"

    @property
    def original(self) -> dict[str, dict[str, str]]:
        """The payout as later events name it."""
        return {"original": {"source": self.source, "id": self.id}}


# -- reimbursements ------------------------------------------------------------------------------------------


def reimbursement(clerk: Clerk, second: int) -> None:
    """The fund reimburses one patient, and for a few the insurer adds to it. 报销"""
    payout = _submit(clerk, second, clerk.town.fund, clerk.rng.choice(KINDS))
    answered = _answer(clerk, clerk.later(payout.card.ready, 600, 7200), payout, second)
    if answered and clerk.town.insurer and clerk.due("critical", CRITICAL):
        depends = [{"payer": clerk.town.fund, "settlement_id": payout.settlement}]
        second = max(second, payout.card.ready)
        more = _submit(
            clerk, second + 1, clerk.town.insurer, "CRITICAL", card=payout.card, depends_on=depends
        )
        _paid(clerk, clerk.later(answered, 600, 3600), more)


def held_for_activation(clerk: Clerk, second: int) -> None:
    """A reimbursement to a card that was only issued: it waits until the card is active. 待激活"""
    card, held, at = register(clerk, second)
    clerk.card_events += 3
    payout = _submit(clerk, at, clerk.town.fund, "OUTPATIENT", card=held._replace(ready=at))
    at = clerk.later(at, 600, 3600)
    clerk.send("card.activated", held.bank, at, card, held.token)
    _paid(clerk, clerk.later(at, 600, 1800), payout)


def batch(clerk: Clerk, second: int) -> None:
    """Twenty reimbursements under one header with count, total and digest. 批量代付"""
    _batch(clerk, second, "OUTPATIENT", BATCH_ROWS)


def year_end(clerk: Clerk, second: int) -> None:
    """The fund's second compensation of the year: one header, thousands of rows, a few of them bad. 年终二次补偿"""
    _batch(
        clerk,
        second,
        "SECOND",
        min(clerk.plan.year_end_rows, (clerk.room - LONGEST) * 2 // 5),
        bad_every=4000,
    )


def _batch(clerk: Clerk, second: int, kind: str, count: int, *, bad_every: int = 0) -> None:
    """A header and its rows; every so many rows one names a bank that is not its card's, and counts all the same."""
    batch_id, source = f"BT{clerk.stamp}{clerk.number()}", clerk.town.fund
    rows = [
        _submit(
            clerk,
            second + 5 + number * SPREAD // max(count, BATCH_ROWS),
            source,
            kind,
            batch_id=batch_id,
            row=number,
            wrong_bank=bool(bad_every) and number % bad_every == 0,
        )
        for number in range(1, count + 1)
    ]
    digest = hashlib.new("sm3", "\n".join(f"{row.id}|{yuan(row.fen)}" for row in rows).encode()).hexdigest()
    header = {
        "batch_id": batch_id,
        "kind": kind,
        "payer": source,
        "rows": len(rows),
        "total": yuan(sum(row.fen for row in rows)),
        "digest": digest,
    }
    clerk.send("reimbursement.batch_submitted", source, second, header | APPROVED, batch_id)
    answered = max(row.card.ready for row in rows)
    for number, row in enumerate(rows, 1):
        if not (bad_every and number % bad_every == 0):
            _answer(clerk, clerk.later(max(answered, second), 1800 + SPREAD, 7200 + SPREAD), row, second)


def _submit(
    clerk: Clerk,
    second: int,
    payer: str,
    kind: str,
    *,
    card: HeldCard | None = None,
    batch_id: str = "",
    row: int = 0,
    depends_on: list[dict[str, str]] | None = None,
    wrong_bank: bool = False,
) -> Payout:
    card = card or class_one(clerk, second)
    town = clerk.town
    eligible = max(int(clerk.rng.lognormvariate(9.6 if kind == "OUTPATIENT" else 12.5, 0.7)), 500)
    total, fund = eligible + eligible // 10, eligible * 6 // 10
    claim = {
        "settlement_id": f"S{clerk.stamp}{clerk.number()}",
        "payer": payer,
        "kind": kind,
        "total": yuan(total),
        "eligible": yuan(eligible),
        "fund_amount": yuan(fund),
        "patient_amount": yuan(total - fund),
        "scheme_year": clerk.year,
        "person": card.person,
    }
    if payer == town.fund and town.areas and not wrong_bank and clerk.due("area", clerk.plan.cross_region):
        pair = (town.fund_area, clerk.rng.choice(town.areas))
        claim |= {"treat_area": pair[0], "insured_area": pair[1]}
        clerk.areas[pair] += fund
    bank = next(code for code in town.banks if code != card.bank) if wrong_bank else card.bank
    data: dict[str, Any] = {
        "card": card.token,
        "bank": bank,
        "amount": yuan(fund),
        "claim": claim,
    } | APPROVED
    if batch_id:
        data |= {"batch_id": batch_id, "row_no": row}
    if depends_on:
        data["depends_on"] = depends_on
    refused = "card_differs" if wrong_bank else ""
    event_id = clerk.send("reimbursement.submitted", payer, max(second, card.ready), data, refused=refused)
    return Payout(payer, event_id, card, fund, claim["settlement_id"])


def _answer(clerk: Clerk, at: int, payout: Payout, submitted: int) -> int:
    """What the bank says of a payout; gives the second at which it was paid, or 0."""
    plan = clerk.plan
    at = max(at, clerk.later(submitted, 300, 1800))
    if clerk.due("withdrawn", plan.withdrawn):
        soon = clerk.later(max(submitted, payout.card.ready), 60, 240)
        clerk.send("reimbursement.withdrawn", payout.source, soon, payout.original | APPROVED, payout.key)
        return 0
    if clerk.due("sent", plan.payout_sent):
        soon = clerk.later(max(submitted, payout.card.ready), 60, 240)
        clerk.send("payout.sent", payout.card.bank, soon, payout.original, payout.key)
    if clerk.due("unanswered", plan.unanswered):
        return 0
    if clerk.due("payout rejected", plan.payout_rejected):
        data = _result(clerk, payout, 1, "REJECTED", clerk.ref(payout.card.bank))
        clerk.send("payout.result", payout.card.bank, at, data | {"reason_code": "R04"}, payout.key)
        _again(clerk, clerk.later(at, 600, 1800), payout, "rejected")
        return 0
    ref = _paid(clerk, at, payout)
    if clerk.due("recalled", plan.recalled):
        asked = clerk.later(at, 600, 1800)
        clerk.send("payout.recalled", payout.source, asked, payout.original | APPROVED, payout.key)
        _returned(clerk, clerk.later(asked, 1800, 5400), payout)
        return 0
    if clerk.due("returned", plan.returned):
        _returned(clerk, clerk.later(at, 1800, 7200), payout)
        return 0
    if clerk.due("taken back", plan.taken_back):
        _taken_back(clerk, clerk.later(at, 300, 900), payout, ref)
    return at


def _taken_back(clerk: Clerk, at: int, payout: Payout, ref: str) -> None:
    """The bank takes a payout back by itself: a negative entry of which nobody is told. 银行冲账"""
    card = payout.card
    line = booked(
        clerk,
        card.bank,
        at,
        ("REVERSAL", "D", payout.fen),
        clerk.ref(card.bank),
        card=card.token,
        original=ref,
    )
    answer = Planted(
        kind="FND-004", code="FND-004", partner=card.bank, institution="", bank_ref=ref, order_no="",
        amount_fen=payout.fen, source="", id="",
    )  # fmt: skip
    clerk.write_only(at, [line], answer)


def _result(clerk: Clerk, payout: Payout, attempt: int, result: str, ref: str) -> dict[str, Any]:
    booked_as = {"amount": yuan(payout.fen), "bank_ref": ref, "bank_date": clerk.day_text}
    return payout.original | booked_as | {"attempt": attempt, "result": result}


def _paid(clerk: Clerk, at: int, payout: Payout, attempt: int = 1) -> str:
    """The bank pays; gives its reference."""
    bank, ref = payout.card.bank, clerk.ref(payout.card.bank)
    line = booked(clerk, bank, at, ("PAYOUT", "C", payout.fen), ref, card=payout.card.token)
    data = _result(clerk, payout, attempt, "PAID", ref)
    clerk.send("payout.result", bank, at, data, payout.key, lines=[line])
    return ref


def _returned(clerk: Clerk, at: int, payout: Payout) -> None:
    """Paid money comes back; it is paid again or given back. 退票"""
    bank, ref = payout.card.bank, clerk.ref(payout.card.bank)
    data = payout.original | {
        "amount": yuan(payout.fen),
        "bank_ref": ref,
        "bank_date": clerk.day_text,
        "reason_code": "R03",
        "attempt": 1,
    }
    line = booked(clerk, bank, at, ("RETURN", "D", payout.fen), ref, card=payout.card.token)
    clerk.send("payout.returned", bank, at, data, payout.key, lines=[line])
    _again(clerk, clerk.later(at, 600, 1800), payout, "returned")


def _again(clerk: Clerk, at: int, payout: Payout, after: str) -> None:
    if clerk.due(f"left open {after}", clerk.plan.left_open):
        return
    if clerk.due("given back", 0.4):
        clerk.send("payout.given_back", payout.source, at, payout.original | APPROVED, payout.key)
        return
    card = {"card": payout.card.token, "bank": payout.card.bank}
    offices = {
        "business": {"maker": "op-11", "checker": "op-12"},
        "finance": {"maker": "op-21", "checker": "op-22"},
    }
    clerk.send("payout.repaid", payout.source, at, payout.original | card | offices, payout.key)
    _paid(clerk, clerk.later(at, 300, 1200), payout, attempt=2)


# -- top-ups ----------------------------------------------------------------------------------------------


def top_up(clerk: Clerk, second: int) -> None:
    """Money goes on a card: by channel, from another bank, or at the counter. 圈存充值"""
    card = card_for(clerk, second)
    town, at, fen = clerk.town, max(second, card.ready), clerk.rng.choice(TOPUPS_FEN)
    draw = clerk.rng.random()
    if draw < 0.5 and town.channel:  # noqa: PLR2004 - half by channel
        method, payer, source = "CHANNEL", town.channel, town.channel
    elif draw < 0.8:  # noqa: PLR2004 - three tenths by netbank
        payer = clerk.bank()
        method, source = "NETBANK", payer
    else:
        method, payer, source = "COUNTER", card.bank, card.bank
    ref = clerk.ref(payer)
    data = {"card": card.token, "bank": card.bank, "amount": yuan(fen), "method": method}
    data |= {"bank_ref": ref, "bank_date": clerk.day_text}
    if method == "NETBANK":
        data["payer_bank"] = payer
    lines = _two_sides(clerk, at, ("TOPUP", payer, fen), card, ref=ref)
    event_id = clerk.send("topup.made", source, at, data, card.token, lines=lines)
    if method == "CHANNEL" and clerk.due("top-up reversed", REVERSED):
        at = clerk.later(at, 60, 300)
        back = {"original": {"source": source, "id": event_id}, "amount": yuan(fen)}
        lines = _two_sides(clerk, at, ("REVERSAL", payer, fen), card, ref=clerk.ref(payer), original=ref)
        clerk.send("topup.reversed", source, at, back, card.token, lines=lines)


def _two_sides(
    clerk: Clerk, at: int, what: tuple[str, str, int], card: HeldCard, *, ref: str, original: str = ""
) -> list[Line]:
    """A top-up with the card's bank and, where it is another, with who paid it; `what`: type, payer, fen."""
    kind, payer, fen = what
    pays, gets = ("D", "C") if kind == "TOPUP" else ("C", "D")
    lines = [booked(clerk, card.bank, at, (kind, gets, fen), ref, card=card.token, original=original)]
    if payer != card.bank:
        lines.append(booked(clerk, payer, at, (kind, pays, fen), ref, card=card.token, original=original))
    return lines
