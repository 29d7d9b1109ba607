"""`files again`, `uses`, `show`: files made once more, and all that is known of one. 重出文件"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from clearing.console.edge import Books, Day, Json, answer, books, perform, whoami
from clearing.console.exchange import Who, Why
from clearing.console.show import local, made, money, table, yuan
from clearing.errors import UsageError
from clearing.jobs.again import Order, new_version, uses_again
from clearing.store import deliveries, files
from clearing.store.files import StoredFile
from clearing.store.session import transaction


def make_again(  # noqa: PLR0917 - the options of a command
    day: Day,
    receiver: Annotated[str, typer.Option("--for", help="The member whose files are made again.")],
    why: Why,
    types: Annotated[
        list[str] | None, typer.Option("--type", help="TXN, SUM …; all that it gets when left out.")
    ] = None,
    who: Who = "",
    as_json: Json = False,
) -> None:
    """Make a member's files of a filed day anew: the next version, which names what it replaces 重出版本.

    The entries are the same; members, accounts and layouts are those of today. Earlier versions stay; the new ones go
    out with the next `deliver`. A signed day is frozen.
    """

    async def work(the: Books) -> list[StoredFile]:
        order = Order(who or whoami(), why, datetime.now(UTC))
        return await new_version(
            the.engine, the.settings, the.members, day, receiver=receiver, types=types or (), order=order
        )

    _made(work, as_json=as_json)


def send_uses(  # noqa: PLR0917 - the options of a command
    day: Day,
    first: Annotated[int, typer.Option("--from", min=1, help="First number, as the day's SWP file has it.")],
    why: Why,
    last: Annotated[int | None, typer.Option("--to", min=1, help="Last number; one when left out.")] = None,
    receiver: Annotated[str, typer.Option("--for", help="The card platform, where there are several.")] = "",
    who: Who = "",
    as_json: Json = False,
) -> None:
    """Send uses of cards once more that the card platform asks for by number 按号重取.

    They go into a file of their own, the next number of that date, each with the number it had.
    """

    async def work(the: Books) -> list[StoredFile]:
        order = Order(who or whoami(), why, datetime.now(UTC))
        span = {"first": first, "last": last or first}
        return await uses_again(
            the.engine, the.settings, the.members, day, **span, receiver=receiver, order=order
        )

    _made(work, as_json=as_json)


def _made(work: Any, *, as_json: bool) -> None:  # noqa: ANN401 - a coroutine function of the books
    async def opened() -> list[StoredFile]:
        async with books() as the:
            found: list[StoredFile] = await work(the)
            return found

    found = perform(opened)
    if as_json:
        answer({"files": [_shape(one) for one in found]})
        return
    made("Made 重出", found)


def _shape(one: StoredFile) -> dict[str, Any]:
    again = one.again._asdict() | {"at": one.again.at.isoformat()} if one.again else None
    return {
        "name": one.name,
        "date": f"{one.clearing_date}",
        "type": one.type,
        "receiver": one.receiver,
        "seq": one.seq,
        "version": one.version,
        "profile": one.profile,
        "records": one.records,
        "amount": yuan(one.amount_total_fen),
        "hash_total": int(one.hash_total),
        "bytes": one.size,
        "sha256": one.sha256.hex(),
        "sm3": one.sm3.hex(),
        "replaces": one.replaces or None,
        "signed": one.seal.key_id if one.seal and one.seal.alg else None,
        "envelope": one.seal.envelope_key_id if one.seal and one.seal.envelope_alg else None,
        "again": again,
    }


def show_file(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of a file of ours.")],
    as_json: Json = False,
) -> None:
    """One file of ours: what it is, its versions, who got it when, what was said of it 文件详情."""

    async def work() -> tuple[StoredFile, list[StoredFile], list[deliveries.Attempt], Books]:
        async with books() as the, transaction(the.engine) as conn:
            one = await files.get(conn, name)
            if one is None:
                raise UsageError(
                    f"file {name}: expected a file of ours, got none. See: clearing files list DATE"
                )
            same = [
                other
                for other in await files.of_day(conn, one.clearing_date)
                if (other.type, other.receiver, other.seq, other.profile)
                == (one.type, one.receiver, one.seq, one.profile)
            ]
            return one, same, await deliveries.attempts(conn, file=name), the

    one, versions, attempts, the = perform(work)
    zone = the.members.clock.zone
    if as_json:
        told = [
            {"target": each.target, "attempt": each.attempt, "result": each.result, "ack": each.ack or None}
            | {"at": each.started_at.isoformat()}
            for each in attempts
        ]
        answer(_shape(one) | {"versions": [each.name for each in versions], "deliveries": told})
        return
    said = _shape(one) | {"amount": money(one.amount_total_fen)}
    again = said.pop("again")
    for key, value in said.items():
        if value is not None:
            print(f"{key:<11} {value}")
    if again is not None and one.again is not None:
        uses = f", uses {one.again.first_no} to {one.again.last_no}" if one.again.first_no else ""
        print(f"made again  {local(one.again.at, zone)} by {one.again.by_whom}: {one.again.why}{uses}")
    print()
    table(
        "Versions 版本",
        ["name", "records", "amount", "SM3"],
        ([each.name, each.records, money(each.amount_total_fen), each.sm3.hex()[:12]] for each in versions),
        right=["records"],
    )
    table(
        "Deliveries 交付记录",
        ["target", "no", "at", "result", "ack"],
        (
            [each.target, each.attempt, local(each.started_at, zone), each.result, each.ack]
            for each in attempts
        ),
        right=["no"],
    )
