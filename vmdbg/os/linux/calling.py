"""Where the kernel's functions get their arguments (System V ABI, AMD64 supplement, 3.2.3)."""

from __future__ import annotations

from vmdbg.c.types import AGGREGATES, Kind
from vmdbg.os.linux.types import Type

ARGUMENT_REGISTERS = ("rdi", "rsi", "rdx", "rcx", "r8", "r9")
_LARGEST_IN_REGISTERS = 16


def passed_in_registers(type_: Type) -> int:
    """How many integer registers a parameter takes; 0 where it comes on the stack or in a vector register."""
    stripped = type_.strip()
    if stripped.kind is Kind.FLOAT:
        return 0
    if stripped.kind in AGGREGATES or stripped.size > 8:
        return (stripped.size + 7) // 8 if stripped.size <= _LARGEST_IN_REGISTERS else 0
    return 1
