"""What every case begins with: descriptors, gates, task states, page tables, code to come to, operands."""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from functools import cache

from tests.conformance.system.layout import (
    CS32,
    CS64,
    DS32,
    FILLED,
    HANDLERS_16,
    HANDLERS_32,
    HANDLERS_64,
    HIDDEN,
    LEGACY_ENTRIES,
    LEGACY_TABLES,
    LONG_ENTRIES,
    LONG_TABLES,
    MONITOR,
    NOT_PRESENT,
    PAE_POINTERS,
    READ_ONLY,
    REFILLED,
    REGIONS,
    SYSTEM,
    TABLES_COPY,
    USER,
    VECTORS,
)

GDT, LDT, TSS, TSS_OTHER, TSS_16, IDT = (SYSTEM + at for at in (0, 0x200, 0x300, 0x400, 0x500, 0x600))
RING0_STACK, RING1_STACK, RING2_STACK, SPARE_STACK = (SYSTEM + at for at in (0xD00, 0xB00, 0xA80, 0xC80))
SYSTEM_STACK, USER_STACK = SYSTEM + 0xE40, USER + 0xE00
"""Of the case itself; above it is what it may pop."""
CODE, LANDING, OPERANDS, DATA = USER, USER + 0x100, USER + 0x400, USER + 0x800
LANDINGS = tuple(LANDING + 0x40 * number for number in range(4))
"""UD2, IRET, RETF, NOP: then UD2."""
UD2, IRET, RETF, NOP = b"\x0f\x0b", b"\xcf", b"\xcb", b"\x90"
INT3 = b"\xcc"
"""Where nothing else is, so that control that goes astray ends, at whatever byte it comes to."""
GDT_LIMIT, LDT_LIMIT, TSS_LIMIT, IDT_LIMIT, LONG_IDT_LIMIT = 0x1FF, 0x7F, 0xFF, 8 * VECTORS - 1, 16 * VECTORS - 1

TSS_SLOT, LDT_SLOT, CODE32_SLOT, DATA_SLOT, FAST_SLOT, CODE16_SLOT = 4, 6, 8, 12, 16, 22
CODE64_SLOT, TASK_SLOT, TASK16_SLOT, ZOO_SLOT, ZOO_SIZE = 26, 28, 30, 32, 32
MAIN_TSS, MAIN_LDT = 8 * TSS_SLOT, 8 * LDT_SLOT
PRESENT, WRITABLE, ANYBODY, LARGE, NX = 1, 2, 4, 0x80, 1 << 63


class Mode(enum.Enum):
    """In which a case begins."""

    REAL = "real mode"
    VIRTUAL = "virtual-8086 mode"
    PROTECTED_16 = "16-bit protected mode"
    PROTECTED_32 = "32-bit protected mode"
    COMPATIBILITY = "compatibility mode"
    LONG = "64-bit mode"

    @property
    def is_long(self) -> bool:
        return self in (Mode.COMPATIBILITY, Mode.LONG)

    @property
    def is_16(self) -> bool:
        """Whether operands and addresses have 16 bits."""
        return self in (Mode.REAL, Mode.VIRTUAL, Mode.PROTECTED_16)

    @property
    def has_real_segments(self) -> bool:
        return self in (Mode.REAL, Mode.VIRTUAL)

    @property
    def base(self) -> int:
        """Of CS and DS at the start."""
        return USER if self.has_real_segments else SYSTEM if self is Mode.PROTECTED_16 else 0


@dataclass(frozen=True, slots=True)
class Descriptor:
    """Of a segment (SDM 3A 3.4.5) or of the system (3.5). `kind` has S and the type: 0x1b is code, 0xb a busy TSS."""

    base: int
    limit: int
    kind: int
    dpl: int = 0
    present: bool = True
    flags: int = 0
    """AVL, L, D/B and G, from bit 0 on."""

    def pack(self) -> bytes:
        access = self.kind | self.dpl << 5 | self.present << 7
        return struct.pack(
            "<HHBBBB",
            self.limit & 0xFFFF,
            self.base & 0xFFFF,
            self.base >> 16 & 0xFF,
            access,
            self.limit >> 16 & 15 | self.flags << 4,
            self.base >> 24 & 0xFF,
        )

    def pack_long(self) -> bytes:
        """The system's in long mode, of 16 bytes."""
        return self.pack() + struct.pack("<Q", self.base >> 32)


