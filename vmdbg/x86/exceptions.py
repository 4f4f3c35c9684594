"""Exceptions and interrupts by vector: names, classes and error codes in words (SDM 3A 4.7, 6.3, 6.13)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from vmdbg.x86.fields import BitField, Field, decode_fields


class ExceptionClass(Enum):
    """When an exception is reported: a fault before the instruction, a trap after, an abort anywhere."""

    FAULT = "fault"
    TRAP = "trap"
    FAULT_OR_TRAP = "fault or trap"
    ABORT = "abort"
    INTERRUPT = "interrupt"


PAGE_FAULT_ERROR = (
    BitField("P", 0, meaning="the page", values={0: "not present", 1: "protection violation"}),
    BitField("W/R", 1, meaning="access", values={0: "read", 1: "write"}),
    BitField("U/S", 2, meaning="by", values={0: "supervisor", 1: "user"}),
    BitField("RSVD", 3, meaning="a reserved bit was set in an entry"),
    BitField("I/D", 4, meaning="instruction fetch"),
    BitField("PK", 5, meaning="protection key"),
    BitField("SS", 6, meaning="shadow stack"),
)
SELECTOR_ERROR = (
    BitField("EXT", 0, meaning="caused by an external event or an earlier exception"),
    BitField("IDT", 1, meaning="the index is a vector of the IDT"),
    BitField("TI", 2, meaning="table", values={0: "GDT", 1: "LDT"}),
    BitField("INDEX", 3, 13, "descriptor or vector"),
)


@dataclass(frozen=True, slots=True)
class ExceptionInfo:
    """What the manual says about a vector."""

    vector: int
    mnemonic: str
    name: str
    exception_class: ExceptionClass
    has_error_code: bool = False


_F, _T, _A = ExceptionClass.FAULT, ExceptionClass.TRAP, ExceptionClass.ABORT

EXCEPTIONS: dict[int, ExceptionInfo] = {
    info.vector: info
    for info in (
        ExceptionInfo(0, "#DE", "divide error", _F),
        ExceptionInfo(1, "#DB", "debug", ExceptionClass.FAULT_OR_TRAP),
        ExceptionInfo(2, "NMI", "non-maskable interrupt", ExceptionClass.INTERRUPT),
        ExceptionInfo(3, "#BP", "breakpoint", _T),
        ExceptionInfo(4, "#OF", "overflow", _T),
        ExceptionInfo(5, "#BR", "bound range exceeded", _F),
        ExceptionInfo(6, "#UD", "invalid opcode", _F),
        ExceptionInfo(7, "#NM", "device not available", _F),
        ExceptionInfo(8, "#DF", "double fault", _A, True),
        ExceptionInfo(9, "CSO", "coprocessor segment overrun", _F),
        ExceptionInfo(10, "#TS", "invalid TSS", _F, True),
        ExceptionInfo(11, "#NP", "segment not present", _F, True),
        ExceptionInfo(12, "#SS", "stack-segment fault", _F, True),
        ExceptionInfo(13, "#GP", "general protection", _F, True),
        ExceptionInfo(14, "#PF", "page fault", _F, True),
        ExceptionInfo(16, "#MF", "x87 floating-point error", _F),
        ExceptionInfo(17, "#AC", "alignment check", _F, True),
        ExceptionInfo(18, "#MC", "machine check", _A),
        ExceptionInfo(19, "#XM", "SIMD floating-point exception", _F),
        ExceptionInfo(20, "#VE", "virtualization exception", _F),
        ExceptionInfo(21, "#CP", "control protection exception", _F, True),
    )
}
INVALID_OPCODE = 6
DOUBLE_FAULT = 8
NMI = 2
PAGE_FAULT = 14
_BY_MNEMONIC = {info.mnemonic.lstrip("#").lower(): info.vector for info in EXCEPTIONS.values()}
_SELECTOR_VECTORS = frozenset((10, 11, 12, 13))


def vector_name(vector: int) -> str:
    """`#PF` and the like, or the vector in hexadecimal where Intel gives it no mnemonic."""
    info = EXCEPTIONS.get(vector)
    return info.mnemonic if info is not None else f"{vector:#04x}"


def interrupt_name(vector: int) -> str:
    """The vector of an external interrupt or the NMI: one below 32 is no exception, though it shares the vector."""
    return "NMI" if vector == NMI else f"{vector:#04x}"


def find_vector(text: str) -> int | None:
    """A vector by mnemonic (`#PF`, `pf`), name (`page fault`) or number; None if it is none of 0 to 255."""
    word = text.strip().lower().removeprefix("#")
    if word in _BY_MNEMONIC:
        return _BY_MNEMONIC[word]
    for info in EXCEPTIONS.values():
        if word.replace("-", " ").replace("_", " ") == info.name.replace("-", " ").lower():
            return info.vector
    try:
        vector = int(word, 0)
    except ValueError:
        return None
    return vector if 0 <= vector < 256 else None


def decode_error_code(vector: int, error_code: int) -> tuple[Field, ...]:
    """The bits of an error code as pushed; empty for a vector whose code is always zero or absent."""
    if vector == PAGE_FAULT:
        return decode_fields(PAGE_FAULT_ERROR, error_code)
    if vector in _SELECTOR_VECTORS:
        return decode_fields(SELECTOR_ERROR, error_code)
    return ()


def describe_error_code(vector: int, error_code: int) -> str:
    """One phrase, as `user write: protection violation` or `GDT selector 0x18, external`."""
    if vector == PAGE_FAULT:
        return _describe_page_fault(error_code)
    if vector not in _SELECTOR_VECTORS:
        return "" if error_code == 0 else f"{error_code:#x}"
    external = ", external" if error_code & 1 else ""
    if not error_code & ~1:
        return f"no selector{external}"
    if error_code & 2:
        return f"IDT vector {vector_name(error_code >> 3)}{external}"
    return f"{'LDT' if error_code & 4 else 'GDT'} selector {error_code & 0xFFF8:#x}{external}"


def _describe_page_fault(error_code: int) -> str:
    who = "user" if error_code & 4 else "supervisor"
    what = "fetch" if error_code & 16 else "write" if error_code & 2 else "read"
    why = "reserved bit set" if error_code & 8 else "protection violation" if error_code & 1 else "not present"
    key = ", protection key" if error_code & 32 else ""
    return f"{who} {what}: {why}{key}"
