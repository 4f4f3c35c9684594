"""The engine's page walk against vmdbg.x86's, over random page tables, keys, control bits, rings and accesses."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from vmdbg.engine.exits import Delivery, Stepped, VoidFetch
from vmdbg.engine.unicorn import UnicornEngine
from vmdbg.engine.unicorn.bare import LoggingBus
from vmdbg.units import PAGE_SIZE, Linear, Physical
from vmdbg.x86.cpu_models import find_model
from vmdbg.x86.cpuid import build_table
from vmdbg.x86.page_access import Access, check_access
from vmdbg.x86.page_walk import FaultReason, Walk, walk
from vmdbg.x86.paging import ACCESSED, DIRTY, LEVELS, PRESENT, USER, WRITABLE, Paging, PagingMode
from vmdbg.x86.physical_memory import UnmappedPhysicalError

PAGES = 32
ROOT, FIXED, IDT, GDT, CODE, STACK_PAGE, TSS = (PAGE_SIZE * n for n in (1, 2, 5, 6, 7, 8, 9))
TABLES, DATA = 10 * PAGE_SIZE, 16 * PAGE_SIZE
"""FIXED: tables that map the test itself; TABLES: those under test, one a level; DATA: NOPs from here on."""
PE, WP, PG, PSE, PAE, SMEP, SMAP, PKE = 1, 1 << 16, 1 << 31, 1 << 4, 1 << 5, 1 << 20, 1 << 21, 1 << 22
AC = 1 << 18
LONG_EFER, NXE = 0x500, 0x800
CODE_BYTES = {Access.READ: b"\x8a\x03", Access.WRITE: b"\x88\x03", Access.FETCH: b"\xff\xe3"}  # al, [rbx]; jmp rbx


@dataclass(frozen=True, slots=True)
class Case:
    mode: PagingMode
    linear: int
    entries: tuple[int, ...]  # one a level, root first
    access: Access
    cpl: int
    wp: bool
    smep: bool
    smap: bool
    nxe: bool
    alignment_check: bool
    protection_keys: bool
    pkru: int

    @property
    def paging(self) -> Paging:
        pae = 0 if self.mode is PagingMode.BITS32 else PAE
        cr4 = PSE | pae | (SMEP if self.smep else 0) | (SMAP if self.smap else 0)
        cr4 |= PKE if self.protection_keys else 0
        efer = (LONG_EFER if self.mode.is_long else 0) | (NXE if self.nxe else 0)
        return Paging(cr0=PG | PE | (WP if self.wp else 0), cr3=ROOT, cr4=cr4, efer=efer, pkru=self.pkru)


class Machine:
    """A CPU at an instruction that makes one access."""

    def __init__(self) -> None:
        self.engine = UnicornEngine(PAGES * PAGE_SIZE, LoggingBus(), [build_table(find_model("base,+pku"))])

    def read(self, address: Physical, size: int) -> bytes:
        if address + size > PAGES * PAGE_SIZE:
            raise UnmappedPhysicalError(address, size)
        return bytes(self.engine.ram[address : address + size])

    def write(self, address: Physical, data: bytes) -> None:
        self.engine.write_ram(address, data)

    def entry(self, address: int, raw: int, size: int) -> None:
        self.write(Physical(address), raw.to_bytes(8, "little")[:size])

    def set_up(self, case: Case) -> None:
        self.write(Physical(0), bytes(DATA) + b"\x90" * (PAGES * PAGE_SIZE - DATA))
        self._fixed(case)
        levels = LEVELS[case.mode]
        tables = [ROOT, *(TABLES + n * PAGE_SIZE for n in range(1, len(levels)))]
        for level, table, raw in zip(levels, tables, case.entries, strict=True):
            self.entry(table + level.index(case.linear) * level.entry_size, raw, level.entry_size)
        self.write(Physical(CODE), CODE_BYTES[case.access])
        self._descriptors(case)
        self._registers(case)

    def _fixed(self, case: Case) -> None:
        """Map the first pages to themselves: the code for its ring, all else for ring 0."""
        levels, flags = LEVELS[case.mode], PRESENT | WRITABLE | USER
        for n, level in enumerate(levels[:-1]):
            table = ROOT if n == 0 else FIXED + (n - 1) * PAGE_SIZE
            top_of_pae = case.mode is PagingMode.PAE and n == 0
            self.entry(table, FIXED + n * PAGE_SIZE | (PRESENT if top_of_pae else flags), level.entry_size)
        last = FIXED + (len(levels) - 2) * PAGE_SIZE
        for page in range(CODE // PAGE_SIZE + 3):
            user = USER if case.cpl == 3 and page == CODE // PAGE_SIZE else 0
            self.entry(
                last + page * levels[-1].entry_size, page * PAGE_SIZE | PRESENT | WRITABLE | user, levels[-1].entry_size
            )

    def _descriptors(self, case: Case) -> None:
        width = 0x20 if case.mode.is_long else 0x40
        rows = (
            0,
            0x008F9B000000FFFF | width << 48,
            0x00CF93000000FFFF,
            0x008FFB000000FFFF | width << 48,
            0x00CFF3000000FFFF,
        )
        self.write(Physical(GDT), struct.pack("<5Q", *rows))
        gate = struct.pack("<HHHH", CODE + 0x100, 8, 0x8E00, 0) + bytes(8 if case.mode.is_long else 0)
        self.write(Physical(IDT), gate * 32)
        self.write(Physical(TSS), struct.pack("<III", 0, STACK_PAGE + PAGE_SIZE, 0 if case.mode.is_long else 0x10))

    def _registers(self, case: Case) -> None:
        paging, ring = case.paging, 0x6000 if case.cpl else 0
        code = (0xAF9B00 if case.mode.is_long else 0xCF9B00) + ring
        values = {"cr0": paging.cr0, "cr3": paging.cr3, "cr4": paging.cr4, "efer": paging.efer, "cr2": 0}
        values |= {"pkru": paging.pkru}
        values |= {"rip": CODE, "rsp": STACK_PAGE + PAGE_SIZE, "rbx": case.linear, "rax": 0x55}
        values |= {"rflags": 2 | (AC if case.alignment_check else 0)}
        values |= {"cs": 0x1B if case.cpl else 8, "cs_limit": 0xFFFFFFFF, "cs_flags": code}
        for name in ("ss", "ds", "es"):
            values |= {name: 0x23 if case.cpl else 0x10, f"{name}_limit": 0xFFFFFFFF, f"{name}_flags": 0xCF9300 + ring}
        values |= {"gdtr_base": GDT, "gdtr_limit": 0x27, "idtr_base": IDT, "idtr_limit": 0x1FF}
        values |= {"tr_base": TSS, "tr_limit": 0x67, "tr_flags": 0x8B00}
        self.engine.write_registers(values)

    def access(self, case: Case) -> Delivery | VoidFetch | None:
        before = self.engine.delivery_count
        ended = self.engine.step()
        assert ended == Stepped()
        if case.access is Access.FETCH and self.engine.delivery_count == before:
            ended = self.engine.step()
        if self.engine.delivery_count > before:
            return self.engine.deliveries()[before - self.engine.delivery_count]
        return ended if isinstance(ended, VoidFetch) else None


def _linear(mode: PagingMode) -> st.SearchStrategy[int]:
    """Never below what the first entry of the root maps, which is the test's own."""
    if mode is PagingMode.BITS32:
        return st.integers(1 << 22, (1 << 32) - 1)
    if mode is PagingMode.PAE:
        return st.integers(1 << 30, (1 << 32) - 1)
    half = st.integers(1 << 39, (1 << 47) - 1)
    return st.one_of(half, half.map(lambda low: low | 0xFFFF_8000_0000_0000), half.map(lambda low: low | 1 << 60))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    mode = draw(st.sampled_from((PagingMode.BITS32, PagingMode.PAE, PagingMode.LEVEL4)))
    levels = LEVELS[mode]
    entries = []
    for number, level in enumerate(levels, 1):
        next_table = (
            TABLES + number * PAGE_SIZE if number < len(levels) else DATA + draw(st.integers(0, 15)) * PAGE_SIZE
        )
        key = draw(st.sampled_from((0, 0, 1, 2, 14, 15))) << 59 if mode is PagingMode.LEVEL4 else 0
        address = draw(st.sampled_from((next_table,) * 8 + (0, 0x1_0000_0000, PAGES * PAGE_SIZE, 1 << 39)))
        usual = PRESENT | WRITABLE | USER
        legacy_pdpte = mode is PagingMode.PAE and number == 1
        flags = (
            PRESENT if legacy_pdpte else usual ^ draw(st.sampled_from((0, 0, 0, 1, WRITABLE, USER, WRITABLE | USER)))
        )
        odd = draw(
            st.sampled_from(
                (0,) * 12
                + (0x80, 0x80, 1 << 63, 1 << 63, 1 << 52, 1 << 41, 1 << 12, 1 << 13, 1 << 21, ACCESSED, DIRTY, 0x100)
            )
        )
        entries.append((address ^ (odd & ~0xFFF) | flags | odd & 0xFFF | key) & ((1 << 8 * level.entry_size) - 1))
    boolean = st.booleans()
    return Case(
        mode, draw(_linear(mode)), tuple(entries), draw(st.sampled_from(Access)), draw(st.sampled_from((0, 3))),
        draw(boolean), draw(boolean), draw(boolean), draw(boolean), draw(boolean),
        draw(boolean), draw(st.integers(0, 0xFFFFFFFF)) & ~3 | draw(st.sampled_from((0, 0, 0, 1, 2))),
    )  # fmt: skip


