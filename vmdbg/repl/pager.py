"""Long answers, a screen at a time."""

from __future__ import annotations

import os
import re
import select
import sys
import termios
import tty
from collections.abc import Callable, Sequence

from rich.cells import cell_len

MORE = " more: space, q to end, a for all "
ERASE = "\r\x1b[K"
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def rows_of(line: str, columns: int) -> int:
    """How many rows of a terminal a line takes, which wraps it."""
    return max(1, -(-cell_len(_ESCAPES.sub("", line)) // max(columns, 1)))


def page(lines: Sequence[str], size: Callable[[], os.terminal_size], idle: Callable[[], None]) -> None:
    """Write the lines; wait for a key after every screenful. `idle` is called while waiting."""
    out = sys.stdout
    start = 0
    one_line = False
    while True:
        columns, height = size()
        end = _end(lines, start, columns, 1 if one_line else height - 1)
        out.write("".join(f"{line}\n" for line in lines[start:end]))
        out.flush()
        start = end
        if start >= len(lines):
            return
        key = _asked(columns, idle)
        if key in ("q", "\x03", "\x1b", ""):
            out.write("...\n")
            return
        if key == "a":
            out.write("".join(f"{line}\n" for line in lines[start:]))
            return
        one_line = key in ("\r", "\n", "j")


def _end(lines: Sequence[str], start: int, columns: int, room: int) -> int:
    """After the last line that fits in so many rows; at least one is taken."""
    end = start
    while end < len(lines) and (end == start or room > 0):
        room -= rows_of(lines[end], columns)
        if room < 0 and end > start:
            break
        end += 1
    return end


def _asked(columns: int, idle: Callable[[], None]) -> str:
    """The key that the user presses. The terminal takes single keys before it says so."""
    file = sys.stdin.fileno()
    before = termios.tcgetattr(file)
    try:
        tty.setraw(file, termios.TCSADRAIN)
        sys.stdout.write(f"\x1b[7m{MORE[: max(columns - 1, 0)]}\x1b[0m")
        sys.stdout.flush()
        while not select.select([file], [], [], 0.05)[0]:
            idle()
        return os.read(file, 16)[:1].decode("latin-1")
    finally:
        sys.stdout.write(ERASE)
        sys.stdout.flush()
        termios.tcsetattr(file, termios.TCSADRAIN, before)
