"""Rows of a query as a table, as data and as CSV."""

from __future__ import annotations

import csv
import dataclasses
import enum
import io
import struct
from collections.abc import Sequence

from vmdbg.debugger.context import page_tables
from vmdbg.document.document import Column, Document, Json, Style, Text, address, document, joined, table, text
from vmdbg.document.printable import printable
from vmdbg.machine.snapshot import Position
from vmdbg.queries.scan import Row
from vmdbg.session.elsewhen import elsewhen
from vmdbg.session.questions import USER_HALF
from vmdbg.session.view import View
from vmdbg.units import PAGE_SIZE, Physical
from vmdbg.x86.paging import NO_EXECUTE

PTI_USER_PGTABLE = 1 << 12
"""Of CR3 in a Linux process's own half (arch/x86/entry/calling.h)."""
CODE = frozenset({"pc", "function", "caller"})
"""Fields that are shown with their symbols."""
DECIMAL = frozenset(
    {"cpu", "pid", "process", "next_pid", "woken_pid", "ticks", "size", "object_size", "count", "samples", "percent"}
    | {"sector", "latency", "to"}
)
"""Fields whose values nobody reads in hexadecimal."""
HIDDEN = frozenset({"process", "value", "returned", "ticks"})
"""Fields of system calls that tables show only when they are asked for."""
CALLED = "called"
"""For scripts; people read it in another."""
FRAME = "frame"
"""The bytes of a packet: in data, not in tables."""
CPU = "cpu"
"""Behind the position where there are several."""
RARE = frozenset({"device", "request", "task", "pid", "file", "runs", "fate"})
"""Fields that tables show only where something is in them."""


def rows_document(view: View, rows: Sequence[Row], limit: int, *, durations: bool, as_csv: bool) -> Document:
    """At most `limit` rows as a table; as CSV, and in the data, all of them."""
    value: list[Json] = [{name: _json(name, field) for name, field in _fields(row)} for row in rows]
    if as_csv:
        return document(*(text(line, Style.VERBATIM) for line in csv_lines(rows)), value=value)
    if not rows:
        return document(text("it never happened", Style.DIM), value=value)
    several = view.debugger.machine.config.cpus > 1
    names = shown_fields(rows[:limit], durations=durations, several_cpus=several)
    right = DECIMAL | {"position", "returned", "accepted"}
    columns = [Column(name, name, name in right) for name in names]
    with elsewhen(view, view.debugger.timeline.end):
        cells = [[_cell(view, row, name) for name in names] for row in rows[:limit]]
    more = len(rows) - len(cells)
    left = [text(f"{more:,} more; --limit shows more, --json and --csv all", Style.DIM)] if more else []
    return document(table(columns, cells), *left, value=value)


def csv_lines(rows: Sequence[Row]) -> list[str]:
    """The fields' names, and a line for each row; numbers as they are, addresses in hexadecimal."""
    if not rows:
        return []
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow([name for name, _ in _fields(rows[0])])
    for row in rows:
        writer.writerow([_plain(_json(name, field)) for name, field in _fields(row)])
    return written.getvalue().splitlines()


def _plain(value: Json) -> str:
    if isinstance(value, list):
        return " ".join(_plain(item) for item in value)
    return "" if value is None else printable(str(value))


def shown_fields(rows: Sequence[Row], *, durations: bool, several_cpus: bool) -> list[str]:
    """The fields that a table of these rows, one or more, has."""
    names = [name for name, _ in _fields(rows[0]) if name not in RARE or any(getattr(row, name) for row in rows)]
    if FRAME in names:
        names.remove(FRAME)
    if CPU in names:
        names.remove(CPU)
        if several_cpus:
            names.insert(1, CPU)
    if "result" not in names:
        return names
    return [name for name in names if name not in HIDDEN or (durations and name == "ticks")]


def _fields(row: Row) -> list[tuple[str, object]]:
    return [(field.name, getattr(row, field.name)) for field in dataclasses.fields(row) if field.name != CALLED]


def _json(name: str, value: object) -> Json:
    match value:
        case None | str() | bool():
            return value
        case Position():
            return str(value)
        case enum.Enum():
            return value.name.lower()
        case bytes():
            return value.hex()
        case tuple():
            return [_json(name, item) for item in value]
        case int() | float():
            return value if name in DECIMAL else f"{value:#x}"
    return str(value)


def _cell(view: View, row: Row, name: str) -> Text:
    value = getattr(row, name)
    match value:
        case None:
            return text("")
        case bool():
            return text("yes" if value else "")
        case str():
            return text(printable(value))
        case Position():
            return text(str(value), Style.DIM)
        case enum.Enum():
            return text(value.name.lower())
        case bytes():
            return text(value.hex(" "), Style.NUMBER)
        case tuple():
            return text(" ".join(f"{item:#x}" for item in value), Style.NUMBER)
    if name in CODE:
        where = _describe(view, row, value)
        return joined((address(value), text(f" <{where}>" if where else "", Style.SYMBOL)))
    if name in DECIMAL:
        return text(f"{value:,}", Style.NUMBER)
    return text(str(value) if -10 < value < 10 or name == "number" else f"{value:#x}", Style.NUMBER)


def _describe(view: View, row: Row, place: int) -> str:
    """A name that holds in the address space where the row came from: that of user code may be another's elsewhere."""
    if place < USER_HALF and view.system.find() is not None:
        cr3 = getattr(row, "cr3", None)
        if cr3 is None or not _is_seen(view, cr3):
            return ""
    return view.describe(place)


def _is_seen(view: View, cr3: int) -> bool:
    """Whether that is the address space that is looked at, or the other half of a pair that Linux has of a process, to
    keep the kernel's pages from it: with the same pages below.
    """
    engine = view.debugger.engine
    here, there = page_tables(engine, engine.read_register("cr3")), page_tables(engine, cr3)
    if here ^ there != PTI_USER_PGTABLE:
        return here == there
    if view.debugger.physical.extent(Physical(max(here, there))) < PAGE_SIZE:
        return False
    mine, its = (view.debugger.physical.read(Physical(table), PAGE_SIZE // 2) for table in (here, there))
    return any(mine) and _without_nx(mine) == _without_nx(its)


def _without_nx(table: bytes) -> list[int]:
    """Its entries but for NX, which the kernel's half sets for all that is the process's."""
    return [entry & ~NO_EXECUTE for (entry,) in struct.iter_unpack("<Q", table)]
