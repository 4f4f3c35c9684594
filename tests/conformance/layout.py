"""Where cases lie in the linear addresses of the harness, and what a state of the CPU looks like there.

A case is three 8-byte words: its code, the state it begins with, the state it leaves. All numbers are little-endian.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

HARNESS, HARNESS_SIZE = 0x29_32000000, 0x200000
"""What is the harness's lies where no address that a case computes can come: 32 bits do not reach it, nor do sums of
pointers to data and of edges, one of them times 2, 4 or 8. So no case sees or changes another's states.

A program of 32 bits has it at the lower half of these addresses, which only random numbers reach."""
EXIT, HANDLERS, GUEST_END, HALT = (HARNESS + offset for offset in (0x400, 0x800, 0xF00, 0xF10))
CONTROL, CONTROL_SIZE = HARNESS + 0x1000000, 0x200000
SCRATCH_TOP = CONTROL + 0x8000
BATCH, BATCH_SIZE = HARNESS + 0x2000000, 0x1000000
LOW_BATCH = 0x30000000
"""BATCH for 32-bit code, which reaches it: there it cannot be written while cases run."""
RESULTS, RESULTS_SIZE = HARNESS + 0x8000000, 0x1000000
ACROSS, ACROSS_SIZE = 0x20000E00, 1024
"""Data on both sides of a page boundary."""
AT_END, AT_END_SIZE = 0x20003E00, 512
"""Data up to where nothing is mapped."""

RFLAGS_AT, VECTOR_AT, ERROR_AT, CR2_AT, RIP_AT = 128, 136, 144, 152, 160
FX_AT, DATA_AT = 176, 688
HIGH_AT = DATA_AT + ACROSS_SIZE + AT_END_SIZE
"""Upper halves of YMM0 to YMM15, where there are any."""
STATE_SIZE = HIGH_AT + 16 * 16
CASE = struct.Struct("<3Q")
CODE_SLOT = 32
"""Bytes for one instruction and the way out of it."""
NO_VECTOR = (1 << 64) - 1
OF_SIGNAL = 0x100
"""A vector that is not known, by the number of a signal of Linux."""
CODE_32, DATA_32, CODE_64 = 0x23, 0x2B, 0x33
"""Selectors of ring 3 in Linux on x86-64, which guests of 32-bit cases have too."""

GENERAL = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *(f"r{number}" for number in range(8, 16)))


def low(address: int) -> int:
    """Where a program of 32 bits has what lies at `address`."""
    return address & 0xFFFFFFFF


DEFINES = {
    name: value
    for name, value in globals().items()
    if name.isupper() and isinstance(value, int) and name != "NO_VECTOR"
}
DEFINES_32 = DEFINES | {"BATCH": LOW_BATCH, "CODE32": 1}
DEFINES_I386 = {name: low(value) for name, value in DEFINES_32.items()}
"""For the harness and the runners: of 64-bit code, of 32-bit code in compatibility mode, of a program of 32 bits."""


@dataclass(frozen=True, slots=True)
class State:
    """What a case begins with or leaves."""

    raw: bytes
    """STATE_SIZE bytes."""

    def word(self, offset: int) -> int:
        return int.from_bytes(self.raw[offset : offset + 8], "little")

    def register(self, name: str) -> int:
        return self.word(8 * GENERAL.index(name))

    @property
    def rflags(self) -> int:
        return self.word(RFLAGS_AT)

    @property
    def vector(self) -> int | None:
        """The exception that ended it."""
        vector = self.word(VECTOR_AT)
        return None if vector == NO_VECTOR else vector

    @property
    def fx(self) -> bytes:
        """The 512 bytes of FXSAVE."""
        return self.raw[FX_AT:DATA_AT]

    def xmm(self, number: int) -> int:
        at = FX_AT + 160 + 16 * number
        return int.from_bytes(self.raw[at : at + 16], "little")

    @property
    def mxcsr(self) -> int:
        return int.from_bytes(self.raw[FX_AT + 24 : FX_AT + 28], "little")

    @property
    def fcw(self) -> int:
        return int.from_bytes(self.raw[FX_AT : FX_AT + 2], "little")

    @property
    def fsw(self) -> int:
        return int.from_bytes(self.raw[FX_AT + 2 : FX_AT + 4], "little")

    @property
    def data(self) -> bytes:
        return self.raw[DATA_AT:HIGH_AT]

    def ymm_high(self, number: int) -> int:
        at = HIGH_AT + 16 * number
        return int.from_bytes(self.raw[at : at + 16], "little")
