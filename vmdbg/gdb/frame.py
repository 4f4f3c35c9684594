"""What agent expressions see of the CPU at a breakpoint."""

from __future__ import annotations

from collections.abc import Callable

from gdbstub.errors import ExpressionError, MemoryAccessError
from vmdbg.debugger.debugger import Debugger
from vmdbg.gdb.registers import GuestRegisters
from vmdbg.units import PAGE_MASK, PAGE_SIZE, Linear

_WORD = (1 << 64) - 1


class GuestFrame:
    """gdbstub's agent.Frame. Register numbers are the layout's."""

    def __init__(self, debugger: Debugger, registers: GuestRegisters, write: Callable[[str], None]) -> None:
        self._debugger = debugger
        self._engine = debugger.engine
        self._read = [registers.reader(number) for number in range(len(registers.layout))]
        self._write = write

    def register(self, number: int) -> int:
        if number >= len(self._read):
            raise ExpressionError(f"register {number} is not available")
        value = self._read[number]()
        return value if value <= _WORD else value & _WORD

    def memory(self, address: int, size: int) -> int:
        value = self._engine.read_integer(Linear(address), size)
        if value is not None:
            return value
        data = self._debugger.linear().read_prefix(Linear(address), size)
        if len(data) < size:
            raise MemoryAccessError(address + len(data))
        return int.from_bytes(data, "little")

    def text(self, address: int, limit: int) -> bytes:
        found, linear = b"", self._debugger.linear()
        while len(found) < limit:
            place = address + len(found)
            wanted = min(limit - len(found), PAGE_SIZE - (place & PAGE_MASK))
            data = linear.read_prefix(Linear(place), wanted)
            text, zero, _ = data.partition(b"\0")
            found += text
            if zero:
                break
            if len(data) < wanted:
                raise MemoryAccessError(place + len(data))
        return found

    def print(self, text: str) -> None:
        self._write(text)
