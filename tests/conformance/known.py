"""Differences that are known, each with its reason: processors differ there, or docs/engine.md says that ours does."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass

from tests.conformance.compare import Difference
from tests.conformance.instructions import Instruction, names
from tests.conformance.layout import CR2_AT, State

DENORMAL, EXCEPTIONS = 2, 0x3F
STACK_FAULT, C1 = 0x40, 0x200
CANONICAL_END, LONGEST_OPERAND = 1 << 47, 16
LOW_HALF = 0xFFFFFFFF
APPROXIMATION = 2**-10


_VECTORS = ("xmm", "ymm")

FUNCTIONS = names("fsin fcos fsincos fptan fpatan f2xm1 fyl2x fyl2xp1 fprem fprem1 fscale fxtract fbstp fbld")
CONSTANTS = names("fldl2t fldl2e fldpi fldlg2 fldln2")
ENVIRONMENT = names("fnsave fsave fnstenv fstenv frstor fldenv")
"""Where the last instruction was, and reserved words."""


@dataclass(frozen=True, slots=True)
class Case:
    instruction: Instruction
    before: State
    expected: State
    found: State

    @property
    def name(self) -> str:
        return self.instruction.mnemonic.split()[-1]


@dataclass(frozen=True, slots=True)
class Known:
    reason: str
    applies: Callable[[Case, Difference], bool]


def _flips(difference: Difference, bits: int) -> bool:
    return (
        difference.expected is not None
        and difference.found is not None
        and not (difference.expected ^ difference.found) & ~bits
    )


def _lanes(value: int, form: str) -> tuple[float, ...]:
    return struct.unpack(form, value.to_bytes(16, "little"))


def _nan_for_nan(difference: Difference) -> bool:
    """Whether they are the same but for lanes in which both have a NaN."""
    expected, found = difference.expected or 0, difference.found or 0
    for form, width in (("<4f", 32), ("<2d", 64)):
        pairs = zip(_lanes(expected, form), _lanes(found, form), strict=True)
        nan = [math.isnan(a) and math.isnan(b) for a, b in pairs]
        lane = (1 << width) - 1
        if all(both or not (expected ^ found) >> width * number & lane for number, both in enumerate(nan)):
            return True
    return False


def _approximately(difference: Difference) -> bool:
    pairs = zip(_lanes(difference.expected or 0, "<4f"), _lanes(difference.found or 0, "<4f"), strict=True)
    return all(
        a == b or (math.isnan(a) and math.isnan(b)) or abs(a - b) <= APPROXIMATION * abs(a) or _tiny(a, b)
        for a, b in pairs
    )


def _tiny(a: float, b: float) -> bool:
    """Results that one flushes to zero or infinity, and the other does not yet."""
    return max(abs(a), abs(b)) < 2e-38 or min(abs(a), abs(b)) > 8e37


def _is_denormal(difference: Difference) -> bool:
    """Whether either is a number with the smallest exponent, of which an 80-bit one has two forms."""
    return any(value is not None and value >> 64 & 0x7FFF == 0 for value in (difference.expected, difference.found))


def _is_x87(case: Case) -> bool:
    return (case.name.startswith("f") and case.name not in ("fxsave", "fxrstor")) or case.name == "wait"


def _ends_differently(case: Case) -> bool:
    return case.expected.vector is not None or case.found.vector is not None


def _at_canonical_end(case: Case) -> bool:
    """The first page of the operand is what the engine looks at first."""
    address = case.found.word(CR2_AT)
    near = -address % CANONICAL_END
    return case.expected.vector in (12, 13) and case.found.vector == 14 and near <= LONGEST_OPERAND


def _half_loaded(case: Case, difference: Difference) -> bool:
    return case.found.vector == 14 and difference.name.startswith("xmm") and _flips(difference, (1 << 64) - 1)


def _x87_status(case: Case, difference: Difference) -> bool:
    stack_fault = (case.expected.fsw & STACK_FAULT) != 0
    if difference.name == "fsw":
        return True
    return _is_x87(case) and (stack_fault or case.expected.fsw & EXCEPTIONS != case.found.fsw & EXCEPTIONS)


KNOWN = (
    Known("MXCSR.DE stays clear", lambda c, d: d.name == "mxcsr" and _flips(d, DENORMAL)),
    Known(
        "of two NaNs another", lambda c, d: d.name.startswith("xmm") and not c.name.startswith("v") and _nan_for_nan(d)
    ),
    Known(
        "approximations",
        lambda c, d: (
            c.name.lstrip("v").startswith(("rcp", "rsqrt")) and d.name.startswith(_VECTORS) and _approximately(d)
        ),
    ),
    Known("EMMS: top of stack", lambda c, d: c.name in ("emms", "femms")),
    Known("which operand of CMPS faults", lambda c, d: c.name.startswith("cmps") and _ends_differently(c)),
    Known("MASKMOV that faults", lambda c, d: c.name.lstrip("v").startswith("maskmov") and _ends_differently(c)),
    Known("operand across the end of the canonical addresses", lambda c, d: _at_canonical_end(c)),
    Known("ENTER: the final stack pointer is not tried, BP of 16 bits", lambda c, d: c.name == "enter"),
    Known("CMPXCHG of a 32-bit register", lambda c, d: c.name == "cmpxchg" and _flips(d, ~LOW_HALF)),
    Known("BSF and BSR of 0", lambda c, d: c.name in ("bsf", "bsr") and _flips(d, ~LOW_HALF)),
    Known(
        "SHLD and SHRD of 16 bits by more", lambda c, d: c.name in ("shld", "shrd") and 0x66 in c.instruction.code[:4]
    ),
    Known("CLFLUSH asks for no page", lambda c, d: c.name == "clflush"),
    Known("constants of the x87, rounded to nearest", lambda c, d: c.name in CONSTANTS),
    Known("a store of 80 bits that faults in its second page", lambda c, d: c.name == "fstp" and c.found.vector == 14),
    Known("a load of 16 bytes that faults in its second page", _half_loaded),
    Known("pseudo-denormals of the x87", lambda c, d: d.name.startswith("st") and _is_denormal(d)),
    Known("functions of the x87 in 53 bits", lambda c, d: c.name in FUNCTIONS),
    Known("environment of the x87", lambda c, d: c.name in ENVIRONMENT),
    Known("the x87's exceptions, C1 and stack faults", _x87_status),
)


def explain(case: Case, difference: Difference) -> str | None:
    """The reason, or None for a difference that should not be."""
    return next((known.reason for known in KNOWN if known.applies(case, difference)), None)
