"""Numbers from bytes, as DWARF has them (DWARF 5, 7.6)."""

from __future__ import annotations


class Reader:
    """A position in bytes. Raises IndexError and ValueError beyond the end."""

    def __init__(self, data: bytes | memoryview, position: int = 0, end: int | None = None) -> None:
        self.data = data
        self.position = position
        self.end = len(data) if end is None else end

    @property
    def more(self) -> bool:
        return self.position < self.end

    def unsigned(self, size: int) -> int:
        start = self.position
        self.position += size
        if self.position > self.end:
            raise IndexError("beyond the end")
        return int.from_bytes(self.data[start : self.position], "little")

    def signed(self, size: int) -> int:
        value, sign = self.unsigned(size), 1 << 8 * size - 1
        return (value ^ sign) - sign

    def uleb(self) -> int:
        value = shift = 0
        while True:
            byte = self.unsigned(1)
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return value
            if shift > 140:
                raise ValueError("a number without an end")

    def sleb(self) -> int:
        start = self.position
        value = self.uleb()
        bits = 7 * (self.position - start)
        return value - (1 << bits) if value >> bits - 1 else value

    def block(self) -> bytes:
        size = self.uleb()
        start = self.position
        self.position += size
        if self.position > self.end:
            raise IndexError("beyond the end")
        return bytes(self.data[start : self.position])

    def text(self) -> str:
        found = bytearray()
        while byte := self.unsigned(1):
            found.append(byte)
        return found.decode("ascii", "replace")
