"""Ports whose plain accesses are answered out of memory, by faster code than Python's. The device keeps it true.

Whoever answers so answers as the device would, which hears nothing of it: after each call of the device's, the memory
says what it does until the next. What is not plain comes to the device as ever.
"""

from __future__ import annotations

from ctypes import Array, LittleEndianStructure, addressof, c_uint8, c_uint32, c_uint64, memmove
from enum import IntEnum

MOST_PORTS = 8
NEVER = (1 << 64) - 1
STREAM_SIZE = 64 << 10
"""Bytes of a StreamPort's data."""


class PlainPorts(LittleEndianStructure):
    """Up to eight ports. A port whose bit of `readable` is set reads as in `values`, a byte, and is not changed by it,
    up to the nanosecond `until`.

    `vmdbg/engine/native/chips.h` has the same layout.
    """

    _fields_ = (("until", c_uint64 * MOST_PORTS), ("readable", c_uint32), ("values", c_uint8 * MOST_PORTS))
    until: Array[c_uint64]
    readable: int
    values: Array[c_uint8]

    def show(self, offset: int, value: int, until: int = NEVER) -> None:
        """The port at `offset` reads as that, and otherwise from `until` on."""
        self.readable |= 1 << offset
        self.values[offset] = value
        self.until[offset] = until

    def hide(self, offset: int) -> None:
        """What the port at `offset` reads as is the device's to say."""
        self.readable &= ~(1 << offset)


class Flow(IntEnum):
    """Which way data goes through a StreamPort."""

    NONE = 0
    TO_GUEST = 1
    FROM_GUEST = 2


class StreamPort(LittleEndianStructure):
    """A port that data goes through: reads take it from `index` on, writes put it there, and move `index` on.

    The access that would come to `edge`, or beyond it, is the device's.
    `vmdbg/engine/native/chips.h` has the same layout.
    """

    _fields_ = (("flow", c_uint32), ("index", c_uint32), ("edge", c_uint32), ("data", c_uint8 * STREAM_SIZE))
    flow: int
    index: int
    edge: int
    data: Array[c_uint8]

    def load(self, data: bytes | bytearray) -> None:
        """Put that at the beginning of `data`. Raises ValueError if it is too long."""
        if len(data) > STREAM_SIZE:
            raise ValueError(f"{len(data)} bytes do not fit into a port's {STREAM_SIZE}")
        memmove(addressof(self.data), bytes(data), len(data))

    def taken(self, start: int) -> bytes:
        """What was put in from `start` up to `index`."""
        return bytes(self.data[start : self.index])
