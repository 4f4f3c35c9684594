"""Ports for targets that keep their registers in a list and their memory in a bytearray."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from gdbstub.errors import MemoryAccessError
from gdbstub.stops import ThreadId
from gdbstub.target import Register


class RegisterFile:
    """Registers of one thread, all zero at first. `file["eip"]` is an unsigned integer; writes are cut to size."""

    def __init__(self, layout: Sequence[Register], byte_order: Literal["little", "big"] = "little") -> None:
        self.layout = layout
        self.values = [bytes(register.bits // 8) for register in layout]
        self._order = byte_order
        self._numbers = {register.name: number for number, register in enumerate(layout)}

    def __getitem__(self, name: str) -> int:
        return int.from_bytes(self.values[self._numbers[name]], self._order)

    def __setitem__(self, name: str, value: int) -> None:
        number = self._numbers[name]
        bits = self.layout[number].bits
        self.values[number] = (value & ((1 << bits) - 1)).to_bytes(bits // 8, self._order)

    def read_all(self, _thread: ThreadId) -> bytes:
        return b"".join(self.values)

    def write_all(self, _thread: ThreadId, values: bytes) -> None:
        for number, old in enumerate(self.values):
            self.values[number], values = values[: len(old)], values[len(old) :]

    def read(self, _thread: ThreadId, number: int) -> bytes | None:
        return self.values[number]

    def write(self, _thread: ThreadId, number: int, value: bytes) -> None:
        self.values[number] = value


class Ram:
    """`data` at `start`; nothing around it."""

    def __init__(self, data: bytearray, start: int = 0) -> None:
        self.data = data
        self.start = start

    def read(self, _thread: ThreadId, address: int, length: int) -> bytes:
        at = self._offset(address, 1)
        return bytes(self.data[at : at + length])

    def write(self, _thread: ThreadId, address: int, data: bytes) -> None:
        at = self._offset(address, len(data))
        self.data[at : at + len(data)] = data

    def _offset(self, address: int, length: int) -> int:
        at = address - self.start
        if at < 0:
            raise MemoryAccessError(address)
        if at + length > len(self.data):
            raise MemoryAccessError(max(address, self.start + len(self.data)))
        return at
