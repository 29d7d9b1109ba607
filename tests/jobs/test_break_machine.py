"""Random lives of breaks on the real database against a model of a few lines: the same steps pass, the same state."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Coroutine
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from clearing.errors import UsageError
from clearing.jobs.propose import Wanted
from clearing.jobs.resolve import approve, assign, close, reject, reopen, resolve
from clearing.jobs.worklist import break_show
from clearing.reconciliation.life import Leg
from clearing.store import breaks
from clearing.store.breaks import StoredBreak
from clearing.store.session import transaction
from tests.conftest import DatabaseServer
from tests.jobs.reconciled_story import FIRST, desk, story_books
from tests.jobs.running import Books

T = TypeVar("T")
PERSON = st.sampled_from(["ann", "bob", "Bob ", "cat"])
ENDING = st.sampled_from(["CLAIM", "WRITE_OFF", "ADJUST"])
LEGS = (Leg("1091.H1", "D", 100), Leg("1010.BX", "C", 100))
NEEDED = {"CLAIM": 1, "WRITE_OFF": 2, "ADJUST": 1}


def who(person: str) -> str:
    """One person, however the name is written."""
    return person.strip().lower()


class Life(RuleBasedStateMachine):
    """One break after another in the same books."""

    books: Books
    loop: asyncio.Runner
    made = 0
    adjusted = 0

    def __init__(self) -> None:
        super().__init__()
        type(self).made += 1
        digest = hashlib.sha256(f"{self.made}".encode()).hexdigest()[:24]
        self.id = f"20260921{digest}"
        self.state, self.owner, self.steps = "OPEN", "", 0
        self.proposal: tuple[str, str] = ("", "")
        self.agreed: set[str] = set()
        new = StoredBreak(
            id=self.id, first_run=1, last_run=1, clearing_date=FIRST, code="AMT-001", codes=("AMT-001",),
            vector="L1B1H1", amount_fen=100, difference_fen=100, differences={"BX": 100}, keys={}, bank="BX",
            institution="H1", state="OPEN", rows={"L": [], "B": [], "H": []},
        )  # fmt: skip

        async def save() -> None:
            async with transaction(self.books.engine) as conn:
                await breaks.save(conn, [new])

        self.run(save())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Something of the books to its end."""
        return self.loop.run(work)

    def passes(self, work: Coroutine[Any, Any, object], *, expected: bool) -> None:
        """A step that passes or is refused as the model says."""
        refused = False
        try:
            self.run(work)
        except UsageError:
            refused = True
        assert refused is not expected, (self.state, expected)

    def moved(self, state: str, steps: int = 1) -> None:
        """The model's own step."""
        self.state = state
        self.steps += steps

    @rule(person=PERSON, to=PERSON)
    def assigns(self, person: str, to: str) -> None:
        """Anything open can be given to somebody; to the same one again is no step."""
        can = self.state in ("OPEN", "SUSPECT", "CONFIRMED", "ASSIGNED", "REOPENED")
        again = self.state == "ASSIGNED" and self.owner == to
        self.passes(assign(desk(self.books, person), self.id, to=to), expected=can)
        if can:
            self.moved("ASSIGNED", 0 if again else 1)
            self.owner = to

    @rule(person=PERSON, ending=ENDING)
    def proposes(self, person: str, ending: str) -> None:
        """An open break gets a proposal; the same one again while it waits is no step."""
        self.propose(person, ending)

    @rule(person=PERSON)
    def approves(self, person: str) -> None:
        """Others than the maker, each once; with enough of them it is resolved and its correction posted."""
        self.approve(person)

    @rule(person=PERSON, other=PERSON, third=PERSON, ending=ENDING)
    def decide(self, person: str, other: str, third: str, ending: str) -> None:
        """A proposal and two approvals in one go, so that many lives come to an end."""
        self.propose(person, ending)
        self.approve(other)
        self.approve(third)

    def propose(self, person: str, ending: str) -> None:
        """One proposal, in the books and in the model."""
        can = self.state in ("OPEN", "SUSPECT", "CONFIRMED", "ASSIGNED", "REOPENED")
        again = self.state == "PENDING_APPROVAL" and self.proposal == (who(person), ending)
        wanted = Wanted(ending=ending, why="so", legs=LEGS if ending == "ADJUST" else ())
        self.passes(resolve(desk(self.books, person), self.id, wanted), expected=can or again)
        if can:
            self.moved("PENDING_APPROVAL", 1 if self.state == "ASSIGNED" else 2)
            self.owner = self.owner or person
            self.proposal, self.agreed = (who(person), ending), set()

    def approve(self, person: str) -> None:
        """One approval, in the books and in the model."""
        maker, ending = self.proposal
        can = self.state == "PENDING_APPROVAL" and who(person) != maker and who(person) not in self.agreed
        self.passes(approve(desk(self.books, person), self.id), expected=can)
        if can:
            self.agreed.add(who(person))
            if len(self.agreed) == NEEDED[ending]:
                self.moved("RESOLVED")
                type(self).adjusted += ending == "ADJUST"

    @rule(person=PERSON)
    def rejects(self, person: str) -> None:
        """What waits goes back."""
        can = self.state == "PENDING_APPROVAL"
        self.passes(reject(desk(self.books, person), self.id, why="no"), expected=can)
        if can:
            self.moved("REOPENED")

    @rule(person=PERSON)
    def reopens(self, person: str) -> None:
        """What had ended, cleared, or was somebody's or confirmed begins anew."""
        can = self.state in ("RESOLVED", "CLOSED", "AUTO_CLEARED", "ASSIGNED", "CONFIRMED")
        self.passes(reopen(desk(self.books, person), self.id, why="again"), expected=can)
        if can:
            self.moved("REOPENED")

    @rule(person=PERSON)
    def closes(self, person: str) -> None:
        """Only what is resolved."""
        can = self.state == "RESOLVED"
        self.passes(close(desk(self.books, person), self.id, why="done"), expected=can)
        if can:
            self.moved("CLOSED")

    @rule()
    def clears(self) -> None:
        """A run clears whatever has not ended."""
        if self.state in ("RESOLVED", "CLOSED", "AUTO_CLEARED"):
            return

        async def step() -> None:
            async with transaction(self.books.engine) as conn:
                await breaks.step(conn, self.id, "AUTO_CLEARED", maker="reconcile", why="run")

        self.run(step())
        self.moved("AUTO_CLEARED")

    @invariant()
    def stands_where_the_model_does(self) -> None:
        """State, owner, number of steps, and what is on 1091 beside them."""
        shown = self.run(break_show(self.books.engine, self.id))
        assert (shown["state"], shown["owner"], len(shown["steps"])) == (self.state, self.owner, self.steps)
        assert self.run(self.books.balances()).get("1091.H1", 0) == 100 * self.adjusted


def test_a_life_is_what_the_model_says(database_server: DatabaseServer) -> None:
    """Twenty random steps at a time by four hands of three people, on one set of books."""
    with asyncio.Runner() as loop, contextlib.ExitStack() as stack:
        entered = story_books(database_server)
        Life.loop, Life.books = loop, loop.run(entered.__aenter__())
        stack.callback(lambda: loop.run(entered.__aexit__(None, None, None)))
        run_state_machine_as_test(
            Life, settings=settings(max_examples=15, stateful_step_count=20, deadline=None, derandomize=True)
        )
        assert Life.adjusted
