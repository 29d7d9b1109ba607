"""The checks every family shares, one a refusal, in the contract's order. 校验

A check takes a case and gives None when it holds, else what becomes of the event. Rules list their checks in
order; the first that gives something decides. A test holds each list to the order of `Reason`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, TypeAlias, get_args

from clearing.ledger.business_day import ONE_DAY
from clearing.ledger.case import Case
from clearing.ledger.facts import Facts, Key, Seen
from clearing.ledger.members import INSTITUTION, PAYER
from clearing.ledger.money import yuan
from clearing.ledger.outcomes import Parked, Reason, Rejected, Verdict
from clearing.ledger.permission import NO, PARK, Cell, Use, judge
from messages.reimbursements import Payee

Check: TypeAlias = Callable[[Case], Verdict | None]

HOSPITAL: Final = frozenset({"hospital"})
FUTURE_MAX: Final = timedelta(minutes=10)
NAMED_AS: Final[tuple[tuple[str, frozenset[str]], ...]] = (
    ("bank", frozenset({"bank"})),
    ("institution", INSTITUTION),
    ("payer", PAYER),
    ("payer_bank", frozenset({"bank"})),
    ("network", frozenset({"network"})),
    ("acquirer", frozenset({"bank"})),
    ("bearer", INSTITUTION),
    ("payee", frozenset({"bank", "hospital", "pharmacy", "fund", "insurer", "channel"})),
)
"""Fields of data that name a member, and the kinds that fit."""


def not_a_test(case: Case) -> Rejected | None:
    """test_event: events of env TEST only where the engine itself is a test."""
    if case.event.env == "TEST" and case.context.env != "TEST":
        return Rejected(
            Reason.TEST_EVENT, f"{case.name}: env is TEST, this engine runs with {case.context.env}"
        )
    return None


def source_known(case: Case) -> Rejected | None:
    """unknown_source: the producer is a member on the event's date."""
    if case.event.source in case.members.by_code:
        return None
    return Rejected(
        Reason.UNKNOWN_SOURCE, f"{case.name}: {case.event.source} is no member in force on {case.day}"
    )


def not_allowed(case: Case, expected: str) -> Rejected:
    """source_not_allowed, with who would have been."""
    return Rejected(
        Reason.SOURCE_NOT_ALLOWED, f"{case.name}: {case.event.source} may not send this; expected {expected}"
    )


def from_institution(case: Case) -> Rejected | None:
    """source_not_allowed: the institution named, or one of its agents."""
    if case.spoken_by(case.data.institution):
        return None
    return not_allowed(case, f"{case.data.institution} or one of its agents")


def from_payer(case: Case) -> Rejected | None:
    """source_not_allowed: the payer named, or one of its agents."""
    if case.spoken_by(case.data.payer):
        return None
    return not_allowed(case, f"{case.data.payer} or one of its agents")


def from_platform(case: Case) -> Rejected | None:
    """source_not_allowed: the platform itself."""
    return None if case.spoken_by(case.platform) else not_allowed(case, case.platform)


def currency_is_cny(case: Case) -> Rejected | None:
    """currency_not_supported: one currency, not two half-supported."""
    currency = case.said.get("currency", "CNY")
    if currency == "CNY":
        return None
    return Rejected(Reason.CURRENCY_NOT_SUPPORTED, f"{case.name}: expected CNY, got {currency}")


def members_known(case: Case) -> Rejected | None:
    """unknown_member: every member code in the data, of the kind its field needs, on the event's date."""
    said, known = case.said, case.members.kinds
    for field, kinds in named_in(type(case.event.data)):
        code = said[field]
        if code is not None and known.get(code) not in kinds:
            return member_of(case, field, code, kinds)
    if (origin := case.said.get("origin")) is not None:
        refused = member_of(case, "origin.institution", origin.institution, INSTITUTION)
        if refused:
            return refused
    if (claim := case.said.get("claim")) is not None:
        refused = member_of(case, "claim.payer", claim.payer, PAYER)
        if refused:
            return refused
    if case.said.get("route") == "UNIONPAY" and not case.network:
        count = len(case.members.networks)
        return Rejected(
            Reason.UNKNOWN_MEMBER,
            f"{case.name}: route UNIONPAY names no network and {count} are members; expected data.network",
        )
    return None


_NAMED_IN: Final[dict[type, tuple[tuple[str, frozenset[str]], ...]]] = {}


def named_in(body: type) -> tuple[tuple[str, frozenset[str]], ...]:
    """The fields of one kind of body that name members; found once."""
    if body not in _NAMED_IN:
        fields: dict[str, Any] = vars(body)["__pydantic_fields__"]
        # A reimbursement's `payee` is a person, sealed for the bank, and names no member.
        parts = {
            name for name, field in fields.items() if Payee in (field.annotation, *get_args(field.annotation))
        }
        _NAMED_IN[body] = tuple(row for row in NAMED_AS if row[0] in fields and row[0] not in parts)
    return _NAMED_IN[body]


