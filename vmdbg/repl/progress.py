"""What a terminal shows while something takes longer than half a second."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import TextIO

from vmdbg.repl.terminal import is_dumb

PATIENCE = 0.5
INTERVAL = 0.1
WIDTH = 30
ERASE = "\r\x1b[K"


class ProgressLine:
    """A bar, or the tick that the guest is at, rewritten in place and gone at the end. Nothing on a plain file."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out if out is not None else sys.stderr
        self._shown = False
        self._began = self._last = 0.0
        self._active = False
        self._terminal = self._out.isatty() and not is_dumb()
        self.elsewhere: Callable[[str], None] | None = None
        """Who shows it instead; "" when it is over."""

    def begin(self) -> None:
        self._began = self._last = time.monotonic()
        self._active = True

    def share(self, done: float) -> None:
        """So much of it is done, from 0 to 1."""
        if not self._due():
            return
        full = round(max(0.0, min(1.0, done)) * WIDTH)
        self._show(f"[{'█' * full}{'░' * (WIDTH - full)}] {done * 100:3.0f}%  Ctrl-C stops")

    def tick(self, tick: int) -> None:
        """The guest runs, nobody knows how long."""
        if self._due():
            self._show(f"running, tick {tick:,}  Ctrl-C stops")

    def _due(self) -> bool:
        now = time.monotonic()
        if not (self._active and self._terminal) or now - self._began < PATIENCE or now - self._last < INTERVAL:
            return False
        self._last = now
        return True

    def _show(self, words: str) -> None:
        self._shown = True
        if self.elsewhere is not None:
            self.elsewhere(words)
            return
        self._out.write(ERASE + words[: self._columns() - 1])
        self._out.flush()

    def _columns(self) -> int:
        """A longer line would wrap, and could not be rewritten."""
        try:
            return max(os.get_terminal_size(self._out.fileno()).columns, 2)
        except (OSError, ValueError):
            return 80

    def hide(self) -> None:
        """Make room for other output."""
        if not self._shown:
            return
        self._shown = False
        if self.elsewhere is not None:
            self.elsewhere("")
            return
        self._out.write(ERASE)
        self._out.flush()

    def end(self) -> None:
        self.hide()
        self._active = False
