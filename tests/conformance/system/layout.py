"""Where the monitor, a case's world and the results lie, and what a case and its record look like. Little-endian."""

from __future__ import annotations

import struct
from dataclasses import dataclass

CONTROL = 0x3F0000
"""Beyond what real mode reaches."""
NEXT, COUNT, IN_CASE, REFILL = CONTROL, CONTROL + 4, CONTROL + 8, CONTROL + 12
"""REFILL: the case that ended may have stored anywhere."""
MONITOR, HANDLERS_32, HANDLERS_64, HANDLERS_16, MONITOR_END = 0x8000, 0x8800, 0x8C00, 0x9000, 0xB000
CASE, RECORD, STACK = 0xC000, 0xD000, 0xF000
CASES, TEMPLATES, RESULTS = 0x400000, 0x200000, 0x1000000
TABLES_COPY, MONITOR_COPY = 0x3C0000, 0x3D0000
RAM = 0x4000000
DONE_PORT = 0xF4
VECTORS = 64
"""With a gate; those beyond are none of the IDT's."""

SYSTEM, USER = 0x10000, 0x11000
"""Two pages that a case's tables, stacks, code and data are in: the supervisor's, and everybody's."""
READ_ONLY, HIDDEN = 0x12000, 0x13000
"""Everybody's to read; the supervisor's alone, and not executable where there is NX."""
NOT_PRESENT = 0x14000
LONG_TABLES, LEGACY_TABLES, PAE_POINTERS = 0x18000, 0x1C000, 0x1E000
LONG_ENTRIES, LEGACY_ENTRIES = LONG_TABLES + 0x3000 + 8 * 16, LEGACY_TABLES + 0x1000 + 4 * 16
"""Page table entries of SYSTEM and the seven pages after it."""
REGIONS = (
    (0, 0x400),
    (SYSTEM, 0x2000),
    (READ_ONLY, 0x40),
    (HIDDEN, 0x40),
    (LONG_ENTRIES, 0x40),
    (LEGACY_ENTRIES, 0x20),
)
"""What a case begins with anew, and what is kept of it."""
FILLED = ((READ_ONLY + 0x40, 0xFC0), (HIDDEN + 0x40, 0xFC0))
"""INT3s at the beginning of every case, in multiples of 64 bytes."""
REFILLED = (
    (0x400, MONITOR - 0x400),
    (MONITOR_END, CASE - MONITOR_END),
    (RECORD + 0x200, STACK - 0x200 - RECORD - 0x200),
    (STACK, SYSTEM - STACK),
    (NOT_PRESENT, LONG_TABLES - NOT_PRESENT),
    (PAE_POINTERS + 0x1000, 0x110000 - PAE_POINTERS - 0x1000),
)
"""And after one that could store anywhere, but for the monitor's stack. Then page tables and the monitor are made
anew, too."""

CS32, DS32, CS64, CS16, DS16 = 0x08, 0x10, 0x18, 0x20, 0x28
"""The monitor's selectors; the first three are those of every case's GDT, too."""
REAL, PROTECTED, LONG = 0, 1, 2
TRIPLE_FAULT, HANGS, NOT_RUN = 0x100, 0x101, 0x102
EFER = 0xC0000080
MSRS = {
    "star": 0xC0000081,
    "lstar": 0xC0000082,
    "cstar": 0xC0000083,
    "fmask": 0xC0000084,
    "fs_base": 0xC0000100,
    "gs_base": 0xC0000101,
    "kernel_gs_base": 0xC0000102,
    "sysenter_cs": 0x174,
    "sysenter_esp": 0x175,
    "sysenter_eip": 0x176,
    "tsc_aux": 0xC0000103,
    "pat": 0x277,
}
MSR_COUNT = len(MSRS)

CASE_SIZE = 0x600
CASE_KIND, CASE_TEMPLATE, CASE_CR, CASE_GDTR, CASE_IDTR = 0, 4, 8, 0x18, 0x20
CASE_LDTR, CASE_TR = 0x28, 0x2C
CASE_CS, CASE_SS, CASE_DS, CASE_ES, CASE_FS, CASE_GS = range(0x30, 0x48, 4)
CASE_DR, CASE_FLAGS, CASE_RIP, CASE_GPR = 0x48, 0x60, 0x68, 0x70
CASE_PATCH_COUNT, CASE_MSRS, CASE_PATCHES = 0xF4, 0xF8, 0x188
MOST_PATCHES = (CASE_SIZE - CASE_PATCHES) // 8

