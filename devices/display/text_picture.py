"""Characters as a picture: what a VGA makes of text memory.

Source: IBM PS/2 Hardware Interface Technical Reference, Video Subsystem: alphanumeric modes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from devices.display.frame import Frame

FONT_SIZE, GLYPH_STEP = 0x2000, 32
"""256 characters of up to 32 rows."""
_DOUBLED = range(0xC0, 0xE0)
"""Whose ninth dot is the eighth again, so that lines meet."""
Colour = bytes
"""Red, green, blue."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Of a cell by its number in the picture, rows `first` to `last`."""

    cell: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class TextScreen:
    """`cells` has character and attribute of each, line by line. `fonts` are the one of attribute bit 3 clear and set.

    `dots` a character is wide: 8, 9, or 16, which doubles each. With `blink` bit 7 of an attribute blinks, hidden now
    or not; else it is a background colour's. `scan` is the row of dots at which the first line begins.
    """

    columns: int
    lines: int
    cells: bytes
    fonts: tuple[bytes, bytes]
    palette: Sequence[Colour]
    dots: int = 9
    rows: int = 16
    line_graphics: bool = True
    blink: bool = True
    hidden: bool = False
    cursor: Cursor | None = None


def text_picture(screen: TextScreen) -> Frame:
    """`columns` by `lines` characters."""
    drawn: dict[tuple[int, int], list[bytes]] = {}
    picture: list[bytes] = []
    width = screen.columns
    for line in range(screen.lines):
        cells = screen.cells[2 * line * width : 2 * (line + 1) * width].ljust(2 * width, b"\0")
        glyphs = []
        for column in range(width):
            cell = cells[2 * column], cells[2 * column + 1]
            glyph = drawn.get(cell)
            if glyph is None:
                glyph = drawn[cell] = _glyph(screen, *cell)
            cursor = screen.cursor
            if cursor is not None and cursor.cell == line * width + column:
                glyph = _under(screen, glyph, cursor, cell[1])
            glyphs.append(glyph)
        picture.extend(b"".join(glyph[row] for glyph in glyphs) for row in range(screen.rows))
    return Frame(width * screen.dots, screen.lines * screen.rows, b"".join(picture))


def _colours(screen: TextScreen, attribute: int) -> tuple[Colour, Colour]:
    """Of background and foreground."""
    behind = attribute >> 4 & (7 if screen.blink else 15)
    return screen.palette[behind], screen.palette[attribute & 15]


def _glyph(screen: TextScreen, character: int, attribute: int) -> list[bytes]:
    """Its rows of dots."""
    behind, before = _colours(screen, attribute)
    if screen.blink and screen.hidden and attribute & 0x80:
        before = behind
    font = screen.fonts[attribute >> 3 & 1]
    at = GLYPH_STEP * character
    ninth = screen.line_graphics and character in _DOUBLED
    return [_row(screen, font[at + row], ninth, behind, before) for row in range(screen.rows)]


def _row(screen: TextScreen, bits: int, ninth: bool, behind: Colour, before: Colour) -> bytes:
    each = 2 if screen.dots == 16 else 1
    dots = [before if bits >> (7 - dot) & 1 else behind for dot in range(8)]
    if screen.dots == 9:
        dots.append(dots[7] if ninth else behind)
    return b"".join(dot * each for dot in dots)


def _under(screen: TextScreen, glyph: list[bytes], cursor: Cursor, attribute: int) -> list[bytes]:
    """The cursor over it."""
    bar = _colours(screen, attribute)[1] * screen.dots
    return [bar if cursor.first <= row <= cursor.last else glyph[row] for row in range(screen.rows)]
