"""Documents written and read piece by piece: memory holds one record, however many there are. 流式报文

Read is what a stranger sent: no entity is expanded, nothing is fetched, depth and sizes have limits, a document
type is refused.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO, Any, Final, NamedTuple

from lxml import etree

from clearing.files.faults import Faults
from clearing.files.iso20022.places import Element

ISO: Final = "urn:iso:std:iso:20022:tech:xsd:"


class Group(NamedTuple):
    """An element with some children of its own, and then the records."""

    name: str
    head: Iterable[Element]
    records: Iterable[Element]


def write_document(out: IO[bytes], message: str, root: str, parts: Iterable[Element | Group]) -> None:
    """Write a document to a file, record by record.

    In:      the message's id (`camt.053.001.08`), its element, what stands in it. Elements have no namespace of
             their own: they get the document's, since they are written inside it. A record is one line.
    """
    space = f"{ISO}{message}"
    with etree.xmlfile(out, encoding="UTF-8") as file:
        file.write_declaration()
        with file.element(f"{{{space}}}Document", nsmap={None: space}), file.element(f"{{{space}}}{root}"):
            file.write("\n")
            for part in parts:
                if not isinstance(part, Group):
                    file.write(part, pretty_print=True)
                    continue
                with file.element(f"{{{space}}}{part.name}"):
                    file.write("\n")
                    for element in part.head:
                        file.write(element, pretty_print=True)
                    for element in part.records:
                        file.write(element, "\n")
                file.write("\n")


@dataclass(slots=True)
class Reading:
    """One document on its way in."""

    name: str
    message: str
    """Its id, as it must be."""
    record: str
    """The element that comes many times."""
    faults: Faults
    root: Element | None = None
    """The document without its records, once they are through."""
    numbers: dict[str, int] = field(default_factory=dict)

    @property
    def space(self) -> str:
        """The document's namespace."""
        return f"{ISO}{self.message}"

    def records(self, content: bytes) -> Iterator[Element]:
        """The records, each gone when the next one comes.

        In:      any bytes.
        Out:     what can be read; what cannot is a fault with its line, and ends the reading.
        """
        before: Element | None = None
        count = 0
        try:
            for _, element in self._events(content):
                if count == 0 and not self._known(element.getroottree()):
                    return
                count += 1
                yield element
                element.clear()
                if before is not None and (parent := before.getparent()) is not None:
                    parent.remove(before)
                before = element
                if self.faults.full:
                    return
        except etree.XMLSyntaxError as error:
            line = error.lineno or 0
            self.faults.add("FMT-002", "a well-formed XML document", error.msg or "", line=line)
            return
        if count == 0 and (self.root is None or not self._known(self.root.getroottree())):
            return

    def _events(self, content: bytes) -> Iterator[tuple[str, Element]]:
        context = etree.iterparse(
            io.BytesIO(content),
            events=("end",),
            tag=f"{{{self.space}}}{self.record}",
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            remove_comments=True,
            remove_pis=True,
            huge_tree=False,
        )
        yield from context
        self.root = context.root

    def _known(self, tree: Any) -> bool:  # noqa: ANN401 - an element tree
        """Whether the document is of this message, and has nothing that only an attacker sends."""
        wanted = f"{{{self.space}}}Document"
        root = tree.getroot()
        if tree.docinfo.doctype:
            self.faults.add("FMT-002", "no document type", "DOCTYPE", line=1)
        elif (tree.docinfo.encoding or "UTF-8").upper() not in ("UTF-8", "ASCII", "US-ASCII"):
            self.faults.add("FMT-001", "UTF-8", tree.docinfo.encoding, line=1)
        elif root.tag != wanted:
            self.faults.add("FMT-002", f"<Document xmlns={self.space}>", root.tag, line=1)
        else:
            return True
        self.root = None
        return False


def listener(faults: Faults, where: str) -> Callable[[Element | None, str, str, str, str], None]:
    """What hears of a fault in an element: its line, and its place in the document as an XPath."""

    def wrong(element: Element | None, path: str, expected: str, got: str, code: str) -> None:
        line = element.sourceline if element is not None and isinstance(element.sourceline, int) else 0
        faults.add(code, expected, got, line=line, column=f"{where}/{path}")

    return wrong
