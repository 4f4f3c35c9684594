"""Far calls and returns at CPL 3 reach no more of memory than its other instructions, SMAP or not (SDM 3A 4.6)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from vmdbg.engine.unicorn.bare import CODE, DATA, GDT, PAGE_TABLE, PRESENT, USER, WRITABLE, BareCpu
from vmdbg.units import PAGE_SIZE

SYSTEM_PAGES = range(1, 7)
"""Tables; code and data are ring 3's."""
TSS, RING0_STACK, KERNELS, STACK = (page * PAGE_SIZE for page in (11, 13, 13, 14))
CODE3, DATA3, CODE3_32 = 0x1B, 0x23, 0x2B
AFTER = CODE + 0x800
SMAP, PAGE_FAULT, USER_READ, USER_WRITE = 1 << 21, 14, 5, 7
SENTINEL = 0x5A5A5A5A5A5A5A5A


@dataclass(frozen=True, slots=True)
class Transfer:
    """What ring 3 runs, and what lies on its stack."""

    code: bytes
    selector: int
    stack: bytes
    pushes: int = 0
    """Bytes."""


TRANSFERS = {
    "retfq": Transfer(b"\x48\xcb", CODE3, struct.pack("<2Q", AFTER, CODE3)),
    "retf of 16 bits": Transfer(b"\x66\xcb", CODE3, struct.pack("<2H", AFTER, CODE3)),
    "iretq": Transfer(b"\x48\xcf", CODE3, struct.pack("<5Q", AFTER, CODE3, 2, STACK, DATA3)),
    "call far": Transfer(b"\xff\x1c\x25" + DATA.to_bytes(4, "little"), CODE3, b"", 8),
    "retf in 32 bits": Transfer(b"\xcb", CODE3_32, struct.pack("<2I", AFTER, CODE3_32)),
    "iretd in 32 bits": Transfer(b"\xcf", CODE3_32, struct.pack("<3I", AFTER, CODE3_32, 2)),
    "call far in 32 bits": Transfer(b"\x9a" + struct.pack("<IH", AFTER, CODE3_32), CODE3_32, b"", 8),
}


@pytest.fixture
def cpu() -> Iterator[BareCpu]:
    bare = BareCpu()
    system = (*SYSTEM_PAGES, TSS >> 12, (TSS >> 12) + 1, KERNELS >> 12)
    for page in range(16):
        flags = PRESENT | WRITABLE | (0 if page in system else USER)
        bare.write(PAGE_TABLE + 8 * page, struct.pack("<Q", page * PAGE_SIZE | flags))
    bare.write(GDT + 0x18, struct.pack("<3Q", 0x00AFFB000000FFFF, 0x00CFF3000000FFFF, 0x00CFFB000000FFFF))
    bare.write(TSS + 4, struct.pack("<Q", RING0_STACK))
    bare.write(DATA, struct.pack("<IH", AFTER, CODE3))
    bare.write(KERNELS, struct.pack("<Q", SENTINEL) * (PAGE_SIZE // 8))
    yield bare
    bare.close()


def _enter(cpu: BareCpu, transfer: Transfer, top: int, cr4: int) -> None:
    cpu.write(top, transfer.stack)
    wide = transfer.selector == CODE3
    values = {"rsp": top, "cr4": cr4, "gdtr_limit": 0x2F, "tr": 0x28, "tr_base": TSS, "tr_limit": 0x67}
    values |= {"cs": transfer.selector, "cs_limit": 0xFFFFFFFF, "cs_flags": 0xAFFB00 if wide else 0xCFFB00}
    for name in ("ss", "ds", "es"):
        values |= {name: DATA3, f"{name}_limit": 0xFFFFFFFF, f"{name}_flags": 0xCFF300}
    cpu.engine.write_registers(values)
    cpu.load(transfer.code)
    cpu.engine.step()


@pytest.mark.parametrize("smap", [0, SMAP], ids=["", "smap"])
@pytest.mark.parametrize("name", TRANSFERS)
def test_the_stack_is_ring_3s(cpu: BareCpu, name: str, smap: int) -> None:
    _enter(cpu, TRANSFERS[name], STACK + 0x100, 0x620 | smap)
    assert cpu.engine.delivery_count == 0, cpu.engine.delivery()
    assert cpu["rip"] == AFTER
    assert cpu["cs"] & 3 == 3


@pytest.mark.parametrize("smap", [0, SMAP], ids=["", "smap"])
@pytest.mark.parametrize("name", TRANSFERS)
def test_a_stack_in_the_kernels_pages_faults_as_ring_3s(cpu: BareCpu, name: str, smap: int) -> None:
    transfer = TRANSFERS[name]
    _enter(cpu, transfer, KERNELS + 0x100, 0x620 | smap)
    fault = cpu.engine.delivery()
    assert fault is not None
    assert (fault.vector, fault.rip) == (PAGE_FAULT, CODE)
    assert fault.error_code == (USER_WRITE if transfer.pushes else USER_READ)
    assert KERNELS + 0x100 - transfer.pushes <= fault.cr2 < KERNELS + 0x100 + max(len(transfer.stack), 1)
    for address in range(KERNELS, KERNELS + 0x100, 8):
        assert cpu.read(address, 8) == SENTINEL
