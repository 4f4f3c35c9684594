"""Random cases: a consistent state of a mode, a world that is changed here and there, a few instructions."""

from __future__ import annotations

import random

from tests.conformance.system.case import Case, Instruction
from tests.conformance.system.instructions import SYSTEM_INSTRUCTIONS, Drawer
from tests.conformance.system.layout import LEGACY_TABLES, LONG_TABLES, PAE_POINTERS, SYSTEM, USER
from tests.conformance.system.operands import (
    draw_descriptor,
    draw_far_pointer,
    draw_gate,
    draw_selector,
    draw_stack,
    draw_table_pointer,
    linear,
    real_segment,
)
from tests.conformance.system.world import (
    CODE16_SLOT,
    CODE32_SLOT,
    CODE64_SLOT,
    DATA,
    DATA_SLOT,
    FAST_SLOT,
    GDT,
    IDT,
    LANDINGS,
    LDT,
    OPERANDS,
    SYSTEM_STACK,
    TSS,
    TSS_OTHER,
    USER_STACK,
    VECTORS,
    ZOO_SIZE,
    ZOO_SLOT,
    Mode,
)

PE, NUMERIC, WRITE_PROTECT, ALIGNMENT, PAGING = 1, 0x10, 0x10000, 0x40000, 0x80000000
PAE, DEBUG_EXTENSIONS, TSD, UMIP, FSGSBASE, SMEP, SMAP = 0x20, 8, 4, 0x800, 0x10000, 0x100000, 0x200000
SCE, LME, NXE = 1, 0x100, 0x800
PAT = 0x0007040600070406
"""As reset leaves it."""
TRAP, INTERRUPTS, NESTED, VIRTUAL, ALIGNMENT_CHECK, IOPL = 0x100, 0x200, 0x4000, 0x20000, 0x40000, 0x3000
TABLE_SIZE_16 = 8
ZOO_OF_CASE, GATES_OF_CASE = 6, 4


def _cpl(rng: random.Random, mode: Mode) -> int:
    if mode is Mode.REAL:
        return 0
    if mode is Mode.VIRTUAL:
        return 3
    if mode is Mode.PROTECTED_32:
        return rng.choice((0, 0, 3, 3, 1, 2))
    return rng.choice((0, 3))


def _segments(mode: Mode, cpl: int) -> dict[str, int]:
    if mode.has_real_segments:
        stack = SYSTEM if mode is Mode.REAL else USER
        return {"cs": USER >> 4, "ss": stack >> 4, **dict.fromkeys(("ds", "es", "fs", "gs"), USER >> 4)}
    if mode is Mode.PROTECTED_16:
        code, data = CODE16_SLOT + (cpl and 2), CODE16_SLOT + 1 + (cpl and 2)
    elif mode is Mode.LONG:
        code, data = CODE64_SLOT + (cpl and 1), DATA_SLOT + cpl
    else:
        code, data = CODE32_SLOT + cpl, DATA_SLOT + cpl
    selector = 8 * data | cpl
    return {"cs": 8 * code | cpl, **dict.fromkeys(("ss", "ds", "es", "fs", "gs"), selector)}


def _control(rng: random.Random, mode: Mode, cpl: int) -> dict[str, int]:
    cr0, cr4, cr3, efer = NUMERIC, 0, 0, 0
    if mode is not Mode.REAL:
        cr0 |= PE
        if mode.is_long or mode is Mode.VIRTUAL or rng.random() < 0.9:
            cr0 |= PAGING
            cr3 = LONG_TABLES if mode.is_long else rng.choice((*5 * (LEGACY_TABLES,), PAE_POINTERS))
    for bit in (WRITE_PROTECT, ALIGNMENT):
        cr0 |= bit if rng.random() < 0.4 else 0
    for bit in (DEBUG_EXTENSIONS, UMIP, SMAP, TSD):
        cr4 |= bit if rng.random() < 0.2 else 0
    if cpl == 3 and rng.random() < 0.2:
        cr4 |= SMEP
    if mode.is_long:
        cr4 |= PAE | (FSGSBASE if rng.random() < 0.5 else 0)
        efer = LME | (SCE if rng.random() < 0.8 else 0) | NXE
    elif rng.random() < 0.3:
        efer = SCE
    if cr3 == PAE_POINTERS:
        cr4, efer = cr4 | PAE, efer | NXE
    return {"cr0": cr0, "cr3": cr3, "cr4": cr4, "efer": efer}


def _flags(rng: random.Random, mode: Mode) -> int:
    flags = 2 | rng.getrandbits(12) & 0x8D5
    for bit, often in ((TRAP, 0.1), (INTERRUPTS, 0.5), (NESTED, 0.15), (ALIGNMENT_CHECK, 0.1)):
        flags |= bit if rng.random() < often else 0
    if mode.is_long:
        flags &= ~NESTED
    return flags | rng.choice((0, IOPL, rng.getrandbits(2) << 12)) | (VIRTUAL if mode is Mode.VIRTUAL else 0)


def _general(rng: random.Random, mode: Mode) -> int:
    kind = rng.random()
    if kind < 0.4 and mode.has_real_segments:
        return real_segment(rng)
    if kind < 0.4:
        return draw_selector(rng) | (rng.getrandbits(16) << 16 if rng.random() < 0.1 else 0)
    if kind < 0.75:
        return linear(rng, mode)
    if kind < 0.85:
        return rng.getrandbits(8)
    return rng.choice((0, 1, 0xFFFF, 0x10000, 0xFFFFFFFF, 0x80000000, rng.getrandbits(32)))


