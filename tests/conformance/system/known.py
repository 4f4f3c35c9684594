"""Where QEMU does otherwise than the engine and the SDM says that the engine is right, or says nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.conformance.system.case import Case
from tests.conformance.system.layout import HANGS, VECTORS, Result
from tests.conformance.system.world import CODE

Differences = dict[str, tuple[int | None, int | None]]
RF, EXT = 0x10000, 1
VIF_AND_VIP, DIRTY = 0x180000, 0x40
STATUS, NW, CD, SMAP = 0x8D5, 1 << 29, 1 << 30, 1 << 21


@dataclass(frozen=True, slots=True)
class Known:
    reason: str
    applies: Callable[[Case, Result, Result, Differences], bool]


def _flags_differ_by(apart: Differences, bits: int) -> bool:
    """Nothing else but these bits does, in flags and in memory, where flags were pushed; RF, and EXT beside."""
    for name, (a, b) in apart.items():
        if a is None or b is None:
            return False
        in_flags = name in ("rflags", "r11") or name.startswith("[")
        in_error = (name == "error code" or name.startswith("[")) and a ^ b == EXT and b & EXT
        if not in_error and not (in_flags and not (a ^ b) & ~(RF | bits)):
            return False
    return True


def _only_rf(case: Case, expected: Result, found: Result, apart: Differences) -> bool:
    """QEMU 7.2 pushes RF as it is; a fault sets it in what it pushes (SDM 3B 18.3.1.1). A fault on the way to another
    exception's handler sets EXT (SDM 3A 6.13), which QEMU does not."""
    return _flags_differ_by(apart, 0)


def _qemu_hangs(case: Case, expected: Result, found: Result, apart: Differences) -> bool:
    return expected.vector == HANGS != found.vector


def _virtual_interrupts(case: Case, expected: Result, found: Result, apart: Differences) -> bool:
    return _flags_differ_by(apart, VIF_AND_VIP)


def _word_of_smsw(case: Case, expected: Result, found: Result, apart: Differences) -> bool:
    """ "The upper 16 bits ... are undefined" (SDM 2B, SMSW)."""
    if not any(instruction.name == "smsw" for instruction in case.instructions):
        return False
    return all(
        a is not None and b is not None and (a ^ b in (0, RF) or a & 0xFFFF == b & 0xFFFF) for a, b in apart.values()
    )


def _icebp(case: Case, expected: Result, found: Result, apart: Differences) -> bool:
    return found.vector == 1 and any(instruction.name == "int1" for instruction in case.instructions)


def _at_fault(case: Case, found: Result) -> bytes:
    """The case's code from where the engine's fault struck."""
    return case.code[found.fields().get("rip", 0) + case.mode.base - CODE :][:3] if found.vector < VECTORS else b""


def _unknown_msr(case: Case, expected: Result, found: Result, apart: Differences) -> bool:
    return found.vector == 13 and _at_fault(case, found)[:2] in (b"\x0f\x30", b"\x0f\x32")


def _not_write_through(case: Case, expected: Result, found: Result, apart: Differences) -> bool:
    value = expected.fields().get("cr0", 0)
    return bool(value & NW and not value & CD)


def _index_in_idt(case: Case, expected: Result, found: Result, apart: Differences) -> bool:
    a, b = apart.get("error code", (None, None))
    return case.mode.is_long and a is not None and b is not None and bool(b & 2) and a >> 4 == b >> 3


def _flags_of_syscall(case: Case, expected: Result, found: Result, apart: Differences) -> bool:
    return any(i.name == "syscall" for i in case.instructions) and _flags_differ_by(apart, STATUS)


def _stack_by_supervisor(case: Case, expected: Result, found: Result, apart: Differences) -> bool:
    left = expected.fields()
    return expected.vector == 14 and left["cs"] & 3 == 3 and not left["error code"] & 4 and bool(left["cr4"] & SMAP)


def _trap_after_sti(case: Case, expected: Result, found: Result, apart: Differences) -> bool:
    return found.vector == 1 and any(instruction.name == "sti" for instruction in case.instructions)


def _arpl_stores(case: Case, expected: Result, found: Result, apart: Differences) -> bool:
    """Where it changes nothing the page gets dirty, or forbids it, in QEMU; it is no store (SDM 2A, ARPL)."""
    if not any(instruction.name == "arpl" for instruction in case.instructions):
        return False
    dirty = all(a is not None and b is not None and a ^ b in (DIRTY, RF) for a, b in apart.values())
    return dirty or expected.vector == 14 != found.vector


def _limit(case: Case, expected: Result, found: Result, apart: Differences) -> bool:
    return found.vector in (12, 13) and expected.vector != found.vector and not found.fields()["error code"]


KNOWN = (
    Known("QEMU does not go on, or ends", _qemu_hangs),
    Known("RF, and EXT of the error code, where a fault is pushed", _only_rf),
    Known("VIF and VIP, which POPF in ring 0 clears (SDM 2B, POPF), but not in QEMU", _virtual_interrupts),
    Known("the upper half of a register that SMSW stores 32 bits to", _word_of_smsw),
    Known("INT1, which QEMU takes for its own debugger's", _icebp),
    Known("an MSR or a bit of EFER that is none: QEMU reads 0 and forgets what is written", _unknown_msr),
    Known("CR0 with NW and without CD, which QEMU takes", _not_write_through),
    Known("the vector in an error code of long mode, which is 16 times it in QEMU", _index_in_idt),
    Known("SYSCALL clears the arithmetic flags in QEMU", _flags_of_syscall),
    Known("RETF and IRET in ring 3 read their stack as a supervisor in QEMU, which SMAP forbids", _stack_by_supervisor),
    Known("#DB of TF after STI, which QEMU holds back as it does interrupts", _trap_after_sti),
    Known("ARPL that changes nothing stores in QEMU", _arpl_stores),
    Known("limits and types of segments, which QEMU does not check on access", _limit),
)


def explain(case: Case, expected: Result, found: Result, apart: Differences) -> str | None:
    return next((known.reason for known in KNOWN if known.applies(case, expected, found, apart)), None)
