"""Where QEMU does otherwise than the engine and the SDM says that the engine is right, or says nothing.

Some is a matter of words: bits of what is kept differ, and all else is alike. Some is a matter of instructions: what
one does in the engine it does not in QEMU, and what comes after it differs as it may.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.conformance.system.case import Case
from tests.conformance.system.follow import BIG, LMA, LONG, PE, VIRTUAL, Step
from tests.conformance.system.layout import HANGS, MONITOR, MONITOR_END, PAE_POINTERS, TRIPLE_FAULT, Result
from tests.conformance.system.violations import is_far, violates
from tests.conformance.system.world import GDT, TSS_SLOT, ZOO_SLOT

Differences = dict[str, tuple[int | None, int | None]]
RF, EXT, TRAP = 0x10000, 1, 0x100
STATUS, NW, CD, PG, PAE, SMAP = 0x8D5, 1 << 29, 1 << 30, 1 << 31, 0x20, 1 << 21
DIRTY, ACCESSED, WRITE = 0x40, 0x20, 2
GP, SS, PF, DB, UD, NM = 13, 12, 14, 1, 6, 7
EM, OSFXSR = 4, 0x200
LME = 0x100
ALWAYS_0 = (1 << 12, 1 << 11 | 1 << 12 | 1 << 14 | 1 << 15)
"""Of DR6 and of DR7."""
TASK_16 = 3
"""The type of a busy task state of 16 bits."""
FMASK, TSC_AUX, PAT_MSR = 0xC0000084, 0xC0000103, 0x277
LEGACY_TYPES = (1, 3, 4, 5)
"""Task states and call gates of a 286, and task gates."""
MEMORY_TYPES = {0, 1, 4, 5, 6, 7}
MSRS = (0xC0000080, 0x277, 0x12345, 0xC0001234)
LINEAR = (0xC0000082, 0xC0000083, 0xC0000100, 0xC0000101, 0xC0000102, 0x175, 0x176)
"""MSRs that hold addresses."""
FAR_TO_CODE = ("ljmp", "lcall", "jmp", "call", "retf", "retfq", "iret", "iretd", "iretq")
FAR = ("retf", "retfq", "iret", "iretd", "iretq", "lcall")


@dataclass(frozen=True, slots=True)
class Word:
    """`covers` a difference in a field or word of memory: its name, QEMU's value and the engine's."""

    reason: str
    applies: Callable[[Case, Sequence[Step]], bool]
    covers: Callable[[str, int, int], bool]


@dataclass(frozen=True, slots=True)
class Act:
    """What the engine does otherwise at an instruction; the last are what QEMU and the engine have in the end."""

    reason: str
    applies: Callable[[Step, Result, Result], bool]


def _is_flags(name: str) -> bool:
    return name in ("rflags", "r11") or name.startswith("[")


def _executes(*names: str) -> Callable[[Case, Sequence[Step]], bool]:
    return lambda case, steps: any(step.mnemonic in names for step in steps)


def _resume_flag(name: str, a: int, b: int) -> bool:
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
        one.vector == DB and _meets_breakpoint(step) and (one.linear_pc ^ step["cs_base"] + step["rip"]) >> 12
        for step in steps
        for one in step.deliveries[:1]
    )


def _write_bit(name: str, a: int, b: int) -> bool:
    return (name == "error code" or name.startswith("[")) and a ^ b == WRITE == b & WRITE


def _word_of_selector(name: str, a: int, b: int) -> bool:
    return name == "sysenter_cs" and a == b & 0xFFFF


def _other_upper_half(step: Step, expected: Result, found: Result) -> bool:
    """What is done with the register may lead anywhere."""
    wide = step.mnemonic == "smsw" and step.bits != 64 and step.operands[0].size == 4
    return wide and step.cpl != 0 and (step.register(step.operands[0]) ^ step["cr0"]) >> 16 != 0


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
    Word("RF, and EXT of the error code, where a fault is pushed", lambda case, steps: True, _resume_flag),
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


def _faults(step: Step, *vectors: int) -> bool:
    """At once, with an error code of 0 but for EXT."""
    return bool(step.deliveries) and step.deliveries[0].vector in vectors and not step.deliveries[0].error_code & ~EXT


def _limits(step: Step, expected: Result, found: Result) -> bool:
    return _faults(step, GP, SS) and violates(step)


def _trap_held_back(step: Step, expected: Result, found: Result) -> bool:
    traps = bool(step["rflags"] & TRAP) and any(one.vector == DB for one in step.deliveries)
    return traps and step.mnemonic in ("sti", "lss")


def _no_msr(step: Step, expected: Result, found: Result) -> bool:
    return _faults(step, GP) and step.mnemonic in ("rdmsr", "wrmsr") and step["rcx"] & 0xFFFFFFFF in MSRS


def _not_canonical(step: Step, expected: Result, found: Result) -> bool:
    value = step["rax"] & 0xFFFFFFFF | (step["rdx"] & 0xFFFFFFFF) << 32
    stores = step.mnemonic == "wrmsr" and step["rcx"] & 0xFFFFFFFF in LINEAR
    return _faults(step, GP) and stores and value >> 47 not in (0, 0x1FFFF)


def _reserved_half(step: Step, expected: Result, found: Result) -> bool:
    has_half = step["rcx"] & 0xFFFFFFFF in (FMASK, TSC_AUX)
    return _faults(step, GP) and step.mnemonic == "wrmsr" and has_half and bool(step["rdx"] & 0xFFFFFFFF)


def _bad_control(step: Step, expected: Result, found: Result) -> bool:
    """The monitor's own tables are no PAE pointers."""
    code = step.code.lstrip(b"\x66")
    if not _faults(step, GP) or code[:2] != b"\x0f\x22" or len(step.operands) != 2:
        return False
    value, long, number = step.register(step.operands[1]), bool(step["efer"] & LMA), code[2] >> 3 & 7
    if number == 0 and value >> 32:
        return True
    if number == 0:
        begins = bool(value & PG and step["efer"] & LME and not step["cr0"] & PG)
        bad = (
            (begins and (step["cs_flags"] & LONG or step["tr_flags"] >> 8 & 13 == 1))
            or (value & NW and not value & CD)
            or (value & PG and not value & PE)
            or (long and not value & PG)
        )
    else:
        bad = number == 4 and long and not value & PAE
    cr4, cr3 = (value if number == 4 else step["cr4"]), (value if number == 3 else step["cr3"]) & 0xFFFFF000
    return bool(bad) or (not long and bool(cr4 & PAE) and cr3 != PAE_POINTERS)


