"""What a receiver's other files say of a day: ERR, DEP and NRC, from the same entries. 差错 预交金 报销

An entry is looked at posting by posting: what is no position of the receiver's is an item that is held, a stay's
deposit, or a payer's payout or claim.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from clearing.errors import InvariantViolated
from clearing.files.lines import OF_THE_CLOSE, Target, Targets
from clearing.files.records import ClaimLine, ClaimSum, DepLine, ErrLine, TxnLine
from clearing.ledger import accounts
from clearing.ledger.accounts import code_of, owner_of
from clearing.ledger.entry import Entry
from clearing.ledger.members import MembersOn

CORRECTIONS: Final = frozenset({"correction.approved", "fee.adjusted"})
CLAIM_CODES: Final = frozenset(
    {
        accounts.PAYOUTS_IN_PROCESS,
        accounts.RETURNED_FUNDS,
        accounts.CLAIMS_CONTRA,
        accounts.RETENTION_CONTRA,
        accounts.CROSS_REGION_CONTRA,
    }
)
"""Of each memo pair the account whose credit is what is owed."""
REFUNDS: Final = frozenset({"deposit.refunded"})
USES: Final = frozenset({"discharge.settled", "discharge.cancelled"})
TRANSFERS: Final = frozenset({"deposit.transferred"})


LOOKED_AT: Final = accounts.ITEM_CODES | CLAIM_CODES | {accounts.DEPOSITS}


def repeated(entry: Entry) -> bool:
    """Whether an entry's lines in TXN stand in ERR too: those of corrections and late entries do."""
    return entry.late or entry.type in CORRECTIONS


def err_lines(
    entry: Entry, positions: Iterable[tuple[Target, TxnLine]], targets: Targets
) -> list[tuple[Target, ErrLine]]:
    """The lines of one entry in ERR, each with the file it goes to, in order of account and receiver. 差错行

    In:      its lines in TXN if they are `repeated`.
    Out:     an item is told to its owner, who settles for it, and to the entry's bank.
    Source:  contract "Clearing files", ERR.
    """
    if entry.type in OF_THE_CLOSE:
        return []
    found: list[tuple[Target, ErrLine]] = []
    kind = "CORR" if entry.type in CORRECTIONS else "LATE"
    for target, line in positions:
        found.append(
            (target, _err(entry, kind, line.account, line.direction, line.amount_fen, line.settle_fen))
        )
    for account, fen in _sums(entry, accounts.ITEM_CODES).items():
        line_of = _err(entry, "ITEM", account, "P" if fen > 0 else "R", abs(fen), 0)
        receivers = {targets.of_owner(account)}
        if targets.members.kind(entry.bank) == "bank":
            receivers.add(Target(entry.bank, 1))
        found += [(target, line_of) for target in sorted(receivers)]
    return sorted(found, key=lambda one: (one[1].account, one[0]))


def _err(entry: Entry, kind: str, account: str, direction: str, amount_fen: int, settle_fen: int) -> ErrLine:  # noqa: PLR0917
    return ErrLine(
        entry.id, kind, entry.type, direction, amount_fen, settle_fen, account, entry.status,
        entry.original_id, entry.original_date, entry.occurred_at, entry.bank_date, entry.bank,
        entry.institution, entry.bank_ref, entry.order_no, entry.card, entry.card_last4, entry.late,
        entry.text,
    )  # fmt: skip


def _sums(entry: Entry, codes: frozenset[str]) -> dict[str, int]:
    """What the entry moves on accounts of these codes, in order of account; those that come to nothing are out."""
    sums: dict[str, int] = {}
    for account, fen, _ in entry.postings:
        if code_of(account) in codes:
            sums[account] = sums.get(account, 0) + fen
    return {account: sums[account] for account in sorted(sums) if sums[account]}


# ---------------------------------------------------------------- deposits