def member_of(case: Case, field: str, code: str, kinds: frozenset[str]) -> Rejected | None:
    """unknown_member, when `code` is not a member of one of these kinds on the event's date."""
    kind = case.members.kind(code)
    if kind in kinds:
        return None
    expected = " or ".join(sorted(kinds))
    got = f"a {kind}" if kind else "no member"
    return Rejected(
        Reason.UNKNOWN_MEMBER,
        f"{case.name}: data.{field} {code}: expected a {expected} on {case.day}, got {got}",
    )


def at_a_hospital(case: Case) -> Rejected | None:
    """unknown_member: stays, and what follows from them, are a hospital's; a pharmacy has no beds."""
    institution = case.said.get("institution")
    if institution is None or case.members.kind(institution) == "hospital":
        return None
    return member_of(case, "institution", institution, HOSPITAL)


def day_has_come(case: Case) -> Rejected | Parked | None:
    """time_in_future against the broker's clock; else parked while its day is later than the next."""
    if case.recorded_at is not None and case.event.time > case.recorded_at + FUTURE_MAX:
        ahead = case.event.time - case.recorded_at
        return Rejected(
            Reason.TIME_IN_FUTURE,
            f"{case.name}: its time is {ahead} after the broker's own; at most {FUTURE_MAX}",
        )
    if case.day > case.context.open_day + ONE_DAY:
        return Parked(
            ("day", case.day.isoformat()),
            f"of {case.day}, the open day is {case.context.open_day}",
            in_line=False,
        )
    return None


def route_agreed(case: Case) -> Rejected | None:
    """route_not_agreed: where the institution's routes are given, the event's is one of them."""
    if case.said.get("bank_ref", "") is None and case.event.type != "payment.timed_out":
        return None
    agreed = case.institution(case.data.institution).routes
    if agreed is None or case.route in agreed:
        return None
    return Rejected(
        Reason.ROUTE_NOT_AGREED,
        f"{case.name}: {case.data.institution} has agreed {', '.join(agreed)}, got {case.route}",
    )


def terminal_in_use(case: Case) -> Rejected | None:
    """terminal_blocked: a known terminal takes debits only while in use; an unknown one is listed."""
    number = case.data.terminal
    terminal = case.facts.get("terminal", number) if number else None
    if terminal is None or (state := terminal.state_at(case.event.time)) in ("IN_USE", "UNREGISTERED"):
        return None
    return Rejected(
        Reason.TERMINAL_BLOCKED, f"{case.name}: terminal {number} was {state} at the event's time"
    )


def may_debit(case: Case) -> Rejected | Parked | None:
    """card_not_allowed for a debit, or parked for the card."""
    verdict = permission(case, Use.DEBIT)
    return None if isinstance(verdict, Cell) else verdict


def permission(case: Case, use: Use) -> Cell | Rejected | Parked:
    """What the table says of this use: a cell that lets it go on, or what becomes of the event."""
    card = case.card
    if card is None or not card.bank:
        if not case.context.cards_required:
            return Cell.YES
        return Parked(("card", case.token), "the card is not registered by its bank")
    cell = judge(use, card, case.event.time, case.latest(card))
    if cell is PARK:
        return Parked(("card", case.token), f"the card is {card.state}, registrations are not complete")
    if cell is NO:
        state = card.state_at(case.event.time)
        return Rejected(
            Reason.CARD_NOT_ALLOWED,
            f"{case.name}: the card was {state} ({card.card_class}) at the event's time",
        )
    return cell


def card_to_come(case: Case, *earlier: str) -> Parked | None:
    """Parked for a card that nobody has registered yet: cards and payments travel on different topics.

    In:      `earlier`: numbers that have paid; a time-out needs no card, so one may be nobody's yet.
    """
    if not case.context.cards_required:
        return None
    if case.card is None or not case.card.bank:
        return Parked(("card", case.token), "the card is not registered by its bank")
    for token in earlier:
        card = case.facts.get("card", token)
        if not (card is not None and card.bank) and case.facts.get("alias", token) is None:
            return Parked(("card", token), "the number that has paid is nobody's yet")
    return None


def card_of_bank(case: Case) -> Rejected | None:
    """card_differs: the bank named is the card's."""
    card = case.card
    if card is None or not card.bank or case.data.bank == card.bank:
        return None
    return Rejected(
        Reason.CARD_DIFFERS, f"{case.name}: the card is {card.bank}'s, data.bank says {case.data.bank}"
    )


def not_reversed_before(case: Case) -> Rejected | None:
    """reversed_before_arrival: a tombstone by one who may, for the same amount, ends it."""
    tombstone = case.facts.get("tombstone", *case.key)
    if tombstone is None:
        return None
    data = case.data
    allowed = {case.event.source, case.platform, data.bank}
    for sender, institution, amount_fen in zip(
        tombstone.senders, tombstone.institutions, tombstone.amounts_fen, strict=True
    ):
        may = sender in allowed or case.members.may_speak_for(sender, data.institution)
        if may and amount_fen == data.amount and institution in ("", data.institution):
            return Rejected(
                Reason.REVERSED_BEFORE_ARRIVAL, f"{case.name}: {sender} reversed it before it came"
            )
    return None