@dataclass(frozen=True, slots=True)
class Gate:
    """A call, task, interrupt or trap gate (SDM 3A figures 5-8, 6-2, 6-8). `count` is of parameters, or the IST."""

    selector: int
    offset: int
    kind: int
    dpl: int = 0
    present: bool = True
    count: int = 0

    def pack(self) -> bytes:
        access = self.kind | self.dpl << 5 | self.present << 7
        return struct.pack(
            "<HHBBH", self.offset & 0xFFFF, self.selector, self.count, access, self.offset >> 16 & 0xFFFF
        )

    def pack_long(self) -> bytes:
        return self.pack() + struct.pack("<Q", self.offset >> 32 & 0xFFFFFFFF)


FLAT_32, FLAT_64, FLAT_16 = 0xC, 0xA, 0
CODE_KIND, DATA_KIND = 0x1B, 0x13


def _gdt(long: bool) -> bytes:
    flat = 0xFFFFF
    table = bytearray(GDT_LIMIT + 1)

    def put(slot: int, packed: bytes) -> None:
        table[8 * slot : 8 * slot + len(packed)] = packed

    put(CS32 >> 3, Descriptor(0, flat, CODE_KIND, flags=FLAT_32).pack())
    put(DS32 >> 3, Descriptor(0, flat, DATA_KIND, flags=FLAT_32).pack())
    put(CS64 >> 3, Descriptor(0, flat, CODE_KIND, flags=FLAT_64).pack())
    for slot, base, limit, kind in (
        (TSS_SLOT, TSS, TSS_LIMIT, 9),
        (LDT_SLOT, LDT, LDT_LIMIT, 2),
        (TASK_SLOT, TSS_OTHER, 0x67, 9),
        (TASK16_SLOT, TSS_16, 0x2B, 1),
    ):
        system = Descriptor(base, limit, kind)
        put(slot, system.pack_long() if long else system.pack())
    for dpl in range(4):
        put(CODE32_SLOT + dpl, Descriptor(0, flat, CODE_KIND, dpl, flags=FLAT_32).pack())
        put(DATA_SLOT + dpl, Descriptor(0, flat, DATA_KIND, dpl, flags=FLAT_32).pack())
    first = FLAT_64 if long else FLAT_32
    for slot, (kind, dpl, flags) in enumerate(
        (
            (CODE_KIND, 0, first),
            (DATA_KIND, 0, FLAT_32),
            (CODE_KIND, 3, FLAT_32),
            (DATA_KIND, 3, FLAT_32),
            (CODE_KIND, 3, first),
            (DATA_KIND, 3, FLAT_32),
        )
    ):
        put(FAST_SLOT + slot, Descriptor(0, flat, kind, dpl, flags=flags).pack())
    for dpl in (0, 3):
        put(CODE16_SLOT + (dpl and 2), Descriptor(SYSTEM, 0xFFFF, CODE_KIND, dpl).pack())
        put(CODE16_SLOT + 1 + (dpl and 2), Descriptor(SYSTEM, 0xFFFF, DATA_KIND, dpl).pack())
        put(CODE64_SLOT + (dpl and 1), Descriptor(0, flat, CODE_KIND, dpl, flags=FLAT_64).pack())
    return bytes(table)


def _task(eip: int, dpl: int, cr3: int) -> bytes:
    """A 32-bit task state (SDM 3A figure 8-2) that goes on in ring `dpl`."""
    stacks = (RING0_STACK, DS32, RING1_STACK, 8 * (DATA_SLOT + 1) | 1, RING2_STACK, 8 * (DATA_SLOT + 2) | 2)
    data, code = 8 * (DATA_SLOT + dpl) | dpl, 8 * (CODE32_SLOT + dpl) | dpl
    stack = SPARE_STACK if dpl < 3 else USER_STACK
    general = (1, 2, 3, 4, stack, 5, 6, 7)
    segments = (data, code, data, data, data, data, MAIN_LDT)
    return struct.pack("<26I", 0, *stacks, cr3, eip, 2, *general, *segments, 0x68 << 16)


def _task_16(ip: int) -> bytes:
    """A 16-bit one (SDM 3A figure 8-10) in ring 0."""
    data, code = 8 * (CODE16_SLOT + 1), 8 * CODE16_SLOT
    stacks = (RING0_STACK - SYSTEM, data, RING1_STACK - SYSTEM, data, RING2_STACK - SYSTEM, data)
    return struct.pack(
        "<22H", 0, *stacks, ip, 2, 1, 2, 3, 4, SPARE_STACK - SYSTEM, 5, 6, 7, data, code, data, data, MAIN_LDT
    )


