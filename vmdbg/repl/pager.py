"""Long answers, a screen at a time."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from collections.abc import Callable, Sequence

MORE = "\x1b[7m more: space, q to end, a for all \x1b[0m"
ERASE = "\r\x1b[K"


def page(lines: Sequence[str], height: int, idle: Callable[[], None]) -> None:
    """Write the lines; wait for a key after every screenful. `idle` is called while waiting."""
    out = sys.stdout
    room = max(2, height - 1)
    start = 0
    while start < len(lines):
        out.write("".join(f"{line}\n" for line in lines[start : start + room]))
        out.flush()
        start += room
        if start >= len(lines):
            return
        key = _asked(idle)
        if key in ("q", "\x03", "\x1b", ""):
            out.write("...\n")
            return
        room = len(lines) if key == "a" else 1 if key in ("\r", "\n", "j") else max(2, height - 1)


def _asked(idle: Callable[[], None]) -> str:
    """The key that the user presses. The terminal takes single keys before it says so."""
    file = sys.stdin.fileno()
    before = termios.tcgetattr(file)
    try:
        tty.setraw(file, termios.TCSADRAIN)
        sys.stdout.write(MORE)
        sys.stdout.flush()
        while not select.select([file], [], [], 0.05)[0]:
            idle()
        return os.read(file, 16)[:1].decode("latin-1")
    finally:
        sys.stdout.write(ERASE)
        sys.stdout.flush()
        termios.tcsetattr(file, termios.TCSADRAIN, before)
