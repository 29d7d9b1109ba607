"""A day's figures as one member may have them. 分户日报"""

from __future__ import annotations

from dataclasses import replace

from clearing.ledger.accounts import owner_of
from clearing.reports.daily_items import DayFigures


def figures_of(figures: DayFigures, code: str) -> DayFigures:
    """What a day's reports say to one member: its accounts, instructions, claims, payouts and cards. 分户数据

    In:      figures whose flows are already the member's.
    Out:     the same figures, without what is anybody else's.
    """
    netted = figures.netted

    def own(account: str) -> bool:
        return code in account.split(".")[1:3]

    return replace(
        figures,
        netted=replace(
            netted,
            positions={name: fen for name, fen in netted.positions.items() if own(name)},
            roll_up=tuple(one for one in netted.roll_up if own(one.account)),
            bank_nets={bank: fen for bank, fen in netted.bank_nets.items() if bank == code},
            instructions=tuple(one for one in netted.instructions if _party(one.debtor, one.creditor, code)),
        ),
        instructions=[one for one in figures.instructions if _party(one.debtor, one.creditor, code)],
        flows=[one if one.institution == code else one._replace(deposit_fen=0) for one in figures.flows],
        deposits=[one for one in figures.deposits if owner_of(one.account) == code],
        claims=[one for one in figures.claims if code in {one.payer, one.institution}],
        claims_fen={name: fen for name, fen in figures.claims_fen.items() if own(name)},
        retention=[one for one in figures.retention if own(one.account)],
        returned=[one for one in figures.returned if one.payer == code],
        returned_fen={name: fen for name, fen in figures.returned_fen.items() if own(name)},
        cards=[one for one in figures.cards if one.bank == code],
    )


def _party(debtor: str, creditor: str, code: str) -> bool:
    """Whether an instruction pays, or is paid by or to, a member; inside a bank it names an account."""
    return code in {debtor, creditor, creditor.partition(".")[2]}
