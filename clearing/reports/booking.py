"""What an entry of ours means in a hospital's books: lines by role, which balance. 凭证分录"""

from __future__ import annotations

from typing import Final, NamedTuple

from clearing.errors import InvariantViolated
from clearing.ledger import accounts
from clearing.ledger.accounts import code_of, owner_of
from clearing.ledger.entry import Entry, Leg

PAYABLE: Final = frozenset({accounts.HOSPITAL, accounts.PHARMACY})
CORRECTION: Final = "correction.approved"
_OWN: Final = {
    accounts.NETWORK_PAID: "network", accounts.DEPOSITS: "deposit", accounts.ARREARS: "arrears",
    accounts.CLAIMS: "claims", accounts.RETENTION: "retention",
}  # fmt: skip
"""Accounts with the institution's own code among their sub-keys → what they move."""
_FROM_PAYER: Final = frozenset({"claim.settled", "retention.released"})
_UNDO: Final = ("voided", "refunded", "reversed", "cancelled")

_KINDS: Final = (
    # kind          undone   摘要
    ("outpatient", False, "门急诊收费"),
    ("outpatient", True, "门急诊退费"),
    ("deposit", False, "收住院预交金"),
    ("deposit", True, "退住院预交金"),
    ("discharge", False, "出院结算"),
    ("discharge", True, "出院召回"),
    ("arrears", False, "病人欠费"),
    ("arrears", True, "病人欠费冲回"),
    ("claims", False, "医保结算"),
    ("fees", False, "手续费调整"),
    ("correction", False, "对账差错调整"),
    ("settlement", False, "清算款到账"),
)
SUMMARY: Final = {(kind, undone): text for kind, undone, text in _KINDS}
ORDER: Final = {(kind, undone): number for number, (kind, undone, _) in enumerate(_KINDS)}
_COUNTER: Final = {
    "outpatient": "outpatient", "discharge": "inpatient", "arrears": "inpatient", "claims": "claim_difference",
    "correction": "correction", "deposit": "deposit", "fees": "fee",
}  # fmt: skip
"""Kind → role that takes what the other lines leave."""


class Line(NamedTuple):
    """One line of a voucher before it has an account."""

    role: str
    partner: str
    """Whom it concerns: payer or card network; empty for the rest."""
    fen: int
    """Debit positive."""


class Booked(NamedTuple):
    """What one entry means in the institution's books."""

    entry: Entry
    kind: str
    undone: bool
    lines: tuple[Line, ...]
    position_fen: int
    """What it adds to the position of whoever settles for the institution, debit positive."""


def booked(entry: Entry, institution: str, settles_as: str) -> Booked | None:
    """What an entry means in an institution's books; None for nothing.

    In:      any entry of the day; for a correction, the legs on the institution's own payable count.
    Out:     lines that balance.
    Source:  contract "The members' own books".
    """
    correction = entry.type == CORRECTION
    if not correction and entry.institution != institution:
        return None
    owner = institution if correction else settles_as
    sums = _sums(entry, institution, owner)
    if not any(sums.values()):
        return None
    position = sums["gross"] + sums["settled"] + sums["fee"]
    partner = entry.payer if entry.type in _FROM_PAYER or sums["claims"] or sums["retention"] else ""
    cash = "claims_received" if entry.type in _FROM_PAYER else "transit"
    lines = [
        Line(cash, partner if cash == "claims_received" else "", -position),
        Line("bank", "", sums["settled"]),
        Line("network", entry.partner, -sums["network"]),
        Line("fee", "", sums["fee"]),
        Line("deposit", "", sums["deposit"]),
        Line("claims", partner, sums["claims"]),
        Line("retention", partner, sums["retention"]),
        Line("arrears", "", sums["arrears"]),
    ]
    kind, undone = _kind(entry, deposit=bool(sums["deposit"]))
    rest = -sum(one.fen for one in lines)
    role = "bad_debt" if entry.type == "arrears.written_off" else _COUNTER[kind]
    lines.append(Line(role, partner if kind == "claims" else "", rest))
    return Booked(entry, kind, undone, tuple(one for one in lines if one.fen), position)


def _sums(entry: Entry, institution: str, owner: str) -> dict[str, int]:
    """What the entry's postings move of the institution, fen, debit positive."""
    sums = dict.fromkeys(
        ("gross", "settled", "fee", "network", "deposit", "claims", "retention", "arrears"), 0
    )
    for account, fen, leg in entry.postings:
        code = code_of(account)
        if code in PAYABLE and owner_of(account) == owner:
            sums[{Leg.SETTLED: "settled", Leg.FEE: "fee"}.get(leg, "gross")] += fen
        elif code in _OWN and institution in account[5:].split("."):
            sums[_OWN[code]] += fen
    return sums


def _kind(entry: Entry, *, deposit: bool) -> tuple[str, bool]:
    family = entry.type.split(".", 1)[0]
    kind = {
        "payment": "deposit" if deposit else "outpatient", "deposit": "deposit", "discharge": "discharge",
        "arrears": "arrears", "claim": "claims", "retention": "claims", "fee": "fees", "correction": "correction",
    }.get(family)  # fmt: skip
    if kind is None:
        raise InvariantViolated(
            f"entry {entry.id}: {entry.type} moves an institution's account and has no voucher. See: clearing trace "
            f"{entry.source}/{entry.event_id}"
        )
    undone = entry.type.endswith(_UNDO)
    return kind, undone and (kind, True) in SUMMARY
