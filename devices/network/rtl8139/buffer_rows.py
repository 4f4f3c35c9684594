"""What the receive buffer of an RTL8139 holds, in words for who writes a driver. Nothing that it holds raises.

Source: RTL8139 Programming Guide 0.1 (receive operation).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from devices.network.rtl8139 import registers as reg
from devices.network.summary import in_words
from devices.seam import BusMaster, Rows
from devices.wiring.bits import named_bits

MOST_FRAMES: Final = 8
HEADER: Final = 4
SHOWN: Final = 256
"""Bytes of a frame that are looked at."""


@dataclass(frozen=True, slots=True)
class Buffer:
    """`size` bytes at `start`; frames from `read` on are the driver's to take. `wraps`: they go on at the beginning."""

    memory: BusMaster
    start: int
    size: int
    read: int
    unread: int
    wraps: bool

    def rows(self) -> Rows:
        """A row a frame: its header, and what it is."""
        rows, at = Rows(), 0
        while at < self.unread and len(rows) < MOST_FRAMES:
            status, length = (int.from_bytes(self._bytes(at + part, 2), "little") for part in (0, 2))
            name = f"frame at {(self.read + at) % self.size:x}"
            header = f"{length} bytes, {named_bits(status, reg.RECEIVED_BITS)}"
            if length < HEADER or at + HEADER + length > self.unread:
                return [*rows, (name, f"{header}: no frame of those that are unread is so")]
            frame = self._bytes(at + HEADER, min(length, SHOWN))
            rows.append((name, f"{header}: {in_words(frame)}"))
            at += HEADER + length + 3 & ~3
        if at < self.unread:
            rows.append(("frames, the rest", f"{self.unread - at} bytes"))
        return rows

    def _bytes(self, offset: int, size: int) -> bytes:
        """From so far behind `read` on."""
        at = (self.read + offset) % self.size
        fitting = min(size, self.size - at) if self.wraps else size
        whole = self.memory.look(self.start + at, fitting)
        return whole + (self.memory.look(self.start, size - fitting) if size > fitting else b"")
