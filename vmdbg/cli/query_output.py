"""Rows of a query as a table, or as what JSON can hold."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from vmdbg.document.layout import printable
from vmdbg.machine.snapshot import Position
from vmdbg.session.query_rows import DECIMAL, shown_fields

_DECIMAL = frozenset({"number", "vector"}) | DECIMAL
_SEPARATE = "  "
LONGEST_CELL = 80


def as_plain(value: Any) -> Any:
    """Dataclasses as dicts, positions as text, bytes in hex; numbers stay numbers."""
    if isinstance(value, Position):
        return str(value)
    if is_dataclass(value):
        return {field.name: as_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, enum.Enum):
        return value.name.lower()
    if isinstance(value, list | tuple):
        return [as_plain(item) for item in value]
    return value


def table(rows: Sequence[Any], *, durations: bool = True) -> Iterator[str]:
    """Aligned columns under the fields' names; nothing if there are no rows."""
    if not rows:
        return
    names = shown_fields(rows, durations=durations)
    cells = [[_cell(name, getattr(row, name)) for name in names] for row in rows]
    widths = [max(len(name), *(len(row[column]) for row in cells)) for column, name in enumerate(names)]
    for row in ([*names], *cells):
        yield _SEPARATE.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _cell(name: str, value: Any) -> str:
    match value:
        case None:
            text = "-"
        case bool():
            text = "yes" if value else "no"
        case Position():
            text = str(value)
        case bytes():
            text = value.hex(" ")
        case enum.Enum():
            text = value.name.lower()
        case tuple():
            text = " ".join(f"{item:#x}" for item in value)
        case int():
            text = str(value) if name in _DECIMAL or -10 < value < 10 else f"{value:#x}"
        case _:
            text = printable(str(value))
    return text if len(text) <= LONGEST_CELL else text[: LONGEST_CELL - 1] + "…"
