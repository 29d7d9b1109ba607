"""Stays: admission, deposits, discharge, arrears, and the claims that hospitals advance. 住院"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from clearing.jobs.generate.cards import card_for
from clearing.jobs.generate.clerk import CLAIMS_KEPT, HeldCard
from clearing.jobs.generate.partners import booked, exported
from clearing.jobs.generate.plan import CLAIMS_AT
from clearing.jobs.generate.town import Place
from clearing.ledger.money import yuan

if TYPE_CHECKING:
    from clearing.jobs.generate.clerk import Clerk

DEPOSITS: Final = (1, 2, 2, 2, 2, 3, 3, 3, 4, 3)
"""How many deposits a stay has: 2.5 on average."""
DEPOSITS_FEN: Final = (50_000, 100_000, 200_000, 200_000, 300_000, 500_000)
DISCHARGED: Final = 0.85
"""Stays that end on the day."""
ADVANCED: Final = 0.6
"""Discharges in which the hospital advances the fund's part."""
INTERIM: Final = 0.1
"""Stays that are settled once in between."""
TRANSFERRED: Final = 0.02
"""Stays that go on under another number, to which the deposit is transferred."""
NOT_COME: Final = 0.02
"""Admissions that are cancelled before anything is paid."""
WRITTEN_OFF: Final = 0.1
"""Arrears that the hospital records outside a discharge and then gives up."""
GIVEN_BACK: Final = 0.06
"""Stays in which part of a deposit is given back before the end."""
VOIDED: Final = 0.02
RECALLED: Final = 0.01
OWED: Final = 0.12
"""Discharges with too little deposit in which part stays owed."""
APPROVED: Final = {"approval": {"maker": "op-01", "checker": "op-02"}}


class Stay(NamedTuple):
    """One stay."""

    card: HeldCard
    place: Place
    admission: str

    @property
    def key(self) -> str:
        """The record key of its events."""
        return f"{self.place.code}/{self.admission}"