def bank_ref_new(case: Case) -> Rejected | None:
    """bank_ref_reused: a partner's reference is used up by one event."""
    return bank_ref_free(case, case.partner)


def bank_ref_free(case: Case, partner: str) -> Rejected | None:
    """bank_ref_reused, for the partner given; an event without reference passes."""
    ref = case.said.get("bank_ref")
    if ref is None:
        return None
    used = case.facts.get("bank_ref", partner, case.data.bank_date.isoformat(), ref)
    if used is None:
        return None
    return Rejected(
        Reason.BANK_REF_REUSED,
        f"{case.name}: {partner}'s reference of {case.data.bank_date} was used by {used.source}/{used.id}",
    )


def order_free(case: Case) -> Rejected | None:
    """order_already_paid: an order number is taken by one payment of its institution at a time."""
    taken = case.facts.get("order", case.data.institution, case.data.order_no)
    if taken is None or not taken.source:
        return None
    return Rejected(
        Reason.ORDER_ALREADY_PAID,
        f"{case.name}: order {case.data.order_no} of {case.data.institution} is taken by {taken.source}/{taken.id}",
    )


def open_stay(case: Case, institution: str, admission_no: str) -> Rejected | Parked | None:
    """Parked while the stay is unknown; admission_closed when it is not open."""
    stay = case.facts.get("stay", institution, admission_no)
    if stay is None:
        return Parked(("stay", institution, admission_no), "the admission is not registered")
    case.not_before(stay.last_date)
    if stay.state == "OPEN":
        return None
    return Rejected(
        Reason.ADMISSION_CLOSED,
        f"{case.name}: admission {institution}/{admission_no} is {stay.state}, expected OPEN",
    )


def exceeds(case: Case, reason: Reason, what: str, asked_fen: int, left_fen: int) -> Rejected | None:
    """A refusal in the house form when more is asked than is left."""
    if asked_fen <= left_fen:
        return None
    return Rejected(
        reason,
        f"{case.name} exceeds {what}: {yuan(asked_fen)} asked, {yuan(left_fen)} left "
        f"({yuan(asked_fen - left_fen)} too much)",
    )


# -- events that name an original ----------------------------------------------------------------------------


def original_of(*types: str) -> Check:
    """unknown_original at once, before the sender is looked at: rejected, or not of the kind the row needs."""

    def check(case: Case) -> Rejected | None:
        """unknown_original: rejected, or not of the kind the row needs."""
        seen = case.original_seen
        if seen is None or seen.outcome == "parked":
            return None
        source, id_ = case.original_key
        if seen.outcome == "rejected":
            return Rejected(
                Reason.UNKNOWN_ORIGINAL, f"{case.name}: original {source}/{id_} was rejected ({seen.reason})"
            )
        kind = kind_of(case)
        if kind not in types:
            return Rejected(
                Reason.UNKNOWN_ORIGINAL,
                f"{case.name}: original {source}/{id_} is a {kind}; expected {' or '.join(types)}",
            )
        return None

    return check


def kind_of(case: Case) -> str:
    """The type of the original; a time-out counts as the payment or deposit that it would have been."""
    seen, original = case.original_seen, case.original
    if seen is None or seen.type != "payment.timed_out" or original is None:
        return seen.type if seen else ""
    said: Any = original.event.data
    return "deposit.paid" if said.admission_no else "payment.made"


def original_decided(case: Case) -> bool:
    """Whether the original is known and accepted, so that checks which need it can run."""
    seen: Seen | None = case.original_seen
    return seen is not None and seen.outcome in ("posted", "noted")


def when_known(check: Check) -> Check:
    """The check once the original is known; until then it has nothing to say, `original_here` parks."""

    @functools.wraps(check)
    def later(case: Case) -> Verdict | None:
        return check(case) if original_decided(case) else None

    return later


def original_here(case: Case) -> Parked | None:
    """Parked with its original: unknown yet, or itself parked."""
    if original_decided(case):
        return None
    source, id_ = case.original_key
    return Parked(("seen", source, id_), f"original {source}/{id_} has not been decided")


def original_needs(case_facts: Facts, source: str, id_: str) -> list[Key]:
    """The keys behind an original, as far as they can be named: the confirmation of a time-out too."""
    keys: list[Key] = [
        ("seen", source, id_),
        ("original", source, id_),
        ("undo", source, id_),
        ("timeout", source, id_),
    ]
    timeout = case_facts.get("timeout", source, id_)
    if timeout is not None and timeout.confirmed_id:
        keys.append(("original", timeout.confirmed_source, timeout.confirmed_id))
    return keys