def _bad_priority(step: Step, expected: Result, found: Result) -> bool:
    is_cr8 = step.code[:3] == b"\x44\x0f\x22" and len(step.operands) == 2
    return _faults(step, GP) and is_cr8 and step.register(step.operands[1]) > 15


def _bad_memory_type(step: Step, expected: Result, found: Result) -> bool:
    value = (step["rax"] & 0xFFFFFFFF | (step["rdx"] & 0xFFFFFFFF) << 32).to_bytes(8, "little")
    is_pat = step.mnemonic == "wrmsr" and step["rcx"] & 0xFFFFFFFF == PAT_MSR
    return _faults(step, GP) and is_pat and not set(value) <= MEMORY_TYPES


def _null_stack(step: Step, expected: Result, found: Result) -> bool:
    loads = step.mnemonic == "lss" or (step.mnemonic == "mov" and step.operand_is(0, "ss"))
    return loads and _faults(step, GP) and step.bits == 64


def _bad_system_base(step: Step, expected: Result, found: Result) -> bool:
    takes = step.mnemonic in ("ltr", "lldt") and bool(step["efer"] & LMA)
    return takes and _delivers(step, GP) and (expected.vector, expected.record().get("rip")) != (GP, step["rip"])


def _legacy_type(step: Step, expected: Result, found: Result) -> bool:
    types = {"lar": LEGACY_TYPES, "lsl": LEGACY_TYPES[:2]}.get(step.mnemonic, ())
    return bool(step["efer"] & LMA) and step.system_type in types


def _bad_table(step: Step, expected: Result, found: Result) -> bool:
    return _faults(step, GP) and step.bits == 64 and step.mnemonic in ("lgdt", "lidt")


def _upper_halves_of_sysexit(step: Step, expected: Result, found: Result) -> bool:
    return step.mnemonic == "sysexit" and step.bits == 64 and (step["rcx"] | step["rdx"]) >> 32 != 0


