"""OUT0 of an 8254 while it is periodic: memory that faster code than Python's can share."""

from __future__ import annotations

from ctypes import LittleEndianStructure, c_bool, c_int64, c_uint32, c_uint64


class PitMemory(LittleEndianStructure):
    """`out0` and `out0_clock` are PitState's, and the chip's state. The others say what follows from its counter.

    A period is `period` CLK pulses and began at the pulse `origin`; OUT0 is low from the pulse `low_from` of it on.
    `period` is 0 while OUT0 is not periodic. `vmdbg/engine/native/chips.h` has the same layout.
    """

    _fields_ = (
        ("origin", c_int64),
        ("out0_clock", c_uint64),
        ("period", c_uint32),
        ("low_from", c_uint32),
        ("out0", c_bool),
    )
    origin: int
    out0_clock: int
    period: int
    low_from: int
    out0: bool