def stay(clerk: Clerk, second: int) -> None:
    """Someone is admitted, pays deposits and mostly goes home the same day. 一次住院"""
    card = card_for(clerk, second)
    place = clerk.among(clerk.town.wards)
    at = max(second, card.ready)
    if clerk.due("not come", NOT_COME):
        _admit(clerk, at, card, place, cancelled=True)
    one = _admit(clerk, at, card, place)
    held = 0
    for _ in range(clerk.rng.choice(DEPOSITS)):
        at = clerk.later(at, 120, 3600)
        held += _deposit(clerk, at, one)
    if clerk.due("given back", GIVEN_BACK) and held:
        at = clerk.later(at, 300, 1200)
        held -= _give_back(clerk, at, one, held // 4)
    if clerk.due("transferred", TRANSFERRED) and held:
        at = clerk.later(at, 300, 1200)
        one = _transfer(clerk, at, one, held)
    if clerk.due("interim", INTERIM) and held:
        at = clerk.later(at, 300, 1200)
        held -= _interim(clerk, at, one, held // 2)
    if clerk.due("recorded", WRITTEN_OFF):
        _write_off(clerk, clerk.later(at, 300, 900), one)
    if clerk.rng.random() < DISCHARGED:
        _discharge(clerk, clerk.later(at, 1800, 10800), one, held)


def _admit(clerk: Clerk, at: int, card: HeldCard, place: Place, *, cancelled: bool = False) -> Stay:
    one = Stay(card, place, f"A{clerk.stamp}{clerk.number()}")
    number = {"institution": place.code, "admission_no": one.admission}
    data = {"card": card.token, "bank": card.bank} | number
    clerk.send("admission.registered", place.sender, at, data | {"admitted_at": clerk.instant(at)}, one.key)
    if cancelled:
        clerk.send("admission.cancelled", place.sender, clerk.later(at, 60, 600), number, one.key)
    return one


def _transfer(clerk: Clerk, at: int, one: Stay, held: int) -> Stay:
    """The stay goes on under another number of the same hospital. 预交金转移"""
    other = _admit(clerk, max(at - 60, one.card.ready), one.card, one.place)
    data = {
        "institution": one.place.code,
        "from_admission": one.admission,
        "to_admission": other.admission,
        "amount": yuan(held),
    }
    clerk.send("deposit.transferred", one.place.sender, at, data, one.key)
    return other


def _interim(clerk: Clerk, at: int, one: Stay, used: int) -> int:
    """Part of the bill is settled out of the deposit while the stay goes on. 中途结算"""
    data = {
        "card": one.card.token,
        "bank": one.card.bank,
        "institution": one.place.code,
        "admission_no": one.admission,
        "stage": "INTERIM",
        "total": yuan(used),
        "deposit_used": yuan(used),
        "top_up": "0.00",
        "refund": "0.00",
    }
    clerk.send("discharge.settled", one.place.sender, at, data, one.key)
    return used


def _write_off(clerk: Clerk, at: int, one: Stay) -> None:
    """What someone owes from before is recorded, and given up by two people. 欠费核销"""
    data = {
        "institution": one.place.code,
        "admission_no": one.admission,
        "amount": yuan(clerk.rng.randrange(1000, 50000)),
    }
    clerk.send("arrears.recorded", one.place.sender, at, data, one.key)
    clerk.send("arrears.written_off", one.place.sender, clerk.later(at, 60, 600), data | APPROVED, one.key)


def _body(clerk: Clerk, one: Stay, ref: str) -> dict[str, Any]:
    return {
        "card": one.card.token,
        "bank": one.card.bank,
        "institution": one.place.code,
        "admission_no": one.admission,
        "bank_ref": ref,
        "bank_date": clerk.day_text,
    }


def _deposit(clerk: Clerk, at: int, one: Stay) -> int:
    """One deposit; gives the fen that stay."""
    card, place = one.card, one.place
    fen, ref, receipt = (
        clerk.rng.choice(DEPOSITS_FEN),
        clerk.ref(card.bank),
        f"D{clerk.stamp}{clerk.number()}",
    )
    data = _body(clerk, one, ref) | {"amount": yuan(fen), "receipt_no": receipt, "access": "WARD"}
    lines = [
        booked(clerk, card.bank, at, ("PAY", "D", fen), ref, card=card.token),
        exported(clerk, place.code, at, ("DEP", "R", fen), receipt, ref=ref),
    ]
    event_id = clerk.send("deposit.paid", place.sender, at, data, one.key, lines=lines)
    if not clerk.due("deposit voided", VOIDED):
        return fen
    back, order = clerk.ref(card.bank), f"VD{clerk.number()}"
    soon = clerk.later(at, 30, 100)
    undo = _body(clerk, one, back) | {
        "original": {"source": place.sender, "id": event_id},
        "amount": yuan(fen),
        "order_no": order,
    }
    lines = [
        booked(clerk, card.bank, soon, ("VOID", "C", fen), back, card=card.token, original=ref),
        exported(clerk, place.code, soon, ("REFUND", "P", fen), order, ref=back, original=receipt),
    ]
    clerk.send("deposit.voided", place.sender, soon, undo, one.key, lines=lines)
    return 0


def _give_back(clerk: Clerk, at: int, one: Stay, fen: int) -> int:
    card, place, ref, order = one.card, one.place, clerk.ref(one.card.bank), f"RF{clerk.number()}"
    data = _body(clerk, one, ref) | {"amount": yuan(fen), "order_no": order} | APPROVED
    lines = [
        booked(clerk, card.bank, at, ("REFUND", "C", fen), ref, card=card.token),
        exported(clerk, place.code, at, ("REFUND", "P", fen), order, ref=ref, original=one.admission),
    ]
    clerk.send("deposit.refunded", place.sender, at, data, one.key, lines=lines)
    return fen


def _discharge(clerk: Clerk, at: int, one: Stay, held: int) -> None:
    """The bill: the fund's part, the deposits, and what is missing or left over."""
    rng, town = clerk.rng, clerk.town
    own = max(int(held * rng.uniform(0.6, 1.3)), 10_000) // 10 * 10
    claim: dict[str, Any] = {}
    fund = 0
    if town.fund and rng.random() < ADVANCED:
        total = int(own / rng.uniform(0.3, 0.6))
        fund = total - own
        claim = {"claim": _claim(clerk, total, fund)}
    missing, left = max(own - held, 0), max(held - own, 0)
    arrears = missing // 2 if missing and clerk.due("owed", OWED) else 0
    top_up, refund = missing - arrears, left
    ref = clerk.ref(one.card.bank)
    data = _body(clerk, one, ref) | claim
    if not (top_up or refund):
        del data["bank_ref"], data["bank_date"]
    data |= {
        "total": yuan(own + fund),
        "deposit_used": yuan(held),
        "top_up": yuan(top_up),
        "refund": yuan(refund),
        "arrears": yuan(arrears),
    }
    card, place, fen = one.card, one.place, top_up or refund
    lines = []
    if fen:
        kind, way, his_way = ("PAY", "D", "R") if top_up else ("REFUND", "C", "P")
        lines = [
            booked(clerk, card.bank, at, (kind, way, fen), ref, card=card.token),
            exported(clerk, place.code, at, ("DISCHARGE", his_way, fen), one.admission, ref=ref),
        ]
    event_id = clerk.send("discharge.settled", place.sender, at, data, one.key, lines=lines)
    if not arrears and top_up and clerk.due("recalled", RECALLED):
        _recall(clerk, clerk.later(at, 300, 900), one, top_up, original=event_id, first_ref=ref)
    elif fund and at < CLAIMS_AT and len(known := clerk.claims[town.fund, place.code]) < CLAIMS_KEPT:
        known.append((claim["claim"]["settlement_id"], fund))
    if arrears and rng.random() < 0.5:  # noqa: PLR2004 - half of them pay at once
        _pay_arrears(clerk, clerk.later(at, 600, 1800), one, arrears)


def _claim(clerk: Clerk, total: int, fund: int) -> dict[str, Any]:
    return {
        "settlement_id": f"S{clerk.stamp}{clerk.number()}",
        "payer": clerk.town.fund,
        "kind": "INPATIENT",
        "total": yuan(total),
        "eligible": yuan(total),
        "fund_amount": yuan(fund),
        "patient_amount": yuan(total - fund),
        "scheme_year": clerk.year,
        "advanced": True,
    }


def _recall(clerk: Clerk, at: int, one: Stay, top_up: int, *, original: str, first_ref: str) -> None:
    """A settlement with a top-up is taken back and the stay is open again."""
    card, place, ref = one.card, one.place, clerk.ref(one.card.bank)
    data = _body(clerk, one, ref) | {"original": {"source": place.sender, "id": original}}
    del data["admission_no"]
    lines = [
        booked(clerk, card.bank, at, ("VOID", "C", top_up), ref, card=card.token, original=first_ref),
        exported(clerk, place.code, at, ("REFUND", "P", top_up), "", ref=ref, original=one.admission),
    ]
    clerk.send("discharge.cancelled", place.sender, at, data, one.key, lines=lines)


def _pay_arrears(clerk: Clerk, at: int, one: Stay, fen: int) -> None:
    card, place, ref = one.card, one.place, clerk.ref(one.card.bank)
    order = f"{place.code}-AR{clerk.stamp}{clerk.number()}"
    data = _body(clerk, one, ref) | {"amount": yuan(fen), "order_no": order}
    lines = [
        booked(clerk, card.bank, at, ("PAY", "D", fen), ref, card=card.token),
        exported(clerk, place.code, at, ("ARREARS", "R", fen), order, ref=ref),
    ]
    clerk.send("arrears.paid", place.sender, at, data, one.key, lines=lines)
