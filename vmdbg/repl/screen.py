"""Documents in colour, for a terminal of a width."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache

from rich.cells import cell_len, set_cell_size
from rich.color import ColorSystem
from rich.style import Style as Look

from vmdbg.document.document import Document, Picture, Span, Style
from vmdbg.document.half_blocks import Colours, half_blocks
from vmdbg.document.layout import INDENT, Line, lay_out
from vmdbg.document.terminal_graphics import drawn, graphics_of
from vmdbg.repl.themes import Theme
from vmdbg.repl.wrapping import wrapped

Piece = Callable[[str, str, str], tuple[tuple[str, Look], ...]]
FEWEST_ROWS, BELOW = 4, 3
"""Of a picture; lines of the terminal that the prompt has below it."""
PYGMENTS = {Style.OPERAND: "asm", Style.SOURCE: "c"}


def colour_system(theme: Theme) -> ColorSystem | None:
    """What the terminal can show; None without colours."""
    if theme.name == "mono":
        return ColorSystem.STANDARD
    if os.environ.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return ColorSystem.TRUECOLOR
    return ColorSystem.EIGHT_BIT if "256" in os.environ.get("TERM", "") else ColorSystem.STANDARD


@lru_cache(maxsize=128)
def _parsed(words: str) -> Look:
    return Look.parse(words) if words else Look()


class Painter:
    """Renders lines with a theme's escapes."""

    def __init__(self, theme: Theme, *, colours: bool = True) -> None:
        self.theme = theme
        self._system = colour_system(theme) if colours else None

    def document(self, document: Document, width: int, *, height: int = 0, crop: bool = False) -> list[str]:
        """The lines, those that are too long in several; with `crop`, cut to the width. Pictures are for a terminal of
        `height` lines, 0 for any number.
        """
        lines: list[str] = []
        for line in lay_out(document):
            picture = line.picture if self._system is not None and not crop else None
            if picture is not None:
                lines += self._picture(picture, width, height)
            elif crop:
                lines.append(self._cropped(line, width))
            else:
                lines += self.rows(line, width)
        return lines

    def _picture(self, picture: Picture, width: int, height: int) -> list[str]:
        """As the terminal can show it."""
        graphics = graphics_of(os.environ)
        if graphics is not None:
            return [drawn(picture, graphics)]
        colours = Colours.TRUE if self._system is ColorSystem.TRUECOLOR else Colours.CUBE
        rows = max(FEWEST_ROWS, height - BELOW) if height else picture.height
        return half_blocks(picture, width, rows, colours)

    def rows(self, line: Line, width: int) -> list[str]:
        """A line as rows that are at most so wide, but for words that are wider: those the terminal wraps."""
        indent = INDENT * line.depth
        rows = wrapped((Span(indent), *line.spans), width, line.hang and len(indent) + line.hang)
        return ["".join(map(self.span, row)).rstrip() for row in rows]

    def _cropped(self, line: Line, width: int) -> str:
        if line.heading and line.depth == 0:
            return self._rule(line, width)
        spans = _cropped(line.spans, width - len(INDENT) * line.depth)
        return (INDENT * line.depth + "".join(map(self.span, spans))).rstrip()

    def _rule(self, line: Line, width: int) -> str:
        title = f"─── {''.join(span.text for span in line.spans)} "
        return self.span(Span(f"{title:─<{width}}"[:width], Style.HEADING))

    def span(self, span: Span) -> str:
        if self._system is None:
            return span.text
        language = PYGMENTS.get(span.style)
        if language is not None and self.theme.name != "mono":
            from vmdbg.repl.highlight import coloured

            return "".join(
                look.render(words, color_system=self._system)
                for words, look in coloured(span.text, language, self.theme.pygments)
            )
        look = _parsed(self.theme.looks.get(span.style, ""))
        return look.render(span.text, color_system=self._system) if look else span.text


def _cropped(spans: tuple[Span, ...], width: int) -> tuple[Span, ...]:
    """All of them, or as much as leaves room for the sign that there is more."""
    if sum(cell_len(span.text) for span in spans) <= width:
        return spans
    kept: list[Span] = []
    left = max(width - 1, 0)
    for span in spans:
        cells = cell_len(span.text)
        kept.append(span if cells <= left else Span(set_cell_size(span.text, left), span.style))
        left -= min(cells, left)
    return (*kept, Span("…", Style.DIM))
