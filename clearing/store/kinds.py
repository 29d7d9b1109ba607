"""One table a kind of fact: its columns are the fields of the dataclass, in their order. 事实表

Nothing is written twice: the column types, and how a row becomes a fact again, follow from the annotations in
`ledger.facts`. A tuple of text or whole numbers is an array; any other tuple is jsonb, a list of lists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from functools import cached_property
from operator import attrgetter
from types import NoneType, UnionType
from typing import Any, Final, get_args, get_origin, get_type_hints

from pydantic_core import from_json
from sqlalchemy import ARRAY, BigInteger, Boolean, Column, Date, DateTime, MetaData, Table, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

from clearing.ledger import facts
from clearing.ledger.facts import Fact, Key

NAME: Final = Text(collation="C")
"""Text compared byte by byte: the same order on every machine, and faster than a language's."""

_SCALARS: Final[dict[object, TypeEngine[Any]]] = {
    str: NAME,
    int: BigInteger(),
    bool: Boolean(),
    date: Date(),
    datetime: DateTime(timezone=True),
}
_ARRAYS: Final[dict[object, TypeEngine[Any]]] = {
    tuple[str, ...]: ARRAY(NAME),
    tuple[int, ...]: ARRAY(BigInteger()),
}
_SQL: Final = {str: "text", date: "date"}

Reader = Callable[[Any], Any]


@dataclass(frozen=True)
class Kind:
    """One kind of fact and its table."""

    name: str
    """First item of its keys."""
    fact: type
    table: str
    key: tuple[str, ...]
    """Fields that make up the rest of a key, in their order."""
    insert_only: bool = False
    """Whether a row stands for ever once it is there."""

    @cached_property
    def hints(self) -> dict[str, Any]:
        """Field name to type, in the order of the fields."""
        found = get_type_hints(self.fact)
        return {one.name: found[one.name] for one in fields(self.fact)}

    @cached_property
    def readers(self) -> tuple[tuple[str, Reader], ...]:
        """The fields that a row holds in another form, and what turns them back."""
        return tuple((name, read) for name, hint in self.hints.items() if (read := _reader(hint)) is not None)

    @cached_property
    def json_readers(self) -> tuple[tuple[str, Reader], ...]:
        """The fields that JSON holds in another form, and what turns them back."""
        return tuple(
            (name, read) for name, hint in self.hints.items() if (read := _json_reader(hint)) is not None
        )

    @cached_property
    def json_names(self) -> frozenset[str]:
        """The fields kept as jsonb."""
        return frozenset(
            name for name, hint in self.hints.items() if get_origin(hint) is tuple and hint not in _ARRAYS
        )

    @cached_property
    def values(self) -> Callable[[Fact], tuple[Any, ...]]:
        """The values of a fact in the order of the columns."""
        getter: Callable[[Fact], tuple[Any, ...]] = attrgetter(*self.hints)
        return getter

    @cached_property
    def key_types(self) -> tuple[str, ...]:
        """SQL types of the key columns."""
        return tuple(_SQL[self.hints[name]] for name in self.key)

    def key_of(self, row: Mapping[str, Any]) -> Key:
        """The key of a row (or mapping by column name)."""
        return (self.name, *(str(row[name]) for name in self.key))

    def of_row(self, row: Mapping[str, Any]) -> Fact:
        """The fact of a row of exactly the fields' columns."""
        values = dict(row)
        for name, read in self.readers:
            values[name] = read(values[name])
        return self.fact(**values)

    def of_json(self, row: Sequence[Any]) -> tuple[Key, Fact]:
        """The key and the fact of a row of exactly the fields' columns, in their order, as JSON has it."""
        values = dict(zip(self.hints, row, strict=True))
        key = self.key_of(values)
        for name, read in self.json_readers:
            if values[name] is not None:
                values[name] = read(values[name])
        return key, self.fact(**values)


def _reader(hint: object) -> Reader | None:
    """What turns a column's value into the field's; None when it already is the field's."""
    if get_origin(hint) is not tuple:
        return None
    read: Reader = _json_reader(hint) or tuple
    if hint in _ARRAYS:
        return read
    return lambda value: () if value == "[]" else read(from_json(value))


def _json_reader(hint: object) -> Reader | None:
    """What turns JSON's value into the field's; None when it already is the field's."""
    if get_origin(hint) is not tuple:
        bare = _without_none(hint)
        return bare.fromisoformat if bare is date or bare is datetime else None
    if hint in _ARRAYS:
        return tuple
    item = get_args(hint)[0]
    if get_origin(item) is tuple:
        return lambda rows: tuple(map(tuple, rows))
    return _named_reader(item)


def _named_reader(item: type[Any]) -> Reader:
    """Lists of a NamedTuple's values become its tuples, instants and dates read again."""
    instants = [
        (index, parse)
        for index, hint in enumerate(get_type_hints(item).values())
        if (parse := _json_reader(hint)) is not None
    ]

    def read(rows: list[list[Any]]) -> tuple[Any, ...]:
        for row in rows:
            for index, parse in instants:
                if row[index] is not None:
                    row[index] = parse(row[index])
        return tuple(item(*row) for row in rows)

    return read


def _without_none(hint: object) -> object:
    if get_origin(hint) is UnionType:
        return next(one for one in get_args(hint) if one is not NoneType)
    return hint


def fact_table(metadata: MetaData, kind: Kind) -> Table:
    """The table of a kind, put into `metadata`."""
    columns = []
    for name, hint in kind.hints.items():
        bare = _without_none(hint)
        found = _SCALARS.get(bare) or _ARRAYS.get(bare) or JSONB()
        columns.append(Column(name, found, primary_key=name in kind.key, nullable=bare is not hint))
    summary = (kind.fact.__doc__ or "").split("\n", 1)[0]
    return Table(kind.table, metadata, *columns, comment=summary)


KINDS: Final = {
    kind.name: kind
    for kind in (
        Kind("card", facts.Card, "card", ("token",)),
        Kind("alias", facts.Alias, "alias", ("token",)),
        Kind("terminal", facts.Terminal, "terminal", ("terminal",)),
        Kind("undo", facts.Undo, "undo", ("source", "id")),
        Kind("timeout", facts.Timeout, "timeout", ("source", "id")),
        Kind("tombstone", facts.Tombstone, "tombstone", ("source", "id")),
        Kind("stay", facts.Stay, "stay", ("institution", "admission_no")),
        Kind("settlement", facts.Settlement, "settlement", ("payer", "settlement_id")),
        Kind("payout", facts.Payout, "payout", ("source", "id")),
        Kind("batch", facts.PayoutBatch, "payout_batch", ("payer", "batch_id")),
        Kind("retention", facts.Retention, "retention", ("payer", "institution", "year")),
        Kind("area", facts.AreaPair, "area_pair", ("treat_area", "insured_area")),
        Kind("premium", facts.Premium, "premium", ("payer", "scheme_year", "person")),
        Kind("order", facts.OrderNo, "order_no", ("institution", "order_no")),
        Kind("bank_ref", facts.BankRef, "bank_ref", ("partner", "bank_date", "bank_ref"), insert_only=True),
        Kind("instruction", facts.Instruction, "instruction", ("id",)),
    )
}


def columns(kind: Kind, of: str) -> str:
    """The columns of a kind, json as text: how the driver would read it is not ours to say."""
    return ", ".join(
        f"{of}.{name}::text AS {name}" if name in kind.json_names else f"{of}.{name}" for name in kind.hints
    )
