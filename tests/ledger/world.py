"""A small world for the tests of the books: the worked day's members, some cards, and events with defaults.

`World.send("payment.voided")` fills in what a test does not care about: the sender, the card, a new bank
reference, and as ORIGINAL the last event of the kind it undoes. An override of None leaves a field out.
"""

# ruff: noqa: A002, ANN401, E501 - fields of any event by their names, and a table of them
from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Iterable
from copy import copy
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from clearing.ledger.case import Context
from clearing.ledger.decide import (
    Folded,
    Incoming,
    Parking,
    Waiting,
    decide,
    is_of_registry,
    may_change,
    needs,
)
from clearing.ledger.entry import Entry
from clearing.ledger.facts import Facts, Key, Original, Place, lock_name
from clearing.ledger.members import Members
from clearing.ledger.members_file import load_members
from clearing.ledger.outcomes import Decision, Outcome
from clearing.ledger.rules import RULES
from messages import Event, amount_text, decode, fen_of

DAYS = Path(__file__).parents[2] / "fixtures" / "days"
MEMBERS = DAYS / "2026-03-10-worked-day" / "members.toml"
OPEN_DAY = date(2026, 3, 10)
A, B, KEPT, NEW, TEMP, UNKNOWN = (
    "tok_card_A", "tok_card_B", "tok_card_K", "tok_card_N", "tok_card_T", "tok_card_U",
)  # fmt: skip
TERMINAL = "990100000001"
PEOPLE = {"maker": "op-01", "checker": "op-02"}
OTHERS = {"maker": "op-03", "checker": "op-04"}

MORE = """
[[fund]]
code = "F2"
area = "990002"
expense_bank = "B1"
expense_account = "99010000000000021"
income_bank = "B1"
income_account = "99010000000000022"
enrolment = "required"
[[hospital]]
code = "V1"
level = "VILLAGE"
settles_with = "H1"
agents = ["COUNTY"]
routes = ["DIRECT"]
[[agent]]
code = "COUNTY"
[[issuer]]
code = "ISS"
[[channel]]
code = "GONE"
settlement_bank = "B2"
settlement_account = "99020000000000031"
valid_to = "2026-03-01"
"""
SECOND_NETWORK = '[[network]]\ncode = "NET2"\n'


@cache
def members(more: str = "") -> Members:
    """The worked day's members with some others that its three days do not need."""
    return load_members(tomllib.loads(MEMBERS.read_text(encoding="utf-8") + MORE + more))


def event(
    kind: str, source: str, number: str, time: str, data: dict[str, Any], *, env: str = "PROD"
) -> Event:
    """Read a record of these fields, which must be a good one."""
    found = decode(record(kind, source, number, time, data, env=env))
    assert isinstance(found, Event), found
    return found


def record(
    kind: str, source: str, number: str, time: str, data: dict[str, Any], *, env: str = "PROD"
) -> bytes:
    """The bytes of a record of these fields."""
    said = {"specversion": "1.0", "id": number, "source": source, "type": kind, "time": time, "env": env}
    return json.dumps(said | {"data": data}).encode()


