"""Reimbursements with their payouts, premiums, top-ups, claims paid to hospitals, corrections. 报销与充值"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from clearing.jobs.generate.cards import card_for, class_one
from clearing.jobs.generate.clerk import HeldCard
from clearing.jobs.generate.partners import booked
from clearing.jobs.generate.stays import APPROVED
from clearing.ledger.money import yuan

if TYPE_CHECKING:
    from clearing.jobs.generate.clerk import Clerk, Line

BATCH_ROWS: Final = 20
CRITICAL: Final = 0.02
"""Reimbursements that the insurer adds to, once the fund has paid."""
PREMIUM_FEN: Final = 40_000
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


def batch(clerk: Clerk, second: int) -> None:
    """Twenty reimbursements under one header with count, total and digest. 批量代付"""
    batch_id, source = f"BT{clerk.stamp}{clerk.number()}", clerk.town.fund
    rows = [
        _submit(clerk, second + 5, source, "OUTPATIENT", batch_id=batch_id, row=n + 1)
        for n in range(BATCH_ROWS)
    ]
    digest = hashlib.new("sm3", "\n".join(f"{row.id}|{yuan(row.fen)}" for row in rows).encode()).hexdigest()
    header = {
        "batch_id": batch_id,
        "kind": "OUTPATIENT",
        "payer": source,
        "rows": len(rows),
        "total": yuan(sum(row.fen for row in rows)),
        "digest": digest,
    }
    clerk.send("reimbursement.batch_submitted", source, second, header | APPROVED, batch_id)
    answered = max(row.card.ready for row in rows)
    for row in rows:
        _answer(clerk, clerk.later(max(answered, second), 1800, 7200), row, second)


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
) -> Payout:
    card = card or class_one(clerk, second)
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
    data: dict[str, Any] = {
        "card": card.token,
        "bank": card.bank,
        "amount": yuan(fund),
        "claim": claim,
    } | APPROVED
    if batch_id:
        data |= {"batch_id": batch_id, "row_no": row}
    if depends_on:
        data["depends_on"] = depends_on
    event_id = clerk.send("reimbursement.submitted", payer, max(second, card.ready), data)
    return Payout(payer, event_id, card, fund, claim["settlement_id"])


def _answer(clerk: Clerk, at: int, payout: Payout, submitted: int) -> int:
    """What the bank says of a payout; gives the second at which it was paid, or 0."""
    plan = clerk.plan
    at = max(at, clerk.later(submitted, 300, 1800))
    if clerk.due("unanswered", plan.unanswered):
        return 0
    if clerk.due("payout rejected", plan.payout_rejected):
        data = _result(clerk, payout, 1, "REJECTED", clerk.ref(payout.card.bank))
        clerk.send("payout.result", payout.card.bank, at, data | {"reason_code": "R04"}, payout.key)
        _again(clerk, clerk.later(at, 600, 1800), payout)
        return 0
    _paid(clerk, at, payout)
    if clerk.due("returned", plan.returned):
        _returned(clerk, clerk.later(at, 1800, 7200), payout)
        return 0
    return at


def _result(clerk: Clerk, payout: Payout, attempt: int, result: str, ref: str) -> dict[str, Any]:
    booked_as = {"amount": yuan(payout.fen), "bank_ref": ref, "bank_date": clerk.day_text}
    return payout.original | booked_as | {"attempt": attempt, "result": result}


def _paid(clerk: Clerk, at: int, payout: Payout, attempt: int = 1) -> None:
    bank, ref = payout.card.bank, clerk.ref(payout.card.bank)
    line = booked(clerk, bank, at, ("PAYOUT", "C", payout.fen), ref, card=payout.card.token)
    data = _result(clerk, payout, attempt, "PAID", ref)
    clerk.send("payout.result", bank, at, data, payout.key, lines=[line])


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
    _again(clerk, clerk.later(at, 600, 1800), payout)


def _again(clerk: Clerk, at: int, payout: Payout) -> None:
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


# -- premiums and top-ups ------------------------------------------------------------------------------------


def premium(clerk: Clerk, second: int) -> None:
    """A family pays its yearly premiums at the bank. 参合缴费"""
    card = card_for(clerk, second)
    number, size = clerk.number(), clerk.rng.randrange(1, 5)
    at, ref = max(second, card.ready), clerk.ref(card.bank)
    members = [
        {"person": f"per_{clerk.stamp}_{number:07d}_{n}", "amount": yuan(PREMIUM_FEN)} for n in range(size)
    ]
    data = {
        "card": card.token,
        "bank": card.bank,
        "amount": yuan(size * PREMIUM_FEN),
        "payer": clerk.town.fund,
        "scheme_year": clerk.year,
        "members": members,
        "bank_ref": ref,
        "bank_date": clerk.day_text,
    }
    line = booked(clerk, card.bank, at, ("PREMIUM", "D", size * PREMIUM_FEN), ref, card=card.token)
    clerk.send("premium.paid", card.bank, at, data, card.token, lines=[line])


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


# -- offices -------------------------------------------------------------------------------------------------


def settle_claims(clerk: Clerk, second: int) -> None:
    """In the evening each payer pays each hospital for some of what it advanced. 结算拨付"""
    for (payer, institution), claims in clerk.claims.items():
        rows = [(number, fen, fen // 50, fen // 10) for number, fen in claims]
        data = {
            "payer": payer,
            "institution": institution,
            "month": clerk.month,
            "claims": [
                {"settlement_id": number, "claimed": yuan(fen), "deducted": yuan(cut), "retained": yuan(kept)}
                for number, fen, cut, kept in rows
            ],
            "paid": yuan(sum(fen - cut - kept for _, fen, cut, kept in rows)),
        }
        clerk.send("claim.settled", payer, second, data | APPROVED, payer)
    clerk.claims.clear()


def correction(clerk: Clerk, second: int) -> None:
    """Two people take a doubtful sum off a hospital's payable, and put it back an hour later. 调账"""
    places = [place for place in clerk.town.hospitals.names if place.payable]
    if not places:
        return
    place, platform = clerk.rng.choice(places), clerk.town.platform
    fen = clerk.rng.randrange(1000, 20000)
    doubtful = f"2091.{place.code}"
    for debit, credit, at, text in (
        (place.payable, doubtful, second, "payment in doubt"),
        (doubtful, place.payable, clerk.later(second, 1800, 3600), "payment found good"),
    ):
        legs = [{"account": debit, "side": "D", "amount": yuan(fen)}]
        legs.append({"account": credit, "side": "C", "amount": yuan(fen)})
        clerk.send("correction.approved", platform, at, {"legs": legs, "text": text} | APPROVED)
