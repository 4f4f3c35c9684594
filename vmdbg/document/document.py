"""What commands return: text with styles, tables and pairs, which renderers show and `--json` turns into data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]
"""Addresses and registers are strings in hexadecimal: many readers of JSON cut integers to 53 bits."""


class Style(Enum):
    """What a piece of text is. Themes give each a look; plain text has none."""

    PLAIN = "plain"
    HEADING = "heading"
    LABEL = "label"
    ADDRESS = "address"
    NUMBER = "number"
    SYMBOL = "symbol"
    MNEMONIC = "mnemonic"
    OPERAND = "operand"
    STRING = "string"
    CHANGED = "changed"
    CURRENT = "current"
    GOOD = "good"
    BAD = "bad"
    DIM = "dim"
    CODE = "code"
    STACK = "stack"
    HEAP = "heap"
    SOURCE = "source"
    VERBATIM = "verbatim"
    """Words whose lines are to stay lines, however narrow the terminal is."""


@dataclass(frozen=True, slots=True)
class Span:
    text: str
    style: Style = Style.PLAIN


@dataclass(frozen=True, slots=True)
class Text:
    """One line. `value` is what it stands for in JSON, its text if None."""

    spans: tuple[Span, ...] = ()
    value: Json = None

    def __str__(self) -> str:
        return "".join(span.text for span in self.spans)

    def __add__(self, other: Text) -> Text:
        return Text(self.spans + other.spans, self.value)

    @property
    def data(self) -> Json:
        return str(self) if self.value is None else self.value


@dataclass(frozen=True, slots=True)
class Column:
    """`key` names the column in JSON, `title` at its top."""

    key: str
    title: str
    right: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    columns: tuple[Column, ...]
    rows: tuple[tuple[Text, ...], ...]
    titles: bool = True


@dataclass(frozen=True, slots=True)
class Pairs:
    """Names with values, one a line."""

    rows: tuple[tuple[str, Text], ...]


@dataclass(frozen=True, slots=True)
class Section:
    """Blocks under a heading; `key` names it in JSON."""

    key: str
    title: Text
    blocks: tuple[Block, ...]


class Dots(Protocol):
    """`rgb` has 3 bytes a dot, rows from the top."""

    @property
    def width(self) -> int: ...

    @property
    def height(self) -> int: ...

    @property
    def rgb(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Picture:
    """As Dots. `words` stand for it where no pictures can be shown."""

    width: int
    height: int
    rgb: bytes
    words: str = ""


Block = Text | Table | Pairs | Section | Picture


@dataclass(frozen=True, slots=True)
class Document:
    """The result of a command. `value` replaces what JSON would be made of the blocks."""

    blocks: tuple[Block, ...] = ()
    value: Json = None

    @property
    def data(self) -> Json:
        return _data(self.blocks) if self.value is None else self.value

    def __add__(self, other: Document) -> Document:
        return Document(self.blocks + other.blocks)


EMPTY = Document()


def document(*blocks: Block | str, value: Json = None) -> Document:
    return Document(tuple(text(block) if isinstance(block, str) else block for block in blocks), value)


def text(words: str, style: Style = Style.PLAIN, value: Json = None) -> Text:
    return Text((Span(words, style),) if words else (), value)


def joined(parts: Iterable[Text | str], value: Json = None) -> Text:
    """Texts one after the other, as one."""
    spans: list[Span] = []
    for part in parts:
        spans += (Span(part),) if isinstance(part, str) else part.spans
    return Text(tuple(spans), value)


def address(number: int, digits: int = 0) -> Text:
    """An address in hexadecimal, with at least so many digits."""
    return text(f"{number:#0{digits + 2}x}", Style.ADDRESS, f"{number:#x}")


def hexadecimal(number: int, digits: int = 0) -> Text:
    return text(f"{number:#0{digits + 2}x}", Style.NUMBER, f"{number:#x}")


def count(number: int) -> Text:
    """A number of things, which JSON has as a number."""
    return text(f"{number:,}", Style.NUMBER, number)


def table(columns: Sequence[str | Column], rows: Iterable[Sequence[Text | str]], *, titles: bool = True) -> Table:
    """A column given as a string has that title and key; `>` before it puts numbers to the right."""
    made = tuple(_column(column) for column in columns)
    cells = tuple(tuple(text(cell) if isinstance(cell, str) else cell for cell in row) for row in rows)
    return Table(made, cells, titles)


def _column(column: str | Column) -> Column:
    if isinstance(column, Column):
        return column
    title = column.removeprefix(">")
    return Column(title.lower().replace(" ", "_"), title, column.startswith(">"))


def pairs(rows: Iterable[tuple[str, Text | str]]) -> Pairs:
    return Pairs(tuple((name, text(value) if isinstance(value, str) else value) for name, value in rows))


def section(title: str | Text, *blocks: Block | str, key: str = "") -> Section:
    heading = text(title, Style.HEADING) if isinstance(title, str) else title
    made = tuple(text(block) if isinstance(block, str) else block for block in blocks)
    return Section(key or str(heading).lower().replace(" ", "_"), heading, made)


def _data(blocks: Sequence[Block]) -> Json:
    """One block as it is; texts as a list; others as an object of the sections, with the rest under `text` and `rows`.

    Which of them it is depends on what blocks there are, never on what is in them: an empty table is one.
    """
    if len(blocks) == 1 and not isinstance(blocks[0], Section):
        return _block_data(blocks[0])
    if blocks and all(isinstance(block, Text) for block in blocks):
        return [block.data for block in blocks if isinstance(block, Text)]
    result: dict[str, Json] = {}
    lines: list[Json] = []
    rows: list[Json] = []
    for block in blocks:
        match block:
            case Section(key, _, inner):
                result[key] = _data(inner)
            case Text():
                lines.append(block.data)
            case Picture():
                result |= {"width": block.width, "height": block.height}
            case Pairs():
                result |= {name: value.data for name, value in block.rows}
            case Table():
                rows += _rows(block)
    if any(isinstance(block, Table) for block in blocks):
        result["rows"] = rows
    return result | ({"text": lines} if lines else {})


def _block_data(block: Block) -> Json:
    match block:
        case Text():
            return block.data
        case Pairs(rows):
            return {name: value.data for name, value in rows}
        case Table():
            return _rows(block)
        case Picture():
            return {"width": block.width, "height": block.height}
        case Section(key, _, inner):
            return {key: _data(inner)}


def _rows(block: Table) -> list[Json]:
    keys = [column.key for column in block.columns]
    return [{key: cell.data for key, cell in zip(keys, row, strict=False)} for row in block.rows]