class World:
    """Facts, what is parked, and the balances of all entries so far."""

    def __init__(self, *, more: str = "", start: Facts | None = None, **settings: Any) -> None:
        self.context = Context(members=members(more), open_day=OPEN_DAY, **settings)
        found = start or (cards() if not more else _with_cards(more))
        self.facts = Facts(found._by_key.items(), members(more).on(OPEN_DAY).networks)
        self.waiting: dict[tuple[str, str], Waiting] = {}
        self.parkings: dict[tuple[str, str], Parking] = {}
        self.balances: Counter[str] = Counter()
        self.entries: list[Entry] = []
        self.sent: list[Event] = []
        self.records: list[bytes] = []
        """The bytes of each."""
        self.final: dict[tuple[str, str], Decision] = {}
        self.arrivals = 0
        self.prefix = "e"

    def fork(self) -> World:
        """A copy that goes its own way."""
        other = copy(self)
        other.facts = Facts(self.facts._by_key.items(), self.facts.networks)
        other.balances = Counter(self.balances)
        other.waiting, other.parkings = dict(self.waiting), dict(self.parkings)
        other.entries, other.sent, other.final = list(self.entries), list(self.sent), dict(self.final)
        other.records = list(self.records)
        return other

    # -- events ----------------------------------------------------------------------------------------------

    def make(
        self, kind: str, /, source: str = "", at: str = "", *, id: str = "", env: str = "PROD", **said: Any
    ) -> Event:
        """An event with the defaults of its type; `at` is a time of the open day or a whole instant."""
        sender, data = defaults(self, kind)
        merged = data | said
        body = {name: value for name, value in merged.items() if value is not None}
        number = id or f"{self.prefix}{len(self.sent) + 1}"
        at = at or f"10:{len(self.sent) // 60 % 60:02d}:{len(self.sent) % 60:02d}"
        time = at if "T" in at else f"{self.context.open_day}T{at}+08:00"
        made = event(kind, source or sender, number, time, body, env=env)
        self.sent.append(made)
        self.records.append(record(kind, source or sender, number, time, body, env=env))
        return made

    def send(self, kind: str, /, source: str = "", at: str = "", **said: Any) -> Decision:
        """Make an event and take it as a batch of one: its own outcome."""
        return self.take(self.make(kind, source, at, **said))

    def take(self, one: Event, recorded_at: datetime | None = None) -> Decision:
        """Take one event: its outcome, the last one when it was parked and woken in the same go."""
        folded = self.batch([Incoming(one, recorded_at)])
        own = [done for done in folded.woken if done.event is one]
        return (own or folded.decisions)[-1]

    def batch(self, records: Iterable[Incoming], **cut: Any) -> Folded:
        """Take several records as one batch, and keep what comes of it."""
        batch = list(records)
        named = {*cut.get("expired", ())} | {
            key for key, one in self.waiting.items() if one.waits_for in cut.get("awake", ())
        }
        facts, waiting, own = self._gathered(batch, [self.waiting[key] for key in sorted(named)])
        folded = decide(batch, waiting, facts, self.context, **cut)
        assert folded.changes.keys() <= own, folded.changes.keys() - own
        self.facts.update(facts._by_key)
        self._keep_words(batch)
        for done in [*folded.decisions, *folded.woken]:
            if done.outcome in {Outcome.DUPLICATE, Outcome.PARKED} or done.reason == "id_reused":
                continue
            key = (done.event.source, done.event.id)
            self.final[key] = done
            self.waiting.pop(key, None)
            self.parkings.pop(key, None)
            if done.entry:
                self.entries.append(done.entry)
                for account, fen, _ in done.entry.postings:
                    self.balances[account] += fen
        came = {(one.event.source, one.event.id): -no for no, one in enumerate(reversed(batch))}
        for key, parking in sorted(folded.parked.items(), key=lambda item: came.get(item[0], -len(batch))):
            self.arrivals += parking.arrival is None
            arrival = parking.arrival or self.arrivals
            self.parkings[key] = parking
            self.waiting[key] = Waiting(parking.event, arrival, parking.waits_for, parking.since)
        return folded

    def _gathered(self, batch: list[Incoming], first: list[Waiting]) -> tuple[Facts, list[Waiting], set[Key]]:
        """What the store reads for a batch: what its events name, and who waits for that, in turn; nothing else.

        Out:     facts, who waits, and the keys that the batch may change.
        """
        facts, waiting = Facts(networks=self.facts.networks), {(o.event.source, o.event.id): o for o in first}
        events = [*(one.event for one in batch), *(one.event for one in first)]
        read: set[Key] = set()
        while True:
            facts.expect(events)
            named: set[Key] = set()
            of_registry: set[Key] = set()
            for one in events:
                (of_registry if is_of_registry(one) else named).update(needs(one, facts))
            own = may_change(named, of_registry)
            names = {lock_name(key) for key in own}
            woken = {
                key: one for key, one in self.waiting.items() if one.waits_for in names and key not in waiting
            }
            fresh = (named | of_registry) - read
            if not fresh and not woken:
                return facts, list(waiting.values()), own
            for key in fresh:
                if key[0] == "line":
                    facts.put(key, self._line(lock_name(key)))
                elif (fact := self.facts.get(*key)) is not None:
                    facts.put(key, fact)
            read |= fresh
            waiting |= woken
            events += [one.event for one in woken.values()]

    def _line(self, name: str) -> tuple[Place, ...]:
        """Who stands in a line, the first to arrive first."""
        return tuple(
            sorted(
                Place((0, self.waiting[key].arrival), *key, one.waits_for, adds)
                for key, one in self.parkings.items()
                for line, adds in ((one.line, RULES[one.event.type].adds), (one.feeds, True))
                if line == name
            )
        )

    def _keep_words(self, batch: list[Incoming]) -> None:
        """What was parked or refused has its words kept too, as in the store."""
        for one in batch:
            key = ("original", one.event.source, one.event.id)
            if self.facts.get(*key) is None:
                self.facts.put(key, Original(event=one.event, entry=None))

    def cut(self) -> Folded:
        """Cut the open day: end what waited too long, wake what waits for its day, open the next."""
        day = self.context.open_day
        parked = {f"event/{source}/{number}" for source, number in self.parkings}
        over = [
            key
            for key, one in self.parkings.items()
            if one.since and one.since + timedelta(days=one.limit_days) <= day and one.waits_for not in parked
        ]
        opened = day + timedelta(days=1)
        self.context = replace(self.context, open_day=opened)
        return self.batch([], expired=over, awake=[f"day/{opened + timedelta(days=1)}"])

    def last(self, *kinds: str) -> Event:
        """The last event sent of one of these types."""
        return next(one for one in reversed(self.sent) if one.type in kinds)

    def fact(self, *key: str) -> Any:
        """A fact that must be there."""
        found = self.facts.get(*key)
        assert found is not None, key
        return found

    def payout(self) -> Any:
        """The payout of the last submission."""
        one = self.last("reimbursement.submitted")
        return self.fact("payout", one.source, one.id)