def _long_task() -> bytes:
    """A 64-bit one (SDM 3A figure 8-11): three stacks, and one for double faults."""
    return struct.pack(
        "<I3QQ7Q", 0, RING0_STACK, RING1_STACK, RING2_STACK, 0, SPARE_STACK, *(6 * (RING0_STACK,))
    ).ljust(0x66, b"\0") + struct.pack("<H", 0x68)


def _idt(long: bool) -> bytes:
    if long:
        return b"".join(
            Gate(CS64, HANDLERS_64 + 16 * vector, 0xE, 3, count=vector == 8).pack_long() for vector in range(32)
        )
    return b"".join(Gate(CS32, HANDLERS_32 + 16 * vector, 0xE, 3).pack() for vector in range(VECTORS))


def _code() -> bytes:
    code = bytearray(INT3 * 0x400)
    for at, instruction in zip(LANDINGS, (b"", IRET, RETF, NOP), strict=True):
        landing = instruction + 2 * UD2
        code[at - USER : at - USER + len(landing)] = landing
    return bytes(code)


_RIGHTS = {
    SYSTEM: PRESENT | WRITABLE,
    USER: PRESENT | WRITABLE | ANYBODY,
    READ_ONLY: PRESENT | ANYBODY,
    HIDDEN: PRESENT | WRITABLE | NX,
    NOT_PRESENT: 0,
}
LOW_RIGHTS = PRESENT | WRITABLE
"""Of what is the monitor's."""


def entry(page: int) -> int:
    """Its page table entry at the start of a case."""
    return page | _RIGHTS[page] if _RIGHTS.get(page) else 0


def _entries(size: int) -> bytes:
    pages = range(SYSTEM, SYSTEM + 0x8000, 0x1000)
    return b"".join((entry(page) & ((1 << 8 * size) - 1)).to_bytes(size, "little") for page in pages)


@cache
def template(mode: Mode) -> bytes:
    """The contents of REGIONS."""
    long = mode.is_long
    memory = bytearray(0x2000)

    def put(at: int, data: bytes) -> None:
        memory[at - SYSTEM : at - SYSTEM + len(data)] = data

    put(GDT, _gdt(long))
    cr3 = LONG_TABLES if long else LEGACY_TABLES
    put(TSS, (_long_task() if long else _task(LANDINGS[0], 0, cr3)).ljust(0x100, b"\xff"))
    put(TSS_OTHER, _long_task() if long else _task(LANDINGS[0], 3, cr3))
    put(TSS_16, _task_16(LANDINGS[0] - SYSTEM))
    put(IDT, _idt(long))
    put(CODE, _code())
    parts = {
        0: b"".join(struct.pack("<HH", HANDLERS_16 + 16 * vector, 0) for vector in range(256)),
        SYSTEM: bytes(memory),
        READ_ONLY: bytes(range(0x40)),
        HIDDEN: bytes(range(0x40)),
        LONG_ENTRIES: _entries(8),
        LEGACY_ENTRIES: _entries(4),
    }
    return b"".join(parts[start] for start, _ in REGIONS)


def page_tables() -> bytes:
    """From LONG_TABLES on. They map the monitor and a case's pages alone."""
    mapped = {page: page << 12 | LOW_RIGHTS for page in range(MONITOR >> 12, SYSTEM >> 12)}
    rights = LOW_RIGHTS | ANYBODY
    pages = {
        LONG_TABLES: struct.pack("<Q", LONG_TABLES + 0x1000 | rights),
        LONG_TABLES + 0x1000: struct.pack("<Q", LONG_TABLES + 0x2000 | rights),
        LONG_TABLES + 0x2000: struct.pack("<Q", LONG_TABLES + 0x3000 | rights),
        LONG_TABLES + 0x3000: b"".join(mapped.get(page, 0).to_bytes(8, "little") for page in range(512)),
        LEGACY_TABLES: struct.pack("<I", LEGACY_TABLES + 0x1000 | rights),
        LEGACY_TABLES + 0x1000: b"".join(mapped.get(page, 0).to_bytes(4, "little") for page in range(1024)),
        PAE_POINTERS: struct.pack("<Q", LONG_TABLES + 0x2000 | PRESENT),
    }
    return b"".join(pages[at].ljust(0x1000, b"\0") for at in range(LONG_TABLES, PAE_POINTERS + 1, 0x1000))


@cache
def fixed() -> dict[int, bytes]:
    """What is the same at the beginning of every case but is not its template's, by address."""
    filled = {start: INT3 * size for start, size in (*FILLED, *REFILLED)}
    return filled | {LONG_TABLES: page_tables(), TABLES_COPY: page_tables()}
