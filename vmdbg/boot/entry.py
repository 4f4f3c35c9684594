"""The CPU at a guest's first instruction, for each mode: flat segments, a GDT, identity paging.

SDM 3A 3.4.5 (descriptors), 4.5 (4-level paging), 10.1.4 (first instruction); Linux x86 boot protocol,
"64-bit Boot Protocol".
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import replace

from vmdbg.boot.image import CpuMode, CpuStart, DescriptorTable, SegmentRegister
from vmdbg.boot.layout import Layout
from vmdbg.units import PAGE_SIZE

CODE_SELECTOR = 0x10
"""__BOOT_CS of the Linux boot protocol; data follows, then a task state segment."""
DATA_SELECTOR = 0x18
TASK_SELECTOR = 0x20

CODE64 = 0xA09B
CODE32 = 0xC09B
CODE16 = 0x009B
DATA32 = 0xC093
DATA16 = 0x0093
TASK32_BUSY = 0x008B
TASK16_BUSY = 0x0083
LDT = 0x0082

CR0_PE = 1 << 0
CR0_MP = 1 << 1
CR0_ET = 1 << 4
CR0_NE = 1 << 5
CR0_WP = 1 << 16
CR0_NW = 1 << 29
CR0_CD = 1 << 30
CR0_PG = 1 << 31
CR4_PAE = 1 << 5
EFER_LME = 1 << 8
EFER_LMA = 1 << 10
RFLAGS_IF = 1 << 9

_PRESENT_WRITABLE = 0x03
_LARGE_PAGE = 0x80
_ENTRIES = 512
_STACK_SIZE = 0x4000

_FLAT = 0xFFFF_FFFF
_NO_LDT = SegmentRegister(0, 0, 0xFFFF, LDT)


def descriptor(base: int, limit: int, attributes: int) -> int:
    """A segment descriptor as a number (SDM 3A fig. 3-8). `limit` is in bytes; with G set it is scaled."""
    scaled = limit >> 12 if attributes & 0x8000 else limit
    low = (base & 0xFFFF) << 16 | scaled & 0xFFFF
    high = (
        base & 0xFF000000 | (attributes & 0xF000) << 8 | scaled & 0xF0000 | (attributes & 0xFF) << 8 | base >> 16 & 0xFF
    )
    return high << 32 | low


def long_mode(layout: Layout, entry: int, general: Mapping[str, int]) -> CpuStart:
    """Long mode, interrupts off, the first 4 GiB mapped onto themselves in 2-MiB pages, a 16-KiB stack.

    `entry` is a physical address below 4 GiB. The tables and the stack are placed in `layout`.
    """
    cr3 = _identity_tables(layout)
    return _flat(
        layout,
        CpuMode.LONG64,
        CODE64,
        entry,
        general,
        cr0=CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE,
        cr3=cr3,
        cr4=CR4_PAE,
        efer=EFER_LME | EFER_LMA,
    )


def protected_mode(layout: Layout, entry: int, general: Mapping[str, int]) -> CpuStart:
    """32-bit protected mode, paging and interrupts off, flat 4-GiB segments, a 16-KiB stack.

    CR0 holds no more than PE and ET, as Multiboot and PVH want it.
    """
    return _flat(
        layout,
        CpuMode.PROTECTED32,
        CODE32,
        entry,
        general,
        cr0=CR0_PE | CR0_ET,
        cr3=0,
        cr4=0,
        efer=0,
    )


def real_mode(
    segment: int, offset: int, stack: int, general: Mapping[str, int], *, interrupts: bool = False
) -> CpuStart:
    """Real mode at `segment:offset`, the data segments at 0, `stack` the initial SP."""
    cs = SegmentRegister(segment, segment << 4, 0xFFFF, CODE16)
    start = _sixteen_bit(cs, offset, stack, CR0_ET, general)
    return replace(start, rflags=start.rflags | RFLAGS_IF) if interrupts else start


def reset_vector(general: Mapping[str, int]) -> CpuStart:
    """The processor after a reset: F000:FFF0 with the base of CS at FFFF0000h (SDM 3A 10.1.4, table 10-1)."""
    cs = SegmentRegister(0xF000, 0xFFFF0000, 0xFFFF, CODE16)
    return _sixteen_bit(cs, 0xFFF0, 0, CR0_CD | CR0_NW | CR0_ET, general)


def _flat(
    layout: Layout,
    mode: CpuMode,
    code: int,
    entry: int,
    general: Mapping[str, int],
    *,
    cr0: int,
    cr3: int,
    cr4: int,
    efer: int,
) -> CpuStart:
    table = struct.pack(
        "<6Q",
        0,
        0,
        descriptor(0, _FLAT, code),
        descriptor(0, _FLAT, DATA32),
        descriptor(0, 0x67, TASK32_BUSY),
        0,
    )
    gdt = layout.place_low(table, "the boot GDT")
    stack = layout.claim_low(_STACK_SIZE, "the boot stack", align=16)
    data = SegmentRegister(DATA_SELECTOR, 0, _FLAT, DATA32)
    return CpuStart(
        mode=mode,
        rip=entry,
        rsp=stack + _STACK_SIZE,
        cs=SegmentRegister(CODE_SELECTOR, 0, _FLAT, code),
        ds=data,
        es=data,
        ss=data,
        fs=data,
        gs=data,
        tr=SegmentRegister(TASK_SELECTOR, 0, 0x67, TASK32_BUSY),
        ldtr=_NO_LDT,
        gdt=DescriptorTable(gdt, len(table) - 1),
        idt=DescriptorTable(),
        cr0=cr0,
        cr3=cr3,
        cr4=cr4,
        efer=efer,
        general=dict(general),
    )


def _sixteen_bit(cs: SegmentRegister, ip: int, sp: int, cr0: int, general: Mapping[str, int]) -> CpuStart:
    data = SegmentRegister(0, 0, 0xFFFF, DATA16)
    return CpuStart(
        mode=CpuMode.REAL,
        rip=ip,
        rsp=sp,
        cs=cs,
        ds=data,
        es=data,
        ss=data,
        fs=data,
        gs=data,
        tr=SegmentRegister(0, 0, 0xFFFF, TASK16_BUSY),
        ldtr=_NO_LDT,
        gdt=DescriptorTable(0, 0xFFFF),
        idt=DescriptorTable(0, 0x3FF if cr0 & CR0_CD == 0 else 0xFFFF),
        cr0=cr0,
        cr3=0,
        cr4=0,
        efer=0,
        general=dict(general),
    )


def _identity_tables(layout: Layout) -> int:
    """Place a PML4, a page-directory-pointer table and four page directories; return the PML4's address."""
    size = 6 * PAGE_SIZE
    name = "the boot page tables"
    base = layout.claim_low(size, name, align=PAGE_SIZE)
    pointers = base + PAGE_SIZE
    directories = pointers + PAGE_SIZE
    tables = bytearray(size)
    struct.pack_into("<Q", tables, 0, pointers | _PRESENT_WRITABLE)
    for index in range(4):
        struct.pack_into("<Q", tables, PAGE_SIZE + 8 * index, directories + index * PAGE_SIZE | _PRESENT_WRITABLE)
    for index in range(4 * _ENTRIES):
        struct.pack_into("<Q", tables, 2 * PAGE_SIZE + 8 * index, index << 21 | _LARGE_PAGE | _PRESENT_WRITABLE)
    layout.fill(base, bytes(tables), name)
    return base
