"""Lines that are too long for a terminal, in rows: between words, where a terminal alone would cut through them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rich.cells import cell_len

from vmdbg.document.document import Span, Style

INDENT = 4
"""Of the rows behind the first, beyond what the first has."""
LEAST_WIDTH = 24
"""On terminals that are narrower nothing is gained."""
_WORD = re.compile(r"\S+")


def wrapped(spans: Sequence[Span], width: int, hang: int = 0) -> list[list[Span]]:
    """Rows of at most `width` cells, a word that is wider on a row by itself.

    Rows behind the first begin below the cell `hang`, the line's last column, if that leaves them half of the width.
    """
    line = "".join(span.text for span in spans)
    if cell_len(line) <= width or width < LEAST_WIDTH or any(span.style is Style.VERBATIM for span in spans):
        return [list(spans)]
    indent = hang if 0 < hang <= width // 2 else min(len(line) - len(line.lstrip()) + INDENT, width // 2)
    rows = [list(_part(spans, start, end)) for start, end in _rows(line, width, indent)]
    return [rows[0], *([Span(" " * indent), *row] for row in rows[1:])]


def _rows(line: str, width: int, indent: int) -> Iterator[tuple[int, int]]:
    """Where each row starts and ends in the line. Blanks between two rows are in neither."""
    start, end, used = 0, 0, 0
    for word in _WORD.finditer(line):
        cells = cell_len(line[end : word.end()])
        if end > start and used + cells > width:
            yield start, end
            start, used, cells = word.start(), indent, cell_len(word.group())
        end, used = word.end(), used + cells
    yield start, end


def _part(spans: Sequence[Span], start: int, end: int) -> Iterator[Span]:
    """What of the spans is between two characters of the line that they make."""
    at = 0
    for span in spans:
        first, last = max(start - at, 0), min(end - at, len(span.text))
        if first < last:
            yield Span(span.text[first:last], span.style)
        at += len(span.text)
