"""Documents laid out in lines of styled text: what plain and coloured output have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vmdbg.document.document import Block, Document, Pairs, Picture, Section, Span, Style, Table, Text
from vmdbg.document.printable import printable

GAP = "  "
INDENT = "  "
_SPACE = Span(GAP)


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `depth` counts the sections around it; `heading` marks the title of one.

    `hang`: characters before its last column, below which what finds no room goes on; 0 if it has no columns.
    """

    spans: tuple[Span, ...]
    depth: int = 0
    heading: bool = False
    picture: Picture | None = None
    """What the words stand for."""
    hang: int = 0

    @property
    def plain(self) -> str:
        return INDENT * self.depth + "".join(span.text for span in self.spans)


def lay_out(document: Document) -> Iterator[Line]:
    """Every line of a document, with control characters replaced: they could drive a terminal."""
    return _blocks(document.blocks, 0)


def _clean(spans: Sequence[Span]) -> tuple[Span, ...]:
    return tuple(span if span.text.isprintable() else Span(printable(span.text), span.style) for span in spans)


def _blocks(blocks: Sequence[Block], depth: int) -> Iterator[Line]:
    for block in blocks:
        match block:
            case Text(spans):
                yield Line(_clean(spans), depth)
            case Table():
                yield from _table(block, depth)
            case Pairs():
                yield from _pairs(block, depth)
            case Picture():
                yield Line((Span(printable(block.words), Style.DIM),), depth, picture=block)
            case Section(_, title, inner):
                yield Line(_clean(title.spans), depth, heading=True)
                yield from _blocks(inner, depth + 1)


def _table(block: Table, depth: int) -> Iterator[Line]:
    widths = [len(column.title) if block.titles else 0 for column in block.columns]
    for row in block.rows:
        for index, cell in enumerate(row):
            widths[index] = max(widths[index], sum(len(span.text) for span in cell.spans))
    hang = sum(widths[:-1]) + len(GAP) * max(len(widths) - 1, 0)
    if block.titles and block.rows:
        titles = [(Span(printable(column.title), Style.DIM),) for column in block.columns]
        yield Line(_row(block, titles, widths), depth, hang=hang)
    for row in block.rows:
        yield Line(_row(block, [_clean(cell.spans) for cell in row], widths), depth, hang=hang)


def _row(block: Table, cells: Sequence[tuple[Span, ...]], widths: Sequence[int]) -> tuple[Span, ...]:
    spans: list[Span] = []
    for index, (cell, width, column) in enumerate(zip(cells, widths, block.columns, strict=False)):
        fill = Span(" " * (width - sum(len(span.text) for span in cell)))
        if index:
            spans.append(_SPACE)
        spans += (fill, *cell) if column.right else (*cell, fill)
    while spans and not spans[-1].text.strip():
        spans.pop()
    return tuple(span for span in spans if span.text)


def _pairs(block: Pairs, depth: int) -> Iterator[Line]:
    width = max((len(name) for name, _ in block.rows), default=0)
    for name, value in block.rows:
        spans = (Span(printable(name).ljust(width) + GAP, Style.LABEL), *_clean(value.spans))
        yield Line(spans, depth, hang=width + len(GAP))