def _null_task(step: Step, expected: Result, found: Result) -> bool:
    return _faults(step, GP) and step.mnemonic == "ltr"


def _is_of_page(step: Step) -> bool:
    """Whether it faults as ring 3 does."""
    return bool(step.deliveries) and step.deliveries[0].vector == PF and step.deliveries[0].error_code & 4 != 0


def _stack_of_ring_3(step: Step, expected: Result, found: Result) -> bool:
    forbidden = bool(step["cr4"] & SMAP)
    return step.cpl == 3 and (step.mnemonic in FAR or is_far(step)) and (forbidden or _is_of_page(step))


def _returns_beyond(step: Step, expected: Result, found: Result) -> bool:
    """QEMU faults where they come to, or with a selector, or not; the words of an outer ring are of SS's limit."""
    return (step.mnemonic in FAR or is_far(step)) and _faults(step, GP, SS)


def _system_call(step: Step, expected: Result, found: Result) -> bool:
    return step.bits != 64 and step.mnemonic in ("syscall", "sysret") and _delivers(step, UD)


def _leaves_beyond(step: Step, expected: Result, found: Result) -> bool:
    return step.mnemonic in ("sysretq", "sysexitq", "sysret", "sysexit") and _faults(step, GP)


def _code_with_base(step: Step, expected: Result, found: Result) -> bool:
    return step.bits == 64 and step["cs"] >> 3 >= ZOO_SLOT and not step["cs"] & 4


def _code_of_both(step: Step, expected: Result, found: Result) -> bool:
    return bool(step["efer"] & LMA) and step.mnemonic in FAR_TO_CODE and _delivers(step, GP)


def _narrow(step: Step, expected: Result, found: Result) -> bool:
    """Of 16 or 32 bits; QEMU has SS's base and size in it, or an RSP of 32 bits."""
    wide = b"\x48" <= step.code.lstrip(b"\x66\x67\x2e\x36\x3e\x26\x64\x65\xf2\xf3")[:1] < b"\x50"
    special = bool(step["rsp"] >> 32 or step["ss_base"]) or not step["ss_flags"] & BIG
    return step.bits == 64 and not wide and step.mnemonic in FAR and special


def _inner_stack(step: Step, expected: Result, found: Result) -> bool:
    """#SS of a stack's selector: what is pushed there has no room."""
    return not step["efer"] & LMA and any(one.vector == SS and one.error_code & ~7 for one in step.deliveries)


def _no_register(step: Step, expected: Result, found: Result) -> bool:
    at = step.code.find(b"\x0f")
    return step.code[at + 1 : at + 2] in (b"\x20", b"\x21", b"\x22", b"\x23") and _delivers(step, UD)


def _delivers(step: Step, vector: int) -> bool:
    return bool(step.deliveries) and step.deliveries[0].vector == vector


def _arpl(step: Step, expected: Result, found: Result) -> bool:
    return (
        step.mnemonic == "arpl"
        and not step.deliveries
        and not step.has_real_segments
        and expected.vector != found.vector
    )


def _breakpoint_at_handler(step: Step, expected: Result, found: Result) -> bool:
    """It traps behind a handler's first instruction what met a breakpoint before, or faulted then."""
    where = expected.record().get("rip", 0) if expected.vector == DB else 0
    return MONITOR <= where < MONITOR_END and bool(step.deliveries) and any(_is_of_data(step, one) for one in range(4))


def _is_of_data(step: Step, number: int) -> bool:
    return bool(step["dr7"] >> 2 * number & 3) and bool(step["dr7"] >> 16 + 4 * number & 1)


def _pushes_to_page_of_code(step: Step) -> bool:
    return (step["ss_base"] + step["rsp"] - 1 ^ step["cs_base"] + step["rip"]) & 0xFFFFF000 == 0


def _frame_in_page_of_code(step: Step, expected: Result, found: Result) -> bool:
    """The store ends QEMU's block, and the instruction faults again while it counts as being delivered."""
    faults = bool(step.deliveries) and step.deliveries[0].vector in (0, 10, 11, 12, 13, 14)
    return faults and _pushes_to_page_of_code(step)


