"""The guest's serial output between the lines of the prompt."""

from __future__ import annotations

import sys
from collections.abc import Callable

SERIAL = 0


class GuestConsole:
    """Keeps what the guest writes while it runs, and shows it between two slices, safe for a terminal."""

    def __init__(self, before: Callable[[], None]) -> None:
        self._before = before
        self.wanted = False
        """Whether anything is shown at all."""
        self._waiting = bytearray()
        self._column = 0

    def on_output(self, port: int, data: bytes, now: int) -> None:
        """A console's listener: runs while guest code does, so it only keeps."""
        del now
        if self.wanted and port == SERIAL:
            self._waiting += data

    @property
    def has_line(self) -> bool:
        """Whether a whole line waits to be shown."""
        return b"\n" in self._waiting

    def flush_lines(self) -> None:
        """What is not a whole line yet goes on waiting."""
        self._show(self._waiting.rfind(b"\n") + 1)

    def flush(self) -> None:
        self._show(len(self._waiting))

    def _show(self, size: int) -> None:
        if not size:
            return
        words = self._waiting[:size].decode("utf-8", "replace").replace("\r", "")
        del self._waiting[:size]
        shown = "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in words)
        self._before()
        sys.stdout.write(shown)
        sys.stdout.flush()
        last = shown.rpartition("\n")
        self._column = len(last[2]) + (0 if last[1] else self._column)

    @property
    def at_line_start(self) -> bool:
        return not self._column

    def end_line(self) -> None:
        """What follows begins a line of its own."""
        self.flush()
        if self._column:
            sys.stdout.write("\n")
            self._column = 0
