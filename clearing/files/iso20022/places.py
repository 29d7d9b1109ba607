"""Where a field stands in a message, how it is written there and read back. 报文位置

Tables of places are in the order of the schema. They are walked once to write an element and once to read it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from lxml import etree

from clearing.files.characters import exchangeable
from clearing.ledger.money import yuan

Element: TypeAlias = etree._Element  # noqa: SLF001 - the name that the types of lxml have for it
Kind: TypeAlias = Literal["text", "amount", "sum", "date", "instant", "flag", "count"]
SUPPLEMENT: Final = "urn:rhc:clearing:supplement:1"
"""Namespace of what stands in `SplmtryData`."""
CURRENCY: Final = "CNY"
CNAPS: Final = "CNAPS"
"""The code of China's clearing system in front of a bank's number."""
NOT_IN_XML: Final = re.compile("[\ufffe\uffff]")
MONEY: Final = re.compile(r"([0-9]{1,16})(?:\.([0-9]{1,2})0{0,3})?", re.ASCII)
COUNT: Final = re.compile(r"[0-9]{1,15}", re.ASCII)
FLAGS: Final = {"true": True, "1": True, "false": False, "0": False}


class Unreadable(Exception):
    """A value that is not of its kind: what was expected, and the code it is listed under."""

    def __init__(self, expected: str, code: str) -> None:
        super().__init__(expected)
        self.expected = expected
        self.code = code


@dataclass(frozen=True, slots=True)
class Place:
    """One place below an element."""

    path: str
    """Names of elements with slashes between."""
    field: str = ""
    kind: Kind = "text"
    most: int = 35
    """Characters of a text; a longer one stands in the supplement."""
    const: str = ""
    """The text that always stands here, if `field` has a value or is empty."""
    codes: Mapping[str, str] | None = None
    """Value → what the message says instead."""
    required: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The path's names."""
        return tuple(self.path.split("/"))


def text_of(value: Any, kind: Kind, zone: tzinfo) -> str:  # noqa: ANN401 - a value of any field
    """A value as it stands in a message."""
    if kind in ("amount", "sum"):
        return yuan(value)
    if kind == "date":
        return str(value.isoformat())
    if kind == "instant":
        return str(value.astimezone(zone).isoformat())
    if kind == "flag":
        return "true" if value else "false"
    return str(value) if kind == "count" else clean(value)


def clean(text: str) -> str:
    """Text that XML can carry."""
    if text.isascii() and text.isprintable():
        return text
    return NOT_IN_XML.sub("〓", exchangeable(text))


def value_of(text: str, kind: Kind, zone: tzinfo) -> Any:  # noqa: ANN401 - a value of any field
    """What `text_of` was given.

    Raises:  Unreadable.
    """
    if kind == "text":
        return text
    try:
        return _READERS[kind](text.strip(), zone)
    except (ValueError, KeyError):
        expected, code = _EXPECTED[kind]
        raise Unreadable(expected, code) from None


def _fen(text: str, _zone: tzinfo) -> int:
    found = MONEY.fullmatch(text)
    if found is None:
        raise ValueError
    return int(found[1]) * 100 + int((found[2] or "0").ljust(2, "0"))


def _instant(text: str, zone: tzinfo) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=zone)


def _count(text: str, _zone: tzinfo) -> int:
    if not COUNT.fullmatch(text):
        raise ValueError
    return int(text)


_READERS: Final[Mapping[str, Callable[[str, tzinfo], Any]]] = {
    "amount": _fen,
    "sum": _fen,
    "date": lambda text, _: date.fromisoformat(text[:10]),
    "instant": _instant,
    "flag": lambda text, _: FLAGS[text],
    "count": _count,
}
_EXPECTED: Final[Mapping[str, tuple[str, str]]] = {
    "amount": ("an amount of CNY with two decimals at most, not negative", "FMT-006"),
    "sum": ("a sum with two decimals at most, not negative", "FMT-006"),
    "date": ("a date YYYY-MM-DD", "FMT-005"),
    "instant": ("a time YYYY-MM-DDThh:mm:ss+08:00", "FMT-005"),
    "flag": ("true or false", "FMT-004"),
    "count": ("a whole number", "FMT-007"),
}


# ---------------------------------------------------------------- writing


def put(parent: Element, places: Iterable[Place], values: Mapping[str, Any], zone: tzinfo) -> set[str]:
    """Write values at their places below an element and give the fields that found one.

    In:      places in the order of the schema; values by field, None and "" for those that do not apply.
    """
    placed: set[str] = set()
    for place in places:
        value = values.get(place.field)
        if place.field and (value is None or value == ""):
            continue
        text = _coded(place, value, zone) if place.field else place.const
        if place.kind == "text" and len(text) > place.most:
            continue
        element = _at(parent, place.names)
        element.text = place.const or text
        if place.kind == "amount":
            element.set("Ccy", CURRENCY)
        if not place.const:
            placed.add(place.field)
    return placed


