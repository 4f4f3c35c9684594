"""Parallel NOR flash with the Intel command set, where UEFI firmware keeps its variables. One chip, a byte wide.

Source: JEDEC JESD68.01 (CFI), Intel 28F640J3 data sheet (commands, status). Erasing and programming take no time;
programming only clears bits, and erasing a block sets them.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import ClassVar

from devices.copied import copied
from devices.seam import Rows

BLOCK = 0x1000
READY, ERASE_ERROR, PROGRAM_ERROR = 0x80, 0x20, 0x10
ERASED = b"\xff" * BLOCK
MANUFACTURER, DEVICE = 0x89, 0x18
BUFFER = 64
LARGEST = 16 << 20


class Mode(enum.IntEnum):
    """What reads give, and what the next write is."""

    ARRAY = 0xFF
    STATUS = 0x70
    IDENTIFIER = 0x90
    QUERY = 0x98
    PROGRAM = 0x40
    ERASE = 0x20
    LOCK = 0x60
    BUFFER_COUNT = 0xE8
    BUFFER_DATA = 0xE9
    BUFFER_CONFIRM = 0xEA


_COMMANDS = {
    0xFF: Mode.ARRAY,
    0xF0: Mode.ARRAY,
    0x00: Mode.ARRAY,
    0x70: Mode.STATUS,
    0x90: Mode.IDENTIFIER,
    0x98: Mode.QUERY,
    0x10: Mode.PROGRAM,
    0x40: Mode.PROGRAM,
    0x20: Mode.ERASE,
    0x28: Mode.ERASE,
    0x60: Mode.LOCK,
    0xE8: Mode.BUFFER_COUNT,
}
CLEAR_STATUS, CONFIRM = 0x50, 0xD0


@dataclass(slots=True)
class FlashBlock:
    """A block of which some bit is clear."""

    number: int
    data: bytes


@dataclass(slots=True)
class FlashState:
    """`blocks` by rising number; the others are erased. `waiting` is what a buffered program still takes."""

    mode: Mode = Mode.ARRAY
    status: int = READY
    waiting: int = 0
    buffered: list[tuple[int, int]] = field(default_factory=list)
    blocks: list[FlashBlock] = field(default_factory=list)


class Flash:
    """`size` bytes of memory, whole blocks of 4 KiB."""

    name = "flash"
    title = "flash memory with firmware's variables"
    State: ClassVar[type[FlashState]] = FlashState

    def __init__(self, size: int) -> None:
        self.size = size
        self._query = _query(size)
        self._state = FlashState()
        self._array = bytearray(b"\xff" * size)
        self.changes = 0
        """How often something was programmed or erased, for the host: no state."""

    def load(self, data: bytes | memoryview) -> None:
        """What is in it at first. Raises ValueError for another size."""
        if len(data) != self.size:
            raise ValueError(f"the flash has {self.size} bytes, not {len(data)}")
        self._array[:] = data

    @property
    def contents(self) -> bytes:
        return bytes(self._array)

    def read(self, offset: int, size: int, now: int) -> int:
        match self._state.mode:
            case Mode.ARRAY:
                return int.from_bytes(self._array[offset : offset + size], "little")
            case Mode.IDENTIFIER:
                return {0: MANUFACTURER, 1: DEVICE}.get(offset & 0xFF, 0)
            case Mode.QUERY:
                return self._query.get(offset & 0xFF, 0)
        return self._state.status

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        """The chip is a byte wide: a wider store is one a byte."""
        for lane in range(size):
            self._write_byte(offset + lane, value >> 8 * lane & 0xFF)

    def save(self) -> FlashState:
        s = copied(self._state)
        chunks = ((n, bytes(self._array[n * BLOCK : (n + 1) * BLOCK])) for n in range(self.size // BLOCK))
        s.blocks = [FlashBlock(n, data) for n, data in chunks if data != ERASED]
        return s

    def restore(self, state: FlashState) -> None:
        """Raises ValueError if the blocks are not of such a flash."""
        if any(len(block.data) != BLOCK or not 0 <= block.number < self.size // BLOCK for block in state.blocks):
            raise ValueError("a block is not of this flash")
        if any(not 0 <= offset < self.size for offset, _ in state.buffered):
            raise ValueError("a byte to program is not of this flash")
        self._array = bytearray(b"\xff" * self.size)
        for block in state.blocks:
            self._array[block.number * BLOCK : (block.number + 1) * BLOCK] = block.data
        self._state = FlashState(state.mode, state.status, state.waiting, list(state.buffered))

    def describe(self, now: int) -> Rows:
        used = sum(any(byte != 0xFF for byte in self._array[at : at + BLOCK]) for at in range(0, self.size, BLOCK))
        return [
            ("mode", self._state.mode.name.lower().replace("_", " ")),
            ("status", f"{self._state.status:02x}"),
            ("size", f"{self.size:#x} bytes in blocks of {BLOCK:#x}, {used} not erased"),
        ]

    def _write_byte(self, offset: int, value: int) -> None:
        s = self._state
        match s.mode:
            case Mode.PROGRAM:
                self._array[offset] &= value
                self.changes += 1
                s.status |= READY
                s.mode = Mode.STATUS
            case Mode.ERASE:
                self._erase(offset, value)
            case Mode.LOCK:
                s.status |= READY
                s.mode = Mode.STATUS
            case Mode.BUFFER_COUNT:
                s.waiting, s.buffered, s.mode = min(value + 1, BUFFER), [], Mode.BUFFER_DATA
            case Mode.BUFFER_DATA:
                self._buffer(offset, value)
            case Mode.BUFFER_CONFIRM:
                self._program_buffer(value)
            case _:
                self._command(value)

    def _command(self, value: int) -> None:
        s = self._state
        if value == CLEAR_STATUS:
            s.status, s.mode = 0, Mode.ARRAY
            return
        s.mode = _COMMANDS.get(value, Mode.ARRAY)
        if s.mode not in (Mode.ARRAY, Mode.STATUS, Mode.IDENTIFIER, Mode.QUERY):
            s.status |= READY

    def _erase(self, offset: int, value: int) -> None:
        s = self._state
        if value == CONFIRM:
            start = offset // BLOCK * BLOCK
            self._array[start : start + BLOCK] = ERASED
            self.changes += 1
        else:
            s.status |= ERASE_ERROR | PROGRAM_ERROR
        s.status |= READY
        s.mode = Mode.STATUS if value != 0xFF else Mode.ARRAY

    def _buffer(self, offset: int, value: int) -> None:
        s = self._state
        s.buffered.append((offset, value))
        s.waiting -= 1
        if not s.waiting:
            s.mode = Mode.BUFFER_CONFIRM

    def _program_buffer(self, value: int) -> None:
        s = self._state
        if value == CONFIRM:
            for offset, byte in s.buffered:
                self._array[offset] &= byte
            self.changes += 1
        else:
            s.status |= PROGRAM_ERROR | ERASE_ERROR
        s.status |= READY
        s.buffered, s.mode = [], Mode.STATUS


def _query(size: int) -> dict[int, int]:
    """The CFI table by offset (JESD68.01, 2.4): Intel's command set, one region of equal blocks."""
    blocks = size // BLOCK
    table = b"QRY" + (1).to_bytes(2, "little") + (0x31).to_bytes(2, "little") + bytes(4)
    table += bytes([0x45, 0x55, 0, 0, 7, 7, 10, 0, 4, 4, 4, 0])
    table += bytes([(size - 1).bit_length(), 0, 0, BUFFER.bit_length() - 1, 0, 1])
    table += (blocks - 1).to_bytes(2, "little") + (BLOCK // 256).to_bytes(2, "little")
    table = table.ljust(0x31 - 0x10, b"\0") + b"PRI10"
    return dict(enumerate(table, 0x10))
