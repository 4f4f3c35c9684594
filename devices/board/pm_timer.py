"""The PM timer's dword as faster code than Python's may answer it (ACPI 6.5, 4.8.3.3): what it needs, in memory."""

from __future__ import annotations

from ctypes import LittleEndianStructure, c_uint32, c_uint64


class PmTimerMemory(LittleEndianStructure):
    """Reads of four bytes from `port` are the counter, as pm_timer_ticks() has it, cut to its width; 0: the guest has
    it nowhere. Each notes its nanosecond in `last_access`, which is AcpiPmState's.

    `vmdbg/engine/native/chips.h` has the same layout.
    """

    _fields_ = (("last_access", c_uint64), ("port", c_uint32))
    last_access: int
    port: int
