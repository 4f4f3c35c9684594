"""Differences that are known, each with its reason: processors differ there, or docs/engine.md says that ours does."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass

from tests.conformance.compare import Difference
from tests.conformance.instructions import Instruction, names
from tests.conformance.layout import CR2_AT, State

OUT_OF_RANGE, UNDERFLOW, C1 = 0x18, 0x10, 0x200
CANONICAL_END, LONGEST_OPERAND = 1 << 47, 108
LOW_HALF = 0xFFFFFFFF
APPROXIMATION = 2**-10


_VECTORS = ("xmm", "ymm")

FUNCTIONS = names("fsin fcos fsincos fptan fpatan f2xm1 fyl2x fyl2xp1")
FLAG_COMPARES = names("fcomi fcomip fcompi fucomi fucomip fucompi")
LAST_PLACES = 16
"""Of 64 bits, in which a transcendental function may differ."""
ENVIRONMENT = names("fnsave fsave fnstenv fstenv frstor fldenv")
"""What is loaded and stored in many parts."""


@dataclass(frozen=True, slots=True)
class Case:
    instruction: Instruction
    before: State
    expected: State
    found: State
    bits: int = 64
    """Of the code."""

    @property
    def name(self) -> str:
        return self.instruction.mnemonic.split()[-1]


@dataclass(frozen=True, slots=True)
class Known:
    reason: str
    applies: Callable[[Case, Difference], bool]


def flips(difference: Difference, bits: int) -> bool:
    """Whether both are there, and differ in no other bits."""
    return (
        difference.expected is not None
        and difference.found is not None
        and not (difference.expected ^ difference.found) & ~bits
    )


def _lanes(value: int, form: str) -> tuple[float, ...]:
    return struct.unpack(form, value.to_bytes(16, "little"))


def _approximately(difference: Difference) -> bool:
    pairs = zip(_lanes(difference.expected or 0, "<4f"), _lanes(difference.found or 0, "<4f"), strict=True)
    return all(
        a == b or (math.isnan(a) and math.isnan(b)) or abs(a - b) <= APPROXIMATION * abs(a) or _tiny(a, b)
        for a, b in pairs
    )


def _tiny(a: float, b: float) -> bool:
    """Results that one flushes to zero or infinity, and the other does not yet."""
    return max(abs(a), abs(b)) < 2e-38 or min(abs(a), abs(b)) > 8e37


def places(difference: Difference) -> int:
    """How many 80-bit numbers lie between both, also across a power of 2."""
    expected, found = (_ordered(value or 0) for value in (difference.expected, difference.found))
    return abs(expected - found)


def _ordered(real: int) -> int:
    """A number of which neighbours differ by one."""
    exponent, fraction = real >> 64 & 0x7FFF, real & (1 << 63) - 1
    return (exponent << 63 | fraction) * (-1 if real >> 79 else 1)


def _function_differs(case: Case, difference: Difference) -> bool:
    """In its last places, or in C1, which says how it was rounded; and in UE where the last place decides on that."""
    if case.name not in FUNCTIONS:
        return False
    if difference.name != "fsw":
        return difference.name.startswith("st") and places(difference) <= LAST_PLACES
    return flips(difference, C1 | (UNDERFLOW if _is_at_the_smallest(case.expected) else 0))


def _is_at_the_smallest(state: State) -> bool:
    """Whether the top of the stack is the smallest number that is normal, or what rounds to it."""
    value = int.from_bytes(state.fx[32:42], "little") & (1 << 79) - 1
    return abs(value - (1 << 64 | 1 << 63)) <= LAST_PLACES or abs(value - (1 << 63)) <= LAST_PLACES


def _function_is_scaled(case: Case, difference: Difference) -> bool:
    """A real CPU multiplies or divides the result by 2 to the 24576th."""
    return case.name in FUNCTIONS and case.expected.fsw & ~case.before.fcw & OUT_OF_RANGE != 0


def _ends_differently(case: Case) -> bool:
    return case.expected.vector is not None or case.found.vector is not None


def _at_canonical_end(case: Case) -> bool:
    """The first page of the operand is what is looked at first, or all of its address is."""
    expected, found = case.expected, case.found
    if 14 not in (expected.vector, found.vector) or {expected.vector, found.vector}.isdisjoint((12, 13)):
        return False
    address = (found if found.vector == 14 else expected).word(CR2_AT)
    return -address % CANONICAL_END <= LONGEST_OPERAND


def _at_end_of_4_gib(case: Case) -> bool:
    """Flat segments are not checked: what lies across their end wraps, or is met by a page. BOUND reads two words."""
    expected, found = case.expected, case.found
    if case.name == "bound" and expected.vector == 14 and found.vector == 13:
        return (expected.word(CR2_AT) + LONGEST_OPERAND & LOW_HALF) <= 2 * LONGEST_OPERAND
    if expected.vector not in (12, 13) or found.vector not in (None, 14):
        return False
    return found.vector is None or (found.word(CR2_AT) + LONGEST_OPERAND & LOW_HALF) <= 2 * LONGEST_OPERAND


def _parts_at_end(case: Case, difference: Difference) -> bool:
    if case.name not in (*ENVIRONMENT, "fbld") or (case.expected.vector, case.found.vector) != (14, 13):
        return False
    return difference.name in ("vector", "error", "cr2") and -case.expected.word(CR2_AT) & LOW_HALF <= LONGEST_OPERAND


def _stack_faults(case: Case) -> bool:
    """What is popped is looked at before where it goes; the engine looks at limits first."""
    return case.expected.vector == 14 and case.found.vector in (12, 13)


KNOWN = (
    Known(
        "approximations",
        lambda c, d: (
            c.name.lstrip("v").startswith(("rcp", "rsqrt")) and d.name.startswith(_VECTORS) and _approximately(d)
        ),
    ),
    Known(
        "VPINSRQ and VPEXTRQ in 32-bit code: W is ignored, #UD by AMD",
        lambda c, d: c.name in ("vpinsrq", "vpextrq") and c.expected.vector == 6,
    ),
    Known("EMMS: top of stack", lambda c, d: c.name in ("emms", "femms")),
    Known("which operand of CMPS faults", lambda c, d: c.name.startswith("cmps") and _ends_differently(c)),
    Known("MASKMOV that faults", lambda c, d: c.name.lstrip("v").startswith("maskmov") and _ends_differently(c)),
    Known("operand across the end of the canonical addresses", lambda c, d: _at_canonical_end(c)),
    Known("operand across the end of 4 GiB", lambda c, d: _at_end_of_4_gib(c)),
    Known("BSF and BSR of 0", lambda c, d: c.name in ("bsf", "bsr") and flips(d, ~LOW_HALF)),
    Known(
        "SHLD and SHRD of 16 bits by more", lambda c, d: c.name in ("shld", "shrd") and 0x66 in c.instruction.code[:4]
    ),
    Known(
        "in which part of its environment an x87 instruction faults",
        lambda c, d: c.name in ENVIRONMENT and c.found.vector == 14 and d.name == "cr2",
    ),
    Known("whether what the x87 loads in parts, across the end of 4 GiB, meets a page first", _parts_at_end),
    Known("which operand of POP to memory faults", lambda c, d: c.name == "pop" and _stack_faults(c)),
    Known("transcendental functions of the x87: last places and C1", _function_differs),
    Known("transcendental functions of the x87: overflow and underflow that are not masked", _function_is_scaled),
    Known("C1 after FCOMI and its kin", lambda c, d: c.name in FLAG_COMPARES and d.name == "fsw" and flips(d, C1)),
)


def explain(case: Case, difference: Difference) -> str | None:
    """The reason, or None for a difference that should not be."""
    return next((known.reason for known in KNOWN if known.applies(case, difference)), None)
