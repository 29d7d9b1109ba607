"""`generate`: a made-up day, with what is wrong in it told beside it. 生成数据"""

from __future__ import annotations

import tomllib
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from clearing.console.edge import Json, a_date, answer, perform, progress, read_file
from clearing.errors import MembersRefused, UsageError
from clearing.jobs.setup import document_of
from clearing.ledger.members_file import load_members


def generate(  # noqa: PLR0917 - the options of a command
    out: Annotated[Path, typer.Option("--out", help="Folder to write to.")],
    day: Annotated[date, typer.Option("--date", parser=a_date, metavar="DATE", help="The day.")],
    events: Annotated[int | None, typer.Option("--events", min=1, help="How many records; 3000.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same day.")] = 1,
    members: Annotated[
        Path | None, typer.Option("--members", help="Members file; a made-up city when left out.")
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            "--size", help="county, city, province, one-bank or year-end: members and records of that size."
        ),
    ] = None,
    registered: Annotated[
        int | None, typer.Option("--registered", min=0, help="Cards registered before the day.")
    ] = None,
    breaks: Annotated[
        float | None,
        typer.Option(
            "--breaks", min=0, help="Planted breaks: a count, or below 1 the share of payments; 0.005."
        ),
    ] = None,
    wrong_files: Annotated[
        bool,
        typer.Option("--wrong-files", help="Plant missing, unsound and wrongly totalled files too."),
    ] = False,
    lists: Annotated[
        bool,
        typer.Option("--lists", help="Payers' lists and lists of deposits too, with what is wrong in them."),
    ] = False,
    later: Annotated[
        bool, typer.Option("--later", help="Not the first day of the books: terminals are known already.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make a realistic day: events, statements, exports, planted breaks with their list 生成测试日."""

    async def work() -> Any:  # noqa: ANN401 - the generator's summary
        from clearing.jobs import generate as maker  # noqa: PLC0415 - for this command only

        named = maker.SIZES.get(size or "")
        if size is not None and named is None:
            raise UsageError(f"generate: --size {size}: expected one of {', '.join(maker.SIZES)}")
        source: Path | str = members or (maker.members_of(named) if named else maker.CITY)
        try:
            who = load_members(
                tomllib.loads(source) if isinstance(source, str) else document_of(read_file(source))
            )
        except MembersRefused as error:
            raise MembersRefused(f"{members or size}: {error}") from error
        count = events or (named.events if named else 3000)
        plan = named.plan(registered) if named else maker.with_registered(maker.Plan(), registered or 0)
        plan = replace(maker.with_breaks(plan, breaks, wrong_files=wrong_files), later=later)
        if lists and later:
            raise UsageError("generate: --lists needs books that begin on the day. Next: leave --later out")
        plan = maker.with_lists(plan) if lists else plan
        made = maker.generate_day(plan, who, day, count, seed)
        with progress("writing events", count) as told:
            return maker.write(made, out, members_toml=source, progress=lambda _: told(1000))

    found = perform(work)
    told = {
        "date": f"{day}",
        "events": found.events,
        "planted": len(found.planted),
        "members": f"{found.members}",
        "registered": found.registered,
        "refused": len(found.refused),
        "events_file": f"{found.events_file}",
        "statements": {code: f"{path}" for code, path in found.statements.items()},
        "exports": {code: f"{path}" for code, path in found.exports.items()},
        "answers": f"{found.answers}",
        "refusals": f"{found.refusals}",
    } | ({"cards_file": f"{found.cards_file}"} if found.registered else {})
    if found.corrected:
        told["corrected"] = {code: f"{path}" for code, path in found.corrected.items()}
    if found.lists:
        told["lists"] = {code: f"{path}" for code, path in found.lists.items()}
    if as_json:
        answer(told)
        return
    for name in ("date", "events", "members", "cards_file", "events_file", "answers", "refusals"):
        if name in told:
            print(f"{name:<12}{told[name]}")
    print(f"{'statements':<12}{len(found.statements)} in {out / 'statements'}")
    print(f"{'exports':<12}{len(found.exports)} in {out / 'exports'}")
    print(f"next        clearing init --members {found.members} --open-day {day}")