RECORD_SIZE = 0x200
RECORD_HANDLER, RECORD_ERROR, RECORD_RIP, RECORD_CS, RECORD_FLAGS, RECORD_SS = 4, 8, 0x10, 0x18, 0x20, 0x30
RECORD_GPR, RECORD_DS, RECORD_VIRTUAL = 0x38, 0xB8, 0xC8
RECORD_CR0, RECORD_CR4, RECORD_CR2, RECORD_CR3, RECORD_DR6, RECORD_DR7 = 0xD8, 0xDC, 0xE0, 0xE8, 0xF0, 0xF4
RECORD_EFER, RECORD_GDTR, RECORD_IDTR, RECORD_LDTR, RECORD_TR = 0xF8, 0x100, 0x110, 0x120, 0x124
RECORD_MSRS, RECORD_DR = 0x128, 0x1A0
RESULT_SIZE = RECORD_SIZE + sum(size for _, size in REGIONS)

GENERAL = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *(f"r{number}" for number in range(8, 16)))
_FIELDS = (
    ("vector", 0, 4),
    ("handler", RECORD_HANDLER, 4),
    ("error code", RECORD_ERROR, 8),
    ("rip", RECORD_RIP, 8),
    ("cs", RECORD_CS, 2),
    ("rflags", RECORD_FLAGS, 8),
    ("ss", RECORD_SS, 2),
    *((name, RECORD_GPR + 8 * number, 8) for number, name in enumerate(GENERAL)),
    *((name, RECORD_DS + 4 * number, 2) for number, name in enumerate(("ds", "es", "fs", "gs"))),
    *((f"frame's {name}", RECORD_VIRTUAL + 4 * number, 2) for number, name in enumerate(("es", "ds", "fs", "gs"))),
    ("cr0", RECORD_CR0, 4),
    ("cr4", RECORD_CR4, 4),
    ("cr2", RECORD_CR2, 8),
    ("cr3", RECORD_CR3, 8),
    ("dr6", RECORD_DR6, 4),
    ("dr7", RECORD_DR7, 4),
    ("efer", RECORD_EFER, 8),
    ("gdtr", RECORD_GDTR, 10),
    ("idtr", RECORD_IDTR, 10),
    ("ldtr", RECORD_LDTR, 2),
    ("tr", RECORD_TR, 2),
    *((name, RECORD_MSRS + 8 * number, 8) for number, name in enumerate(MSRS)),
    *((f"dr{number}", RECORD_DR + 4 * number, 4) for number in range(4)),
)

WORD_NAMES = tuple(f"[{at:#x}]" for start, size in REGIONS for at in range(start, start + size, 4))

DEFINES: dict[str, int | str] = {
    name: value for name, value in globals().items() if name.isupper() and isinstance(value, int)
}
DEFINES["REGIONS"] = "dd " + ",".join(f"{start},{size // 4}" for start, size in REGIONS)
DEFINES |= {
    name: "dd " + ",".join(f"{start},{size // 64}" for start, size in regions)
    for name, regions in (("FILLED", FILLED), ("REFILLED", REFILLED))
}


@dataclass(frozen=True, slots=True)
class Result:
    """What a case left: its record, and memory."""

    raw: bytes

    def record(self) -> dict[str, int]:
        """By name, without memory."""
        found = {name: int.from_bytes(self.raw[at : at + size], "little") for name, at, size in _FIELDS}
        return {"vector": found["vector"]} if found["vector"] >= TRIPLE_FAULT else found

    def words(self) -> tuple[int, ...]:
        """Of memory, as they are in REGIONS."""
        return struct.unpack_from(f"<{len(WORD_NAMES)}I", self.raw, RECORD_SIZE)

    def fields(self) -> dict[str, int]:
        found = self.record()
        return found if len(found) == 1 else found | dict(zip(WORD_NAMES, self.words(), strict=True))

    @property
    def vector(self) -> int:
        return int.from_bytes(self.raw[:4], "little")
