"""What both QEMU and Bochs do otherwise than the engine."""

from __future__ import annotations

from tests.conformance.compare import PAGE_FAULT, Difference
from tests.conformance.instructions import names
from tests.conformance.known import Case
from tests.conformance.prefixes import vex_last

STORES = names("fist fistp fisttp fst fstp fbstp")
"""Of the x87."""
VVVV_3, REGISTER_3 = 0x40, 0x80


def has_register_of_64_bits(case: Case) -> bool:
    """32-bit code that names one of the upper eight, which it has not."""
    last = vex_last(case.instruction)
    if case.bits == 64 or last is None:
        return False
    by_immediate = case.name.startswith(("vblendv", "vpblendv")) and case.instruction.code[-1] & REGISTER_3 != 0
    return by_immediate or not last & VVVV_3


def stores_part(case: Case, difference: Difference) -> bool:
    stores = case.instruction.operands.startswith(("xmmword", "ymmword"))
    return stores and case.found.vector == PAGE_FAULT and difference.name.startswith("[")


def has_set_fsw(case: Case, difference: Difference) -> bool:
    """Before a store faults."""
    return case.name in STORES and case.found.vector is not None and difference.name == "fsw"


def has_set_mxcsr(case: Case, difference: Difference) -> bool:
    """Before a store faults."""
    return case.name == "vcvtps2ph" and difference.name == "mxcsr" and case.found.vector == PAGE_FAULT
