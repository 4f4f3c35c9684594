"""The terminal while the prompt has it: lines are edited, Ctrl-C is a signal. Source: termios(3)."""

from __future__ import annotations

import contextlib
import os
import sys
import termios
from collections.abc import Iterator


def is_dumb() -> bool:
    """Whether the terminal knows no escapes at all: no colours, no erasing, nothing rewritten (terminfo(5))."""
    return os.environ.get("TERM", "dumb") in ("dumb", "")


@contextlib.contextmanager
def line_mode() -> Iterator[None]:
    """Inside, as a shell leaves it, but that Ctrl-C keeps what was typed ahead; afterwards as found, be that raw."""
    try:
        file = sys.stdin.fileno()
        before = termios.tcgetattr(file)
    except (termios.error, OSError, ValueError):
        yield
        return
    mode = termios.tcgetattr(file)
    mode[0] |= termios.ICRNL | termios.IXON
    mode[1] |= termios.OPOST | termios.ONLCR
    mode[3] |= termios.ECHO | termios.ICANON | termios.ISIG | termios.IEXTEN | termios.NOFLSH
    termios.tcsetattr(file, termios.TCSADRAIN, mode)
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(file, termios.TCSADRAIN, before)
