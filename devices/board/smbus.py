"""The SMBus host controller of an Intel 82371AB (PIIX4), with no slave on the bus: every address goes unanswered.

Source: Intel 82371AB data sheet (290562), 7.3 (SMBus I/O registers).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from devices.copied import copied
from devices.seam import Rows

SMBUS_SIZE = 16
STATUS, SLAVE_STATUS, CONTROL, COMMAND, ADDRESS, DATA0, DATA1, BLOCK = range(8)
SLAVE_CONTROL = 8
WRITABLE = {CONTROL: 0x1F, COMMAND: 0xFF, ADDRESS: 0xFF, DATA0: 0xFF, DATA1: 0xFF, SLAVE_CONTROL: 0x0F}
DEVICE_ERROR = 0x04
STATUS_CLEARED = 0x1E
START = 0x40
BLOCK_SIZE = 32


@dataclass(slots=True)
class SmbusState:
    status: int = 0
    registers: list[int] = field(default_factory=lambda: [0] * SMBUS_SIZE)
    """By offset; those that are not WRITABLE stay 0."""
    block: list[int] = field(default_factory=lambda: [0] * BLOCK_SIZE)
    index: int = 0
    """Where BLOCK is next; a read of CONTROL sets it to the start."""


class Smbus:
    """Byte-wide registers. A started transaction ends at once with DEV_ERR, as one does that nobody acknowledges."""

    name = "smbus"
    title = "SMBus host controller, nothing on the bus"
    State: ClassVar[type[SmbusState]] = SmbusState

    def __init__(self) -> None:
        self._state = SmbusState()

    def read(self, offset: int, size: int, now: int) -> int:
        s = self._state
        if offset == STATUS:
            return s.status
        if offset == CONTROL:
            s.index = 0
        if offset == BLOCK:
            value = s.block[s.index]
            s.index = (s.index + 1) % BLOCK_SIZE
            return value
        return s.registers[offset]

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        s = self._state
        if offset == STATUS:
            s.status &= ~(value & STATUS_CLEARED)
        elif offset == BLOCK:
            s.block[s.index] = value & 0xFF
            s.index = (s.index + 1) % BLOCK_SIZE
        elif offset in WRITABLE:
            s.registers[offset] = value & WRITABLE[offset]
            if offset == CONTROL and value & START:
                s.status |= DEVICE_ERROR

    def save(self) -> SmbusState:
        return copied(self._state)

    def restore(self, state: SmbusState) -> None:
        self._state = copied(state)

    def describe(self, now: int) -> Rows:
        s = self._state
        return [
            ("SMBHSTSTS", f"{s.status:02x}{' device error' if s.status & DEVICE_ERROR else ''}"),
            ("SMBHSTCNT", f"{s.registers[CONTROL]:02x}"),
            ("SMBHSTADD", f"{s.registers[ADDRESS]:02x}"),
            ("SMBHSTCMD", f"{s.registers[COMMAND]:02x}"),
            ("SMBHSTDAT", f"{s.registers[DATA0]:02x} {s.registers[DATA1]:02x}"),
        ]
