"""Where Bochs' core (bochscpu 0.4) does otherwise than the engine, and what says that the engine is right."""

from __future__ import annotations

from tests.conformance.compare import PAGE_FAULT, Difference
from tests.conformance.instructions import names
from tests.conformance.known import (
    C1,
    ENVIRONMENT,
    FUNCTIONS,
    LONGEST_OPERAND,
    LOW_HALF,
    Case,
    Known,
    explain,
    flips,
    places,
)
from tests.conformance.known_of_both import (
    STORES,
    absolute,
    has_register_of_64_bits,
    has_set_fsw,
    is_fyl2xp1_of_much,
    lanes,
)
from tests.conformance.layout import CR2_AT
from tests.conformance.prefixes import CS, is_mmx, prefixes
from tests.conformance.vex import GENERAL

STACK_FAULT, SUMMARY, OVERFLOW_MASK, WRITE = 0x40, 0x80, 8, 2
DENORMAL, UNDERFLOW, UNDERFLOW_MASK = 2, 0x10, 0x800
PRECISION, OVER_AND_UNDERFLOW_MASKS, FLOATING_POINT, INVALID_OPCODE = 0x20, 0xC00, 19, 6
MMX_SHIFTS = names("psllw pslld psllq psrlw psrld psrlq psraw psrad")
BOCHS_PLACES = 1 << 20
SINES = names("fsin fcos fsincos fptan")
ADDRESS_SIZE, OPERAND_SIZE, FLUSH = 0x67, 0x66, 0x8000
PRODUCTS = ("dpps", "dppd")
FUSED = ("vfmadd", "vfmsub", "vfnmadd", "vfnmsub")


def _stores_nothing(case: Case) -> bool:
    """Of an operand that is not valid and not masked, so that nothing faults."""
    return case.name in STORES and case.expected.vector is None and case.expected.fsw & SUMMARY != 0


def _is_begun(case: Case, difference: Difference) -> bool:
    if case.found.vector is None:
        return False
    return case.name in ENVIRONMENT or (case.name in STORES and difference.name.startswith("["))


def _is_less_exact(case: Case, difference: Difference) -> bool:
    if case.name not in FUNCTIONS:
        return False
    if difference.name.startswith("st"):
        return places(difference) <= BOCHS_PLACES
    return difference.name == "fsw" and flips(difference, C1 | DENORMAL | UNDERFLOW)


def _is_across_4_gib(case: Case) -> bool:
    if case.bits == 64 or case.expected.vector != PAGE_FAULT or case.found.vector not in (12, 13):
        return False
    return -case.expected.word(CR2_AT) & LOW_HALF <= LONGEST_OPERAND


def _is_denormal_fused(case: Case) -> bool:
    return case.name.startswith(FUSED) and case.found.mxcsr & DENORMAL != 0


def _is_arpl_writing(case: Case, difference: Difference) -> bool:
    if case.name != "arpl":
        return False
    if case.expected.vector == PAGE_FAULT and case.found.vector is None:
        return True
    through_code = case.expected.vector == 13 and CS in prefixes(case.instruction.code)
    return through_code or (difference.name == "error code" and flips(difference, WRITE))


def _is_exact_underflow(case: Case) -> bool:
    """Not masked."""
    tiny = case.found.mxcsr & UNDERFLOW != 0 and not case.before.mxcsr & UNDERFLOW_MASK
    return case.name.startswith(FUSED) and tiny


def _converts_first(case: Case, difference: Difference) -> bool:
    if case.name != "vcvtps2ph" or case.found.vector not in (12, 13, PAGE_FAULT):
        return False
    return difference.name == "mxcsr" or case.expected.vector == FLOATING_POINT


def _has_other_flags_beside(case: Case, difference: Difference) -> bool:
    masked = case.before.mxcsr & OVER_AND_UNDERFLOW_MASKS == OVER_AND_UNDERFLOW_MASKS
    raised = case.found.vector == FLOATING_POINT and not masked
    return raised and difference.name == "mxcsr" and flips(difference, PRECISION | UNDERFLOW)


def _is_done_never(case: Case, difference: Difference) -> bool:
    """Of 64-bit code."""
    none = case.before.register("rcx") & LOW_HALF == 0 and {0xF2, 0xF3} & set(prefixes(case.instruction.code)) != set()
    cut = difference.found is not None and difference.expected == difference.found & LOW_HALF
    return none and cut and ADDRESS_SIZE in prefixes(case.instruction.code) and difference.name in ("rsi", "rdi", "rcx")


def _has_word_frame(case: Case) -> bool:
    return case.bits == 64 and case.name in ("enter", "leave") and OPERAND_SIZE in prefixes(case.instruction.code)


