"""Privileged and system instructions, and those that change rings, segments, tasks and modes."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.conformance.system.case import Instruction
from tests.conformance.system.layout import LEGACY_TABLES, LONG_TABLES, PAE_POINTERS
from tests.conformance.system.operands import NOT_CANONICAL, linear, target_selector
from tests.conformance.system.world import LANDINGS, OPERANDS, Mode

OPERAND_SIZE, WIDE = b"\x66", b"\x48"
CR0_BITS = (1, 2, 4, 8, 0x10, 0x10000, 0x40000, 0x20000000, 0x40000000, 0x80000000, 1 << 32, 0x100)
CR4_BITS = (4, 8, 0x10, 0x20, 0x80, 0x200, 0x400, 0x800, 0x10000, 0x40000, 0x100000, 0x200000)
"""Those that both have: with reserved ones QEMU 7.2 leaves for a hypervisor, without end."""
EFER_BITS = (1, 0x100, 0x400, 0x800, 0x1000, 0x4000, 2, 1 << 63)
DR7_BITS = (0, 0x400, 0xD0401, 0x10402, 0x30404, 0xF0401, 0x20401, 1 << 32, 0x155)
MSRS = (0xC0000080, 0xC0000081, 0xC0000082, 0xC0000083, 0xC0000084, 0xC0000100, 0xC0000101, 0xC0000102, 0xC0000103)
MSRS += (0x174, 0x175, 0x176, 0x277, 0x12345, 0xC0001234)
PORTS = (0x2F0, 0x107, 0x100)
"""Where nothing is; a word at the second has its bits in two bytes of the I/O permission map."""


@dataclass(slots=True)
class Drawer:
    """What an instruction is drawn for."""

    rng: random.Random
    mode: Mode
    registers: Mapping[str, int]

    def prefix(self, often: float = 0.15) -> bytes:
        """Another operand size."""
        if self.rng.random() >= often:
            return b""
        return WIDE if self.mode is Mode.LONG and self.rng.random() < 0.7 else OPERAND_SIZE

    def register(self, reg: int) -> bytes:
        """ModRM with a general register that is not the stack pointer."""
        return bytes([0xC0 | reg << 3 | self.rng.choice((0, 1, 2, 3, 5, 6, 7))])

    def memory(self, reg: int, at: int | None = None) -> bytes:
        """ModRM with an absolute offset, or where RBX points to."""
        if at is None and self.rng.random() < 0.25:
            return bytes([reg << 3 | (7 if self.mode.is_16 else 3)])
        where = OPERANDS + 16 * self.rng.randrange(4) if at is None else at
        if self.mode.is_16:
            return bytes([reg << 3 | 6]) + struct.pack("<H", (where - self.mode.base) & 0xFFFF)
        return (bytes([reg << 3 | 4, 0x25]) if self.mode is Mode.LONG else bytes([reg << 3 | 5])) + struct.pack(
            "<I", where & 0xFFFFFFFF
        )

    def either(self, reg: int) -> bytes:
        return self.register(reg) if self.rng.random() < 0.6 else self.memory(reg)

    def load(self, register: int, value: int) -> bytes:
        """MOV of a constant into EAX, ECX, EDX..., of 64 bits where it is that large."""
        if self.mode is Mode.LONG and value >> 32:
            return bytes([0x48, 0xB8 | register]) + struct.pack("<Q", value & (1 << 64) - 1)
        prefix = OPERAND_SIZE if self.mode.is_16 else b""
        return prefix + bytes([0xB8 | register]) + struct.pack("<I", value & 0xFFFFFFFF)

    def pushed(self, value: int) -> bytes:
        """PUSH of a constant, of the operand size."""
        return b"\x68" + struct.pack(
            "<H" if self.mode.is_16 else "<I", value & (0xFFFF if self.mode.is_16 else 0x7FFFFFFF)
        )


Draw = Callable[[Drawer], Instruction]


def _plain(name: str, code: str, sized: bool = False) -> Draw:
    """One without operands; another operand size may go before it."""
    raw = bytes.fromhex(code)
    return lambda d: Instruction(name, (d.prefix(0.3) if sized else b"") + raw)


def _group(name: str, opcode: str, reg: int, *, only_memory: bool = False) -> Draw:
    raw = bytes.fromhex(opcode)
    return lambda d: Instruction(name, d.prefix() + raw + (d.memory(reg) if only_memory else d.either(reg)))


def _reg(name: str, opcode: str, *, only_memory: bool = False, pointer: bool = False) -> Draw:
    """With a register operand besides, any but the stack pointer."""
    raw = bytes.fromhex(opcode)

    def draw(d: Drawer) -> Instruction:
        reg = d.rng.choice((0, 1, 2, 3, 5, 6, 7))
        operand = (
            d.memory(reg, OPERANDS + 16 * d.rng.randrange(4))
            if pointer
            else d.memory(reg)
            if only_memory
            else d.either(reg)
        )
        return Instruction(name, d.prefix(0.25) + raw + operand)

    return draw


def _load_segment(d: Drawer) -> Instruction:
    value = d.load(0, target_selector(d.rng, d.mode)) if d.rng.random() < 0.5 else b""
    segment = d.rng.choice((0, 2, 2, 3, 3, 4, 5, 1, 6))
    operand = bytes([0xC0 | segment << 3]) if value else d.either(segment)
    return Instruction("mov sreg", value + d.prefix(0.1) + b"\x8e" + operand)


def _store_segment(d: Drawer) -> Instruction:
    return Instruction("mov from sreg", d.prefix(0.2) + b"\x8c" + d.either(d.rng.randrange(8)))


def _pop_segment(d: Drawer) -> Instruction:
    code = d.rng.choice((b"\x07", b"\x17", b"\x1f", b"\x0f\xa1", b"\x0f\xa9"))
    push = d.pushed(target_selector(d.rng, d.mode)) if d.rng.random() < 0.7 else b""
    return Instruction("pop sreg", push + d.prefix(0.1) + code)


def _push_segment(d: Drawer) -> Instruction:
    return Instruction(
        "push sreg", d.prefix(0.1) + d.rng.choice((b"\x06", b"\x0e", b"\x16", b"\x1e", b"\x0f\xa0", b"\x0f\xa8"))
    )


def _far_immediate(name: str, opcode: int) -> Draw:
    def draw(d: Drawer) -> Instruction:
        selector, offset = target_selector(d.rng, d.mode), d.rng.choice(LANDINGS)
        offset -= d.mode.base if d.rng.random() < 0.8 else 0
        return Instruction(
            name,
            bytes([opcode])
            + struct.pack(
                "<HH" if d.mode.is_16 else "<IH", offset & (0xFFFF if d.mode.is_16 else 0xFFFFFFFF), selector
            ),
        )

    return draw


def _far_memory(name: str, reg: int) -> Draw:
    return lambda d: Instruction(name, d.prefix(0.3) + b"\xff" + d.memory(reg, OPERANDS + 16 * d.rng.randrange(4)))


def _near(name: str, reg: int) -> Draw:
    def draw(d: Drawer) -> Instruction:
        target = (
            d.rng.choice(NOT_CANONICAL)
            if d.mode is Mode.LONG and d.rng.random() < 0.5
            else d.rng.choice(LANDINGS) - d.mode.base
        )
        return Instruction(name, d.load(0, target) + b"\xff" + bytes([0xC0 | reg << 3]))

    return draw


def _int(d: Drawer) -> Instruction:
    vector = d.rng.choice((d.rng.randrange(32, 40), d.rng.randrange(32, 64), d.rng.randrange(256), d.rng.randrange(32)))
    return Instruction("int", b"\xcd" + bytes([vector]))


def _table(name: str, reg: int) -> Draw:
    def draw(d: Drawer) -> Instruction:
        return Instruction(name, d.prefix(0.1) + b"\x0f\x01" + d.memory(reg, OPERANDS + 16 * d.rng.randrange(4, 6)))

    return draw


def _flip(d: Drawer, value: int, bits: tuple[int, ...]) -> int:
    for bit in d.rng.sample(bits, d.rng.choice((1, 1, 2, 3))):
        value ^= bit
    return value


def _write_control(d: Drawer) -> Instruction:
    number = d.rng.choice((0, 0, 4, 4, 3, 2, 8, 1, 5))
    cr0, cr4, cr3 = (d.registers[name] for name in ("cr0", "cr4", "cr3"))
    value = {0: _flip(d, cr0, CR0_BITS), 4: _flip(d, cr4, CR4_BITS)}.get(number, linear(d.rng, d.mode))
    if number == 3:
        value = d.rng.choice(
            (cr3, cr3, cr3 | 0x18, LONG_TABLES, LEGACY_TABLES, PAE_POINTERS, cr3 | 1 << 63, cr3 | 1 << 45)
        )
    if number == 8:
        value = d.rng.randrange(20)
    if number == 8 and d.mode is not Mode.LONG:
        number, value = 2, linear(d.rng, d.mode)
    rex = b"\x44" if number == 8 else b""
    return Instruction(f"mov cr{number}", d.load(0, value) + rex + b"\x0f\x22" + bytes([0xC0 | (number & 7) << 3]))


def _read_control(d: Drawer) -> Instruction:
    return Instruction("mov from cr", b"\x0f\x20" + d.register(d.rng.choice((0, 2, 3, 4, 8 - 8, 1, 5, 7))))


def _write_debug(d: Drawer) -> Instruction:
    number = d.rng.choice((0, 1, 2, 3, 6, 7, 7, 7, 4, 5))
    value = d.rng.choice(DR7_BITS) if number in (5, 7) else d.rng.choice((*LANDINGS, OPERANDS, 0xFFFF0FF0, 0x1000F))
    return Instruction(f"mov dr{number}", d.load(0, value) + b"\x0f\x23" + bytes([0xC0 | number << 3]))


def _read_debug(d: Drawer) -> Instruction:
    return Instruction("mov from dr", b"\x0f\x21" + d.register(d.rng.randrange(8)))


def _rdmsr(d: Drawer) -> Instruction:
    return Instruction("rdmsr", d.load(1, d.rng.choice(MSRS)) + b"\x0f\x32")


def _wrmsr(d: Drawer) -> Instruction:
    msr = d.rng.choice((MSRS[0], *MSRS))
    value = linear(d.rng, d.mode) if d.rng.random() < 0.6 else d.rng.choice(NOT_CANONICAL)
    if msr == MSRS[0]:
        value = _flip(d, d.registers["efer"], EFER_BITS)
    elif msr == 0x277:
        value = d.rng.choice((0x0007040600070406, 0x0007040600070402, 0x0807040600070406))
    return Instruction("wrmsr", d.load(1, msr) + d.load(0, value & 0xFFFFFFFF) + d.load(2, value >> 32) + b"\x0f\x30")


def _popf(d: Drawer) -> Instruction:
    value = d.registers["rflags"] ^ d.rng.choice(
        (0, 0x100, 0x200, 0x1000, 0x3000, 0x4000, 0x40000, 0x20000, 0x300, 0x10000, 0x180000)
    )
    return Instruction("popf", d.pushed(value) + d.prefix(0.0) + b"\x9d")


def _access(name: str, opcode: int) -> Draw:
    def draw(d: Drawer) -> Instruction:
        segment = d.rng.choice((b"", b"", b"", b"\x26", b"\x64", b"\x65", b"\x36", b"\x2e"))
        pointer = d.load(3, linear(d.rng, d.mode))
        return Instruction(name, pointer + segment + bytes([opcode, 0x07 if d.mode.is_16 else 0x03]))

    return draw


def _port(d: Drawer) -> Instruction:
    load = d.load(2, d.rng.choice(PORTS))
    return Instruction("in/out", load + d.rng.choice((b"\xec", b"\xed", b"\xee", b"\xef")))


def _base(d: Drawer) -> Instruction:
    wide = b"\x48" if d.rng.random() < 0.6 and d.mode is Mode.LONG else b""
    return Instruction("rd/wr fs/gs base", b"\xf3" + wide + b"\x0f\xae" + d.register(d.rng.randrange(4)))


def _sysret(name: str, opcode: int) -> Draw:
    """Back to where RCX (SYSRET) or RDX (SYSEXIT) says."""

    def draw(d: Drawer) -> Instruction:
        target = d.rng.choice((*LANDINGS, *LANDINGS, *NOT_CANONICAL)) if d.mode is Mode.LONG else d.rng.choice(LANDINGS)
        loads = d.load(1, target) + d.load(2, d.rng.choice((target, d.rng.choice(LANDINGS))))
        wide = WIDE if d.mode is Mode.LONG and d.rng.random() < 0.5 else b""
        return Instruction(name, loads + wide + bytes([0x0F, opcode]))

    return draw


SYSTEM_INSTRUCTIONS: tuple[Draw, ...] = (
    *3 * (_load_segment,),
    _store_segment,
    *2 * (_pop_segment,),
    _push_segment,
    *(
        _reg(name, code, pointer=True)
        for name, code in (("les", "c4"), ("lds", "c5"), ("lss", "0fb2"), ("lfs", "0fb4"), ("lgs", "0fb5"))
    ),
    *2 * (_far_immediate("jmp far", 0xEA), _far_immediate("call far", 0x9A)),
    *2 * (_far_memory("jmp far [m]", 5), _far_memory("call far [m]", 3)),
    _near("call near", 2),
    _near("jmp near", 4),
    *2 * (_plain("retf", "cb", True), _plain("iret", "cf", True)),
    _plain("retf n", "ca0800", True),
    *4 * (_int,),
    _plain("int3", "cc"),
    _plain("into", "ce"),
    *2 * (_plain("sysenter", "0f34"), _plain("syscall", "0f05")),
    _sysret("sysexit", 0x35),
    _sysret("sysret", 0x07),
    *2 * (_reg("lar", "0f02"), _reg("lsl", "0f03")),
    _group("sldt", "0f00", 0),
    _group("str", "0f00", 1),
    *2 * (_group("lldt", "0f00", 2), _group("ltr", "0f00", 3)),
    *2 * (_group("verr", "0f00", 4), _group("verw", "0f00", 5)),
    _reg("arpl", "63"),
    _group("sgdt", "0f01", 0, only_memory=True),
    _group("sidt", "0f01", 1, only_memory=True),
    _table("lgdt", 2),
    _table("lidt", 3),
    _group("smsw", "0f01", 4),
    _group("lmsw", "0f01", 6),
    _group("invlpg", "0f01", 7, only_memory=True),
    _plain("swapgs", "0f01f8"),
    _plain("clts", "0f06"),
    _plain("invd", "0f08"),
    _plain("wbinvd", "0f09"),
    _plain("stac", "0f01cb"),
    _plain("clac", "0f01ca"),
    *2 * (_plain("cli", "fa"), _plain("sti", "fb")),
    _plain("pushf", "9c", True),
    *3 * (_popf,),
    *3 * (_write_control,),
    _read_control,
    *2 * (_write_debug,),
    _read_debug,
    _rdmsr,
    *2 * (_wrmsr,),
    *4 * (_access("load", 0x8B), _access("store", 0x89)),
    _port,
    *2 * (_base,),
    _plain("nop", "90"),
)
