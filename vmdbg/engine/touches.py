"""What the guest touched over a stretch of its run, for people: it is no state, and no digest holds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from vmdbg.engine.exits import EventKind

NO_LINEAR_PAGE = 1 << 52
"""In place of a linear page: memory was reached in no access of an instruction."""
NO_PHYSICAL_PAGE = 0xFFFFFFFF
"""In place of a physical page: the address was fetched from and not mapped, or is beyond all that is counted."""
READ, WRITE, FETCH = 1, 2, 4
"""Kinds of touching: bits."""
EVENTS = frozenset({EventKind.CR3_LOAD, EventKind.MSR_READ, EventKind.MSR_WRITE})
"""Of which it is known whether they came; ports and vectors are told apart by number."""


@dataclass(frozen=True, slots=True)
class Touches:
    """Everything that was touched, and perhaps more; nothing that was is left out.

    Columns of equally many rows, in the host's byte order: `linear`, how far each linear page is from that of the row
    before, as 64 bits; `lines`, a bit for each 64th of the page in which an instruction began, as 64 bits; `written`,
    the same of those that were written; `words`, for each of the eight lowest of the latter, from the lowest on, a byte
    with a bit for each eighth of it that was written, as 64 bits; `physical`, how much farther the physical page is, as
    32 bits, modulo; `kinds`, a byte. Pages are numbers. The linear ones ascend; a page is in several rows where it was
    reached in several ways.
    """

    linear: bytes
    lines: bytes
    written: bytes
    words: bytes
    physical: bytes
    kinds: bytes
    ports: bytes = b""
    """Ports that were read or written: 16 bits each and a byte of READ and WRITE, little-endian, ascending."""
    exceptions: int = 0
    """A bit for each vector of an exception or INT n."""
    interrupts: int = 0
    """A bit for each vector of an external interrupt, and 2 for the NMI."""
    events: frozenset[EventKind] = frozenset()
    """Of EVENTS."""
    everything: bool = False
    """More pages than are worth keeping: take it that all were touched, in every way."""


class DeviceAccess(Protocol):
    """How devices reach memory: what the guest touches by them is noted."""

    def device_read(self, address: int, size: int) -> bytes:
        """As PhysicalMemory.read_physical(), all below 2**64."""
        ...

    def device_write(self, address: int, data: bytes) -> None:
        """As PhysicalMemory.write_physical(), all below 2**64."""
        ...


class TouchTracking(DeviceAccess, Protocol):
    """Who can say what the guest touches."""

    def begin_touches(self) -> None:
        """Gather from here on; what was gathered is forgotten."""
        ...

    def end_touches(self) -> Touches:
        """What was touched since begin_touches(). Nothing is gathered after it."""
        ...

    def drop_touches(self) -> None:
        """Gather nothing."""
        ...
