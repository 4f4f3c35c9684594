"""A ready-made agent.Frame over a target's ports, for targets that need nothing faster."""

from __future__ import annotations

from collections.abc import Callable

from gdbstub.errors import ExpressionError, MemoryAccessError
from gdbstub.stops import ThreadId
from gdbstub.target import Target

_CHUNK = 64


class TargetFrame:
    """One stopped thread as an agent expression sees it."""

    def __init__(self, target: Target, thread: ThreadId, write: Callable[[str], None]) -> None:
        self._target = target
        self._thread = thread
        self._write = write

    def register(self, number: int) -> int:
        registers = self._target.registers
        value = registers.read(self._thread, number) if number < len(registers.layout) else None
        if value is None:
            raise ExpressionError(f"register {number} is not available")
        order = self._target.byte_order
        return int.from_bytes(value[:8] if order == "little" else value[-8:], order)

    def memory(self, address: int, size: int) -> int:
        data = self._target.memory.read(self._thread, address, size)
        if len(data) < size:
            raise MemoryAccessError(address + len(data))
        return int.from_bytes(data, self._target.byte_order)

    def text(self, address: int, limit: int) -> bytes:
        found = b""
        while len(found) < limit:
            wanted = min(_CHUNK, limit - len(found))
            data = self._target.memory.read(self._thread, address + len(found), wanted)
            if b"\0" in data:
                return found + data[: data.index(b"\0")]
            found += data
        return found

    def print(self, text: str) -> None:
        self._write(text)