def _coded(place: Place, value: Any, zone: tzinfo) -> str:  # noqa: ANN401 - a value of any field
    return place.codes[value] if place.codes else text_of(value, place.kind, zone)


def _at(parent: Element, names: Sequence[str]) -> Element:
    """The element at a path: of its parents the last is taken, or made; itself is made."""
    for name in names[:-1]:
        last = parent[-1] if len(parent) else None
        parent = last if last is not None and last.tag == name else etree.SubElement(parent, name)
    return etree.SubElement(parent, names[-1])


def supplement(
    parent: Element, name: str, values: Mapping[str, Any], kinds: Mapping[str, Kind], zone: tzinfo
) -> None:
    """Write what has no place into supplementary data at the end of an element; nothing where nothing is left."""
    left = [(field, kind) for field, kind in kinds.items() if given(values.get(field))]
    if not left:
        return
    envelope = etree.SubElement(etree.SubElement(parent, "SplmtryData"), "Envlp")
    holder = etree.SubElement(envelope, f"{{{SUPPLEMENT}}}{name}", nsmap={None: SUPPLEMENT})
    for field, kind in left:
        etree.SubElement(holder, f"{{{SUPPLEMENT}}}{field}").text = text_of(values[field], kind, zone)


def given(value: object) -> bool:
    """Whether a value is told in a supplement: what is empty or false is not."""
    return not (value is None or value is False or value == "")


# ---------------------------------------------------------------- reading


Wrong: TypeAlias = Callable[[Element | None, str, str, str, str], None]
"""(element, path, expected, got, code): hears of each fault."""


class Source(NamedTuple):
    """What reading an element needs besides it."""

    space: str
    """The document's namespace."""
    zone: tzinfo
    wrong: Wrong


def paths_below(parent: Element, space: str) -> dict[str, Element]:
    """Everything below an element by its path; of several with one path the first."""
    found: dict[str, Element] = {}
    start = len(space) + 2
    waiting: list[tuple[str, Element]] = [("", parent)]
    while waiting:
        path, element = waiting.pop()
        for child in element:
            tag = child.tag
            if isinstance(tag, str):
                name = tag[start:] if tag.startswith(space, 1) else tag
                below = f"{path}/{name}" if path else name
                if below not in found:
                    found[below] = child
                    waiting.append((below, child))
    return found


def take(parent: Element, places: Iterable[Place], source: Source) -> dict[str, Any]:
    """Read the values at their places below an element.

    Out:     by field; what is not there is missing, and told when it must be there.
    """
    found: dict[str, Any] = {}
    below = paths_below(parent, source.space)
    for place in places:
        if place.const:
            continue
        element = below.get(place.path)
        if element is None:
            if place.required:
                source.wrong(parent, place.path, "a value", "", "FMT-004")
            continue
        text = "".join(element.itertext())
        if place.required and not text:
            source.wrong(element, place.path, "a value", "", "FMT-004")
            continue
        if place.kind == "amount" and element.get("Ccy") != CURRENCY:
            source.wrong(element, place.path, f"Ccy {CURRENCY}", element.get("Ccy") or "", "FMT-004")
            continue
        if place.codes:
            back = {said: value for value, said in place.codes.items()}
            if text not in back:
                source.wrong(element, place.path, f"one of {' '.join(back)}", text, "FMT-004")
                continue
            found[place.field] = back[text]
            continue
        try:
            found[place.field] = value_of(text, place.kind, source.zone)
        except Unreadable as why:
            source.wrong(element, place.path, why.expected, text, why.code)
    return found


def extra(parent: Element, name: str, kinds: Mapping[str, Kind], source: Source) -> dict[str, Any]:
    """What the supplementary data of an element say."""
    found: dict[str, Any] = {}
    for holder in _supplements(parent, name, source.space):
        for element in holder:
            if not isinstance(element.tag, str):
                continue
            field = etree.QName(element).localname
            if field in kinds:
                try:
                    found[field] = value_of("".join(element.itertext()), kinds[field], source.zone)
                except Unreadable as why:
                    path = f"SplmtryData/Envlp/{name}/{field}"
                    source.wrong(element, path, why.expected, element.text or "", why.code)
    return found


def _supplements(parent: Element, name: str, namespace: str) -> Iterator[Element]:
    for data in parent.findall(f"{{{namespace}}}SplmtryData"):
        holder = data.find(f"{{{namespace}}}Envlp/{{{SUPPLEMENT}}}{name}")
        if holder is not None:
            yield holder