def _debug(rng: random.Random) -> dict[str, int]:
    """Breakpoints on code, data and where control may come to, in one case of six."""
    values = {"dr6": 0xFFFF0FF0, "dr7": 0x400}
    if rng.random() < 0.16:
        places = (*LANDINGS, USER + rng.randrange(8), OPERANDS + 8 * rng.randrange(8), DATA + 4 * rng.randrange(16))
        for number in range(4):
            values[f"dr{number}"] = rng.choice(places)
            if rng.random() < 0.5:
                kind = rng.choice((0, 1, 3))
                size = rng.choice((0, 1, 3)) if kind else 0
                values["dr7"] |= rng.choice((1, 2, 3)) << 2 * number | (kind | size << 2) << 16 + 4 * number
    return values


def _msrs(rng: random.Random, mode: Mode) -> dict[str, int]:
    kernel = 8 * FAST_SLOT
    star = kernel << 32 | rng.choice((kernel + 8, kernel + 0x13, kernel + 0x10)) << 48
    values = {"star": star | rng.choice(LANDINGS), "lstar": rng.choice(LANDINGS), "cstar": rng.choice(LANDINGS)}
    values |= {"fmask": rng.choice((0, 0x47700, rng.getrandbits(22))), "tsc_aux": rng.getrandbits(8), "pat": PAT}
    values |= {"sysenter_cs": rng.choice((kernel, kernel, kernel | 3, 0, 8 * ZOO_SLOT))}
    values |= {"sysenter_esp": SYSTEM_STACK, "sysenter_eip": rng.choice(LANDINGS)}
    if mode.is_long:
        values |= {name: linear(rng, mode) for name in ("fs_base", "gs_base", "kernel_gs_base")}
        values |= {name: value & 0xFFFF for name, value in values.items() if name.endswith("base") and value >> 47}
    return values


def _world(rng: random.Random, mode: Mode, cpl: int, cr3: int) -> dict[int, bytes]:
    memory: dict[int, bytes] = {}
    if not mode.has_real_segments or mode is Mode.VIRTUAL:
        size = 16 if mode.is_long else 8
        for _ in range(ZOO_OF_CASE):
            memory[GDT + 8 * ZOO_SLOT + size * rng.randrange(8 * ZOO_SIZE // size)] = draw_descriptor(rng, mode)
        for _ in range(3):
            memory[LDT + size * rng.randrange(0x80 // size)] = draw_descriptor(rng, mode)
        for _ in range(GATES_OF_CASE):
            vector = rng.choice((rng.randrange(32, VECTORS), rng.randrange(32, 40), rng.choice((1, 3, 4, 13))))
            memory[IDT + size * vector] = draw_gate(rng, mode, in_idt=True, returns=vector >= 32)
        if rng.random() < 0.3:
            memory[TSS + 0x68] = rng.randbytes(4)
    for number in range(4):
        memory[OPERANDS + 16 * number] = draw_far_pointer(rng, mode)
    for number in range(4, 6):
        memory[OPERANDS + 16 * number] = draw_table_pointer(rng, mode)
    stack = USER_STACK if cpl == 3 else SYSTEM_STACK
    memory[stack] = draw_stack(rng, mode)
    if cr3 == PAE_POINTERS:
        memory |= {task + 0x1C: PAE_POINTERS.to_bytes(4, "little") for task in (TSS, TSS_OTHER)}
    return memory


def stack_pointer(mode: Mode, cpl: int) -> int:
    at = USER_STACK if cpl == 3 else SYSTEM_STACK
    return at & 0xFFF if mode.has_real_segments else at - mode.base


def draw(rng: random.Random, mode: Mode) -> Case:
    cpl = _cpl(rng, mode)
    registers = _segments(mode, cpl) | _control(rng, mode, cpl) | _debug(rng) | _msrs(rng, mode)
    registers |= {name: _general(rng, mode) for name in ("rax", "rcx", "rdx", "rbx", "rbp", "rsi", "rdi")}
    if mode is Mode.LONG:
        registers |= {f"r{number}": _general(rng, mode) for number in range(8, 16)}
    registers |= {"rsp": stack_pointer(mode, cpl), "rflags": _flags(rng, mode)}
    if mode is not Mode.LONG:
        registers = {name: value & 0xFFFFFFFF if name.startswith("r") else value for name, value in registers.items()}
    drawer = Drawer(rng, mode, registers)
    count = rng.choice((1, 1, 2, 2, 3, 4))
    instructions = tuple(rng.choice(SYSTEM_INSTRUCTIONS)(drawer) for _ in range(count))
    return Case(mode, instructions, registers, _world(rng, mode, cpl, registers["cr3"]))


def plain(mode: Mode, *instructions: Instruction) -> Case:
    """Some instructions in ring 0, in virtual-8086 mode in ring 3, with nothing of the world changed."""
    cpl = 3 if mode is Mode.VIRTUAL else 0
    registers = _segments(mode, cpl) | {"cr0": NUMERIC, "dr6": 0xFFFF0FF0, "dr7": 0x400}
    if mode is not Mode.REAL:
        registers |= {"cr0": NUMERIC | PE | PAGING, "cr3": LONG_TABLES if mode.is_long else LEGACY_TABLES}
    registers |= {"cr4": PAE, "efer": LME | SCE | NXE} if mode.is_long else {"cr4": 0, "efer": 0}
    flags = 2 | (VIRTUAL | IOPL if mode is Mode.VIRTUAL else 0)
    return Case(mode, instructions, registers | {"rsp": stack_pointer(mode, cpl), "rflags": flags})