class Deposits:
    """The roll-forward of every stay of a day, from what the stays held before and the day's entries. 预交金"""

    def __init__(self, opening: Mapping[str, int]) -> None:
        """Begin.

        In:      accounts `9011.<hospital>.<stay>` → fen in the books before the day, credit negative.
        """
        self._stays: dict[str, list[int]] = {
            account: [-fen, 0, 0, 0, 0] for account, fen in opening.items() if fen
        }
        """Account → opening, paid, refunded, used, transferred."""

    def add(self, entry: Entry) -> None:
        """Count what an entry moves."""
        for account, fen, _ in entry.postings:
            if code_of(account) != accounts.DEPOSITS:
                continue
            stay = self._stays.setdefault(account, [0] * 5)
            if entry.type in REFUNDS:
                stay[2] += fen
            elif entry.type in USES:
                stay[3] += fen
            else:
                stay[4 if entry.type in TRANSFERS else 1] -= fen

    def lines(self, targets: Targets) -> list[tuple[Target, DepLine]]:
        """A line for each stay that held something or moved, in order of institution and stay."""
        found = []
        for account in sorted(self._stays):
            opening, paid, refunded, used, transferred = self._stays[account]
            _, institution, stay = account.split(".", 2)
            closing = opening + paid - refunded - used + transferred
            if closing == opening and targets.members.settling(institution) is None:
                continue  # of a hospital that has left with a stay open: nobody is there to be told
            target = targets.of_owner(account)
            found.append(
                (target, DepLine(institution, stay, opening, paid, refunded, used, transferred, closing))
            )
        return found


# ---------------------------------------------------------------- claims


def claim_lines(entry: Entry, members: MembersOn) -> list[tuple[Target, ClaimLine]]:
    """The lines of one entry in NRC, each with the payer's file, in order of account. 报销与垫付行

    In:      any entry; those without a payout, claim, retention or area account give none.
    """
    found = []
    for account, fen in _sums(entry, CLAIM_CODES).items():
        code = code_of(account)
        payer = entry.payer if code == accounts.CROSS_REGION_CONTRA else owner_of(account)
        if members.kind(payer) not in ("fund", "insurer"):
            if code == accounts.CROSS_REGION_CONTRA:
                continue  # between two areas' offices, and no payer of ours is named
            raise InvariantViolated(
                f"day {members.day}: {account} moved, expected a fund or insurer in force, got {payer!r}. "
                f"See: clearing members show"
            )
        line = ClaimLine(
            entry.id, entry.type, account, "P" if fen > 0 else "R", abs(fen), entry.status,
            entry.original_id, entry.original_date, entry.occurred_at, entry.bank_date, entry.bank,
            entry.institution, entry.bank_ref, entry.admission_no, entry.card, entry.card_last4, entry.late,
            entry.text,
        )  # fmt: skip
        found.append((Target(payer, 1), line))
    return found


def claim_sums(lines: Iterable[ClaimLine]) -> list[ClaimSum]:
    """The totals that stand before the details, in order of event type, account code and institution."""
    groups: dict[tuple[str, str, str], list[int]] = {}
    for line in lines:
        sums = groups.setdefault((line.event_type, code_of(line.account), line.institution), [0, 0, 0])
        sums[0] += 1
        sums[1 if line.direction == "R" else 2] += line.amount_fen
    return [
        ClaimSum(*key, count, in_fen, out_fen, in_fen - out_fen)
        for key, (count, in_fen, out_fen) in sorted(groups.items())
    ]


# ---------------------------------------------------------------- uses of cards

USED: Final = frozenset(
    {
        "payment.made", "payment.timed_out", "payment.confirmed", "payment.voided", "payment.refunded",
        "payment.reversed", "deposit.paid", "deposit.voided", "deposit.refunded", "arrears.paid",
        "discharge.settled", "discharge.cancelled",
    }
)  # fmt: skip
"""What is done with a card at an institution, as the notices of uses tell it."""
PARTNERS: Final = frozenset({accounts.BANK, accounts.CHANNEL, accounts.NETWORK_CLEARED})
