"""`files`: the stored clearing files, out to a folder and checked. 清算文件"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from clearing.console.edge import Day, Json, answer, books, perform, read_file, settings_now
from clearing.console.keys import named_key
from clearing.console.show import grouped, table, yuan
from clearing.errors import UsageError
from clearing.files.check import check_file
from clearing.files.envelope import open_envelope
from clearing.files.faults import Fault
from clearing.files.layout import Layout
from clearing.files.manifest import MANIFEST_SUFFIX, Manifest, read_manifest
from clearing.files.seal import Trust, trust_of
from clearing.jobs import deliver
from clearing.jobs.judge import name_of
from clearing.jobs.keys import KeyStore, key_store
from clearing.jobs.layouts import known_layouts
from clearing.jobs.setup import document_of
from clearing.ledger.members_file import load_members
from clearing.ledger.seal_terms import PLAIN, Seal
from clearing.reports import machine
from clearing.store import days, files
from clearing.store.session import transaction

files_app = typer.Typer(no_args_is_help=True, help="Clearing files: list, write out, check 清算文件.")


@files_app.command("list")
def list_files(day: Day, as_json: Json = False) -> None:
    """A day's stored files with counts, totals and digests 文件清单."""

    async def work() -> list[files.StoredFile]:
        async with books() as the, transaction(the.engine) as conn:
            await days.opened(conn, day)
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
            "replaces": one.replaces or None,
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
    keys: Annotated[
        list[Path] | None, typer.Option("--key", help="Public key of who signed it; our own when left out.")
    ] = None,
    members: Annotated[
        Path | None, typer.Option("--members", help="Members file: what was agreed with the sender.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Validate a file: manifest, envelope, digests, signature, layout 文件校验."""

    async def work() -> dict[str, Any]:
        return checked_file(file, keys or [], members)

    found = perform(work)
    if as_json:
        answer(found)
    elif found["sound"]:
        print(f"{file.name}: sound{_remark(found)}")
    else:
        for fault in found["faults"]:
            print(fault)
    if not found["sound"]:
        raise typer.Exit(UsageError.exit_code)


def checked_file(file: Path, keys: Sequence[Path], members: Path | None) -> dict[str, Any]:
    """The shape of `clearing files check --json`: what is wrong with a file that stands in a folder.

    Out:     `signature` is good, bad, none, or not checked where nobody said whose it must be.
    """
    content, beside = read_file(file), file.with_name(file.name + MANIFEST_SUFFIX)
    read = read_manifest(beside.name, read_file(beside)) if beside.exists() else None
    manifest = read if isinstance(read, Manifest) else None
    faults: list[Fault] = list(read) if isinstance(read, tuple) else []
    settings = settings_now()
    layouts = tuple(known_layouts(settings).values())
    store, terms = key_store(settings), _agreed(file.name, members, layouts)
    trust = _trust(keys, members, terms, store, manifest)
    plain: bytes | tuple[Fault, ...] = content
    if manifest is not None:
        plain = open_envelope(file.name, content, manifest, store.unwrap, terms.envelope_form)
    if isinstance(plain, tuple):
        faults += plain
    else:
        report = machine.name_of(file.name) is not None
        faults += (
            machine.check_report(file.name, plain, manifest, trust)
            if report
            else check_file(file.name, plain, manifest, layouts=layouts, trust=trust).faults
        )
    signature = "not checked" if manifest and manifest.signature else "none"
    if trust.keys:
        signature = "bad" if any(one.code == "FMT-013" for one in faults) else "good"
    return {
        "file": file.name,
        "manifest": beside.exists(),
        "signature": signature,
        "envelope": bool(manifest and manifest.encryption),
        "sound": not faults,
        "faults": [str(one) for one in faults],
    }


def _agreed(name: str, members: Path | None, layouts: Sequence[Layout]) -> Seal:
    """What was agreed with the sender that a file's name tells, by a members file."""
    said = name_of(name, layouts)
    if members is None or said is None:
        return PLAIN
    member = load_members(document_of(read_file(members))).on(said.date).by_code.get(said.sender)
    return member.seal if member else PLAIN


def _trust(
    keys: Sequence[Path], members: Path | None, terms: Seal, store: KeyStore, manifest: Manifest | None
) -> Trust:
    """Whose signature is asked for: the keys that were named, the sender's in the members file, or our own."""
    user_id = terms.user_id or settings_now().sm2_user_id
    if keys:
        return Trust(tuple(named_key(path) for path in keys), user_id)
    if terms.keys:
        return trust_of(terms, user_id)
    own = tuple(signer.public for signer in store.signers())
    signed_by = manifest.signature.key_id if manifest and manifest.signature else ""
    return Trust(own if members is None and signed_by in {key.id for key in own} else (), user_id)


def _remark(found: Mapping[str, Any]) -> str:
    """What a person should know of a sound file besides."""
    if not found["manifest"]:
        return "; there is no manifest beside it"
    remarks = {"good": "; signature good", "not checked": "; signature not checked: name its key with --key"}
    return remarks.get(found["signature"], "")
