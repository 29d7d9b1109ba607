"""`layout`: layouts listed, proposed for a sample, and checked against one. 文件格式"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from clearing.console.edge import Json, answer, perform, read_file, settings_now
from clearing.console.show import table
from clearing.errors import UsageError, on_disk
from clearing.files.check import Checker
from clearing.files.describe import Described, describe
from clearing.files.faults import Fault
from clearing.files.iso20022.profile import Document
from clearing.files.layout import Layout
from clearing.jobs.layouts import known_layouts, layout_at

layout_app = typer.Typer(no_args_is_help=True, help="File layouts: list, propose, check 文件格式.")


@layout_app.command("list")
def list_layouts(as_json: Json = False) -> None:
    """Every layout there is: those shipped and those of the folder of the settings 格式清单."""

    async def work() -> dict[str, Layout]:
        return known_layouts(settings_now())

    found = [
        {
            "profile": one.profile,
            "id": one.id,
            "title": one.title,
            "types": [*one.types],
            "example": one.example(),
        }
        for one in perform(work).values()
    ]
    if as_json:
        answer({"layouts": found})
        return
    table(
        "Layouts 文件格式",
        ["profile", "id", "name of a file", "what"],
        ([one["profile"], one["id"], one["example"], one["title"]] for one in found),
    )


@layout_app.command("describe")
def describe_sample(
    sample: Annotated[Path, typer.Argument(metavar="SAMPLE", help="A file as the partner sends it.")],
    out: Annotated[Path | None, typer.Option("--out", help="Write the proposed layout here.")] = None,
    as_json: Json = False,
) -> None:
    """Propose a layout for a sample: encoding, delimiter, columns, amounts, totals 样本识别."""

    async def work() -> Described:
        found = describe(read_file(sample), sample.name)
        if out is not None and found.toml:
            _written(out, found.toml)
        return found

    found = perform(work)
    if as_json:
        answer({"sample": sample.name, "findings": found.findings, "layout": found.toml})
        return
    for line in found.findings:
        print(f"# {line}")
    if found.toml and out is None:
        print(found.toml)
    elif found.toml:
        print(f"layout written to {out}. Next: clearing layout check {out} {sample}")


def _written(out: Path, text: str) -> None:
    """Write a proposal where nothing is yet."""
    with on_disk(out):
        try:
            with out.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError as error:
            raise UsageError(
                f"{out}: is there already; nothing is overwritten. Next: give another name"
            ) from error


@layout_app.command("check")
def check_sample(
    layout: Annotated[
        Path, typer.Argument(metavar="LAYOUT", help="A layout's TOML file, or a profile's name.")
    ],
    sample: Annotated[Path, typer.Argument(metavar="SAMPLE", help="A file as the partner sends it.")],
    file_type: Annotated[
        str,
        typer.Option(
            "--type", help="What the sample is when its name does not say it, which is no fault then."
        ),
    ] = "",
    as_json: Json = False,
) -> None:
    """Say line by line what of a sample does not fit a layout 格式校验."""

    async def work() -> dict[str, Any]:
        settings = settings_now()
        known = known_layouts(settings) if layout.suffix != ".toml" else {}
        chosen = known.get(f"{layout}") or layout_at(
            settings, layout, read_file(layout).decode("utf-8", "replace")
        )
        return {"layout": chosen.id, "sample": sample.name} | _checked(chosen, sample, file_type)

    found = perform(work)
    if as_json:
        answer(found)
    else:
        for fault in found["faults"]:
            print(fault)
        read = f"{found['read']} of {found['lines']} detail lines"
        print(f"{found['sample']}: {read} read as {found['type'] or 'no known type'} of {found['layout']}")
    if not found["fits"]:
        raise typer.Exit(UsageError.exit_code)


def _checked(layout: Layout, sample: Path, said: str) -> dict[str, Any]:
    """What is read of a sample, and what does not fit; the type that was `said`, where its name need not say it."""
    content = read_file(sample)
    file_type = said or next(iter(layout.types))
    faults: Sequence[Fault]
    if layout.shape == "iso20022":
        document = Document(sample.name, layout, file_type=file_type)
        read = lines = sum(1 for _ in document.rows(content))
        name = layout.parse_name(sample.name)
        kind, faults = name.type if name else file_type, document.faults.found
    else:
        checker = Checker(sample.name, layout, file_type=file_type)
        read = len(checker.feed(content)) + len(checker.finish())
        kind, lines, faults = checker.scan.type, checker.scan.details, checker.faults
    told = [str(one) for one in faults if not (said and one.code == "FMT-010")]
    return {"type": kind, "lines": lines, "read": read, "fits": not told, "faults": told}
