"""Reading along on the serial line for a panic."""

from __future__ import annotations

import re

from vmdbg.units import TICKS_PER_SECOND, Tick

LONGEST_LINE = 1024
_PANIC = b"Kernel panic - "
_END_OF_PANIC = b"---[ end Kernel panic - "
"""kernel/panic.c: written before the loop that never ends, where `panic=` has not asked for a reset."""
SILENCE = TICKS_PER_SECOND
"""How long nothing follows until that is believed."""
_TIMESTAMP = re.compile(rb"^\[[ 0-9.]+\] ")


class PanicWatch:
    """Remembers the line with which a kernel said that it panicked; `dead_at` the tick from which on it is silent."""

    def __init__(self) -> None:
        self.panic: str | None = None
        self.dead_at: Tick | None = None
        self._line = bytearray()

    def on_output(self, port: int, data: bytes, now: int) -> None:
        del port
        for byte in data:
            if byte == 0x0A:
                self._end_line(now)
            elif len(self._line) < LONGEST_LINE:
                self._line.append(byte)
        if self._line.strip():
            self.dead_at = None  # it says something after all

    def _end_line(self, now: int) -> None:
        if self._line.strip():
            self.dead_at = Tick(now + SILENCE) if _END_OF_PANIC in self._line else None
        if _PANIC in self._line and _END_OF_PANIC not in self._line:
            line = _TIMESTAMP.sub(b"", bytes(self._line).strip())
            words = line.decode("utf-8", "replace")
            self.panic = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in words)
        self._line.clear()
