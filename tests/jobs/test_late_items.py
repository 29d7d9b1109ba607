"""What comes late is in the files of the day that takes it: in TXN, and once more in ERR; no earlier file changes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from clearing.files.check import check_file
from clearing.store import files
from clearing.store.session import transaction
from tests.jobs.running import DAYS, Books, books, members_of, settings_of

FIRST, SECOND = date(2026, 9, 1), date(2026, 9, 2)


async def late_lines(the: Books, day: date, kind: str) -> dict[str, list[tuple[str, str, str, int]]]:
    """By receiver, the lines of its file that are late: entry, account, direction and fen."""
    found = {}
    async with transaction(the.engine) as conn:
        for one in await files.of_day(conn, day):
            if one.type == kind and one.profile == "P":
                parsed = check_file(one.name, await files.content(conn, one.name)).parsed
                assert parsed is not None
                late = [row.record for row in parsed.rows if row.record.late]
                found[one.receiver] = [
                    (line.entry_id, line.account, line.direction, line.amount_fen)
                    for line in late
                    if kind == "TXN" or line.kind == "LATE"
                ]
    return {receiver: lines for receiver, lines in found.items() if lines}


async def test_late_items_stand_in_err_of_the_day_that_takes_them(blank: Callable[[], str]) -> None:
    """Each late line of a receiver's TXN is in its ERR as LATE, and the first day's files stay as they were."""
    folders = [DAYS / f"{day}-late-events" for day in (FIRST, SECOND)]
    async with books(blank(), settings_of(), members_of(folders[0] / "members.toml"), FIRST) as the:
        await the.ingest((folders[0] / "events.jsonl").read_bytes().splitlines())
        await the.close(FIRST)
        before = await the.rows("SELECT name, sm3 FROM file ORDER BY name")
        assert await late_lines(the, FIRST, "ERR") == {}
        await the.ingest((folders[1] / "events.jsonl").read_bytes().splitlines())
        await the.close(SECOND)
        in_txn, in_err = await late_lines(the, SECOND, "TXN"), await late_lines(the, SECOND, "ERR")
        assert in_err == in_txn
        assert len(in_err) > 1, "a bank and an institution at least"
        after = await the.rows(
            "SELECT name, sm3 FROM file WHERE clearing_date = :day ORDER BY name", day=FIRST
        )
        assert after == before