def postings_of(decision: Decision) -> str:
    """`account yuan` of each posting, in order of account, several of one account added up."""
    sums: Counter[str] = Counter()
    for account, fen, _ in decision.entry.postings if decision.entry else ():
        sums[account] += fen
    return " ".join(f"{name} {amount_text(fen)}" for name, fen in sorted(sums.items()) if fen)


def changed_by(folded: Folded) -> str:
    """The kinds of facts that a batch changed."""
    return " ".join(sorted({key[0] for key in folded.changes}))


# -- cards to begin with -----------------------------------------------------------------------------------------


@cache
def cards() -> Facts:
    """Active cards at B1 and B2, a temporary one, one that is only issued, and a terminal."""
    return _with_cards("")


def _with_cards(more: str) -> Facts:
    world = World(more=more, start=Facts(networks=members(more).on(OPEN_DAY).networks))
    world.prefix = "card"
    for card, bank, steps in ((A, "B1", 1), (B, "B2", 1), (KEPT, "B1", 1), (TEMP, "B1", 1)):
        said = {"card": card, "bank": bank, "person": f"per_{card}"}
        kind = "TEMP" if card == TEMP else "NORMAL"
        before = "2026-03-01T08:00:00+08:00"
        whole = said | {"card_class": kind, "account_class": "I"}
        world.send("card.registered", bank, before, stage="BANK", **whole)
        world.send(
            "card.registered", "CP", before, stage="PLATFORM", card_class=None, account_class=None, **said
        )
        if steps:
            world.send("card.activated", bank, before, card=card, bank=bank)
    world.send("terminal.registered", "CP", "2026-03-01T08:00:00+08:00")
    return world.facts


def fact_keys(facts: Facts, kind: str) -> list[Key]:
    """The keys of one kind that are there."""
    return [key for key in facts._by_key if key[0] == kind]


# -- defaults ----------------------------------------------------------------------------------------------------