MACHINE = Machine()


def _check_success(case: Case, found: Walk, outcome: Delivery | VoidFetch | None) -> None:
    assert found.physical is not None
    in_ram = found.physical < PAGES * PAGE_SIZE
    if in_ram and found.physical < DATA:
        return  # the access hit the tables, or the code, of the test itself
    if case.access is Access.FETCH and not in_ram:
        assert outcome == VoidFetch(Linear(case.linear), found.physical)
        return
    assert outcome is None
    after = walk(MACHINE, case.paging, Linear(case.linear))
    assert after.accessed
    if case.access is Access.READ:
        assert MACHINE.engine.read_register("rax") == (0x90 if in_ram else 0x88)
    if case.access is Access.WRITE:
        assert after.dirty
        assert not in_ram or MACHINE.read(found.physical, 1) == b"\x55"


@settings(max_examples=600, deadline=None)
@given(case=cases())
def test_the_walk_is_the_walk(case: Case) -> None:
    MACHINE.set_up(case)
    found = walk(MACHINE, case.paging, Linear(case.linear))
    fault = check_access(found, case.paging, case.access, case.cpl, alignment_check=case.alignment_check)
    if case.mode is PagingMode.BITS32 and found.fault is not None and found.fault.reason is FaultReason.NO_TABLE:
        return  # ones are no fault there: they map the last page of 4 GiB
    before = bytes(MACHINE.engine.ram[TABLES:DATA])
    outcome = MACHINE.access(case)
    if fault is None:
        _check_success(case, found, outcome)
        return
    assert isinstance(outcome, Delivery)
    assert (outcome.vector, outcome.error_code) == (fault.vector, fault.error_code), fault.reason
    if outcome.vector == 14:
        assert outcome.cr2 == case.linear
    assert bytes(MACHINE.engine.ram[TABLES:DATA]) == before
