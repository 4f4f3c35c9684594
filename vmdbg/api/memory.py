"""Guest memory as Python sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from vmdbg.errors import UserError

LONGEST_STRING = 1 << 16


class _Reader(Protocol):
    def __call__(self, address: int, size: int) -> bytes: ...


class _Writer(Protocol):
    def __call__(self, address: int, data: bytes) -> None: ...


class Memory:
    """One address space. Nothing read here leaves a trace in the guest; what is written is a recorded input.

    Addresses are numbers, or expressions and symbols as text. Integers are little-endian. `memory[a]` is a byte,
    `memory[a:b]` bytes. Reading raises UserError where no memory is; writing also in the past.
    """

    def __init__(self, read: _Reader, write: _Writer, address_of: Callable[[int | str], int]) -> None:
        self._read = read
        self._write = write
        self._address_of = address_of

    def read(self, address: int | str, size: int) -> bytes:
        """`size` bytes from `address` on."""
        return self._read(self._address_of(address), size)

    def write(self, address: int | str, data: bytes) -> None:
        """All of `data` or nothing."""
        self._write(self._address_of(address), data)

    def integer(self, address: int | str, size: int, *, signed: bool = False) -> int:
        """An integer of `size` bytes."""
        return int.from_bytes(self.read(address, size), "little", signed=signed)

    def write_integer(self, address: int | str, size: int, value: int) -> None:
        """Raises UserError if it does not fit."""
        try:
            data = value.to_bytes(size, "little", signed=value < 0)
        except OverflowError:
            raise UserError(f"{value:#x} does not fit into {size} bytes") from None
        self.write(address, data)

    def u8(self, address: int | str) -> int:
        return self.integer(address, 1)

    def u16(self, address: int | str) -> int:
        return self.integer(address, 2)

    def u32(self, address: int | str) -> int:
        return self.integer(address, 4)

    def u64(self, address: int | str) -> int:
        return self.integer(address, 8)

    def cstring(self, address: int | str, limit: int = LONGEST_STRING) -> str:
        """The text up to the next zero byte, or of `limit` bytes; what is no UTF-8 is shown as escapes."""
        start, data = self._address_of(address), bytearray()
        while len(data) < limit:
            at = start + len(data)
            piece = self._read(at, min(limit - len(data), 64 - at % 64))
            end = piece.find(0)
            if end >= 0:
                data += piece[:end]
                break
            data += piece
        return data.decode("utf-8", "backslashreplace")

    def __getitem__(self, key: int | str | slice) -> int | bytes:
        if isinstance(key, slice):
            start, stop = self._address_of(key.start), self._address_of(key.stop)
            return self._read(start, max(0, stop - start))[:: key.step]
        return self.u8(key)

    def __setitem__(self, key: int | str | slice, value: int | bytes) -> None:
        data = bytes((value,)) if isinstance(value, int) else value
        self.write(key.start if isinstance(key, slice) else key, data)
