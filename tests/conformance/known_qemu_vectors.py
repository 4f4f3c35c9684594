"""Where QEMU 7.2 does otherwise than the engine with instructions of SSE, AVX and those that came with them."""

from __future__ import annotations

from tests.conformance.compare import PAGE_FAULT, Difference
from tests.conformance.known import Case, Known, flips
from tests.conformance.known_of_both import absolute, has_register_of_64_bits, has_set_mxcsr, lanes, stores_part
from tests.conformance.layout import CR2_AT
from tests.conformance.prefixes import is_mmx, vex_last
from tests.conformance.vex import GENERAL
from vmdbg.units import PAGE_SIZE

DENORMAL, UNDERFLOW, PRECISION, DAZ, FLUSH = 2, 0x10, 0x20, 0x40, 0x8000
GENERAL_PROTECTION, FLOATING_POINT, INVALID_OPCODE = 13, 19, 6
LENGTH, WIDE = 4, 0x80
SCALARS = ("ss", "sd")
FUSED = ("vfmadd", "vfmsub", "vfnmadd", "vfnmsub")
VECTOR = ("xmm", "ymm")


def _name(case: Case) -> str:
    """Without the V."""
    return case.name.removeprefix("v")


def _is_not_aligned(case: Case) -> bool:
    whole = "mmword" in case.instruction.operands
    return whole and case.found.vector == GENERAL_PROTECTION and case.expected.vector in (None, PAGE_FAULT)


def _is_long_scalar(case: Case) -> bool:
    last = vex_last(case.instruction)
    return last is not None and last & LENGTH != 0 and case.expected.vector == INVALID_OPCODE


def _leaves_upper_half(case: Case, difference: Difference) -> bool:
    return case.name.endswith(SCALARS) and difference.name.startswith("ymm") and difference.found == 0


def _is_nan(value: int, size: int) -> bool:
    infinity = 0x7F800000 if size == 4 else 0x7FF << 52
    return absolute(value, size) > infinity


def _is_other_nan(case: Case, difference: Difference) -> bool:
    if not difference.name.startswith(VECTOR):
        return False
    return any(all(_is_nan(a, n) and _is_nan(b, n) for a, b in lanes(difference, n)) for n in (4, 8))


def _flushes_first(case: Case, difference: Difference) -> bool:
    """Where the smallest normal number is what rounding makes of a denormal one."""
    if not case.before.mxcsr & FLUSH:
        return False
    if difference.name == "mxcsr":
        return flips(difference, UNDERFLOW | PRECISION | DENORMAL)
    normal = ((4, 0x00800000), (8, 1 << 52))
    return difference.name.startswith(VECTOR) and any(
        all(absolute(b, size) == least and not absolute(a, size) for a, b in lanes(difference, size))
        for size, least in normal
    )


def _reads_more(case: Case, difference: Difference) -> bool:
    """Into the next page."""
    fused = case.name.startswith(FUSED) and case.name.endswith(SCALARS)
    long = fused or _name(case) == "cvtdq2pd" or (case.name.startswith("vps") and case.name[3:5] in ("ll", "ra", "rl"))
    long = long or (case.name.startswith("punpckl") and is_mmx(case.instruction))
    return long and case.expected.vector == PAGE_FAULT and not case.expected.word(CR2_AT) % PAGE_SIZE


def _general_is_wide(case: Case) -> bool:
    """Of 32-bit code, where W is ignored."""
    return case.bits == 32 and case.name in GENERAL and case.instruction.code[2] & WIDE != 0


VECTORS = (
    Known("no #XM (SDM 3A 6.15)", lambda c, d: c.found.vector == FLOATING_POINT),
    Known("operands of SSE need not be aligned (SDM 2A 2.4)", lambda c, d: _is_not_aligned(c)),
    Known(
        "reserved bits of MXCSR can be loaded (SDM 2A LDMXCSR)",
        lambda c, d: _name(c) == "ldmxcsr" and c.found.vector == GENERAL_PROTECTION and c.expected.vector is None,
    ),
    Known("VEX.L of scalars is #UD (SDM 2A 2.3.10)", lambda c, d: _is_long_scalar(c)),
    Known("VEX names 16 registers in 32-bit code (SDM 2A 2.3.5.6)", lambda c, d: has_register_of_64_bits(c)),
    Known("scalars leave the upper half of YMM (SDM 2A 2.3.10.1)", _leaves_upper_half),
    Known("MXCSR.DE is not set (SDM 1 11.5.2.2)", lambda c, d: d.name == "mxcsr" and flips(d, DENORMAL)),
    Known(
        "MIN and MAX take no notice of DAZ (SDM 1 10.2.3.4)",
        lambda c, d: _name(c).startswith(("min", "max")) and c.before.mxcsr & DAZ != 0,
    ),
    Known(
        "VCVTPH2PS takes notice of DAZ (SDM 2C VCVTPH2PS)",
        lambda c, d: c.name == "vcvtph2ps" and c.before.mxcsr & DAZ != 0,
    ),
    Known("which of two NaNs (SDM 1 table 4-7)", _is_other_nan),
    Known("flush-to-zero before rounding (SDM 1 10.2.3.3)", _flushes_first),
    Known(
        "CVTDQ2PD, PUNPCKL of MMX, fused scalars, VEX shifts read more than their operand (SDM 2C VFMADD132SD)",
        _reads_more,
    ),
    Known(
        "66 before MOVHLPS and MOVLHPS does not count (SDM 2B MOVLPD)",
        lambda c, d: c.name in ("movhlps", "movlhps") and c.found.vector == INVALID_OPCODE,
    ),
    Known(
        "VMASKMOV reads what its mask leaves out (SDM 2C VMASKMOV)",
        lambda c, d: _name(c).startswith(("maskmovp", "pmaskmov")) and c.expected.vector == PAGE_FAULT,
    ),
    Known(
        "XMM4 is no index of a gather (SDM 2A 2.3.12)",
        lambda c, d: "gather" in c.name and "mm4*" in c.instruction.operands.replace("mm4]", "mm4*]"),
    ),
    Known("a store that faults has stored its beginning (SDM 3A 6.5)", stores_part),
    Known(
        "VCVTPS2PH flushes to zero (SDM 2C VCVTPS2PH)",
        lambda c, d: c.name == "vcvtps2ph" and c.before.mxcsr & FLUSH != 0,
    ),
    Known(
        "VCVTPS2PH that faults has set flags (SDM 3A 6.5)",
        has_set_mxcsr,
    ),
    Known("VEX.W of general registers in 32-bit code (SDM 2A 2.3.5.5)", lambda c, d: _general_is_wide(c)),
)
