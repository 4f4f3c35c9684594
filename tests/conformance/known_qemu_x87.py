"""Where the x87 of QEMU 7.2 does otherwise than the engine's."""

from __future__ import annotations

from tests.conformance.compare import Difference
from tests.conformance.instructions import names
from tests.conformance.known import C1, ENVIRONMENT, FLAG_COMPARES, FUNCTIONS, Case, Known, flips
from tests.conformance.known_of_both import exponent, has_set_fsw, is_fyl2xp1_of_much
from tests.conformance.prefixes import has_rex_w

STACK_FAULT, SUMMARY_AND_BUSY, CONDITIONS = 0x40, 0x8080, 0x4500
DENORMAL, OVERFLOW, UNDERFLOW, PRECISION = 2, 8, 0x10, 0x20
PRECISION_CONTROL, RESERVED_CONTROL = 0x300, 0xE0C0
AF_SF_OF = 0x890
ONE, SPECIAL = 0x3FFF, 0x7FFF
OF_DOUBLES = names("fsin fcos fsincos fptan")
PRECISION_CONTROLLED = names("fadd faddp fsub fsubp fsubr fsubrp fmul fmulp fdiv fdivp fdivr fdivrp fsqrt")
"""Those of the stack: of those of memory QEMU rounds the operand, too."""
QUOTIENTS = names("fprem fprem1")
WITH_CONDITIONS = QUOTIENTS | OF_DOUBLES | names("fcom fcomp fcompp fucom fucomp fucompp ficom ficomp ftst fxam")


def _is_x87(case: Case) -> bool:
    return case.name == "wait" or (case.name.startswith("f") and case.name != "femms")


def _flags(case: Case, difference: Difference, bits: int) -> bool:
    return _is_x87(case) and difference.name == "fsw" and flips(difference, bits | C1)


def _has_no_quotient(case: Case, difference: Difference) -> bool:
    special = any(exponent(case, register) in (0, SPECIAL) for register in (0, 1))
    return case.name in QUOTIENTS and special and _flags(case, difference, CONDITIONS)


def _has_other_quotient(case: Case, difference: Difference) -> bool:
    return case.name == "fprem1" and _flags(case, difference, CONDITIONS)


def _rounds_operand(case: Case, difference: Difference) -> bool:
    if not _is_x87(case) or case.before.fcw & PRECISION_CONTROL == PRECISION_CONTROL:
        return False
    if case.name in PRECISION_CONTROLLED and "[" not in case.instruction.operands:
        return False
    return difference.name.startswith("st") or _flags(
        case, difference, PRECISION | UNDERFLOW | OVERFLOW | DENORMAL | CONDITIONS
    )


def _is_of_environment(case: Case, difference: Difference) -> bool:
    if case.name not in ENVIRONMENT:
        return False
    if difference.name.startswith("[") or difference.name in ("cr2", "fcw") or case.found.vector is not None:
        return True
    return difference.name == "fsw" and flips(difference, SUMMARY_AND_BUSY)


X87 = (
    Known("x87: no stack faults (SDM 1 8.5.1.1)", lambda c, d: _is_x87(c) and c.found.fsw & STACK_FAULT != 0),
    Known(
        "x87: what is not masked leaves a result (SDM 1 8.5)",
        lambda c, d: _is_x87(c) and c.found.fsw & SUMMARY_AND_BUSY != 0,
    ),
    Known(
        "x87: reserved bits of the control word (SDM 1 8.1.5)",
        lambda c, d: d.name == "fcw" and flips(d, RESERVED_CONTROL),
    ),
    Known(
        "FNSAVE and FRSTOR with REX.W have registers 28 bytes beyond their place",
        lambda c, d: c.name in ("fnsave", "frstor") and has_rex_w(c.instruction.code),
    ),
    Known(
        "x87: parts of environments: pointers, reserved halves, masks, what faults (SDM 1 8.1.10)", _is_of_environment
    ),
    Known("x87: a store that faults has set its flags", has_set_fsw),
    Known("in which part FBLD and FBSTP fault", lambda c, d: c.name in ("fbld", "fbstp") and d.name == "cr2"),
    Known("x87: precision control rounds what is loaded (SDM 1 8.1.5.2)", _rounds_operand),
    Known(
        "F2XM1 beyond -1 and 1 is undefined (SDM 2A F2XM1)",
        lambda c, d: c.name == "f2xm1" and exponent(c, 0) >= ONE,
    ),
    Known(
        "FYL2XP1 beyond the roots of 2 less 1 is undefined (SDM 2A FYL2XP1)",
        is_fyl2xp1_of_much,
    ),
    Known(
        "x87: sines and tangents are of doubles (SDM 1 8.3.10)",
        lambda c, d: c.name in OF_DOUBLES and d.name.startswith(("st", "fsw", "ftw")),
    ),
    Known("x87: flags of functions", lambda c, d: c.name in FUNCTIONS and _flags(c, d, PRECISION | UNDERFLOW)),
    Known(
        "FST leaves a register's tag empty (SDM 1 8.1.7)", lambda c, d: c.name in ("fst", "fstp") and d.name == "ftw"
    ),
    Known("FPREM of what has no quotient: conditions", _has_no_quotient),
    Known("FPREM1: the quotient's last bits (SDM 2A FPREM1)", _has_other_quotient),
    Known(
        "x87: conditions where they are undefined (SDM 1 table 8-1)",
        lambda c, d: c.name not in WITH_CONDITIONS and _flags(c, d, CONDITIONS),
    ),
    Known("x87: DE is not set (SDM 1 8.5.2)", lambda c, d: c.found.fsw & DENORMAL != 0 and _flags(c, d, DENORMAL)),
    Known("x87: C1 (SDM 1 table 8-1)", lambda c, d: _flags(c, d, 0)),
    Known(
        "FCOMI and its kin leave OF, SF and AF (SDM 2A FCOMI)",
        lambda c, d: c.name in FLAG_COMPARES and d.name == "rflags" and flips(d, AF_SF_OF),
    ),
)
