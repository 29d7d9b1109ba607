"""A partner's own layout on the whole way: orders out in it, answers in by it, whatever it looks like."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from clearing.files.check import check_file
from clearing.files.layout import Layout, load_layout, parse_layout
from clearing.jobs.deliver import deliver
from clearing.jobs.delivery.partners import Partners
from clearing.jobs.dispatch import dispatch
from clearing.jobs.receive import receive
from clearing.jobs.take_file import Received
from clearing.jobs.verify import verify
from clearing.ledger.members import Members
from clearing.store import files
from clearing.store.session import transaction
from tests.files.test_iso20022 import valid
from tests.jobs.mock_bank import PAID, UNKNOWN, MockBank
from tests.jobs.payout_round import DAY, MORNING, STORY, cards, submitted
from tests.jobs.running import Books, books, members_of, settings_of

OWN = """
like = "P"
id = "OURS0001"
profile = "OURS"
name = "{to}-{type}-{date}-{seq}-{version}"
extension = "dat"
delimiter = "^"
substitute = " "
trailing_delimiter = false
encoding = "utf-8"
only = ["PAY", "PYR", "RTN", "ACK", "REG"]
type_names = { PAY = "DF", PYR = "DFHZ", RTN = "TP", ACK = "HZ", REG = "KH" }
lenient = ["line_ends"]

[[types.PYR]]
tag = "D"
mark = "2"
columns = [
  { name = "no", kind = "line" },
  { name = "id", field = "pay_id" },
  { name = "sum", field = "amount_fen", kind = "amount" },
  { name = "end", field = "result", one_of = ["S", "F", "U"], codes = { S = "00", F = "99", U = "55" } },
  { name = "ref", field = "bank_ref", empty = true },
  { name = "day", field = "bank_date", kind = "date", empty = true },
  { name = "why", field = "reason_code", empty = true },
]
"""
"""A bank's own: no sender in names, another delimiter, answers of seven columns."""
LONG = "F1-REIMBURSEMENT-2026-05-18-OUTPATIENT-000001"


def with_profile(members: Members, profile: str, code: str = "B1") -> Members:
    """The same members; one names a profile."""
    records = tuple(
        one.model_copy(update={"profile": (profile,)}) if one.code == code else one for one in members.records
    )
    return replace(members, records=records)


class Way:
    """The platform and B1, which meet in folders."""

    def __init__(self, the: Books, root: Path, layout: Layout) -> None:
        self.the = the
        place = {"kind": "directory", "folder": f"{root}/to"}
        self.partners = Partners.model_validate(
            {
                "target": [{"receiver": "B1", "place": place}],
                "inbox": [{"partner": "B1", "place": {"kind": "directory", "folder": root / "from"}}],
            }
        )
        (root / "from").mkdir()
        own = None if layout.profile in "PHBFNX" else layout
        self.bank = MockBank("B1", root / "to", root / "from", DAY, profile=layout.profile, layout=own)

    async def turn(self) -> list[Received]:
        """Orders out, the bank works, its answers in, our ACKs out, the bank reads them."""
        world = (self.the.engine, self.the.settings)
        await dispatch(*world, self.the.members, now=MORNING, at_once=True)
        await deliver(*world, self.partners)
        self.bank.work()
        found = await receive(*world, self.the.members, self.partners, now=MORNING)
        await deliver(*world, self.partners)
        self.bank.work()
        return found


@pytest.fixture
async def way(request: pytest.FixtureRequest, blank: Callable[[], str], tmp_path: Path) -> AsyncIterator[Way]:
    """Books in which B1's record names the profile of the test."""
    profile: str = request.param
    folder = tmp_path / "layouts"
    folder.mkdir()
    (folder / "ours.toml").write_text(OWN, encoding="utf-8")
    layout = parse_layout(OWN, "ours.toml") if profile == "OURS" else load_layout(profile)
    members = with_profile(members_of(STORY / "members.toml"), profile)
    async with books(blank(), settings_of(layouts=folder), members, DAY) as the:
        await the.ingest(cards())
        yield Way(the, tmp_path, layout)


