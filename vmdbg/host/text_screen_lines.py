"""The guest's text screen as lines for a terminal, in its colours."""

from __future__ import annotations

from devices.display.text_picture import TextScreen
from vmdbg.document.cp437 import CP437

RESET = "\x1b[0m"
_ANSI = (0, 4, 2, 6, 1, 5, 3, 7)
"""Of the PC's colours: blue and red change places, and so on."""


def screen_lines(screen: TextScreen) -> list[str]:
    """A string a line; equal lines look the same."""
    width = screen.columns
    return [_line(screen, screen.cells[2 * at : 2 * (at + width)]) for at in range(0, width * screen.lines, width)]


def cursor_place(screen: TextScreen) -> tuple[int, int] | None:
    """Line and column, None where no cursor is shown."""
    cursor = screen.cursor
    if cursor is None or not 0 <= cursor.cell < screen.columns * screen.lines:
        return None
    return divmod(cursor.cell, screen.columns)


def first_line(lines: int, rows: int, cursor: tuple[int, int] | None) -> int:
    """Which line comes first where a terminal has `rows` for them: it follows the cursor."""
    if cursor is None:
        return 0
    return max(0, min(cursor[0] - rows + 1, lines - rows))


def _line(screen: TextScreen, cells: bytes) -> str:
    made, before = [], None
    for code, attribute in zip(cells[::2], cells[1::2], strict=True):
        if attribute != before:
            made.append(_colours(attribute, blink=screen.blink))
            before = attribute
        made.append(CP437[code])
    return "".join(made) + RESET


def _colours(attribute: int, *, blink: bool) -> str:
    before, behind = attribute & 15, attribute >> 4
    if blink:
        behind &= 7
    codes = [(30 if before < 8 else 90) + _ANSI[before & 7], (40 if behind < 8 else 100) + _ANSI[behind & 7]]
    return f"\x1b[0;{codes[0]};{codes[1]}m"
