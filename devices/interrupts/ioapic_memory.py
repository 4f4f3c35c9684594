"""The registers of an I/O APIC while it works: memory that faster code than Python's can share."""

from __future__ import annotations

from ctypes import Array, LittleEndianStructure, c_uint32, c_uint64
from dataclasses import dataclass, field

PINS = 24
MASKED = 1 << 16


@dataclass(slots=True)
class IoApicState:
    """`lines` has bit n for the level at pin INTINn; an entry is both halves, bits 63 to 0."""

    ioregsel: int = 0
    apic_id: int = 0
    lines: int = 0
    redirection: list[int] = field(default_factory=lambda: [MASKED] * PINS)


class IoApicMemory(LittleEndianStructure):
    """IoApicState, field by field; `vmdbg/engine/native/chips.h` has the same layout."""

    _fields_ = (
        ("redirection", c_uint64 * PINS),
        ("lines", c_uint32),
        ("ioregsel", c_uint32),
        ("apic_id", c_uint32),
    )
    redirection: Array[c_uint64]
    lines: int
    ioregsel: int
    apic_id: int

    def load(self, state: IoApicState) -> None:
        """Raises ValueError if `state` has not as many entries."""
        self.ioregsel, self.apic_id, self.lines = state.ioregsel, state.apic_id, state.lines
        self.redirection[:] = [*state.redirection]

    def saved(self) -> IoApicState:
        return IoApicState(self.ioregsel, self.apic_id, self.lines, list(self.redirection))
