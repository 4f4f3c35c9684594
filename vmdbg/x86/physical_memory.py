"""Physical memory as this package needs it: what the walker, linear access and table dumps read through."""

from __future__ import annotations

from typing import Protocol

from vmdbg.errors import UserError
from vmdbg.units import Physical


class UnmappedPhysicalError(UserError):
    """No memory answers at this physical address, so a debugger has nothing to show or change there."""

    def __init__(self, address: Physical, size: int) -> None:
        super().__init__(f"no memory at physical {address:#x} ({size} bytes asked)")
        self.address = address
        self.size = size


class ReadableMemory(Protocol):
    """Guest RAM and ROM, without side effects: device registers are not memory."""

    def read(self, address: Physical, size: int) -> bytes:
        """Raises `UnmappedPhysicalError` unless the whole range is there."""
        ...


class PhysicalMemory(ReadableMemory, Protocol):
    """The same, which can be written.

    Raises `UnmappedPhysicalError` unless the whole range is there; a failed write changes nothing.
    """

    def write(self, address: Physical, data: bytes) -> None: ...
