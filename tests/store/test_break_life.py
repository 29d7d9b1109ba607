"""What the database itself promises of the life of a break: two people, forward only, for its owner too."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from clearing.reconciliation.life import ENDS, NEXT
from clearing.store import breaks, proposals
from clearing.store.database import Database
from clearing.store.proposals import StoredProposal
from clearing.store.record import record
from clearing.store.session import transaction
from tests.store.made import NOON, batch, posted
from tests.store.test_job_tables import BREAK

PROPOSAL = StoredProposal(
    break_id="BRK-1", no=1, ending="CLAIM", maker="ann", why="asked for", evidence=None, legs=(), event="",
    approvals=1, at=NOON,
)  # fmt: skip


async def waiting(database: Database, proposal: StoredProposal = PROPOSAL) -> None:
    """A break that waits for approval of a proposal."""
    async with transaction(database.engine) as conn:
        await record(conn, batch([posted("P1")]))
        await breaks.save(conn, [BREAK])
        await breaks.step(conn, "BRK-1", "ASSIGNED", maker="ann", why="looks", owner="ann")
        await proposals.add(conn, proposal)
        await breaks.step(
            conn, "BRK-1", "PENDING_APPROVAL", maker="ann", why="asked for", ending=proposal.ending, proposal=1
        )  # fmt: skip


async def approved(database: Database, *checkers: str, owner: bool = False) -> None:
    """Approvals of the one proposal, and the step that they allow."""
    async with transaction(database.engine) as conn:
        if owner:
            await conn.execute(text("RESET ROLE"))
        for checker in checkers:
            await proposals.approve(conn, "BRK-1", 1, checker=checker, why="")
        (made,) = await proposals.of_break(conn, "BRK-1")
        await breaks.step(
            conn, "BRK-1", "RESOLVED", maker="ann", checker=(*checkers, "bob")[0], why="agreed",
            ending=made.ending, proposal=1,
        )  # fmt: skip


async def test_the_transitions_are_those_of_the_code(any_books: Database) -> None:
    """The table in the database is the table of the pure room, and so are the ends."""
    async with transaction(any_books.engine) as conn:
        rows = await conn.execute(text("SELECT before, after FROM break_transition"))
        found = {tuple(row) for row in rows}
        check = await conn.scalar(
            text(
                "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'ck_break_proposal_ending'"
            )
        )
    assert found == {(before, after) for before, afters in NEXT.items() for after in afters}
    assert {code for code in ENDS if f"'{code}'" in str(check)} == {
        one.code for one in ENDS.values() if one.approvals
    }


@pytest.mark.parametrize("owner", [False, True])
@pytest.mark.parametrize("checkers", [("ann",), ("ANN ",), ()])
async def test_nobody_ends_a_break_alone(
    any_books: Database, checkers: tuple[str, ...], *, owner: bool
) -> None:
    """Without the approval of somebody else no step leads to RESOLVED, whoever is at the tables."""
    await waiting(any_books)
    with pytest.raises(DBAPIError, match=r"approvals by others|cannot be approved"):
        await approved(any_books, *checkers, owner=owner)
    await approved(any_books, "bob", owner=owner)


async def test_a_write_off_needs_two_others(books: Database) -> None:
    """One approval is not enough, the same person's second is refused, another's ends it."""
    await waiting(books, replace(PROPOSAL, ending="WRITE_OFF", approvals=2))
    for checkers in (("bob",), ("bob", "Bob"), ("bob", "ann")):
        with pytest.raises(DBAPIError):
            await approved(books, *checkers)
    await approved(books, "bob", "eve")


@pytest.mark.parametrize("approvals", [0, 1, 3])
async def test_a_write_off_asks_for_no_fewer(books: Database, approvals: int) -> None:
    """How many must agree is not the proposer's to say."""
    with pytest.raises(DBAPIError, match="ck_break_proposal_approvals"):
        await waiting(books, replace(PROPOSAL, ending="WRITE_OFF", approvals=approvals))


async def test_what_moves_money_has_its_entry(books: Database) -> None:
    """A break cannot end as adjusted before the correction stands in the books."""
    await waiting(
        books, replace(PROPOSAL, ending="ADJUST", event="PLAT/BRK-1-1", legs=(("1091.H1", "D", 1),))
    )
    with pytest.raises(DBAPIError, match="has no entry"):
        await approved(books, "bob")


async def test_an_end_that_moves_money_names_how(books: Database) -> None:
    """Neither legs nor an event is no way of moving money."""
    with pytest.raises(DBAPIError, match="ck_break_proposal_money"):
        await waiting(books, replace(PROPOSAL, ending="REFUND"))
    await waiting(books, replace(PROPOSAL, ending="REFUND", event="H1/P1"))
    await approved(books, "bob")


FORGED = [
    "UPDATE break_ SET state = 'CLOSED'",
    "UPDATE break_ SET state = 'RESOLVED', ending = 'CLAIM'",
    "UPDATE break_ SET owner = 'eve'",
    "UPDATE break_ SET clearing_date = '2026-03-11'",
    "UPDATE break_ SET first_run = 9",
    "DELETE FROM break_",
    "TRUNCATE break_",
    "UPDATE break_step SET maker = 'eve'",
    "DELETE FROM break_step",
    "DELETE FROM break_approval",
    "UPDATE break_proposal SET maker = 'eve'",
    "INSERT INTO break_transition VALUES ('OPEN', 'CLOSED')",
    "DELETE FROM break_transition",
    "INSERT INTO break_step SELECT 'BRK-1', 3, 'CLOSED', '', '', 'eve', '', 'no', NULL, 0, now()",
    "INSERT INTO break_step SELECT 'BRK-1', 4, 'REOPENED', '', '', 'eve', '', 'no', NULL, 0, now()",
    "INSERT INTO break_step SELECT 'BRK-1', 3, 'RESOLVED', 'CLAIM', '', 'ann', 'bob', 'no', NULL, 1, now()",
    "INSERT INTO break_step SELECT 'BRK-1', 3, 'RESOLVED', 'WRITE_OFF', '', 'eve', 'bob', 'no', NULL, 1, now()",
    "INSERT INTO break_step SELECT 'BRK-2', 1, 'ASSIGNED', '', '', 'eve', '', 'no', NULL, 0, now()",
    "INSERT INTO break_approval VALUES ('BRK-1', 1, 'ann', '', now())",
    "INSERT INTO break_approval VALUES ('BRK-1', 2, 'bob', '', now())",
    'INSERT INTO break_ SELECT (jsonb_populate_record(b, \'{"id": "BRK-3", "state": "CLOSED"}\')).* FROM break_ b',
]


async def test_a_life_cannot_be_forged(any_books: Database) -> None:
    """No state without its step, no step out of turn, no approval by the maker: refused to the owner too."""
    await waiting(any_books)
    for statement in FORGED:
        with pytest.raises(DBAPIError) as caught:
            async with transaction(any_books.engine) as conn:
                await conn.execute(text("RESET ROLE"))
                await conn.execute(text(statement))
        assert getattr(caught.value.orig, "sqlstate", "") == "23001", caught.value
