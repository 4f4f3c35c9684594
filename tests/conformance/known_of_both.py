"""What both QEMU and Bochs do otherwise than the engine."""

from __future__ import annotations

from tests.conformance.compare import PAGE_FAULT, Difference
from tests.conformance.instructions import names
from tests.conformance.known import Case
from tests.conformance.prefixes import vex_last

STORES = names("fist fistp fisttp fst fstp fbstp")
"""Of the x87."""
VVVV_3, REGISTER_3, QUARTER = 0x40, 0x80, 0x3FFD


def has_register_of_64_bits(case: Case) -> bool:
    """32-bit code that names one of the upper eight, which it has not."""
    last = vex_last(case.instruction)
    if case.bits == 64 or last is None:
        return False
    by_immediate = case.name.startswith(("vblendv", "vpblendv")) and case.instruction.code[-1] & REGISTER_3 != 0
    return by_immediate or not last & VVVV_3


def stores_part(case: Case, difference: Difference) -> bool:
    stores = case.name in STORES or case.instruction.operands.startswith(("xmmword", "ymmword"))
    return stores and case.found.vector == PAGE_FAULT and difference.name.startswith("[")


def exponent(case: Case, register: int) -> int:
    at = 32 + 16 * register + 8
    return int.from_bytes(case.before.fx[at : at + 2], "little") & 0x7FFF


def is_fyl2xp1_of_much(case: Case, _: Difference) -> bool:
    """Where it may leave anything."""
    return case.name == "fyl2xp1" and exponent(case, 0) >= QUARTER


def has_set_fsw(case: Case, difference: Difference) -> bool:
    """Before a store faults."""
    return case.name in STORES and case.found.vector is not None and difference.name == "fsw"


def has_set_mxcsr(case: Case, difference: Difference) -> bool:
    """Before a store faults."""
    return case.name == "vcvtps2ph" and difference.name == "mxcsr" and case.found.vector == PAGE_FAULT


def lanes(difference: Difference, size: int) -> list[tuple[int, int]]:
    """Those that differ."""
    one, other = ((value or 0).to_bytes(16, "little") for value in (difference.expected, difference.found))
    at = range(0, 16, size)
    lanes = [tuple(int.from_bytes(whole[n : n + size], "little") for whole in (one, other)) for n in at]
    return [(a, b) for a, b in lanes if a != b]


def absolute(value: int, size: int) -> int:
    return value & (1 << 8 * size - 1) - 1
