"""Days of a name: how many records, from how many members, with how many cards. 规模

county     41 000 events, three banks, thirty institutions        one-bank   a pilot: one bank, thirty institutions
city       1.4 million events, nine banks, 650 institutions       year-end   a second compensation of 20 000 rows
province   9.1 million events, twelve banks, 6 500 institutions, 8.7 million cards registered before
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from clearing.jobs.generate.plan import Plan

LEVELS: Final[Mapping[str, float]] = MappingProxyType(
    {"PROVINCE": 300, "CITY": 150, "COUNTY": 60, "COMMUNITY": 8, "TOWNSHIP": 6, "VILLAGE": 1}
)
"""Visits of a hospital beside those of a village clinic."""
OF_A_HUNDRED: Final = (
    ("VILLAGE", 62), ("TOWNSHIP", 19), ("PHARMACY", 7), ("COMMUNITY", 6), ("COUNTY", 4), ("CITY", 1), ("PROVINCE", 1),
)  # fmt: skip
"""Institutions by level, of a hundred."""
ORDER: Final = ("PROVINCE", "CITY", "COUNTY", "TOWNSHIP", "COMMUNITY", "PHARMACY", "VILLAGE")


NEW_CARDS: Final = 0.01
"""Events about new cards where people have cards already."""


def with_registered(plan: Plan, count: int) -> Plan:
    """The plan of a day before which so many cards were registered."""
    return replace(plan, registered=count, cards=NEW_CARDS) if count else plan


@dataclass(frozen=True, slots=True)
class Size:
    """What a name stands for."""

    events: int
    banks: int
    institutions: int
    registered: int = 0
    """Cards registered before the day."""
    year_end_rows: int = 0

    def plan(self, registered: int | None = None) -> Plan:
        """The shares of such a day; with cards of before only one event in a hundred is about a new card."""
        plan = Plan(level_weights=LEVELS, year_end_rows=self.year_end_rows)
        return with_registered(plan, self.registered if registered is None else registered)


SIZES: Final[dict[str, Size]] = {
    "county": Size(41_000, 3, 30),
    "city": Size(1_400_000, 9, 650),
    "province": Size(9_100_000, 12, 6_500, registered=8_700_000),
    "one-bank": Size(3_000, 1, 30),
    "year-end": Size(80_000, 3, 30, year_end_rows=20_000),
}


def members_of(size: Size) -> str:
    """A members file of that many banks and institutions, all made up: areas of region 99.

    Out:     TOML; village clinics settle with a township centre and are sent for by the county platform.
    """
    return "\n".join(_lines(size))


def _lines(size: Size) -> Iterator[str]:
    yield '[platform]\ncode = "PLAT"\nname = "Example clearing platform"'
    yield 'timezone = "Asia/Shanghai"\ncutover = "23:00"\n'
    for number in range(1, size.banks + 1):
        yield from _bank(number, last=number == size.banks)
    towns = 0
    for number, level in enumerate(_levels(size.institutions), 1):
        bank = number % size.banks + 1
        if level == "TOWNSHIP":
            towns = number
        yield from _institution(number, level, bank, centre=towns)
    yield from _offices(size.banks)


def _bank(number: int, *, last: bool) -> Iterator[str]:
    roles = ["issuer", "settlement", "acquirer"] if last else ["issuer", "settlement"]
    yield f"""[[bank]]
code = "B{number}"
name = "Example Bank {number}"
cnaps = "{with_check_digit(f"99{number % 10}121{number:05d}")}"
roles = {roles}
clearing_account = "9901{number:013d}"
""".replace("'", '"')


def _levels(count: int) -> list[str]:
    """The level of each institution, the large ones first; at least one of each that patients need."""
    shares = dict(OF_A_HUNDRED)
    found = {level: max(count * shares[level] // 100, 1) for level in ORDER}
    found["VILLAGE"] += count - sum(found.values())
    return [level for level in ORDER for _ in range(found[level])]


def _institution(number: int, level: str, bank: int, *, centre: int) -> Iterator[str]:
    pharmacy = level == "PHARMACY"
    yield "[[pharmacy]]" if pharmacy else "[[hospital]]"
    yield f'code = "{"R" if pharmacy else "H"}{number}"\nname = "Example Institution {number}"'
    yield f'area = "9900{number % 20 + 1:02d}"\nownership = "{"PROFIT" if pharmacy else "PUBLIC"}"'
    if not pharmacy:
        yield f'level = "{level}"'
    if level == "VILLAGE":
        yield f'settles_with = "H{centre}"\nagents = ["CTYP"]\n'
        return
    yield f'settlement_bank = "B{bank}"\nsettlement_account = "9902{number:013d}"'
    if not pharmacy:
        immediate = number % 10 == 0
        yield f'mode = "{"immediate" if immediate else "net"}"\nnegative = "{"carry" if immediate else "debit"}"'
    yield ""


def _offices(banks: int) -> Iterator[str]:
    first, last = "B1", f"B{banks}"
    yield f"""[[fund]]
code = "F1"
name = "Example Fund Office"
area = "990001"
expense_bank = "{first}"
expense_account = "99030000000000001"
income_bank = "{first}"
income_account = "99030000000000002"

[[insurer]]
code = "I1"
name = "Example Insurer"
settlement_bank = "{last}"
settlement_account = "99030000000000003"

[[channel]]
code = "T1"
name = "Example Payment Channel"
settlement_bank = "{first}"
settlement_account = "99030000000000004"

[[network]]
code = "CUP"
name = "Example Card Network"

[[card_platform]]
code = "CP"
name = "Example Card Platform"

[[agent]]
code = "CTYP"
name = "Example County Health Platform"

[[fee]]
applies_to = {{ kind = "pharmacy", ownership = "PROFIT", route = "DIRECT" }}
rate_bp = "38"
cap = "13.00"
payee = "{last}"
bearer = "institution"
from = "2020-01-01"
"""


def with_check_digit(digits: str) -> str:
    """The digits with their ISO 7064 MOD 11,10 check digit, as CNAPS numbers have it."""
    rest = 10
    for digit in digits:
        rest = (rest + int(digit)) % 10 or 10
        rest = rest * 2 % 11
    return f"{digits}{(11 - rest) % 10}"
