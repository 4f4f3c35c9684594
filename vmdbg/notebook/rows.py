"""Lists of rows, as queries give them, as tables."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vmdbg.document.document import Document, document, table, text
from vmdbg.document.html import render_html
from vmdbg.errors import UserError

if TYPE_CHECKING:
    import pandas

MOST = 200
"""Rows shown of a list."""
_ADDRESSES = ("pc", "linear", "physical", "cr3", "rsp", "function", "caller", "address", "target")


def is_rows(value: object) -> bool:
    """Whether it is a list of vmdbg's dataclasses, all of one kind."""
    if not isinstance(value, list) or not value or not dataclasses.is_dataclass(value[0]):
        return False
    kind = type(value[0])
    return kind.__module__.startswith("vmdbg.") and all(type(one) is kind for one in value)


def rows_html(value: list[object]) -> str | None:
    """None for any other list, which is shown as ever."""
    if not is_rows(value):
        return None
    return render_html(_document(value))


def _document(rows: Sequence[object]) -> Document:
    names = _names(rows[0])
    shown = table(names, [[_cell(name, getattr(row, name)) for name in names] for row in rows[:MOST]])
    more = [text(f"... {len(rows) - MOST:,} more rows; to_pandas(rows) has them all")] if len(rows) > MOST else []
    return document(shown, *more)


def _names(row: object) -> list[str]:
    assert dataclasses.is_dataclass(row)
    return [field.name for field in dataclasses.fields(row)]


def _cell(name: str, value: object) -> str:
    match value:
        case None:
            return ""
        case enum.Enum():
            return value.name.lower()
        case bytes():
            return value.hex(" ")
        case bool():
            return str(value)
        case int() if name in _ADDRESSES:
            return f"{value:#x}"
        case _:
            return str(value)


def to_pandas(rows: Sequence[object]) -> pandas.DataFrame:
    """A DataFrame with a column for each member; positions are ticks. Raises UserError without pandas."""
    try:
        import pandas
    except ImportError:
        raise UserError("pandas is not installed: pip install 'vmdbg[notebook]'") from None
    if rows and not is_rows(list(rows)):
        raise UserError("these are no rows of a query")
    names = _names(rows[0]) if rows else []
    return pandas.DataFrame([[_plain(getattr(row, name)) for name in names] for row in rows], columns=names)


def _plain(value: object) -> object:
    """As columns are computed with."""
    if isinstance(value, enum.Enum):
        return value.name.lower()
    tick = getattr(value, "tick", None)
    return tick if isinstance(tick, int) else value
