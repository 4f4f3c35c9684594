"""Paging modes, the layout of their tables, and translation of linear addresses (SDM 3A chapter 4).

The four PDPTEs of PAE paging are read from memory, as QEMU does, where a real CPU
keeps the copies it loaded with CR3 (SDM 3A 4.4.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from vmdbg.units import Linear, Physical
from vmdbg.x86.physical_memory import ReadableMemory, UnmappedPhysicalError
from vmdbg.x86.ram import A20

CR0_WP = 1 << 16
CR0_PG = 1 << 31
CR4_PSE = 1 << 4
CR4_PAE = 1 << 5
CR4_LA57 = 1 << 12
CR4_SMEP = 1 << 20
CR4_SMAP = 1 << 21
CR4_PKE = 1 << 22
EFER_LMA = 1 << 10
EFER_NXE = 1 << 11

PRESENT = 1 << 0
WRITABLE = 1 << 1
USER = 1 << 2
WRITE_THROUGH = 1 << 3
CACHE_DISABLE = 1 << 4
ACCESSED = 1 << 5
DIRTY = 1 << 6
LARGE = 1 << 7
GLOBAL = 1 << 8
PAT_OF_LARGE = 1 << 12
PROTECTION_KEY = 15 << 59
NO_EXECUTE = 1 << 63

_ADDRESS_BITS = 0x000F_FFFF_FFFF_F000


class PagingMode(Enum):
    """How linear addresses are translated (SDM 3A 4.1.1)."""

    NONE = "no paging"
    BITS32 = "32-bit paging"
    PAE = "PAE paging"
    LEVEL4 = "4-level paging"
    LEVEL5 = "5-level paging"

    @property
    def linear_bits(self) -> int:
        """Bits of a linear address that this mode translates."""
        if self is PagingMode.LEVEL4:
            return 48
        return 57 if self is PagingMode.LEVEL5 else 32

    @property
    def is_long(self) -> bool:
        """Whether linear addresses are 64 bits wide and must be canonical."""
        return self in (PagingMode.LEVEL4, PagingMode.LEVEL5)


@dataclass(frozen=True, slots=True)
class Paging:
    """What decides a translation and what it allows: registers, and what the CPU is.

    `physical_bits` is MAXPHYADDR (CPUID 80000008h); `a20` is whether address line 20 leads out of the CPU: where not,
    what pages have in an odd mebibyte is found in the one below. Tables are read where they are.
    """

    cr0: int
    cr3: int
    cr4: int
    efer: int
    physical_bits: int = 40
    gigabyte_pages: bool = True
    pkru: int = 0
    a20: bool = True

    def gated(self, address: int) -> Physical:
        """What address the CPU drives for a physical one."""
        return Physical(address if self.a20 else address & ~A20)

    @property
    def mode(self) -> PagingMode:
        if not self.cr0 & CR0_PG:
            return PagingMode.NONE
        if not self.cr4 & CR4_PAE:
            return PagingMode.BITS32
        if not self.efer & EFER_LMA:
            return PagingMode.PAE
        return PagingMode.LEVEL5 if self.cr4 & CR4_LA57 else PagingMode.LEVEL4

    @property
    def write_protect(self) -> bool:
        return bool(self.cr0 & CR0_WP)

    @property
    def smep(self) -> bool:
        return bool(self.cr4 & CR4_SMEP)

    @property
    def smap(self) -> bool:
        return bool(self.cr4 & CR4_SMAP)

    @property
    def protection_keys(self) -> bool:
        """Whether entries that map pages have keys, which PKRU judges user pages by (SDM 3A 4.6.2)."""
        return bool(self.cr4 & CR4_PKE) and self.mode.is_long

    @property
    def no_execute_enabled(self) -> bool:
        """EFER.NXE, which 32-bit paging ignores (SDM 3A 4.1.3)."""
        return bool(self.efer & EFER_NXE) and self.mode is not PagingMode.BITS32

    @property
    def root(self) -> Physical:
        """Physical address of the top table."""
        if self.mode is PagingMode.PAE:
            return Physical(self.cr3 & 0xFFFF_FFE0)
        if self.mode is PagingMode.BITS32:
            return Physical(self.cr3 & 0xFFFF_F000)
        return Physical(self.cr3 & _ADDRESS_BITS)


@dataclass(frozen=True, slots=True)
class Level:
    """One level of tables: an entry covers `1 << shift` bytes and a table holds `1 << index_bits` entries."""

    name: str
    shift: int
    index_bits: int
    entry_size: int

    def index(self, linear: int) -> int:
        return (linear >> self.shift) & ((1 << self.index_bits) - 1)


_LONG_LEVELS = (
    Level("PML5E", 48, 9, 8),
    Level("PML4E", 39, 9, 8),
    Level("PDPTE", 30, 9, 8),
    Level("PDE", 21, 9, 8),
    Level("PTE", 12, 9, 8),
)
LEVELS: dict[PagingMode, tuple[Level, ...]] = {
    PagingMode.NONE: (),
    PagingMode.BITS32: (Level("PDE", 22, 10, 4), Level("PTE", 12, 10, 4)),
    PagingMode.PAE: (Level("PDPTE", 30, 2, 8), *_LONG_LEVELS[3:]),
    PagingMode.LEVEL4: _LONG_LEVELS[1:],
    PagingMode.LEVEL5: _LONG_LEVELS,
}


def is_canonical(linear: int, bits: int) -> bool:
    """Whether bits 63 down to `bits - 1` of a 64-bit address are all equal (SDM 1 3.3.7.1)."""
    top = (linear & (1 << 64) - 1) >> (bits - 1)
    return top == 0 or top == (1 << (65 - bits)) - 1


def sign_extend(linear: int, bits: int) -> Linear:
    """The canonical 64-bit form of an address of `bits` bits."""
    return Linear(linear | ((1 << 64) - (1 << bits)) if linear >> (bits - 1) & 1 else linear)


def maps_page(paging: Paging, level: Level, raw: int) -> bool:
    """Whether an entry maps a page itself rather than pointing to the next table."""
    if level.shift == 12:
        return True
    if not raw & LARGE:
        return False
    if level.name == "PDE":
        return level.entry_size == 8 or bool(paging.cr4 & CR4_PSE)
    return level.name == "PDPTE" and level.index_bits == 9 and paging.gigabyte_pages


@lru_cache(maxsize=256)
def reserved_bits(paging: Paging, level: Level, leaf: bool) -> int:
    """The bits that must be zero in a present entry (SDM 3A tables 4-4 to 4-20)."""
    if level.entry_size == 4:
        if level.name == "PTE" or not leaf:
            return 0
        high = min(40, paging.physical_bits)
        return (1 << 22) - (1 << (high - 19))
    top = 52 if paging.mode.is_long else 63
    reserved = (1 << top) - (1 << paging.physical_bits)
    if paging.mode is PagingMode.PAE and level.name == "PDPTE":
        return reserved | NO_EXECUTE | 0x1E6
    if not paging.efer & EFER_NXE:
        reserved |= NO_EXECUTE
    if leaf and level.shift > 12:
        reserved |= (1 << level.shift) - (1 << 13)
    if not leaf and level.name in ("PML5E", "PML4E"):
        reserved |= LARGE
    if not leaf and level.name == "PDPTE" and not paging.gigabyte_pages:
        reserved |= LARGE
    return reserved


def key_of(raw: int) -> int:
    """The protection key in an entry that maps a page (SDM 3A tables 4-15 to 4-20)."""
    return (raw & PROTECTION_KEY) >> 59


def page_base(level: Level, raw: int) -> int:
    """Physical address of the page that a leaf entry maps, PSE-36 included (SDM 3A table 4-4)."""
    if level.entry_size == 4 and level.shift == 22:
        return raw & 0xFFC0_0000 | (raw >> 13 & 0xFF) << 32
    return raw & _ADDRESS_BITS & -(1 << level.shift)


def table_base(level: Level, raw: int) -> int:
    """Physical address of the table that a non-leaf entry points to."""
    return raw & (0xFFFF_F000 if level.entry_size == 4 else _ADDRESS_BITS)


@dataclass(frozen=True, slots=True)
class _Step:
    """One level of a walk. If it `maps`, entries with LARGE set are pages; if it `always` does, all are. Then what must
    be zero in an entry that is one, and in one that leads to a table.
    """

    level: Level
    maps: bool
    always: bool
    reserved_in_page: int
    reserved_in_table: int


@lru_cache(maxsize=64)
def _steps(paging: Paging) -> tuple[_Step, ...]:
    return tuple(
        _Step(
            level,
            maps_page(paging, level, LARGE),
            maps_page(paging, level, 0),
            reserved_bits(paging, level, True),
            reserved_bits(paging, level, False),
        )
        for level in LEVELS[paging.mode]
    )


def translate(memory: ReadableMemory, paging: Paging, linear: Linear) -> Physical | None:
    """The physical address alone, or None where a walk would fault: the quick path for bulk access."""
    mode = paging.mode
    if mode is PagingMode.NONE:
        return paging.gated(linear & 0xFFFF_FFFF)
    if mode.is_long and not is_canonical(linear, mode.linear_bits):
        return None
    table: int = paging.root
    for step in _steps(paging):
        level = step.level
        address = Physical(table + level.index(linear) * level.entry_size)
        try:
            raw = int.from_bytes(memory.read(address, level.entry_size), "little")
        except UnmappedPhysicalError:
            return None
        leaf = step.always or (step.maps and bool(raw & LARGE))
        if not raw & PRESENT or raw & (step.reserved_in_page if leaf else step.reserved_in_table):
            return None
        if leaf:
            return paging.gated(page_base(level, raw) | linear & ((1 << level.shift) - 1))
        table = table_base(level, raw)
    return None
