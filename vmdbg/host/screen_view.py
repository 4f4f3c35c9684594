"""The guest's screen, drawn on the user's terminal while the guest runs: text in its colours, graphics in half blocks,
the console below.

It takes the terminal's alternate screen, so that what was there comes back. Nothing here reaches the guest.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from devices.display.frame import Frame
from vmdbg.document.half_blocks import Colours, half_blocks
from vmdbg.document.printable import printable
from vmdbg.host.text_screen_lines import RESET, cursor_place, first_line, screen_lines
from vmdbg.machine.machine import Machine
from vmdbg.session.screen import frame_of, text_screen_of

PERIOD = 0.05
"""Seconds between two pictures at least."""
SHARE = 10
"""Of this many seconds, one at most is for drawing."""
NOTE_SECONDS = 6.0
MOST_KEPT = 1 << 16
"""Bytes of the console's output that are kept for when it has the terminal again."""
FEWEST_BELOW = 3
"""Rows that the console must have to be shown below the screen."""
_ENTER, _LEAVE = "\x1b[?1049h\x1b[2J", "\x1b[?25h\x1b[?1049l"
_ESCAPES = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)", re.DOTALL)


class ScreenView:
    """`write` puts text on the terminal, `size` is its columns and rows; `back` gets what the console wrote then."""

    def __init__(
        self,
        machine: Machine,
        write: Callable[[str], None],
        size: Callable[[], tuple[int, int]],
        back: Callable[[bytes], None],
        clock: Callable[[], float] = time.monotonic,
        colours: Colours = Colours.CUBE,
    ) -> None:
        self._machine = machine
        self._write = write
        self._size = size
        self._back = back
        self._clock = clock
        self._colours = colours
        self._frame: Frame | None = None
        self._dots: list[str] = []
        """Lines of that frame."""
        self._drawn: list[str] = []
        self._place: tuple[int, int] | None = None
        self._drawn_size = (0, 0)
        self._next = 0.0
        self._note: list[str] = []
        self._note_until = 0.0
        self._kept = bytearray()
        self.shown = False

    def show(self) -> None:
        if not self.shown:
            self.shown = True
            self._write(_ENTER)
            self._drawn, self._next = [], 0.0
            self.flush()

    def hide(self) -> None:
        """The terminal is as it was before, with what the console has got meanwhile."""
        if self.shown:
            self.shown = False
            self._write(RESET + _LEAVE)
            kept, self._kept = bytes(self._kept), bytearray()
            self._back(kept)

    def console(self, data: bytes) -> None:
        """The guest wrote to its console."""
        self._kept += data
        del self._kept[:-MOST_KEPT]

    def note(self, text: str) -> None:
        """Show lines of ours over the last ones, for a moment."""
        self._note = [printable(line) for line in text.splitlines()]
        self._note_until = self._clock() + NOTE_SECONDS
        self._next = 0.0
        self.flush()

    def flush(self) -> None:
        """Draw what has changed, if it is time."""
        now = self._clock()
        if not self.shown or now < self._next:
            return
        self._next = now + PERIOD
        columns, rows = self._size()
        if (columns, rows) != self._drawn_size:
            self._drawn, self._drawn_size, self._frame = [], (columns, rows), None
            self._write(RESET + "\x1b[2J")
        lines, place = self._picture(columns, rows)
        changed = [
            f"\x1b[{row + 1};1H{line}{RESET}\x1b[K"
            for row, line in enumerate(lines)
            if row >= len(self._drawn) or self._drawn[row] != line
        ]
        if changed or place != self._place:
            cursor = f"\x1b[{place[0] + 1};{place[1] + 1}H\x1b[?25h" if place is not None else "\x1b[?25l"
            self._write("\x1b[?7l" + "".join(changed) + "\x1b[?7h" + cursor)
            self._drawn, self._place = lines, place
        self._next = max(self._next, now + SHARE * (self._clock() - now))

    def _picture(self, columns: int, rows: int) -> tuple[list[str], tuple[int, int] | None]:
        """What the terminal is to show, and where its cursor is."""
        screen = text_screen_of(self._machine)
        if screen is None:
            lines, place = self._graphics(columns, rows), None
        else:
            cursor = cursor_place(screen)
            first = first_line(screen.lines, rows, cursor)
            lines = screen_lines(screen)[first : first + rows]
            place = (cursor[0] - first, cursor[1]) if cursor is not None and cursor[1] < columns else None
        below = rows - len(lines) - 1
        if below >= FEWEST_BELOW:
            lines += [f"\x1b[7m{' console'.ljust(columns)}", *self._console_lines(columns, below)]
        lines += [""] * (rows - len(lines))
        if self._note and self._clock() < self._note_until:
            shown = self._note[-rows:]
            lines[rows - len(shown) :] = [f"\x1b[7m{line[:columns]}" for line in shown]
        return lines, place

    def _graphics(self, columns: int, rows: int) -> list[str]:
        """As large as it fits, in its proportions; a copy."""
        frame = frame_of(self._machine)
        if frame != self._frame:
            self._frame, self._dots = frame, half_blocks(frame, columns, rows, self._colours)
        return list(self._dots)

    def _console_lines(self, columns: int, rows: int) -> list[str]:
        """The last of what the console got."""
        text = _ESCAPES.sub(b"", bytes(self._kept[-rows * columns * 4 :])).replace(b"\r", b"")
        lines = text.decode("utf-8", "replace").split("\n")[-rows:]
        return [printable(line)[:columns] for line in lines]
