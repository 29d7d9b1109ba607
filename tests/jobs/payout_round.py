"""A platform and two banks that send each other files by SFTP, and payouts to the cards of a day's story."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from clearing.jobs.deliver import deliver
from clearing.jobs.delivery.partners import Partners
from clearing.jobs.dispatch import dispatch
from clearing.jobs.orders import Sent
from clearing.jobs.receive import receive
from clearing.jobs.take_file import Received
from clearing.store import payout_lists
from clearing.store.session import transaction
from tests.jobs.mock_bank import MockBank
from tests.jobs.running import DAYS, Books, books, members_of, settings_of
from tests.services.sftp_server import SftpServer

STORY = DAYS / "2026-05-18-batch-with-a-bad-row"
DAY = date(2026, 5, 18)
CARDS = {"B1": "tok_P1_B1_0001", "B2": "tok_P3_B2_0001"}
MORNING = datetime(2026, 5, 18, 0, 31, tzinfo=UTC)
"""08:31 in the morning, a minute into the first window."""


def told(type_: str, id_: str, data: dict[str, Any], at: str = "09:00", source: str = "F1") -> bytes:
    """One event of the day."""
    time = f"{DAY}T{at}:00+08:00"
    said = {"specversion": "1.0", "id": id_, "source": source, "type": type_, "time": time, "data": data}
    return json.dumps(said).encode()


def submitted(number: int, bank: str, yuan: str = "100.00", **more: Any) -> bytes:  # noqa: ANN401 - fields
    """A reimbursement to the card of a bank."""
    claim = {
        "settlement_id": f"S-{number}",
        "payer": "F1",
        "kind": "OUTPATIENT",
        "total": yuan,
        "eligible": yuan,
    }
    claim |= {"fund_amount": yuan, "patient_amount": "0.00"}
    data = {"card": CARDS[bank], "bank": bank, "amount": yuan, "claim": claim, **more}
    data["approval"] = {"maker": "op-01", "checker": "op-02"}
    return told("reimbursement.submitted", f"P{number}", data)


def cards() -> list[bytes]:
    """The cards of the story."""
    return [line for line in (STORY / "events.jsonl").read_bytes().splitlines() if b'"card.' in line]


@contextlib.asynccontextmanager
async def with_cards(url: str, **settings: object) -> AsyncIterator[Books]:
    """Books with a card at each of two banks."""
    async with books(url, settings_of(**settings), members_of(STORY / "members.toml"), DAY) as opened:
        await opened.ingest(cards())
        yield opened


class Round:
    """The platform and its two banks."""

    def __init__(self, the: Books, server: SftpServer, root: Path) -> None:
        self.the = the
        self.now = MORNING
        self.root = root
        out, back = server.place(folder=f"{root}/to/{{receiver}}"), server.place
        self.partners = Partners.model_validate(
            {
                "target": [{"receiver": "*", "types": ["PAY", "PYR", "ACK"], "place": out.model_dump()}],
                "inbox": [
                    {"partner": code, "place": back(folder=f"{root}/from/{code}").model_dump()}
                    for code in ("B1", "B2")
                ],
            }
        )
        for code in ("B1", "B2"):
            (root / "from" / code).mkdir(parents=True)
        self.b1, self.b2 = (
            MockBank(code, root / "to" / code, root / "from" / code, DAY) for code in ("B1", "B2")
        )

    async def dispatch(self, **more: Any) -> list[Sent]:  # noqa: ANN401 - as `dispatch`
        """Make the PAY files that are due."""
        return await dispatch(self.the.engine, self.the.settings, self.the.members, now=self.now, **more)

    async def deliver(self) -> None:
        """Bring them to the banks."""
        done = await deliver(self.the.engine, self.the.settings, self.partners, now=lambda: self.now)
        assert {one.result for one in done} <= {"DELIVERED"}, done

    async def receive(self) -> list[Received]:
        """Take what the banks say, and acknowledge it."""
        found = await receive(
            self.the.engine, self.the.settings, self.the.members, self.partners, now=self.now
        )
        await self.deliver()
        return found

    async def turn(self) -> list[Received]:
        """Deliver, let the banks work, receive, and let them read what was said."""
        await self.deliver()
        for bank in (self.b1, self.b2):
            bank.work()
        found = await self.receive()
        for bank in (self.b1, self.b2):
            bank.work()
        return found

    async def states(self) -> dict[str, str]:
        """Payout to state."""
        return dict(iter(await self.the.rows("SELECT id, state FROM payout ORDER BY id")))

    async def holds(self) -> None:
        """The accounts of payouts say what the payouts say, and nobody was paid twice."""
        async with transaction(self.the.engine) as conn:
            totals = await payout_lists.totals(conn)
        assert [one.difference_fen for one in totals.accounts] == [0, 0]
        for bank in (self.b1, self.b2):
            assert set(bank.paid.values()) <= {1}, bank.paid
