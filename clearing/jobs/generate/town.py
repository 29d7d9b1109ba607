"""Who there is in the city: members as the generator needs them. 城市"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import accumulate
from typing import NamedTuple

from clearing.errors import MembersRefused
from clearing.jobs.generate.plan import Plan
from clearing.ledger.members import Bank, Fund, Institution, Members, MembersOn

IN_PATIENTS = frozenset({"NATIONAL", "PROVINCE", "CITY", "COUNTY", "TOWNSHIP"})


class Place(NamedTuple):
    """One institution."""

    code: str
    sender: str
    """Who sends its events: itself, or its first agent."""
    payable: str
    """Its account of the books when it settles by itself, else empty."""
    routes: tuple[str, ...]
    terminal: str


class Weighted(NamedTuple):
    """Places or banks with running sums of their weights, to draw from."""

    names: tuple[Place, ...]
    sums: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Town:
    """Everybody that a day needs, in the order of the members file; empty text for who is not there."""

    platform: str
    card_platform: str
    banks: tuple[str, ...]
    """Issuing banks."""
    bank_sums: tuple[float, ...]
    hospitals: Weighted
    wards: Weighted
    """Hospitals that admit patients."""
    pharmacies: Weighted
    places: tuple[Place, ...]
    fund: str
    fund_area: str
    """The area of that fund."""
    areas: tuple[str, ...]
    """Other areas, where people are insured who are treated here."""
    insurer: str
    channel: str
    network: str
    several_networks: bool
    acquirer: str
    statements: tuple[str, ...]
    """Who sends statements: banks, channels, networks."""

    def elsewhere(self, place: Place) -> str:
        """Another institution that may not speak for this one."""
        return next(one.code for one in self.places if one.code not in (place.code, place.sender))


def town_of(members: Members, day: date, plan: Plan) -> Town:
    """The members of a day as a town to draw from.

    Raises:  MembersRefused when there is no issuing bank, hospital or card platform, or only one institution.
    """
    on = members.on(day)
    banks = [m for m in on.by_code.values() if isinstance(m, Bank)]
    issuers = tuple(bank.code for bank in banks if "issuer" in bank.roles)
    institutions = [m for m in on.by_code.values() if isinstance(m, Institution)]
    places = {m.code: _place(m, number) for number, m in enumerate(institutions, 1)}
    hospitals = [m for m in institutions if m.kind == "hospital"]
    card_platform = _first(on, "card_platform")
    if not issuers or not hospitals or not card_platform or len(institutions) < len(("payee", "another")):
        raise MembersRefused(
            f"members on {day}: a day needs an issuing bank, a hospital, a second institution "
            f"and a card platform; got {len(issuers)} issuers, {len(institutions)} institutions, "
            f"card platform {card_platform or 'none'}"
        )

    fund_area = next((m.area or "" for m in on.by_code.values() if isinstance(m, Fund)), "")

    def weighted(chosen: Iterable[Institution]) -> Weighted:
        found = tuple(chosen)
        weights = (plan.level_weights.get(m.level or "", 5.0) for m in found)
        return Weighted(tuple(places[m.code] for m in found), tuple(accumulate(weights)))

    return Town(
        platform=members.platform.code,
        card_platform=card_platform,
        banks=issuers,
        bank_sums=_bank_sums(issuers, plan.lead_bank),
        hospitals=weighted(hospitals),
        wards=weighted([m for m in hospitals if m.level in IN_PATIENTS] or hospitals),
        pharmacies=weighted(m for m in institutions if m.kind == "pharmacy"),
        places=tuple(places.values()),
        fund=_first(on, "fund"),
        fund_area=fund_area,
        areas=tuple(
            area for area in sorted({m.area or "" for m in institutions}) if area and area != fund_area
        ),
        insurer=_first(on, "insurer"),
        channel=_first(on, "channel"),
        network=_first(on, "network"),
        several_networks=len(on.networks) > 1,
        acquirer=next((bank.code for bank in banks if "acquirer" in bank.roles), ""),
        statements=tuple(c for c, m in on.by_code.items() if m.kind in ("bank", "channel", "network")),
    )


def _first(on: MembersOn, kind: str) -> str:
    return next((code for code, member in on.by_code.items() if member.kind == kind), "")


def _place(member: Institution, number: int) -> Place:
    chart = "2010" if member.kind == "hospital" else "2011"
    return Place(
        code=member.code,
        sender=member.agents[0] if member.agents else member.code,
        payable="" if member.settles_with else f"{chart}.{member.code}",
        routes=tuple(member.routes or ("DIRECT", "UNIONPAY", "CHANNEL")),
        terminal=f"9901{number:08d}",
    )


def _bank_sums(banks: Sequence[str], lead: float) -> tuple[float, ...]:
    if len(banks) == 1:
        return (1.0,)
    others = [1 / rank for rank in range(1, len(banks))]
    return tuple(accumulate([lead, *((1 - lead) * part / sum(others) for part in others)]))
