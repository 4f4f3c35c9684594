"""Random programs of ring 0 that access user pages of several protection keys while PKRU, CR0.WP and CR4.PKE change.

A page fault's handler writes down which access it was and its error code, and goes on behind it. What the program is
to write down follows from the tables alone, by vmdbg.x86's walk and check_access().
"""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass, replace

from vmdbg.engine.unicorn.bare import HANDLERS, PAGE_TABLE, PML4, PRESENT, USER, WRITABLE, BareCpu
from vmdbg.units import PAGE_SIZE, Linear, Physical
from vmdbg.x86.page_access import Access, check_access
from vmdbg.x86.page_walk import walk
from vmdbg.x86.paging import CR0_WP, CR4_PKE, Paging
from vmdbg.x86.physical_memory import UnmappedPhysicalError

MODEL = "x86-64-v3"
KEYED = {10: (0, WRITABLE), 12: (1, WRITABLE), 13: (1, 0), 15: (15, WRITABLE)}
"""By page, its key and whether its entry allows writing."""
LOG, AREA = 11 * PAGE_SIZE, 14 * PAGE_SIZE
CR0, CR4, OSXSAVE = 0x80010033, 0x620, 1 << 18
PKRU_COMPONENT, PKRU_AT = 1 << 9, 2688
OPERATIONS = 150
_HANDLER = bytes.fromhex("58 4c89f1 48c1e108 4809c8 498907 4983c708 48830424 03 48cf")
"""pop rax; rcx = r14 << 8; or rax, rcx; mov [r15], rax; add r15, 8; add qword [rsp], 3; iretq."""
_READ, _WRITE = bytes.fromhex("8a4300"), bytes.fromhex("884300")


@dataclass(frozen=True, slots=True)
class Program:
    code: bytes
    faults: tuple[int, ...]
    """What it is to write down: the number of the access, and the error code below it."""


def prepare(cpu: BareCpu) -> None:
    """Pages, handler and the state at the program's start; only KEYED pages are the user's."""
    cpu.reset()
    for page in range(16):
        key, flags = KEYED.get(page, (0, WRITABLE))
        user = USER if page in KEYED else 0
        cpu.write(PAGE_TABLE + 8 * page, struct.pack("<Q", page * PAGE_SIZE | PRESENT | flags | user | key << 59))
    cpu.write(HANDLERS + 14, _HANDLER)
    cpu.write(LOG, bytes(PAGE_SIZE))
    cpu.write(AREA, bytes(PAGE_SIZE))
    cpu.write(AREA + 512, struct.pack("<Q", PKRU_COMPONENT))
    start = {"cr0": CR0, "cr4": CR4 | OSXSAVE | CR4_PKE, "xcr0": 1 | PKRU_COMPONENT, "pkru": 0}
    cpu.engine.write_registers(start | {"r14": 0, "r15": LOG})


def written_down(cpu: BareCpu) -> tuple[int, ...]:
    size = cpu["r15"] - LOG
    return struct.unpack(f"<{size // 8}Q", cpu.read(LOG, size).to_bytes(size, "little"))


class _Memory:
    def __init__(self, cpu: BareCpu) -> None:
        self._ram = cpu.engine.ram

    def read(self, address: Physical, size: int) -> bytes:
        if address + size > len(self._ram):
            raise UnmappedPhysicalError(address, size)
        return bytes(self._ram[address : address + size])

    def write(self, address: Physical, data: bytes) -> None:
        raise AssertionError


def draw(rng: random.Random, cpu: BareCpu) -> Program:
    """Of a CPU that is prepared."""
    paging = Paging(CR0, PML4, CR4 | OSXSAVE | CR4_PKE, 0xD01)
    code, faults, accesses = b"", [], 0
    for _ in range(OPERATIONS):
        kind = rng.choice(("access",) * 5 + ("wrpkru", "wrpkru", "xrstor", "cr0", "cr4"))
        if kind == "access":
            accesses += 1
            page, access = rng.choice(list(KEYED)), rng.choice((Access.READ, Access.WRITE))
            fault = check_access(walk(_Memory(cpu), paging, Linear(page * PAGE_SIZE)), paging, access, 0)
            faults += [accesses << 8 | fault.error_code] if fault is not None else []
            code += b"\x49\xff\xc6\x48\xc7\xc3" + struct.pack("<I", page * PAGE_SIZE)
            code += _READ if access is Access.READ else _WRITE
            continue
        paging, done = _change(rng, paging, kind)
        code += done
    return Program(code, tuple(faults))


def _change(rng: random.Random, paging: Paging, kind: str) -> tuple[Paging, bytes]:
    pkru = rng.choice((0, 0x55555554, 4, 8, 0xC, 1, 2, 3 << 30, rng.getrandbits(32)))
    if kind == "wrpkru" and paging.cr4 & CR4_PKE:
        return replace(paging, pkru=pkru), b"\xb8" + struct.pack("<I", pkru) + bytes.fromhex("31c931d20f01ef")
    if kind == "cr0":
        paging = replace(paging, cr0=paging.cr0 ^ CR0_WP)
        return paging, b"\xb8" + struct.pack("<I", paging.cr0) + bytes.fromhex("0f22c0")
    if kind == "cr4":
        paging = replace(paging, cr4=paging.cr4 ^ CR4_PKE)
        return paging, b"\xb8" + struct.pack("<I", paging.cr4) + bytes.fromhex("0f22e0")
    saved = bytes.fromhex("c70425") + struct.pack("<II", AREA + PKRU_AT, pkru)
    load = b"\xb8" + struct.pack("<I", PKRU_COMPONENT) + bytes.fromhex("31d20fae2c25") + struct.pack("<I", AREA)
    return replace(paging, pkru=pkru), saved + load
