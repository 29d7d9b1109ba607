"""Entries as rows of ours, with all tokens by which a partner's row may be theirs. 我方明细"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from clearing.ledger.accounts import BANK, CHANNEL, FEES, HOSPITAL, NETWORK_CLEARED, NETWORK_PAID, PHARMACY
from clearing.reconciliation.ledger_side import WITHOUT_ROWS
from clearing.reconciliation.rows import TRADE, UNDO_TYPES, WITHOUT_HIS
from clearing.store.sides.hashing import hashed, number_key, second, token
from clearing.store.sides.tables import SEPARATOR, SideTables

_PARTNERS: Final = (BANK, CHANNEL, NETWORK_CLEARED)
_INSTITUTIONS: Final = (HOSPITAL, PHARMACY, NETWORK_PAID)
_ODD_TYPES: Final = ("payment.timed_out", "payment.confirmed")
"""Their rows depend on each other: the passes' own code makes them."""


def make_ours(tables: SideTables) -> None:
    """Entries that make rows, as rows with tokens; those that are not `plain` the passes' own code must make."""
    part = f"split_part(%s, '{SEPARATOR}', %d)"
    skipped = " OR ".join(f"starts_with(type, '{prefix}')" for prefix in WITHOUT_ROWS)
    without_his = " OR ".join(f"starts_with(type, '{prefix}')" for prefix in WITHOUT_HIS)
    partners = "|".join(_PARTNERS)
    tables.con.execute(
        f"""
        CREATE TABLE ours AS
        WITH said AS (
            SELECT * EXCLUDE (institution), {_trade()} AS trade, ({_ends(UNDO_TYPES)}) AS undo,
                ({without_his}) AS bare,
                CASE WHEN {without_his} THEN '' ELSE institution END AS institution,
                {part % ("accounts", 1)} AS a1, {part % ("accounts", 2)} AS a2,
                TRY_CAST({part % ("fens", 1)} AS BIGINT) AS f1, TRY_CAST({part % ("fens", 2)} AS BIGINT) AS f2
            FROM {tables.source_of_entries()}
            WHERE NOT ({skipped})
                AND (type = 'payment.confirmed' OR regexp_matches(accounts, '(^|{SEPARATOR})({partners})[.]'))
        ), told AS (
            SELECT *, a1[:4] IN {_PARTNERS} AS p1, a2[:4] IN {_PARTNERS} AS p2,
                a1[:4] IN {_INSTITUTIONS} OR a2[:4] IN {_INSTITUTIONS} AS payable FROM said
        ), known AS (
            SELECT *, coalesce(legs[1:2] = 'GG' AND NOT contains(legs[3:], 'G') AND f1 = -f2 AND a1 <> a2
                AND type NOT IN {_ODD_TYPES} AND bank_ref <> '' AND bank_date <> ''
                AND CASE WHEN p1 AND p2 THEN bare ELSE (p1 OR p2) AND (payable OR bare OR institution = '') END,
                false) AS plain,
                split_part(CASE WHEN p1 THEN a1[6:] ELSE a2[6:] END, '.', 1) AS place,
                CASE WHEN p1 AND p2 THEN split_part(a2[6:], '.', 1) ELSE '' END AS other_place,
                CASE WHEN p1 THEN f1 ELSE f2 END AS worth
            FROM told
        )
        SELECT id, plain, undo, institution, place AS partner, other_place AS other, bank_ref AS other_ref, worth,
            TRY_CAST(bank_date AS DATE) AS on_date, {hashed("card")} AS card, {hashed("bank")} AS bank,
            {hashed("institution")} AS institution_h, {hashed("place")} AS partner_h, {_fee(part)} AS fee,
            {second("bank_ref")} AS k2, {_number_keys()}, {_hashes()},
            CASE WHEN NOT plain THEN {_odd_tokens()} END AS more
        FROM known;
        UPDATE ours SET other_ref = '' WHERE other = '';
        INSERT INTO ours
            SELECT * REPLACE (other AS partner, '' AS other, -worth AS worth, hash(other) AS partner_h,
                {token("r", "other", "other_ref")} AS t_ref)
            FROM ours WHERE other <> '' AND plain;
        """  # noqa: S608 - our own words
    )


def _ends(endings: Sequence[str]) -> str:
    return " OR ".join(f"ends_with(type, '{ending}')" for ending in endings)


def _trade() -> str:
    """`LedgerRow.trade_type`."""
    cases = " ".join(
        f"WHEN '{name}' THEN {_OPD if trade == 'OPD' else repr(trade)}" for name, trade in TRADE.items()
    )
    return f"CASE WHEN {_ends(UNDO_TYPES)} THEN 'REFUND' ELSE CASE type {cases} ELSE '' END END"


_OPD: Final = "CASE WHEN admission_no <> '' THEN 'DEP' ELSE 'OPD' END"


def _fee(part: str) -> str:
    """The entry's fee: NULL without one, -1 where it is not told by two legs."""
    legs = " + ".join(
        f"CASE WHEN starts_with({part % ('accounts', n)}, '{FEES}.') "
        f"THEN TRY_CAST({part % ('fens', n)} AS BIGINT) ELSE 0 END"
        for n in (3, 4)
    )
    told = "legs[1:4] = 'GGFF' AND NOT contains(legs[5:], 'F')"
    return f"CASE WHEN NOT contains(legs, 'F') THEN NULL WHEN {told} THEN abs({legs}) ELSE -1 END"


_NUMBERS: Final = {
    1: "CASE trade WHEN 'DISCHARGE' THEN admission_no WHEN 'DEP' THEN receipt_no ELSE order_no END",
    2: "CASE trade WHEN 'DEP' THEN order_no WHEN 'REFUND' THEN receipt_no ELSE '' END",
    3: "CASE trade WHEN 'REFUND' THEN bank_ref ELSE '' END",
}
"""The numbers under which an institution may know our row, as `keys.his_keys` has them."""


def _number_keys() -> str:
    return ", ".join(
        f"{number_key('institution', 'trade', f'({number})')} AS n{place}, {second(f'({number})')} AS n{place}_2"
        for place, number in _NUMBERS.items()
    )


OURS_TOKENS: Final = {
    "t_id": ("e", "''", "id"),
    "t_original": ("e", "''", "original_id"),
    "t_ref": ("r", "place", "bank_ref"),
    "t_original_ref": ("r", "place", "original_ref"),
    "t_order": ("n", "institution", "order_no"),
    "t_receipt": ("n", "institution", "receipt_no"),
    "t_admission": ("n", "institution", "admission_no"),
    "t_number_ref": ("n", "institution", "bank_ref"),
    "t_original_order": ("n", "institution", "original_order"),
    "t_original_receipt": ("n", "institution", "original_receipt"),
    "t_original_admission": ("n", "institution", "original_admission"),
}
"""Tokens of one of our rows, as `clean.tokens` has them: kind, scope, text."""


def _hashes() -> str:
    return ", ".join(
        f"{token(kind, scope, text)} AS {name}" for name, (kind, scope, text) in OURS_TOKENS.items()
    )


def _odd_tokens() -> str:
    """Further tokens of an entry whose rows are made elsewhere: its references at all that may be its partners."""
    scopes = ("partner", "bank", "split_part(a1[6:], '.', 1)", "split_part(a2[6:], '.', 1)")
    return (
        f"[{', '.join(token('r', scope, ref) for scope in scopes for ref in ('bank_ref', 'original_ref'))}]"
    )