def _frame_beside_breakpoint(step: Step, expected: Result, found: Result) -> bool:
    """In the page of the code, whose stores QEMU begins again until they are a triple fault."""
    page = step["cs_base"] + step["rip"] >> 12
    beside = any(_is_of_data(step, number) and step[f"dr{number}"] >> 12 == page for number in range(4))
    return expected.vector == TRIPLE_FAULT and bool(step.deliveries) and beside and _pushes_to_page_of_code(step)


def _trap_forgotten(step: Step, expected: Result, found: Result) -> bool:
    """The same behind a data breakpoint whose #DB faults: the instruction is over, and QEMU goes on behind it."""
    where = expected.record().get("rip")
    faults = len(step.deliveries) > 1 and step.deliveries[0].vector == DB and step.deliveries[0].rip == where
    return faults and _meets_breakpoint(step) and _pushes_to_page_of_code(step)


def _other_group(step: Step, expected: Result, found: Result) -> bool:
    """MOV and POP of another number in ModRM (SDM 2D, table A-6)."""
    opcode = step.code.lstrip(b"\x26\x2e\x36\x3e\x64\x65\x66\x67")
    is_ud = bool(step.deliveries) and step.deliveries[0].vector == UD
    return is_ud and opcode[:1] in (b"\xc6", b"\xc7", b"\x8f") and any(one >> 3 & 7 for one in opcode[1:2])


def _swaps_word(step: Step, expected: Result, found: Result) -> bool:
    return step.mnemonic == "bswap" and step.operands[0].size == 2


def _rotates_memory(step: Step, expected: Result, found: Result) -> bool:
    return step.mnemonic in ("rcl", "rcr") and bool(step.accesses())


def _breakpoints_that_no_access_met(step: Step, expected: Result, found: Result) -> bool:
    before, after = expected.record(), found.record()
    if "dr6" not in before or not step.accesses():
        return False
    more = before["dr6"] & ~after.get("dr6", 0) & 15
    numbers = [number for number in range(4) if more >> number & 1]
    of_data = [number for number in numbers if step["dr7"] >> 16 + 4 * number & 1]
    behind = step["cs_base"] + step["rip"] + (step.instruction.size if step.instruction else 0)
    return (
        bool(of_data)
        and not any(_meets(step, number) for number in of_data)
        and all(step[f"dr{number}"] == behind for number in numbers if number not in of_data)
    )


def _stores_twice_beside_breakpoint(step: Step, expected: Result, found: Result) -> bool:
    """Where its operand, a breakpoint that it does not meet and its code are of one page; its #DB may lead anywhere."""
    places = [(step[f"{segment}_base"] + offset, size) for segment, offset, size, stores in step.accesses() if stores]
    in_parts = step.mnemonic in ("sgdt", "sidt") or any(at % size for at, size in places if size)
    pages = {step["cs_base"] + step["rip"] >> 12, *(at >> 12 for at, _ in places)}
    beside = any(_is_of_data(step, number) and step[f"dr{number}"] >> 12 in pages for number in range(4))
    return in_parts and len(pages) == 1 and beside and not _meets_breakpoint(step)


def _beyond_16_bits(step: Step, expected: Result, found: Result) -> bool:
    """QEMU cuts EIP where one of its blocks ends."""
    where = expected.record().get("rip", 0)
    return step.bits == 16 and not step.has_real_segments and step["rip"] > 0xFFFF >= where


def _virtual_in_long_mode(step: Step, expected: Result, found: Result) -> bool:
    returns = step.mnemonic in ("iret", "iretd", "iretq") and bool(step["efer"] & LMA)
    flags, others = (one.record().get("rflags", 0) & VIRTUAL for one in (expected, found))
    return returns and flags > others


def _upper_half_of_rip(step: Step, expected: Result, found: Result) -> bool:
    returns = step.bits == 64 and (step.mnemonic in FAR_TO_CODE or is_far(step))
    where, other = (one.record().get("rip", 0) for one in (expected, found))
    return returns and where != other == where & 0xFFFFFFFF


def _no_vectors(step: Step, expected: Result, found: Result) -> bool:
    return _delivers(step, NM) and bool(step["cr0"] & EM or not step["cr4"] & OSFXSR) and expected.vector == UD


