"""What offices do among themselves: claims settled, retention released, areas settled, a correction. 经办清算"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clearing.jobs.generate.stays import APPROVED
from clearing.ledger.money import yuan

if TYPE_CHECKING:
    from clearing.jobs.generate.clerk import Clerk


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
        clerk.retained[payer, institution] = sum(kept for _, _, _, kept in rows)
    clerk.claims.clear()


def release_retention(clerk: Clerk, second: int) -> None:
    """Later in the evening part of what was retained is released, and part kept for good. 保证金返还"""
    for (payer, institution), retained in clerk.retained.items():
        if not retained:
            continue
        kept = retained // 20
        data = {
            "payer": payer,
            "institution": institution,
            "year": clerk.year,
            "released": yuan(retained // 2),
            "kept": yuan(kept),
        }
        clerk.send("retention.released", payer, second, data | APPROVED, payer)
    clerk.retained.clear()


def settle_areas(clerk: Clerk, second: int) -> None:
    """What other areas' offices owe for their people is settled in part; the money went another way. 异地结算"""
    for (treat, insured), owed in clerk.areas.items():
        data = {
            "payer": clerk.town.fund,
            "treat_area": treat,
            "insured_area": insured,
            "month": clerk.month,
            "amount": yuan(max(owed // 4, 1)),
        }
        clerk.send("crossregion.settled", clerk.town.fund, second, data | APPROVED, clerk.town.fund)
    clerk.areas.clear()


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
