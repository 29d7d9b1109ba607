"""Which accounts an event's money touches: route, immediate mode, fees. 记账路由"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Final

from clearing.ledger import accounts
from clearing.ledger.accounts import account, code_of, owner_of
from clearing.ledger.entry import Entry, Leg, Posting, mirrored
from clearing.ledger.fees import FeeRule
from clearing.ledger.members import Institution
from clearing.ledger.money import half_up

if TYPE_CHECKING:
    from clearing.ledger.case import Case
    from clearing.ledger.facts import Undo

PAYABLE_OF: Final = {"hospital": accounts.HOSPITAL, "pharmacy": accounts.PHARMACY}


def payable(settling: Institution) -> str:
    """The payable of an institution that settles by itself: 2010 of a hospital, 2011 of a pharmacy."""
    return account(PAYABLE_OF[settling.kind], settling.code)


def payer_position(case: Case, payer: str) -> str:
    """The position that a payer's expense moves: 1020 of a fund, 1030 of an insurer."""
    member = case.member(payer) or case.context.members.last_record(payer)
    kind = member.kind if member else ""
    return account(accounts.INSURER if kind == "insurer" else accounts.FUND_EXPENSE, payer)


def by_route(
    case: Case,
    institution: str,
    route: str,
    amount_fen: int,
    *,
    bank: str,
    network: str = "",
    channel: str = "",
) -> list[Posting]:
    """The money leg between card and institution by the route; a refund takes it mirrored.

    In:      fen, positive; the card's bank, and the network or channel where the route has one.
    Out:     debit at the bank, channel or network, credit to the institution.
    Source:  contract "Books", rule 6.
    """
    if route == "UNIONPAY":
        cleared = account(accounts.NETWORK_CLEARED, network)
        return two(cleared, account(accounts.NETWORK_PAID, institution), amount_fen)
    debit = account(accounts.CHANNEL, channel) if route == "CHANNEL" else account(accounts.BANK, bank)
    return two(debit, payable(case.settling(institution)), amount_fen)


def two(debit: str, credit: str, amount_fen: int, leg: Leg = Leg.GROSS) -> list[Posting]:
    """A debit and a credit of one amount; nothing for zero."""
    if not amount_fen:
        return []
    return [Posting(debit, amount_fen, leg), Posting(credit, -amount_fen, leg)]


def memo(debit: str, credit: str, amount_fen: int) -> list[Posting]:
    """A debit and a credit that only track."""
    return two(debit, credit, amount_fen, Leg.MEMO)


def immediate(case: Case, institution: str, route: str, bank: str, amount_fen: int) -> list[Posting]:
    """The settlement legs of an institution that the bank has already credited; none in net mode.

    Source:  contract "Books", rule 6: DIRECT, and the card's bank is its settlement bank.
    """
    settling = case.settling(institution)
    if route != "DIRECT" or settling.mode != "immediate" or bank != settling.settlement_bank:
        return []
    return two(payable(settling), account(accounts.BANK, bank), amount_fen, Leg.SETTLED)


def fee_legs(
    case: Case, institution: str, route: str, amount_fen: int, *, bank: str, terminal: str, access: str
) -> list[Posting]:
    """The fee of a payment: from the institution's payable to each payee. Never on UNIONPAY."""
    rule = fee_rule(case, institution, route=route, bank=bank, terminal=terminal, access=access)
    if rule is None:
        return []
    parts = rule.parts(rule.fee(amount_fen), issuer=bank, acquirer=acquirer_of(case, terminal))
    return fee_postings(payable(case.settling(institution)), parts)


def credited(
    case: Case, institution: str, route: str, amount_fen: int, *, bank: str, terminal: str, access: str
) -> list[Posting]:
    """What follows from crediting an institution: the settlement legs of immediate mode, and the fee."""
    legs = immediate(case, institution, route, bank, amount_fen)
    return legs + fee_legs(case, institution, route, amount_fen, bank=bank, terminal=terminal, access=access)