def _unaligned_breakpoint(step: Step, expected: Result, found: Result) -> bool:
    """The processor leaves out the lower bits of its address."""
    sizes = ((number, (step["dr7"] >> 18 + 4 * number & 3) + 1) for number in range(4) if _is_of_data(step, number))
    unaligned = [(number, size) for number, size in sizes if step[f"dr{number}"] % size]
    return any(_meets(step, number, -(step[f"dr{number}"] % size)) for number, size in unaligned)


def _reads_much_at_odd_port(step: Step, expected: Result, found: Result) -> bool:
    return step.mnemonic == "in" and bool(step["rdx"] & 1) and step.operands[0].size > 1


def _monitor_meets_breakpoint(step: Step, expected: Result, found: Result) -> bool:
    """Neither comes back: the monitor's handler loads the first descriptors of the case's GDT."""
    numbers = [number for number in range(4) if _is_of_data(step, number)]
    ended = {expected.vector, found.vector} == {HANGS, TRIPLE_FAULT}
    return ended and any(GDT <= step[f"dr{number}"] | 3 < GDT + 8 * TSS_SLOT for number in numbers)


def _faults_at_breakpoint(step: Step, expected: Result, found: Result) -> bool:
    return bool(step.deliveries) and step.deliveries[0].vector != DB and _meets_breakpoint(step)


def _meets_breakpoint(step: Step) -> bool:
    """One of data that is enabled."""
    return any(_is_of_data(step, number) and _meets(step, number) for number in range(4))


def _meets(step: Step, number: int, beside: int = 0) -> bool:
    """`beside`: what is added to its address."""
    begin, size = step[f"dr{number}"] + beside, (step["dr7"] >> 18 + 4 * number & 3) + 1
    return any(
        begin - one < step[f"{segment}_base"] + offset < begin + size for segment, offset, one, _ in step.accesses()
    )