@pytest.mark.parametrize("way", ["OURS", "B", "F", "X"], indirect=True)
async def test_a_bank_is_paid_through_its_own_layout(way: Way) -> None:
    """PAY in it, PYR and (where it has them) RTN and ACK; the bank asked again; the books are sound."""
    say = {"F1/P1/1": PAID, "F1/P2/1": "R10", "F1/P3/1": UNKNOWN}
    way.bank.decide = lambda line: say[line.pay_id]
    await way.the.ingest([submitted(number, "B1") for number in (1, 2, 3)])
    found = await way.turn()
    assert [(one.verdict, one.posted, one.faults) for one in found if one.type == "PYR"] == [("ACPT", 2, ())]
    way.bank.return_("F1/P1/1")
    found = await way.turn()
    assert [(one.verdict, one.posted, one.faults) for one in found if one.type == "RTN"] == [("ACPT", 1, ())]
    states = dict(iter(await way.the.rows("SELECT id, state FROM payout")))
    assert states == {"P1": "RETURNED", "P2": "REJECTED", "P3": "SENT"}
    assert {verdict for _, verdict in way.bank.verdicts} == {"ACPT"}
    checks = (await verify(way.the.engine, way.the.members))["checks"]
    assert {name: said for name, said in checks.items() if said != "ok"} == {}


@pytest.mark.parametrize("way", ["X"], indirect=True)
async def test_bank_and_payer_hear_at_once_what_became_of_payouts(way: Way) -> None:
    """camt.054, valid by the official schema: what was paid a debit, what came back a credit; no gap in numbers."""
    the = way.the
    payers = with_profile(with_profile(members_of(STORY / "members.toml"), "X"), "X", "F1")
    way.the = replace(the, members=payers)
    say = {"F1/P1/1": PAID, "F1/P2/1": "R10"}
    way.bank.decide = lambda line: say[line.pay_id]
    await way.the.ingest([submitted(1, "B1"), submitted(2, "B1", "30.00")])
    await way.turn()
    way.bank.return_("F1/P1/1")
    await way.turn()
    told = {}
    for name, receiver in await the.rows("SELECT name, receiver FROM file WHERE type = 'NTF' ORDER BY name"):
        async with transaction(the.engine) as conn:
            content = await files.content(conn, name)
        valid("NTF", content)
        checked = check_file(name, content)
        assert (checked.faults, checked.parsed is not None) == ((), True)
        rows = [row.record for row in checked.parsed.rows] if checked.parsed else []
        told[name] = (receiver, [(one.event_type, one.account, one.settle_fen, one.bank) for one in rows])
        if receiver == "B1":
            assert b"<MmbId>990121000010</MmbId>" in content
    result, returned = "payout.result", "payout.returned"
    assert told == {
        "RHC_NTF_PLAT_B1_20260518_001_V1.xml": ("B1", [(result, "1010.B1", 10_000, "B1")]),
        "RHC_NTF_PLAT_B1_20260518_002_V1.xml": ("B1", [(returned, "1010.B1", -10_000, "B1")]),
        "RHC_NTF_PLAT_F1_20260518_001_V1.xml": (
            "F1",
            [
                (result, "2035.F1", -10_000, "B1"),
                (result, "2030.F1", 3_000, "B1"),
                (result, "2035.F1", -3_000, "B1"),
            ],
        ),
        "RHC_NTF_PLAT_F1_20260518_002_V1.xml": ("F1", [(returned, "2030.F1", 10_000, "B1")]),
    }
    assert (await verify(the.engine, payers))["ok"]


@pytest.mark.parametrize("way", ["X"], indirect=True)
async def test_a_bank_that_knows_an_order_by_35_characters_alone_is_understood(way: Way) -> None:
    """A long id goes out as its short one, which is kept: an answer that says only that one finds its order."""
    line = submitted(1, "B1").replace(b'"id": "P1"', f'"id": "{LONG}"'.encode())
    await way.the.ingest([line, submitted(2, "B1")])
    way.bank.bare = True
    found = await way.turn()
    assert [(one.verdict, one.posted, one.faults) for one in found if one.type == "PYR"] == [("ACPT", 2, ())]
    ((pay_id, pay_ref),) = await way.the.rows("SELECT pay_id, pay_ref FROM pay_line WHERE pay_id <> pay_ref")
    assert (pay_id, len(pay_ref)) == (f"F1/{LONG}/1", 32)
    assert set(way.bank.orders) == {pay_ref, "F1/P2/1"}
    assert set(dict(iter(await way.the.rows("SELECT id, state FROM payout"))).values()) == {"PAID"}
    checks = (await verify(way.the.engine, way.the.members))["checks"]
    assert {name: said for name, said in checks.items() if said != "ok"} == {}