def paid(case: Case, amount_fen: int, *, channel: str = "") -> list[Posting]:
    """The postings of money that the event's card pays its institution: gross, settlement and fee legs."""
    data, route = case.data, case.route
    network = case.network if route == "UNIONPAY" else ""
    gross = by_route(
        case, data.institution, route, amount_fen, bank=data.bank, network=network, channel=channel
    )
    return gross + credited(
        case,
        data.institution,
        route,
        amount_fen,
        bank=data.bank,
        terminal=data.terminal or "",
        access=data.access or "",
    )


def fee_postings(bearer: str, parts: Sequence[tuple[str, int]]) -> list[Posting]:
    """Dr the bearer's payable / Cr 2060 of each payee; negative parts give back."""
    out: list[Posting] = []
    for payee, fen in parts:
        out += two(bearer, account(accounts.FEES, payee), fen, Leg.FEE)
    return out


def fee_rule(
    case: Case,
    institution: str,
    *,
    route: str,
    bank: str,
    terminal: str,
    access: str,
    day: date | None = None,
) -> FeeRule | None:
    """The fee rule in force on a day (the case's clearing date) for a payment at an institution."""
    if route == "UNIONPAY" or not case.context.members.fees:
        return None
    then = case.context.members.on(day).by_code.get(institution) if day else None
    member = then if isinstance(then, Institution) else case.institution(institution)
    return case.context.members.fee_rule(
        day or case.clearing_date,
        member,
        bank=bank,
        acquirer=acquirer_of(case, terminal),
        access=access,
        route=route,
    )


def acquirer_of(case: Case, terminal: str) -> str:
    """The bank that runs the terminal, empty when unknown."""
    known = case.facts.get("terminal", terminal) if terminal else None
    return known.acquirer if known else ""


def bearer_of(case: Case, entry: Entry) -> str:
    """The payable that bears an entry's fee: the one among its postings, else its institution's."""
    for name, _, _ in entry.postings:
        if code_of(name) in (accounts.HOSPITAL, accounts.PHARMACY):
            return name
    return payable(case.settling(entry.institution))


def fees_standing(entry: Entry, undo: Undo | None) -> dict[str, int]:
    """The fee that stands with each payee of an entry, as adjusted and less what refunds gave back; fen."""
    standing: dict[str, int] = {}
    for name, fen, leg in entry.postings:
        if leg is Leg.FEE and code_of(name) == accounts.FEES:
            standing[owner_of(name)] = standing.get(owner_of(name), 0) - fen
    if undo is not None:
        for payee, fen in undo.fee_adjusted:
            standing[payee] = standing.get(payee, 0) + fen
        for payee, fen in undo.fee_returned:
            standing[payee] = standing.get(payee, 0) - fen
    return standing


def whole_mirror(case: Case, entry: Entry) -> list[Posting]:
    """The mirror of an entry, with its fee as it stands rather than as it was first charged.

    What a confirmation took from the unknown outcome goes back to the card's bank: its time-out is closed.
    """
    bank = account(accounts.BANK, entry.bank)
    out = [
        Posting(bank, fen, leg) if code_of(name) == accounts.UNKNOWN_OUTCOME else Posting(name, fen, leg)
        for name, fen, leg in mirrored(entry.postings)
        if leg is not Leg.FEE
    ]
    returned = [(payee, -fen) for payee, fen in fees_standing(entry, case.undo).items() if fen]
    return out + (fee_postings(bearer_of(case, entry), returned) if returned else [])


def refund_fees(entry: Entry, undo: Undo | None, refunded_fen: int) -> dict[str, int]:
    """What each payee gives back at this refund, where the rule says that refunds return fees.

    In:      Σ refunds of the original, this one included, fen.
    Out:     payee → fen of this refund: half-up share of its fee as adjusted, less what it gave back before.
    """
    returned = dict(undo.fee_returned) if undo else {}
    charged = fees_standing(entry, undo)
    out: dict[str, int] = {}
    for payee, standing in charged.items():
        before = returned.get(payee, 0)
        adjusted = standing + before
        part = half_up(adjusted * refunded_fen, entry.amount_fen) - before
        if part:
            out[payee] = part
    return out