def _flushes_normal(case: Case, difference: Difference) -> bool:
    if not case.before.mxcsr & FLUSH:
        return False
    if case.expected.vector == FLOATING_POINT and case.found.vector is None:
        return not case.before.mxcsr & UNDERFLOW_MASK
    if difference.name == "mxcsr":
        return flips(difference, UNDERFLOW | PRECISION)
    return difference.name[1:].startswith("mm") and any(
        all(absolute(b, size) >> fraction == 1 and not absolute(a, size) for a, b in lanes(difference, size))
        for size, fraction in ((4, 23), (8, 52))
    )


def _is_wide(case: Case) -> bool:
    general = case.name in GENERAL or "si2s" in case.name or case.name.endswith("2si") or case.name == "vmovd"
    return case.bits == 32 and general and case.expected.vector == INVALID_OPCODE


KNOWN_OF_BOCHS = (
    Known("VEX names 16 registers in 32-bit code (SDM 2A 2.3.5.6)", lambda c, d: has_register_of_64_bits(c)),
    Known("x87: a store that faults has set its flags", has_set_fsw),
    Known("x87: what is not stored does not fault", lambda c, d: _stores_nothing(c)),
    Known("x87: what faults has stored its beginning, or loaded it (SDM 3A 6.5)", _is_begun),
    Known("in which part FBLD faults", lambda c, d: c.name == "fbld" and d.name == "cr2"),
    Known(
        "FLD of an empty register onto a full one: C1",
        lambda c, d: c.name == "fld" and c.found.fsw & STACK_FAULT != 0 and d.name == "fsw" and flips(d, C1),
    ),
    Known(
        "FSCALE whose overflow is not masked is scaled",
        lambda c, d: c.name == "fscale" and not c.before.fcw & OVERFLOW_MASK,
    ),
    Known("which of the NaNs in DPPS", lambda c, d: c.name.endswith(PRODUCTS) and d.name[1:].startswith("mm")),
    Known(
        "an MMX shift by 0 leaves the exponent (SDM 3A 12.2)",
        lambda c, d: c.name in MMX_SHIFTS and is_mmx(c.instruction) and d.name.startswith("st"),
    ),
    Known(
        "a gather that faults has made all of an element of its mask",
        lambda c, d: "gather" in c.name and c.found.vector is not None and d.name[1:].startswith("mm"),
    ),
    Known("VEX.W with memory in 32-bit code is #UD (SDM 2B MULX, 2A CVTSI2SD)", lambda c, d: _is_wide(c)),
    Known("ARPL looks whether it may write first (SDM 2A ARPL)", _is_arpl_writing),
    Known("x87: last places, DE and UE of functions: FPATAN has 44 exact bits", _is_less_exact),
    Known("FYL2XP1 beyond the roots of 2 less 1 is undefined (SDM 2A FYL2XP1)", is_fyl2xp1_of_much),
    Known(
        "x87: sines and tangents know more of pi than a CPU (SDM 1 8.3.8)",
        lambda c, d: c.name in SINES and d.name.startswith("st"),
    ),
    Known("a string instruction of 32-bit addresses that is done 0 times leaves 32 bits", _is_done_never),
    Known("66 does not count for ENTER and LEAVE in 64-bit code (SDM 2A LEAVE)", lambda c, d: _has_word_frame(c)),
    Known("ENTER that faults has pushed (SDM 3A 6.5)", lambda c, d: c.name == "enter" and c.found.vector is not None),
    Known(
        "POPA that faults has loaded registers", lambda c, d: c.name.startswith("popa") and c.found.vector is not None
    ),
    Known("an operand across the end of 4 GiB meets a page first", lambda c, d: _is_across_4_gib(c)),
    Known("VCVTPS2PH looks at numbers before its page (SDM 3A 6.9)", lambda c, d: _converts_first(c, d)),
    Known("flush-to-zero of the smallest numbers that are normal (SDM 1 10.2.3.3)", _flushes_normal),
    Known("flags beside over- or underflow that is not masked (SDM 1 4.9.1.5)", _has_other_flags_beside),
    Known(
        "flags of DPPS and DPPD are of what is stored alone",
        lambda c, d: c.name.endswith(PRODUCTS) and (d.name == "mxcsr" or c.found.vector == FLOATING_POINT),
    ),
    Known("which element of VPMASKMOV faults", lambda c, d: c.name.startswith("vpmaskmov") and d.name == "cr2"),
    Known("fused: DE is not always set (SDM 1 11.5.2.2)", lambda c, d: _is_denormal_fused(c)),
    Known("fused: an exact underflow that is not masked is none (SDM 1 11.5.2.5)", lambda c, d: _is_exact_underflow(c)),
)


def explain_bochs(case: Case, difference: Difference) -> str | None:
    """The reason, or None for a difference that should not be."""
    own = next((known.reason for known in KNOWN_OF_BOCHS if known.applies(case, difference)), None)
    return own or explain(case, difference)
