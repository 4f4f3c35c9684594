"""One case: a mode, registers, changes to the world and a few instructions."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import capstone

from tests.conformance.system.layout import (
    CASE_CR,
    CASE_CS,
    CASE_DR,
    CASE_FLAGS,
    CASE_GDTR,
    CASE_GPR,
    CASE_IDTR,
    CASE_KIND,
    CASE_LDTR,
    CASE_MSRS,
    CASE_PATCH_COUNT,
    CASE_PATCHES,
    CASE_SIZE,
    GENERAL,
    LONG,
    LONG_ENTRIES,
    MOST_PATCHES,
    MSRS,
    PROTECTED,
    REAL,
    SYSTEM,
)
from tests.conformance.system.world import (
    CODE,
    GDT,
    GDT_LIMIT,
    IDT,
    IDT_LIMIT,
    LONG_IDT_LIMIT,
    MAIN_LDT,
    MAIN_TSS,
    UD2,
    Mode,
    entry,
)

SEGMENTS = ("cs", "ss", "ds", "es", "fs", "gs")
CONTROL = ("cr0", "cr3", "cr4", "efer")
DEBUG = ("dr0", "dr1", "dr2", "dr3", "dr6", "dr7")


@dataclass(frozen=True, slots=True)
class Instruction:
    """What belongs together: an instruction, and what loads its operands."""

    name: str
    code: bytes


@dataclass(frozen=True, slots=True)
class Case:
    mode: Mode
    instructions: tuple[Instruction, ...]
    registers: dict[str, int]
    """By name; those that are not named are 0."""
    memory: dict[int, bytes] = field(default_factory=dict)
    """What is otherwise in the case's world: an address, and bytes up to a multiple of four."""

    @property
    def code(self) -> bytes:
        return b"".join(instruction.code for instruction in self.instructions)

    @property
    def name(self) -> str:
        return ", ".join(instruction.name for instruction in self.instructions)

    def pack(self, template: int) -> bytes:
        """For the monitor; `template` is where that of the mode is."""
        raw, at = bytearray(CASE_SIZE), self.registers.get
        kind = LONG if self.mode.is_long else REAL if self.mode is Mode.REAL else PROTECTED
        struct.pack_into("<2I", raw, CASE_KIND, kind, template)
        struct.pack_into("<4I", raw, CASE_CR, *(at(name, 0) for name in CONTROL))
        struct.pack_into("<HI", raw, CASE_GDTR, GDT_LIMIT, GDT)
        idt = (LONG_IDT_LIMIT if self.mode.is_long else IDT_LIMIT, IDT)
        struct.pack_into("<HI", raw, CASE_IDTR, *((0x3FF, 0) if kind == REAL else idt))
        struct.pack_into("<2I", raw, CASE_LDTR, MAIN_LDT, MAIN_TSS)
        struct.pack_into("<6I", raw, CASE_CS, *(at(name, 0) for name in SEGMENTS))
        struct.pack_into("<6I", raw, CASE_DR, *(at(name, 0) for name in DEBUG))
        struct.pack_into("<2Q", raw, CASE_FLAGS, at("rflags", 2), CODE - self.mode.base)
        struct.pack_into("<16Q", raw, CASE_GPR, *(at(name, 0) for name in GENERAL))
        for number, (name, msr) in enumerate(MSRS.items()):
            value = at(name, 0)
            struct.pack_into("<3I", raw, CASE_MSRS + 12 * number, msr, value & 0xFFFFFFFF, value >> 32)
        words = self._words()
        struct.pack_into("<I", raw, CASE_PATCH_COUNT, len(words))
        for number, (address, word) in enumerate(words):
            struct.pack_into("<2I", raw, CASE_PATCHES + 8 * number, address, word)
        return bytes(raw)

    def _words(self) -> list[tuple[int, int]]:
        words: dict[int, int] = {}
        for address, data in (*self.memory.items(), (CODE, self._padded_code())):
            numbers = [number for (number,) in _U32.iter_unpack(data)]
            words |= {address + 4 * at: number for at, number in enumerate(numbers)}
        if len(words) > MOST_PATCHES:
            raise ValueError(f"{len(words)} words to change are more than {MOST_PATCHES}")
        return list(words.items())

    def _padded_code(self) -> bytes:
        """With UD2s behind it."""
        code = self.code + 2 * UD2
        return code + UD2[: -len(code) % 4].ljust(-len(code) % 4, b"\x90")

    def __str__(self) -> str:
        lines = [f"{self.mode.value}: {self.name}"]
        bits = 16 if self.mode.is_16 else 64 if self.mode is Mode.LONG else 32
        lines += [f"    {line}" for line in _listing(self.code, bits)]
        lines.append("    " + " ".join(f"{name}={value:#x}" for name, value in self.registers.items() if value))
        lines += [f"    [{address:#x}] {data.hex(' ')}" for address, data in self.memory.items()]
        return "\n".join(lines)


_U32 = struct.Struct("<I")
_MODES = {16: capstone.CS_MODE_16, 32: capstone.CS_MODE_32, 64: capstone.CS_MODE_64}


def _listing(code: bytes, bits: int) -> list[str]:
    decoder = capstone.Cs(capstone.CS_ARCH_X86, _MODES[bits])
    decoder.skipdata = True
    return [
        f"{code[at : at + size].hex(' '):24} {name} {operands}"
        for at, size, name, operands in decoder.disasm_lite(code, 0)
    ]


def page_entry(page: int, change: int) -> dict[int, bytes]:
    """Memory in which the long page table entry of one of a case's pages has `change`'s bits turned."""
    at = LONG_ENTRIES + 8 * (page - SYSTEM >> 12)
    return {at: (entry(page) ^ change).to_bytes(8, "little")}
