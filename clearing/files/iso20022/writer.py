"""Writes profile X as `render.Writer` writes the others: lines as they come, what stands around them at the end.

What stands around comes from the same streamed document as the lines would: it is written once with a mark in
their place and cut there. 报文生成
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, tzinfo
from typing import Any, Final, NamedTuple

from lxml import etree

from clearing.errors import UsageError
from clearing.files.columns_out import Lines, Written
from clearing.files.iso20022 import camt053, camt054, pain001, pain002, returned
from clearing.files.iso20022.message import Head, Message, element_of
from clearing.files.iso20022.places import Element, clean
from clearing.files.iso20022.stream import Group, write_document
from clearing.files.layout import Layout

MARK: Final = "LINES"
NOBODY: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - of a head that no line looks at


class Kind(NamedTuple):
    """A file type's message, and the parts of a document of it."""

    message: Message
    parts: Callable[[Head, Iterable[Element], tzinfo], Iterator[Element | Group]]


KINDS: Final[Mapping[str, Kind]] = {
    "TXN": Kind(camt053.CAMT_053, camt053.parts),
    "PAY": Kind(pain001.PAIN_001, pain001.parts),
    "PYR": Kind(pain002.PAIN_002, pain002.parts),
    "RTN": Kind(returned.RETURNED, camt054.parts),
    "NTF": Kind(camt054.CAMT_054, camt054.parts),
}
"""File type → its message; NTF is a notice of single entries."""


class XmlWriter:
    """Writes records of one file type; of PAY one file each, since its lines stand in groups."""

    def __init__(
        self, layout: Layout, file_type: str, zone: tzinfo, cnaps: Mapping[str, str] | None = None
    ) -> None:
        """Take the banks' numbers in the clearing system by code, for those that are to be named by it.

        Raises:  UsageError for a type that has no message.
        """
        if file_type not in KINDS:
            raise UsageError(f"layout {layout.id}: expected a type of {', '.join(KINDS)}, got {file_type!r}")
        self.layout = layout
        self.zone = zone
        self.file_type = file_type
        self._kind = KINDS[file_type]
        self._cnaps = cnaps or {}
        self._orders = pain001.Orders() if file_type == "PAY" else None
        self._head = Head(
            file_id="", sender="", receiver="", clearing_date=date(1970, 1, 1), cut_from=NOBODY, cut_to=NOBODY,
            created=NOBODY, cnaps=self._cnaps,
        )  # fmt: skip

    def block(self, lines: Lines) -> Written:
        """Records with their line ends; as `render.Writer.block`."""
        texts: list[str] = []
        notes: list[tuple[int, str]] = []
        for at, (record, line_no) in enumerate(zip(lines.records(), lines.numbers, strict=True)):
            notes += [
                (at, f"line {line_no} {name}: characters replaced that the file cannot carry")
                for name, value in zip(record._fields, record, strict=True)
                if isinstance(value, str) and clean(value) != value
            ]
            texts.append(self._line(record))
        return Written(texts, notes)

    def _line(self, record: Any) -> str:  # noqa: ANN401  (of the type's model)
        text = etree.tostring(
            element_of(self._kind.message, record, self._head, self.zone), encoding="unicode"
        )
        if self._orders is None:
            return f"{text}\n"
        closing = "</PmtInf>\n" if self._orders.opened else ""
        head = self._orders.before(record, self.zone)
        if head is None:
            return f"{text}\n"
        opening = "".join(etree.tostring(one, encoding="unicode", pretty_print=True) for one in head)
        return f"{closing}<PmtInf>\n{opening}{text}\n"

    def before(self, values: Mapping[str, Any]) -> bytes:
        """What stands before the records, with the file's balances and totals."""
        return self._around(values)[0]

    def after(self, values: Mapping[str, Any]) -> bytes:
        """What stands behind them."""
        closing = b"</PmtInf>\n" if self._orders is not None and self._orders.opened else b""
        return closing + self._around(values)[1]

    def _around(self, values: Mapping[str, Any]) -> tuple[bytes, bytes]:
        fields = set(Head.__dataclass_fields__) - {"cnaps"}
        head = Head(**{name: values[name] for name in fields}, cnaps=self._cnaps)
        out = io.BytesIO()
        message, parts = self._kind
        write_document(out, message.id, message.root, parts(head, [etree.Element(MARK)], self.zone))
        before, _, after = out.getvalue().partition(f"<{MARK}/>\n".encode())
        return before, after

    def whole(self, values: Mapping[str, Any], body: bytes | bytearray) -> bytes:
        """The document around its records."""
        return b"".join((self.before(values), body, self.after(values)))
