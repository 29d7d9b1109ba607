"""`files`: the stored clearing files, out to a folder and checked. 清算文件"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from clearing.console.days import known_day
from clearing.console.edge import Day, Json, answer, books, perform, read_file
from clearing.console.show import grouped, table, yuan
from clearing.errors import UsageError
from clearing.files.check import check_file
from clearing.files.manifest import MANIFEST_SUFFIX, Manifest, read_manifest
from clearing.jobs import deliver
from clearing.store import files
from clearing.store.session import transaction

files_app = typer.Typer(no_args_is_help=True, help="Clearing files: list, write out, check 清算文件.")


@files_app.command("list")
def list_files(day: Day, as_json: Json = False) -> None:
    """A day's stored files with counts, totals and digests 文件清单."""

    async def work() -> list[files.StoredFile]:
        async with books() as the, transaction(the.engine) as conn:
            await known_day(conn, day)
            return await files.of_day(conn, day)

    found = perform(work)
    rows: list[dict[str, Any]] = [
        {
            "name": one.name,
            "type": one.type,
            "receiver": one.receiver,
            "version": one.version,
            "profile": one.profile,
            "records": one.records,
            "amount": yuan(one.amount_total_fen),
            "bytes": one.size,
            "sm3": one.sm3.hex(),
        }
        for one in found
    ]
    if as_json:
        answer({"date": f"{day}", "files": rows})
        return
    columns = ["name", "receiver", "records", "amount", "SM3"]
    table(
        f"Files of {day} 清算文件",
        columns,
        (
            [one["name"], one["receiver"], one["records"], grouped(one["amount"]), one["sm3"][:12]]
            for one in rows
        ),
        right=["records"],
    )


@files_app.command("write")
def write(
    day: Day,
    out: Annotated[Path, typer.Option("--out", help="Folder; one folder a receiver below it.")] = Path("out"),
    as_json: Json = False,
) -> None:
    """Write a day's stored files and their manifests out 文件交付."""

    async def work() -> deliver.Written:
        async with books() as the:
            return await deliver.write_files(the.engine, day, out)

    done = perform(work)
    if as_json:
        answer({"date": f"{day}", "out": f"{out}", "written": done.written, "already": done.already})
    else:
        print(f"{done.written} files written to {out}/, {done.already} stood there already")


@files_app.command("check")
def check(
    file: Annotated[Path, typer.Argument(help="A clearing file; its manifest is looked for beside it.")],
    as_json: Json = False,
) -> None:
    """Validate a file of ours against its layout and its manifest 文件校验."""

    async def work() -> dict[str, Any]:
        content, beside = read_file(file), file.with_name(file.name + MANIFEST_SUFFIX)
        manifest: Manifest | None = None
        faults: list[str] = []
        if beside.exists():
            read = read_manifest(beside.name, read_file(beside))
            if isinstance(read, Manifest):
                manifest = read
            else:
                faults += [str(one) for one in read]
        checked = check_file(file.name, content, manifest)
        faults += [str(one) for one in checked.faults]
        return {"file": file.name, "manifest": beside.exists(), "sound": not faults, "faults": faults}

    found = perform(work)
    if as_json:
        answer(found)
    elif found["sound"]:
        print(f"{file.name}: sound{'' if found['manifest'] else '; there is no manifest beside it'}")
    else:
        for fault in found["faults"]:
            print(fault)
    if not found["sound"]:
        raise typer.Exit(UsageError.exit_code)
