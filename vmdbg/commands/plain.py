"""Documents as plain text: no colour, no tabs, no blanks at line ends. What gdb's `monitor` shows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from vmdbg.commands.document import Block, Document, Pairs, Section, Table, Text

GAP = "  "


def render_plain(document: Document) -> str:
    """The document's lines, each with a line feed; nothing for an empty document."""
    return "".join(f"{line.rstrip()}\n" for line in _blocks(document.blocks))


def render_json(document: Document) -> str:
    """The document's data as one line of JSON."""
    return json.dumps(document.data, ensure_ascii=False) + "\n"


def printable(text: str) -> str:
    """Guest and user text without control characters, which could drive a terminal."""
    return "".join(c if c.isprintable() or c == " " else "\N{REPLACEMENT CHARACTER}" for c in text.replace("\t", " "))


def _blocks(blocks: Sequence[Block]) -> Iterator[str]:
    for block in blocks:
        match block:
            case Text():
                yield printable(str(block))
            case Table():
                yield from _table(block)
            case Pairs():
                yield from _pairs(block)
            case Section(_, title, inner):
                yield printable(str(title))
                yield from (f"  {line}" for line in _blocks(inner))


def column_widths(block: Table) -> list[int]:
    """Characters that each column takes, its title included."""
    widths = [len(column.title) if block.titles else 0 for column in block.columns]
    for row in block.rows:
        for index, cell in enumerate(row):
            widths[index] = max(widths[index], len(str(cell)))
    return widths


def _table(block: Table) -> Iterator[str]:
    widths = column_widths(block)
    if block.titles and any(column.title for column in block.columns):
        yield _row(block, [column.title for column in block.columns], widths)
    for row in block.rows:
        yield _row(block, [printable(str(cell)) for cell in row], widths)


def _row(block: Table, cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (
        cell.rjust(width) if column.right else cell.ljust(width)
        for cell, width, column in zip(cells, widths, block.columns, strict=False)
    )
    return GAP.join(padded)


def _pairs(block: Pairs) -> Iterator[str]:
    width = max((len(name) for name, _ in block.rows), default=0)
    for name, value in block.rows:
        yield f"{printable(name).ljust(width)}{GAP}{printable(str(value))}"
