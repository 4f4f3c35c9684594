"""What QEMU keeps otherwise than the engine, all else being alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.conformance.system.case import Case
from tests.conformance.system.follow import Step
from tests.conformance.system.known_breakpoints import meets_breakpoint
from tests.conformance.system.known_kinds import DB, EXT, PF, Word

RF, STATUS = 0x10000, 0x8D5
DIRTY, ACCESSED, WRITE = 0x40, 0x20, 2
ALWAYS_0 = (1 << 12, 1 << 11 | 1 << 12 | 1 << 14 | 1 << 15)
"""Of DR6 and of DR7."""
TASK_16 = 3
"""The type of a busy task state of 16 bits."""


def _is_flags(name: str) -> bool:
    return name in ("rflags", "r11") or name.startswith("[")


def _executes(*names: str) -> Callable[[Case, Sequence[Step]], bool]:
    return lambda case, steps: any(step.mnemonic in names for step in steps)


def resume_flag(name: str, a: int, b: int) -> bool:
    return (_is_flags(name) and a ^ b == RF) or (
        (name == "error code" or name.startswith("[")) and a ^ b == EXT == b & EXT
    )


def _status(name: str, a: int, b: int) -> bool:
    return _is_flags(name) and not (a ^ b) & ~(RF | STATUS)


def _upper_half(name: str, a: int, b: int) -> bool:
    """Memory has it where registers were pushed, at any word: PG, CD, NW, AM and WP in QEMU."""
    halves = [(a >> at & 0xFFFF, b >> at & 0xFFFF) for at in range(0, 64, 16)]
    pushed = all(one == other or not one & ~0xE005 for one, other in halves)
    return a & 0xFFFF == b & 0xFFFF or (name.startswith("[") and pushed)


def _halves_of_16_bit_task(name: str, a: int, b: int) -> bool:
    """Memory has them where registers were pushed, at any word."""
    halves = [(a >> at & 0xFFFF, b >> at & 0xFFFF) for at in range(0, 64, 16)]
    return all(one == other or other == 0xFFFF for one, other in halves)


def _to_16_bit_task(case: Case, steps: Sequence[Step]) -> bool:
    return any(flags >> 8 & 15 == TASK_16 for step in steps for flags in (step["tr_flags"], step.task))


def _vector_of_idt(name: str, a: int, b: int) -> bool:
    return (name == "error code" or name.startswith("[")) and bool(b & 2) and a >> 4 == b >> 3


def _port_that_is_odd(name: str, a: int, b: int) -> bool:
    halves = [(a >> at & 0xFFFF, b >> at & 0xFFFF) for at in range(0, 64, 16)]
    return all(one == other or (one, other) == (0, 0xFFFF) for one, other in halves)


def _reads_odd_port(case: Case, steps: Sequence[Step]) -> bool:
    return any(step.mnemonic == "in" and step["rdx"] & 1 for step in steps)


def _accessed(name: str, a: int, b: int) -> bool:
    return name.startswith("[") and a ^ b == ACCESSED == b & ACCESSED


def _accessed_too_soon(name: str, a: int, b: int) -> bool:
    return name.startswith("[") and a ^ b == ACCESSED == a & ACCESSED


def _jumps_over_breakpoint(case: Case, steps: Sequence[Step]) -> bool:
    """To another page, by a pointer that a breakpoint is at."""
    return any(
        one.vector == DB and meets_breakpoint(step) and (one.linear_pc ^ step["cs_base"] + step["rip"]) >> 12
        for step in steps
        for one in step.deliveries[:1]
    )


def _write_bit(name: str, a: int, b: int) -> bool:
    return (name == "error code" or name.startswith("[")) and a ^ b == WRITE == b & WRITE


def _word_of_selector(name: str, a: int, b: int) -> bool:
    return name == "sysenter_cs" and a == b & 0xFFFF


def _changes_page(case: Case, steps: Sequence[Step]) -> bool:
    return any(one.vector == PF for step in steps if step.changes_memory for one in step.deliveries)


def _has_breakpoints(case: Case, steps: Sequence[Step]) -> bool:
    return any(step["dr7"] & 0xFF for step in steps)


def _other_breakpoints(name: str, a: int, b: int) -> bool:
    return name == "dr6" and a & ~b == 0 and (a ^ b) & ~15 == 0 and a & 15 != 0


def _dirty(name: str, a: int, b: int) -> bool:
    return name.startswith("[") and a ^ b == DIRTY


def _of_debug_register(name: str, a: int, b: int) -> bool:
    """Also where it was read from there."""
    return not b & ~a and any(not (a ^ b) & ~bits for bits in ALWAYS_0)


def _writes_debug_register(case: Case, steps: Sequence[Step]) -> bool:
    return any(step.code.lstrip(b"\x66")[:2] == b"\x0f\x23" for step in steps)


WORDS = (
    Word("RF, and EXT of the error code, where a fault is pushed", lambda case, steps: True, resume_flag),
    Word("the upper half of a register that SMSW stores 32 bits to", _executes("smsw"), _upper_half),
    Word(
        "upper halves of registers that a 16-bit task state has not (SDM 3A 8.6)",
        _to_16_bit_task,
        _halves_of_16_bit_task,
    ),
    Word("SYSCALL clears the arithmetic flags in QEMU", _executes("syscall"), _status),
    Word(
        "the vector in an error code of long mode, which is 16 times it in QEMU",
        lambda case, steps: case.mode.is_long,
        _vector_of_idt,
    ),
    Word(
        "bits of DR6 and DR7 that are always 0 (SDM 3B 18.2), which QEMU keeps",
        _writes_debug_register,
        _of_debug_register,
    ),
    Word("ARPL that changes nothing stores in QEMU", _executes("arpl"), _dirty),
    Word("words and dwords at an odd port where nothing is, which QEMU reads as 0", _reads_odd_port, _port_that_is_odd),
    Word("data breakpoints met at once, of which QEMU reports one", _has_breakpoints, _other_breakpoints),
    Word("IA32_SYSENTER_CS, of which QEMU keeps 16 bits", _executes("wrmsr"), _word_of_selector),
    Word("W of a #PF of what reads and writes an operand, which QEMU reads first", _changes_page, _write_bit),
    Word(
        "the accessed bit of the code's page, which QEMU forgets where a breakpoint is in it",
        _has_breakpoints,
        _accessed,
    ),
    Word(
        "the accessed bit of the page that a jump leads to, which QEMU fetches before its #DB (SDM 3A 6.9)",
        _jumps_over_breakpoint,
        _accessed_too_soon,
    ),
)
