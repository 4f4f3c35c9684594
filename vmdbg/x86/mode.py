"""The CPU's mode and the width of its code, from control registers and the cached CS (SDM 3A 2.2, 3.4.5)."""

from __future__ import annotations

from enum import Enum, IntEnum

CR0_PE = 1 << 0
EFER_LMA = 1 << 10
FLAGS_VM = 1 << 17
SEGMENT_DPL_SHIFT = 13
SEGMENT_LONG = 1 << 21
SEGMENT_DEFAULT_BIG = 1 << 22


class Width(IntEnum):
    """Default operand and address width of code, in bits."""

    BITS16 = 16
    BITS32 = 32
    BITS64 = 64

    @property
    def mask(self) -> int:
        """The largest value of the instruction pointer."""
        return (1 << self) - 1


class CpuMode(Enum):
    """Every combination that decodes or segments differently."""

    REAL = "real"
    REAL32 = "real, 32-bit code"
    VIRTUAL_8086 = "virtual-8086"
    PROTECTED16 = "16-bit protected"
    PROTECTED32 = "32-bit protected"
    COMPATIBILITY16 = "16-bit compatibility"
    COMPATIBILITY32 = "32-bit compatibility"
    LONG64 = "64-bit"

    @property
    def width(self) -> Width:
        return _WIDTHS[self]

    @property
    def is_protected(self) -> bool:
        """Whether selectors name descriptors, rather than being a base divided by 16."""
        return self not in (CpuMode.REAL, CpuMode.REAL32, CpuMode.VIRTUAL_8086)

    @property
    def is_long(self) -> bool:
        """Whether EFER.LMA is set: 64-bit mode or compatibility mode."""
        return self in (CpuMode.COMPATIBILITY16, CpuMode.COMPATIBILITY32, CpuMode.LONG64)


_WIDTHS = {
    CpuMode.REAL: Width.BITS16,
    CpuMode.REAL32: Width.BITS32,
    CpuMode.VIRTUAL_8086: Width.BITS16,
    CpuMode.PROTECTED16: Width.BITS16,
    CpuMode.PROTECTED32: Width.BITS32,
    CpuMode.COMPATIBILITY16: Width.BITS16,
    CpuMode.COMPATIBILITY32: Width.BITS32,
    CpuMode.LONG64: Width.BITS64,
}


def privilege_level(cr0: int, rflags: int, ss_flags: int) -> int:
    """CPL: the DPL of the cached SS, 0 in real mode, 3 in virtual-8086 mode (SDM 3A 5.5).

    Not the low bits of CS: they say nothing from MOV to CR0 with PE set until CS is loaded, and in conforming code
    they are CPL only by what loaded them. `ss_flags` is as cpu_mode() takes CS's.
    """
    if not cr0 & CR0_PE:
        return 0
    return 3 if rflags & FLAGS_VM else ss_flags >> SEGMENT_DPL_SHIFT & 3


def cpu_mode(cr0: int, efer: int, rflags: int, cs_flags: int) -> CpuMode:
    """The mode. `cs_flags` is the high dword of CS's descriptor, as QEMU's segment cache keeps it.

    The width follows the cached CS even in real mode, where it outlives CR0.PE until CS is loaded.
    """
    big = bool(cs_flags & SEGMENT_DEFAULT_BIG)
    if not cr0 & CR0_PE:
        return CpuMode.REAL32 if big else CpuMode.REAL
    if rflags & FLAGS_VM and not efer & EFER_LMA:
        return CpuMode.VIRTUAL_8086
    if not efer & EFER_LMA:
        return CpuMode.PROTECTED32 if big else CpuMode.PROTECTED16
    if cs_flags & SEGMENT_LONG:
        return CpuMode.LONG64
    return CpuMode.COMPATIBILITY32 if big else CpuMode.COMPATIBILITY16
