"""The proposal as the text of a layout. 格式草案"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from clearing.files.describe.columns import field_of
from clearing.files.describe.found import Described, Seen


def toml(found: Described) -> str:
    """A layout that reads the sample, to be read and corrected."""
    framed = not found.header
    fen = not any(
        "." in value for one in found.columns if one.kind in ("amount", "signed") for value in one.values
    )
    dates = Counter(one.form for one in found.columns if one.kind == "date")
    instants = Counter(one.form for one in found.columns if one.kind == "instant")
    trailing = any(
        value.endswith("-") for one in found.columns if one.kind == "signed" for value in one.values
    )
    always = any(
        value.startswith("+") for one in found.columns for value in one.values if one.kind == "signed"
    )
    lines = [
        "# Proposed from a sample: read it, name each column's field, check it with `clearing layout check`.",
        'id = "NEWB0100"',
        'profile = "NEW"',
        f'shape = "{"framed" if framed else "table"}"',
        'name = "{type}_{from}_{to}_{date}_{seq}_V{version}"',
        f'extension = "{found.extension}"',
        f'encoding = "{found.encoding}"',
        f"bom = {str(found.bom).lower()}",
        f"line_end = {_quoted(found.line_end)}",
        *(_delimited(found) if found.delimiter else []),
        *([f"lenient = [{', '.join(map(_quoted, found.lenient))}]"] if found.lenient else []),
        *([f"null = {_quoted(found.null)}"] if found.null else []),
        f'amount_unit = "{"fen" if fen else "yuan"}"',
        *([f'sign = "{"trailing" if trailing else "always"}"'] if trailing or always else []),
        f'date_format = "{dates.most_common(1)[0][0] if dates else "YYYYMMDD"}"',
        f'instant_format = "{instants.most_common(1)[0][0] if instants else "YYYYMMDDhhmmss"}"',
    ]
    if not found.tagged:
        lines.append('tag_column = ""')
    if not framed:
        lines += ['total_mark = ""', 'end_mark = ""']
    for part, row in (("head", found.head), ("tail", found.tail)):
        if row:
            lines += _frame_toml(part, row, found)
    lines += ["", "[[types.TXN]]", 'tag = "D"', *_mark(found), "columns = ["]
    lines += [_column(one) for one in found.columns]
    return "\n".join([*lines, "]", ""])


def _delimited(found: Described) -> list[str]:
    substitute = "、" if found.delimiter == "," else " "
    return [
        f"delimiter = {_quoted(found.delimiter)}",
        f"trailing_delimiter = {str(found.trailing).lower()}",
        'quoting = "rfc4180"' if found.quoted else f"substitute = {_quoted(substitute)}",
    ]


def _mark(found: Described) -> list[str]:
    return [] if found.tagged and found.mark == "D" else [f"mark = {_quoted(found.mark)}"]


def _frame_toml(part: str, row: Sequence[str], found: Described) -> list[str]:
    cells = [cell for cell in (row[1:] if found.tagged else row) if cell or found.delimiter]
    mark = _quoted(row[0]) if found.tagged else '""'
    widths = [
        "" if found.delimiter else f", width = {len(cell.encode(found.encoding, 'replace'))}"
        for cell in cells
    ]
    count = found.counted.get(part, -1) - found.tagged
    kinds = [
        ', field = "records", kind = "count"' if at == count else ", empty = true" for at in range(len(cells))
    ]
    return [
        "",
        f"[{part}]",
        f'tag = "{part[0].upper()}"',
        f"mark = {mark}",
        "columns = [",
        *(
            f'  {{ name = "{part}_{at}"{kind}{width} }},'
            for at, (kind, width) in enumerate(zip(kinds, widths, strict=True), 1)
        ),
        "]",
    ]


def _column(one: Seen) -> str:
    ours = field_of(one.name)
    parts = [f"name = {_quoted(one.name)}"]
    if ours and ours != one.name:
        parts.append(f"field = {_quoted(ours)}")
    if one.kind != "text":
        parts.append(f"kind = {_quoted(one.kind)}")
    if one.words:
        parts.append(f"one_of = [{', '.join(map(_quoted, one.words))}]")
    if one.empty:
        parts.append("empty = true")
    if one.width:
        parts.append(f"width = {one.width}")
    known = ours or one.kind == "line"
    return f"  {{ {', '.join(parts)} }},{'' if known else '  # field = which of ours?'}"


def _quoted(text: str) -> str:
    """Text as TOML writes it."""
    safe = text.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t").replace("\r", "\\r")
    return '"' + safe.replace("\n", "\\n").replace("\x01", "\\u0001") + '"'
