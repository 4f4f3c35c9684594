"""What a drive reads and writes: sectors of 512 bytes, wherever they are kept."""

from __future__ import annotations

from typing import Protocol

SECTOR = 512
"""Bytes in a sector, the unit of Medium; a CD's sector is four of them."""
MOST_SECTORS = 1 << 48
"""What LBA48 reaches."""


class MediumError(Exception):
    """The host cannot read or write what a drive needs now. Says what, where and what to do.

    No device handles it: it ends the run before the event at which it was raised, and nothing of that event has
    happened then. So a device reads its medium before it changes anything.
    """


class Medium(Protocol):
    """Sectors numbered from 0. Callers keep within `sectors`. All methods raise MediumError."""

    @property
    def sectors(self) -> int: ...

    @property
    def read_only(self) -> bool: ...

    def read(self, sector: int, count: int) -> bytes:
        """`count` * 512 bytes."""
        ...

    def write(self, sector: int, data: bytes) -> None:
        """Whole sectors; never called of one that is read-only."""
        ...

    def flush(self) -> None:
        """What was written is where it stays, before this returns."""
        ...
