"""Rows by what they have in common: how many, and how long they took together."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from vmdbg.errors import UserError
from vmdbg.queries.rows import AccessRow, CountRow, SampleRow
from vmdbg.queries.scan import Row
from vmdbg.units import PAGE_SIZE

FUNCTION = "function"
"""A field that every row has which says where code was: the function there."""
_CODE = ("pc", "function", "caller")

NameOf = Callable[[int], str]
"""The function at a linear address; "" if nobody knows."""


def count_by(rows: Sequence[Row], fields: Sequence[str], function_at: NameOf) -> list[CountRow]:
    """The most frequent first; an access to two pages counts once.

    Raises UserError for a field that the rows do not have.
    """
    if not rows:
        return []
    known = fields_of(rows[0])
    for field in fields:
        if field not in known:
            raise UserError(f"there is no {field!r} to count by: there are {', '.join(known)}")
    counts: Counter[tuple[str, ...]] = Counter()
    ticks: Counter[tuple[str, ...]] = Counter()
    timed = any(getattr(row, "ticks", None) is not None for row in rows)
    for row in _wholes(rows):
        key = tuple(_value(row, field, function_at) for field in fields)
        counts[key] += row.samples if isinstance(row, SampleRow) else 1
        ticks[key] += getattr(row, "ticks", None) or 0
    whole = counts.total()
    return [
        CountRow(count, round(100 * count / whole, 1), "  ".join(key), ticks[key] if timed else None)
        for key, count in counts.most_common()
    ]


def _wholes(rows: Iterable[Row]) -> Iterator[Row]:
    """Without the rows of accesses that have begun in the page before: those are one access, and have a row a page."""
    instant, ends = None, set[object]()
    for row in rows:
        if not isinstance(row, AccessRow) or row.device:
            yield row
            continue
        if (row.position, row.cpu) != instant:
            instant, ends = (row.position, row.cpu), set()
        if row.linear % PAGE_SIZE or (row.access, row.linear) not in ends:
            yield row
        ends.add((row.access, row.linear + len(row.old)))


def fields_of(row: Row) -> list[str]:
    """What rows like this one can be counted by."""
    names = [field.name for field in dataclasses.fields(row)]
    return names if FUNCTION in names or not set(names) & set(_CODE) else [*names, FUNCTION]


def _value(row: Row, field: str, function_at: NameOf) -> str:
    if field == "caller":
        return function_at(row.caller) or f"{row.caller:#x}"
    if field != FUNCTION:
        return _text(getattr(row, field))
    place = next(getattr(row, name) for name in _CODE if hasattr(row, name))
    if isinstance(row, SampleRow) and row.pc is None:
        return "asleep"
    return place if isinstance(place, str) else function_at(place) or f"{place:#x}"


def _text(value: object) -> str:
    match value:
        case str():
            return value
        case None:
            return "-"
        case int():
            return str(value) if abs(value) < 1 << 16 else f"{value:#x}"
    return str(value)