UNDOES = {
    "payment.voided": ("payment.made", "payment.timed_out", "arrears.paid"),
    "payment.refunded": ("payment.made", "payment.timed_out", "arrears.paid"),
    "payment.confirmed": ("payment.timed_out",),
    "payment.reversed": ("payment.made", "payment.timed_out", "deposit.paid", "arrears.paid"),
    "topup.reversed": ("topup.made",),
    "premium.refunded": ("premium.paid",),
    "deposit.voided": ("deposit.paid", "payment.timed_out"),
    "discharge.cancelled": ("discharge.settled",),
    "fee.adjusted": ("payment.made", "deposit.paid", "arrears.paid", "discharge.settled", "payment.timed_out"),
}  # fmt: skip
OF_PAYOUTS = ("payout.", "reimbursement.withdrawn")


def defaults(world: World, kind: str) -> tuple[str, dict[str, Any]]:
    """The sender and the body of an event of this type, as far as a test does not say."""
    day, number = str(world.context.open_day), len(world.sent) + 1
    card, place = {"card": A, "bank": "B1"}, {"institution": "H1"}
    ref = {"bank_ref": f"R{number}", "bank_date": day}
    money, stay = {"amount": "100.00"}, {"institution": "H1", "admission_no": "A1"}
    approval = {"approval": PEOPLE}
    original: dict[str, Any] = {}
    kinds = UNDOES.get(kind) or (("reimbursement.submitted",) if kind.startswith(OF_PAYOUTS) else ())
    if kinds:
        before = next((one for one in reversed(world.sent) if one.type in kinds), None)
        original = {
            "original": {"source": before.source, "id": before.id}
            if before
            else {"source": "H1", "id": "none"}
        }
        if before is not None:
            said: Any = before.event if isinstance(before, Decision) else before
            body = said.data.__dict__
            card = {"card": body.get("card") or A, "bank": body.get("bank") or "B1"}
            place = {"institution": body.get("institution") or "H1"}
            money = {"amount": amount_text(body.get("amount") or 10_000)}
    table: dict[str, tuple[str, dict[str, Any]]] = {
        "card.registered": ("B1", card | {"stage": "BANK", "person": "per_tok_card_A", "card_class": "NORMAL", "account_class": "I"}),
        "card.aliased": ("CP", card | {"kind": "BOOKLET", "token": "tok_alias_1"}),
        "card.changed": ("B1", card | {"account_class": "II"}),
        "card.activated": ("B1", card),
        "card.frozen": ("B1", card | {"scope": "ALL", "reason": "asked by the holder"}),
        "card.unfrozen": ("B1", card | {"scope": "ALL", "reason": "asked by the holder"}),
        "card.lost": ("B1", card | {"reported_at": f"{day}T09:00:00+08:00"}),
        "card.found": ("B1", card | {"reported_at": f"{day}T09:30:00+08:00"}),
        "card.replaced": ("B1", card | {"new_card": NEW}),
        "card.cancelled": ("B1", card),
        "card.terminated": ("B1", card),
        "card.holder_deceased": ("B1", card),
        "card.duplicate_found": ("CP", card | {"kept_card": KEPT}),
        "terminal.registered": ("CP", {"terminal": TERMINAL, "sam": "9" * 20, "institution": "H1", "acquirer": "B2"}),
        "terminal.sam_replaced": ("CP", {"terminal": TERMINAL, "new_sam": "8" * 20}),
        "payment.made": ("H1", card | place | money | ref | {"order_no": f"o{number}", "purpose": "OUTPATIENT"}),
        "payment.voided": ("H1", original | card | place | money | ref),
        "payment.refunded": ("H1", original | card | place | money | ref),
        "payment.timed_out": ("H1", card | place | money | ref | {"order_no": f"o{number}"}),
        "payment.confirmed": ("H1", original | ref),
        "payment.reversed": ("H1", original | money | place),
        "topup.made": ("B2", card | money | ref | {"method": "NETBANK", "payer_bank": "B2"}),
        "topup.reversed": ("B2", original | money),
        "premium.paid": ("B1", card | ref | {"amount": "800.00", "payer": "F1", "scheme_year": "2026", "members": [
            {"person": "per_fam_1", "amount": "400.00"}, {"person": "per_fam_2", "amount": "400.00"}]}),
        "premium.refunded": ("F1", original | approval | {"amount": "400.00", "persons": ["per_fam_1"]}),
        "admission.registered": ("H1", card | stay | {"admitted_at": f"{day}T08:00:00+08:00"}),
        "admission.cancelled": ("H1", stay),
        "deposit.paid": ("H1", card | stay | money | ref | {"receipt_no": "D-1"}),
        "deposit.voided": ("H1", original | card | stay | money | ref),
        "deposit.refunded": ("H1", card | stay | money | ref | approval),
        "deposit.transferred": ("H1", place | money | {"from_admission": "A1", "to_admission": "A2"}),
        "discharge.settled": ("H1", card | stay | {"total": "100.00", "deposit_used": "100.00", "top_up": "0.00", "refund": "0.00"}),
        "discharge.cancelled": ("H1", original),
        "arrears.recorded": ("H1", stay | money),
        "arrears.written_off": ("H1", stay | money | approval),
        "arrears.paid": ("H1", card | stay | money | ref | {"order_no": f"o{number}"}),
        "reimbursement.submitted": ("F1", {"card": A, "bank": "B1", "amount": "100.00", "claim": claim(f"S{number}"), **approval}),
        "reimbursement.batch_submitted": ("F1", approval | {"batch_id": "BATCH", "kind": "INPATIENT", "payer": "F1", "rows": 1, "total": "100.00", "digest": "0" * 64}),
        "reimbursement.withdrawn": ("F1", original | approval),
        "payout.sent": ("B1", original),
        "payout.result": ("B1", original | money | ref | {"result": "PAID"}),
        "payout.returned": ("B1", original | money | ref | {"reason_code": "R03"}),
        "payout.repaid": ("F1", original | {"card": A, "bank": "B1", "business": PEOPLE, "finance": OTHERS}),
        "payout.given_back": ("F1", original | approval),
        "payout.recalled": ("F1", original | approval),
        "claim.settled": ("F1", approval | {"payer": "F1", "institution": "H1", "month": "2026-03", "paid": "60.00", "claims": [
            {"settlement_id": "S-ADV", "claimed": "80.00", "deducted": "5.00", "retained": "15.00"}]}),
        "retention.released": ("F1", approval | {"payer": "F1", "institution": "H1", "year": "2026", "released": "10.00", "kept": "5.00"}),
        "crossregion.settled": ("F1", approval | money | {"payer": "F1", "treat_area": "990001", "insured_area": "990002", "month": "2026-03"}),
        "settlement.confirmed": ("B2", money | ref | {"instruction": "I1"}),
        "settlement.failed": ("B1", {"instruction": "I1", "reason": "not enough cover"}),
        "fee.adjusted": ("PLAT", original | approval | {"bearer": place["institution"], "payee": "B2", "amount": "0.10", "direction": "MORE"}),
        "correction.approved": ("PLAT", approval | {"text": "found", "legs": [
            {"account": "1010.B1", "side": "D", "amount": "60.00"}, {"account": "2091.H1", "side": "C", "amount": "60.00"}]}),
    }  # fmt: skip
    if kind.startswith("terminal.") and kind not in table:
        return "CP", {"terminal": TERMINAL}
    return table[kind]


def claim(settlement_id: str, amount: str = "100.00", **said: Any) -> dict[str, Any]:
    """A claim that the fund bears whole, unless `total` says otherwise."""
    total = said.pop("total", amount)
    whole = {
        "settlement_id": settlement_id,
        "payer": "F1",
        "kind": "INPATIENT",
        "total": total,
        "eligible": total,
        "fund_amount": amount,
        "patient_amount": amount_text(fen_of(total) - fen_of(amount)),
    }
    return whole | said


def story(world: World, *steps: str | tuple[str, dict[str, Any]]) -> World:
    """Send some events that must be accepted, each by its type, or by type and overrides."""
    for step in steps:
        kind, said = (step, {}) if isinstance(step, str) else step
        done = world.send(kind, **said)
        assert done.outcome in {Outcome.POSTED, Outcome.NOTED}, (kind, done.reason, done.detail)
    return world
