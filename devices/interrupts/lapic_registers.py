"""Register offsets, bits and 256-bit vector sets of a local APIC.

Source: Intel SDM 3A, table 11-1 and figures 11-8, 11-9, 11-12, 11-18, 11-20, 11-23.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from ctypes import Array, c_uint32


class Register(enum.IntEnum):
    """Offsets in the 4 KiB page. ISR, TMR and IRR are the first of eight."""

    ID = 0x020
    VERSION = 0x030
    TPR = 0x080
    APR = 0x090
    PPR = 0x0A0
    EOI = 0x0B0
    RRD = 0x0C0
    LDR = 0x0D0
    DFR = 0x0E0
    SVR = 0x0F0
    ISR = 0x100
    TMR = 0x180
    IRR = 0x200
    ESR = 0x280
    ICR_LOW = 0x300
    ICR_HIGH = 0x310
    LVT = 0x320
    INITIAL_COUNT = 0x380
    CURRENT_COUNT = 0x390
    DIVIDE_CONFIGURATION = 0x3E0


class Lvt(enum.IntEnum):
    """The local vector table in the order of its registers, 320h to 370h."""

    TIMER = 0
    THERMAL = 1
    PERFORMANCE = 2
    LINT0 = 3
    LINT1 = 4
    ERROR = 5


VERSION_VALUE = (len(Lvt) - 1) << 16 | 0x14
"""An integrated APIC with six LVT entries and no EOI-broadcast suppression."""

LVT_ACTIVE_LOW, LVT_REMOTE_IRR, LVT_LEVEL, LVT_MASKED, LVT_PERIODIC = (
    1 << 13,
    1 << 14,
    1 << 15,
    1 << 16,
    1 << 17,
)
LVT_WRITABLE = (0x300FF, 0x107FF, 0x107FF, 0x1A7FF, 0x1A7FF, 0x100FF)
LVT_READ_ONLY = 1 << 12 | LVT_REMOTE_IRR
DIVIDE_WRITABLE = 0xB
SVR_ENABLED, SVR_WRITABLE = 0x100, 0x3FF
DFR_FLAT, DFR_RESERVED = 0xF, 0x0FFF_FFFF
ICR_LOGICAL, ICR_ASSERT, ICR_LEVEL, ICR_WRITABLE = 1 << 11, 1 << 14, 1 << 15, 0xCCFFF


VECTOR_WORDS = 8
Vectors = Array[c_uint32]
"""A set of vectors as eight 32-bit words, vector v at bit v % 32 of word v // 32."""


class Error(enum.IntFlag):
    """Bits of the error status register that can be met where every message arrives."""

    SEND_ILLEGAL_VECTOR = 0x20
    RECEIVE_ILLEGAL_VECTOR = 0x40
    ILLEGAL_REGISTER = 0x80


def highest(vectors: Vectors) -> int | None:
    """The vector of highest priority in a set, None if it is empty."""
    bits = int.from_bytes(vectors, "little").bit_length()
    return bits - 1 if bits else None


def contains(vectors: Sequence[int] | Vectors, vector: int) -> bool:
    return bool(vectors[vector >> 5] >> (vector & 31) & 1)


def assign(vectors: Vectors, vector: int, present: bool) -> None:
    bit = 1 << (vector & 31)
    if present:
        vectors[vector >> 5] |= bit
    else:
        vectors[vector >> 5] &= ~bit


def listed(vectors: Sequence[int]) -> str:
    """The vectors of a set for display."""
    present = (f"{vector:02x}" for vector in range(256) if contains(vectors, vector))
    return " ".join(present) or "none"
