"""`rejected`: which events of a day were refused, and why. 拒绝清单"""

from __future__ import annotations

from collections import Counter
from datetime import tzinfo
from typing import Annotated, Any

import typer

from clearing.console.edge import Day, Json, answer, books, expect_known, perform
from clearing.console.look import Rows
from clearing.console.show import local, table
from clearing.ledger.outcomes import Reason
from clearing.store import days
from clearing.store import rejections as stored
from clearing.store.rejections import Rejected
from clearing.store.session import transaction


def rejected(
    day: Day,
    source: Annotated[
        str | None, typer.Option("--source", metavar="CODE", help="Of this sender only.")
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="For this reason only.")] = None,
    rows_max: Rows = 100,
    as_json: Json = False,
) -> None:
    """Events that were rejected while a day was open: whose, which and why 拒绝清单.

    Their ids are used up: what was meant comes as a new event. `clearing trace SOURCE/ID` shows one.
    """
    if reason is not None and reason not in list(Reason):
        raise typer.BadParameter(
            f"expected one of {' '.join(sorted(Reason))}, got {reason!r}", param_hint="--reason"
        )

    async def work() -> tuple[list[Rejected], tzinfo]:
        async with books() as the, transaction(the.engine) as conn:
            await days.opened(conn, day)
            found = await stored.rejected(conn, day, source=source, reason=reason)
            if not found:
                expect_known(the.members, source=source)
            return found, the.members.clock.zone

    found, zone = perform(work)
    if as_json:
        reasons = dict(Counter(one.reason for one in found).most_common())
        answer({"date": f"{day}", "count": len(found), "reasons": reasons,
                "rejected": [_told(one) for one in found[:rows_max]]})  # fmt: skip
        return
    table(
        f"Rejected on {day} 拒绝清单",
        ["event", "type", "of", "reason", "why"],
        (
            [
                f"{one.source}/{one.id}",
                one.type,
                local(one.occurred_at, zone) if one.occurred_at else "",
                one.reason,
                one.detail.removeprefix(f"{one.type} {one.source}/{one.id}").lstrip(": "),
            ]
            for one in found[:rows_max]
        ),
    )
    if len(found) > rows_max:
        print(f"{len(found) - rows_max:,} more are not shown; see --rows")


def _told(one: Rejected) -> dict[str, Any]:
    row = one._asdict()
    return {"event": f"{row.pop('source')}/{row.pop('id')}", **row}
