"""What commands answer and the guest writes, as the lines of a pane."""

from __future__ import annotations

import io
import re
import sys
from collections import deque
from collections.abc import Callable

from rich.cells import cell_len, chop_cells

MOST = 5000
"""Lines kept."""
_LOOKS = re.compile(r"(\x1b\[[0-9;:]*m)")
_OTHER = re.compile(r"\x1b\[[0-9;:]*[^0-9;:m]|[\x00-\x08\x0b-\x1a\x1c-\x1f]|\x1b(?!\[[0-9;:]*m)")
"""What moves a cursor, or worse."""


class Transcript(io.TextIOBase):
    """A file that is written to instead of the terminal; `shown` is called when there is more of it."""

    def __init__(self, shown: Callable[[], None]) -> None:
        super().__init__()
        self._shown = shown
        self._lines: deque[str] = deque([""], MOST)
        self.back = 0
        """Rows that are scrolled back."""

    def write(self, words: str) -> int:
        first, *rest = _OTHER.sub("", words.expandtabs()).split("\n")
        self._lines[-1] += first
        self._lines.extend(rest)
        self.back = 0
        if rest:
            self._shown()
        return len(words)

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        """What is written may have colours."""
        return True

    def fileno(self) -> int:
        found = sys.__stdout__
        assert found is not None
        return found.fileno()

    def rows(self, columns: int, count: int) -> list[str]:
        """The last so many rows of a pane so wide, or those that are scrolled back to."""
        lines = list(self._lines)
        if lines and not lines[-1]:
            lines.pop()
        wanted = count + self.back
        rows: list[str] = []
        for line in reversed(lines):
            rows[:0] = wrapped(line, columns)
            if len(rows) >= wanted:
                break
        self.back = max(0, min(self.back, len(rows) - count))
        end = len(rows) - self.back
        return rows[max(0, end - count) : end]

    def scroll(self, rows: int) -> None:
        """So many rows back, or on if negative."""
        self.back = max(0, self.back + rows)


def wrapped(line: str, columns: int) -> list[str]:
    """A line in rows of a pane, each with the look that the one before ended with."""
    rows, row, room, look = [], "", columns, ""
    for part in _LOOKS.split(line):
        if _LOOKS.fullmatch(part):
            look = part
            row += part
            continue
        while cell_len(part) > room:
            piece = chop_cells(part, room)[0] if room else ""
            rows.append(row + piece)
            part = part[len(piece) :]
            row, room = look, columns
        row += part
        room -= cell_len(part)
    return [*rows, row]
