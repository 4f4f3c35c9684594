"""What QEMU does otherwise at an instruction than the engine, which the SDM says is right, or says nothing of."""

from __future__ import annotations

from tests.conformance.system.follow import BIG, LMA, LONG, PE, VIRTUAL, Step
from tests.conformance.system.known_breakpoints import BREAKPOINT_ACTS
from tests.conformance.system.known_kinds import DB, DF, EXT, GP, NM, PF, SS, UD, Act
from tests.conformance.system.layout import PAE_POINTERS, TRIPLE_FAULT, Result
from tests.conformance.system.violations import is_far, violates
from tests.conformance.system.world import ZOO_SLOT

TRAP = 0x100
EM, NW, CD, PG = 4, 1 << 29, 1 << 30, 1 << 31
PAE, OSFXSR, SMAP = 0x20, 0x200, 1 << 21
LME = 0x100
FMASK, TSC_AUX, PAT_MSR = 0xC0000084, 0xC0000103, 0x277
LEGACY_TYPES = (1, 3, 4, 5)
"""Task states and call gates of a 286, and task gates."""
MEMORY_TYPES = {0, 1, 4, 5, 6, 7}
MSRS = (0xC0000080, 0x277, 0x12345, 0xC0001234)
LINEAR = (0xC0000082, 0xC0000083, 0xC0000100, 0xC0000101, 0xC0000102, 0x175, 0x176)
"""MSRs that hold addresses."""
FAR_TO_CODE = ("ljmp", "lcall", "jmp", "call", "retf", "retfq", "iret", "iretd", "iretq")
LOCK, PREFIXES = 0xF0, b"\x26\x2e\x36\x3e\x64\x65\x66\x67\xf0\xf2\xf3"
FAR = ("retf", "retfq", "iret", "iretd", "iretq", "lcall")


def _other_upper_half(step: Step, expected: Result, found: Result) -> bool:
    """What is done with the register may lead anywhere."""
    wide = step.mnemonic == "smsw" and step.bits != 64 and step.operands[0].size == 4
    return wide and step.cpl != 0 and (step.register(step.operands[0]) ^ step["cr0"]) >> 16 != 0


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


def _cut_table(step: Step, expected: Result, found: Result) -> bool:
    prefixes = step.code[: len(step.code) - len(step.code.lstrip(PREFIXES))]
    return step.bits == 64 and step.mnemonic in ("lgdt", "lidt") and b"\x66" in prefixes


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


def _no_room(step: Step, expected: Result, found: Result) -> bool:
    """QEMU delivers what the engine cannot."""
    vectors = [one.vector for one in step.deliveries]
    cannot = vectors[1:2] in ([SS], [DF]) and not step["efer"] & LMA and found.vector == TRIPLE_FAULT
    return cannot and vectors[0] == expected.vector


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


def _other_group(step: Step, expected: Result, found: Result) -> bool:
    """MOV and POP of another number in ModRM (SDM 2D, table A-6)."""
    opcode = step.code.lstrip(b"\x26\x2e\x36\x3e\x64\x65\x66\x67")
    is_ud = bool(step.deliveries) and step.deliveries[0].vector == UD
    return is_ud and opcode[:1] in (b"\xc6", b"\xc7", b"\x8f") and any(one >> 3 & 7 for one in opcode[1:2])


def _locks_in_vain(step: Step, expected: Result, found: Result) -> bool:
    prefixes = step.code[: len(step.code) - len(step.code.lstrip(PREFIXES))]
    return LOCK in prefixes and _delivers(step, UD)


def _swaps_word(step: Step, expected: Result, found: Result) -> bool:
    return step.mnemonic == "bswap" and step.operands[0].size == 2


def _rotates_memory(step: Step, expected: Result, found: Result) -> bool:
    return step.mnemonic in ("rcl", "rcr") and bool(step.accesses())


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


def _reads_much_at_odd_port(step: Step, expected: Result, found: Result) -> bool:
    return step.mnemonic == "in" and bool(step["rdx"] & 1) and step.operands[0].size > 1


def _other_upper_half(step: Step, expected: Result, found: Result) -> bool:
    """What is done with the register may lead anywhere."""
    wide = step.mnemonic == "smsw" and step.bits != 64 and step.operands[0].size == 4
    return wide and step.cpl != 0 and (step.register(step.operands[0]) ^ step["cr0"]) >> 16 != 0


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
    Act("66 before LGDT and LIDT in 64-bit code (SDM 2A, LGDT), for which QEMU cuts the base to 24 bits", _cut_table),
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
    Act("frames that the stack has no room for (SDM 3A 6.12), which QEMU pushes", _no_room),
    Act("MOV of a control or debug register that is none (SDM 2B, MOV), which is #GP at CPL 3 in QEMU", _no_register),
    Act("C6h, C7h and 8Fh with another number in ModRM, which are no instructions but in QEMU", _other_group),
    Act("words and dwords at an odd port where nothing is, which QEMU reads as 0", _reads_much_at_odd_port),
    Act("LOCK where none may be (SDM 2A, LOCK), which QEMU takes", _locks_in_vain),
    Act("BSWAP of 16 bits, which is undefined (SDM 2A, BSWAP)", _swaps_word),
    Act("RCL and RCR of memory where code is, in which QEMU loses flags as it tries the store again", _rotates_memory),
    Act("the upper half of a register that SMSW stores 32 bits to", _other_upper_half),
    Act("EIP beyond FFFFh in 16-bit code, which QEMU cuts where a block ends", _beyond_16_bits),
    Act("VM in what IRET pops in IA-32e mode (SDM 2A, IRET), which QEMU sets", _virtual_in_long_mode),
    Act("the upper half of RIP behind a far transfer to compatibility mode, which QEMU keeps", _upper_half_of_rip),
    Act("#NM of vectors where they are #UD, too: either may come first (SDM 3A 6.9)", _no_vectors),
    *BREAKPOINT_ACTS,
)