ACTS = (
    Act("limits and types of segments, which QEMU does not check on access", _limits),
    Act("#DB of TF after STI and LSS, which QEMU holds back as it does interrupts", _trap_held_back),
    Act("an MSR or a bit of EFER that is none: QEMU reads 0 and forgets what is written", _no_msr),
    Act("an address that is not canonical in an MSR (SDM 2B, WRMSR), which QEMU takes", _not_canonical),
    Act(
        "control registers that the SDM forbids (2B, MOV to control registers; 3A 4.4.1), which QEMU takes",
        _bad_control,
    ),
    Act("bits of IA32_FMASK and IA32_TSC_AUX that are reserved (SDM 3A 5.8.8, 4), which QEMU takes", _reserved_half),
    Act("memory types in IA32_PAT that are reserved (SDM 3A 12.12.4), which QEMU takes", _bad_memory_type),
    Act("a null SS whose RPL is not CPL (SDM 2A, LDS; 2B, MOV), which QEMU takes in 64-bit mode", _null_stack),
    Act(
        "the base of a task state or LDT that is not canonical, a 286's task state in IA-32e mode (SDM 2A, LTR)",
        _bad_system_base,
    ),
    Act("LAR and LSL in IA-32e mode of types that it has not (SDM 2A, LAR, LSL), which QEMU takes", _legacy_type),
    Act("a base for GDTR or IDTR that is not canonical, which QEMU takes", _bad_table),
    Act("CR8 above 15 (SDM 2B, MOV to control registers), which QEMU takes", _bad_priority),
    Act(
        "SYSEXIT to compatibility mode, for which QEMU takes all of RCX and RDX (SDM 2B, SYSEXIT)",
        _upper_halves_of_sysexit,
    ),
    Act("LTR of a null selector (SDM 2A, LTR), which QEMU takes", _null_task),
    Act("far calls and returns in ring 3 access their stack as a supervisor in QEMU", _stack_of_ring_3),
    Act("ARPL that changes nothing stores in QEMU", _arpl),
    Act(
        "far returns and calls beyond the limit of CS, or of an SS, which QEMU does not refuse so (SDM 2A, CALL, IRET)",
        _returns_beyond,
    ),
    Act(
        "SYSCALL and SYSRET outside 64-bit mode, which an Intel CPU has not (SDM 2B, SYSCALL) and QEMU has",
        _system_call,
    ),
    Act("SYSRET and SYSEXIT to an address that is not canonical (SDM 2B, SYSRET), which QEMU makes", _leaves_beyond),
    Act("the base of a 64-bit code segment (SDM 3A 5.2.1), which QEMU adds", _code_with_base),
    Act(
        "code segments with L and D (SDM 3A 6.15), and far targets that are not canonical, which QEMU takes",
        _code_of_both,
    ),
    Act("far transfers of 16 and 32 bits in 64-bit mode, for which QEMU cuts RSP and adds the base of SS", _narrow),
    Act("frames beyond the limit of an inner ring's stack (SDM 2A, INT n, CALL), which QEMU pushes", _inner_stack),
    Act("MOV of a control or debug register that is none (SDM 2B, MOV), which is #GP at CPL 3 in QEMU", _no_register),
    Act("data breakpoints that QEMU reports behind a handler's first instruction", _breakpoint_at_handler),
    Act("a fault whose frame goes to the page of its code, which QEMU delivers twice, as #DF", _frame_in_page_of_code),
    Act(
        "a frame that goes to the page of its code where a data breakpoint is, at which QEMU triple-faults",
        _frame_beside_breakpoint,
    ),
    Act(
        "a #DB that cannot be delivered, with a frame that goes to the page of its code, which QEMU forgets",
        _trap_forgotten,
    ),
    Act("C6h, C7h and 8Fh with another number in ModRM, which are no instructions but in QEMU", _other_group),
    Act("words and dwords at an odd port where nothing is, which QEMU reads as 0", _reads_much_at_odd_port),
    Act("BSWAP of 16 bits, which is undefined (SDM 2A, BSWAP)", _swaps_word),
    Act("RCL and RCR of memory where code is, in which QEMU loses flags as it tries the store again", _rotates_memory),
    Act(
        "a data breakpoint that is at no multiple of its length (SDM 3B 18.2.5), of which QEMU takes all bits",
        _unaligned_breakpoint,
    ),
    Act(
        "a data breakpoint of an instruction that faults (SDM 3B 18.3.1.2: it is a trap), which QEMU reports",
        _faults_at_breakpoint,
    ),
    Act("a data breakpoint that no access met, which QEMU reports", _breakpoints_that_no_access_met),
    Act(
        "a data breakpoint beside what is stored in parts in the page of its code, which QEMU reports",
        _stores_twice_beside_breakpoint,
    ),
    Act("the upper half of a register that SMSW stores 32 bits to", _other_upper_half),
    Act("EIP beyond FFFFh in 16-bit code, which QEMU cuts where a block ends", _beyond_16_bits),
    Act("VM in what IRET pops in IA-32e mode (SDM 2A, IRET), which QEMU sets", _virtual_in_long_mode),
    Act("the upper half of RIP behind a far transfer to compatibility mode, which QEMU keeps", _upper_half_of_rip),
    Act("#NM of vectors where they are #UD, too: either may come first (SDM 3A 6.9)", _no_vectors),
    Act("a data breakpoint at descriptors that the monitor itself loads", _monitor_meets_breakpoint),
)


def _by_words(case: Case, steps: Sequence[Step], apart: Differences) -> str | None:
    applying, reason = [word for word in WORDS if word.applies(case, steps)], None
    for name, (a, b) in apart.items():
        word = None if a is None or b is None else next((one for one in applying if one.covers(name, a, b)), None)
        if word is None:
            return None
        reason = word.reason if reason in (None, WORDS[0].reason) else reason
    return reason


def explain(
    case: Case, expected: Result, found: Result, apart: Differences, follow: Callable[[Case], Sequence[Step]]
) -> str | None:
    """Why they are `apart`; `follow` makes the case again in the engine."""
    if expected.vector == HANGS != found.vector:
        return "QEMU does not go on, or ends"
    if all(a is not None and b is not None and _resume_flag(name, a, b) for name, (a, b) in apart.items()):
        return WORDS[0].reason
    steps = follow(case)
    found_by_words = _by_words(case, steps, apart)
    if found_by_words:
        return found_by_words
    return next((act.reason for act in ACTS if any(act.applies(step, expected, found) for step in steps)), None)
