"""Quarantined records tried again: by a release that can read them, or mended, through the same door."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from sqlalchemy import text

from clearing.errors import UsageError
from clearing.jobs.retry import retry
from tests.jobs.running import Books, books, settings_of, worked_lines, worked_members

PARKED = b'{"specversion":"1.0","id":"H1-77","source":"H1","type":"payment.voided","time":"2026-03-09T10:00:00+08:00","data":{"original":{"source":"H1","id":"H1-76"},"card":"tok_P1_B1_0001","bank":"B1","institution":"H1","amount":"1.00","bank_ref":"BR9","bank_date":"2026-03-09"}}'  # noqa: E501 - a record


@pytest.fixture
async def the(blank: Callable[[], str]) -> AsyncIterator[Books]:
    """Books of the first worked day."""
    async with books(blank(), settings_of(), worked_members()) as found:
        await found.ingest(worked_lines(9))
        yield found


def payment(**change: Any) -> bytes:  # noqa: ANN401 - any field
    """A payment of the ninth, good unless changed."""
    data = {
        "card": "tok_P1_B1_0001", "bank": "B1", "institution": "H1", "amount": "12.00", "purpose": "OUTPATIENT",
        "order_no": "H1-9901", "bank_ref": "BR99000001", "bank_date": "2026-03-09",
    }  # fmt: skip
    event = {"specversion": "1.0", "id": "H1-9901", "source": "H1", "type": "payment.made"}
    return json.dumps(event | {"time": "2026-03-09T11:00:00+08:00", "data": data | change}).encode()


async def tried(the: Books, **given: Any) -> dict[str, Any]:  # noqa: ANN401 - as `retry`
    """Try again as ann."""
    return await retry(the.engine, the.settings, the.members, maker="ann", **given)


async def test_a_mended_record_is_taken(the: Books) -> None:
    """The amount had one decimal: told what is missing; mended it posts once, and the try is kept."""
    assert (await the.ingest([payment(amount="12.0")]))["malformed"] == 1
    found = await tried(the)
    assert (found["retried"], [one["where"] for one in found["malformed"]]) == ([], ["data.amount"])
    assert await the.one("SELECT count(*) FROM quarantine") == 1
    sm3 = found["malformed"][0]["sm3"]
    taken = await tried(the, begins=sm3[:12], mended=payment() + b"\n")
    assert [(one["event"], one["outcome"], one["mended"]) for one in taken["retried"]] == [
        ("H1/H1-9901", "posted", True)
    ]
    again = await tried(the, begins=sm3[:12], mended=payment())
    assert again["retried"][0]["outcome"] == "posted"
    assert await the.one("SELECT count(*) FROM entry WHERE event_id = 'H1-9901'") == 1
    assert await the.rows("SELECT no, maker, outcome FROM quarantine_retry ORDER BY no") == [
        (1, "ann", "posted"), (2, "ann", "posted")
    ]  # fmt: skip
    assert (await tried(the))["malformed"] == []


async def test_a_record_that_a_later_release_can_read_is_taken_as_it_came(the: Books) -> None:
    """What an older release had refused goes in unchanged; one already taken is not taken again."""
    await the.ingest([b"{broken", payment(amount="12.0")])
    async with the.engine.begin() as conn:  # an older release had put a good record there
        await conn.execute(text("ALTER TABLE quarantine DISABLE TRIGGER USER"))
        await conn.execute(text("UPDATE quarantine SET raw = :raw WHERE id = 'H1-9901'"), {"raw": payment()})
    found = await tried(the)
    assert [(one["event"], one["outcome"], one["mended"]) for one in found["retried"]] == [
        ("H1/H1-9901", "posted", False)
    ]
    assert [one["where"] for one in found["malformed"]] == ["byte 1"]
    assert (await tried(the))["retried"] == []


async def test_more_than_a_page_that_cannot_be_read_hides_nothing(the: Books) -> None:
    """Behind a thousand and more broken records, and as many that were taken before, the last one is taken too."""
    await the.ingest([b"{broken %d" % number for number in range(1_100)])
    good = [payment(amount="12.0", order_no=f"H1-{number}") for number in range(5)]
    await the.ingest(good)
    async with the.engine.begin() as conn:  # an older release had put good records there
        await conn.execute(text("ALTER TABLE quarantine DISABLE TRIGGER USER"))
        await conn.execute(
            text("UPDATE quarantine SET raw = convert_to("
                 "replace(convert_from(raw, 'UTF8'), '12.0', '12.00'), 'UTF8') "
                 "WHERE id = 'H1-9901'")
        )  # fmt: skip
    found = await tried(the)
    assert (len(found["malformed"]), len(found["retried"])) == (1_100, 5)
    assert {one["outcome"] for one in found["retried"]} == {"posted"}


async def test_a_mended_record_must_be_the_same_event(the: Books) -> None:
    """Another id or source is another event, bytes that cannot be read are no mend, a digest must be one record's."""
    await the.ingest([payment(amount="12.0"), payment(amount="12"), b"{broken"])
    sm3s = [one["sm3"] for one in (await tried(the))["malformed"]]
    other = payment().replace(b'"id": "H1-9901"', b'"id": "H1-9902"')
    for begins, mended, message in (
        (sm3s[0], other, "expected id H1-9901 as it came, got H1-9902"),
        (sm3s[0], b"{}", "the mended record cannot be read either"),
        ("zz", payment(), "there is none"),
        ("", None, ""),
    ):
        if message:
            with pytest.raises(UsageError, match=message):
                await tried(the, begins=begins, mended=mended)
    assert await the.one("SELECT count(*) FROM entry WHERE event_id = 'H1-9901'") == 0
    assert (await tried(the, begins=sm3s[2], mended=other))["retried"][0]["outcome"] == "posted"


async def test_a_record_whose_bytes_were_not_kept_can_only_be_mended(the: Books) -> None:
    """What is named like a PIN is kept nowhere: it is told so, and goes in mended."""
    await the.ingest([payment(pin="0000")])
    (one,) = (await tried(the))["malformed"]
    assert (one["kept"], one["id"]) == (False, "H1-9901")
    assert (await tried(the, begins=one["sm3"], mended=payment()))["retried"][0]["outcome"] == "posted"


async def test_parked_events_are_told_what_they_wait_for(the: Books) -> None:
    """They cannot be hurried: what for, and the cut that ends their wait."""
    await the.ingest([PARKED])
    (one,) = (await tried(the))["parked"]
    assert (one["event"], one["until"]) == ("H1/H1-77", "2026-03-12")
    assert "H1/H1-76" in one["detail"]


async def test_a_refused_record_says_why(the: Books) -> None:
    """Through the same door: the order was paid before, so the mended payment is rejected."""
    await the.ingest([payment(), payment(amount="12.0").replace(b'"id": "H1-9901"', b'"id": "H1-9903"')])
    (one,) = (await tried(the))["malformed"]
    good = payment(bank_ref="BR99000002").replace(b'"id": "H1-9901"', b'"id": "H1-9903"')
    (taken,) = (await tried(the, begins=one["sm3"], mended=good))["retried"]
    assert (taken["outcome"], taken["reason"]) == ("rejected", "order_already_paid")
