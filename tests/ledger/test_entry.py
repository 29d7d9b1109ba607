from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.errors import InvariantViolated
from clearing.ledger.accounts import is_memo
from clearing.ledger.entry import Entry, Posting, entry_id, mirrored

ACCOUNTS = ["1010.B1", "1010.B2", "2010.H1", "2060.B2", "9010.H1", "9011.H1.A1"]
postings = st.lists(
    st.builds(Posting, st.sampled_from(ACCOUNTS), st.integers(-1000, 1000).filter(bool)), max_size=6
).map(tuple)


def entry(lines: tuple[Posting, ...]) -> Entry:
    """An entry of these postings."""
    day = date(2026, 3, 10)
    return Entry(
        id="0" * 32,
        clearing_date=day,
        type="payment.made",
        source="H1",
        event_id="e1",
        postings=lines,
        occurred_at=datetime(2026, 3, 10, tzinfo=UTC),
    )


@given(postings)
def test_an_entry_that_does_not_balance_cannot_exist(lines: tuple[Posting, ...]) -> None:
    """Money balances by itself and memo by itself, to the fen, or nothing is made; so does the mirror."""
    money = sum(fen for name, fen, _ in lines if not is_memo(name))
    memo = sum(fen for name, fen, _ in lines if is_memo(name))
    if lines and not money and not memo:
        assert entry(mirrored(entry(lines).postings)).postings == mirrored(lines)
    else:
        with pytest.raises(InvariantViolated, match=r"out of balance by \d+\.\d\d"):
            entry(lines)


@given(postings.filter(bool))
def test_a_balanced_entry_unbalanced_by_one_fen_cannot_exist(lines: tuple[Posting, ...]) -> None:
    """Beside its mirror every set balances; a fen more on any line is refused with group and direction."""
    whole = lines + mirrored(lines)
    assert entry(whole).postings == whole
    with pytest.raises(InvariantViolated, match=r"(money|memo) is out of balance by 0\.01 \(debits more"):
        entry((*whole, Posting(lines[0].account, 1)))


def test_an_entrys_id_is_its_date_and_a_digest_of_its_name() -> None:
    """The id begins with the clearing date, is 32 hex digits and the same wherever it is made."""
    made = entry_id(date(2026, 3, 10), "PLAT/H1/H1-0001")
    assert made == entry_id(date(2026, 3, 10), "PLAT/H1/H1-0001")
    assert (made[:8], len(made)) == ("20260310", 32)
    assert made[8:] == entry_id(date(2026, 3, 11), "PLAT/H1/H1-0001")[8:]
    assert made != entry_id(date(2026, 3, 10), "PLAT/H1/H1-0002")
