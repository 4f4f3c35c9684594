"""The page-table walker: every level's entry, the result and the reason for a fault, without touching A or D.

SDM 3A chapter 4. The four PDPTEs of PAE paging are read from memory, as QEMU does, where a real CPU
keeps the copies it loaded with CR3 (SDM 3A 4.4.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from vmdbg.units import PAGE_SIZE, Linear, Physical
from vmdbg.x86.physical_memory import PhysicalMemory, UnmappedPhysicalError

CR0_WP = 1 << 16
CR0_PG = 1 << 31
CR4_PSE = 1 << 4
CR4_PAE = 1 << 5
CR4_LA57 = 1 << 12
CR4_SMEP = 1 << 20
CR4_SMAP = 1 << 21
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
        return {PagingMode.LEVEL4: 48, PagingMode.LEVEL5: 57}.get(self, 32)

    @property
    def is_long(self) -> bool:
        """Whether linear addresses are 64 bits wide and must be canonical."""
        return self in (PagingMode.LEVEL4, PagingMode.LEVEL5)


@dataclass(frozen=True, slots=True)
class Paging:
    """The registers that decide a translation. `physical_bits` is MAXPHYADDR (CPUID 80000008h)."""

    cr0: int
    cr3: int
    cr4: int
    efer: int
    physical_bits: int = 40
    gigabyte_pages: bool = True

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


class FaultReason(Enum):
    """Why a walk ended without a physical address."""

    NON_CANONICAL = "the address is not canonical"
    NOT_PRESENT = "not present"
    RESERVED_BIT = "a reserved bit is set"
    NO_TABLE = "the table is outside memory"


@dataclass(frozen=True, slots=True)
class Entry:
    """One paging-structure entry as found in memory. `leaf` entries map a page, others point to a table."""

    name: str
    address: Physical
    raw: int
    leaf: bool
    mode: PagingMode

    @property
    def is_pae_pdpte(self) -> bool:
        return self.mode is PagingMode.PAE and self.name == "PDPTE"

    @property
    def present(self) -> bool:
        return bool(self.raw & PRESENT)

    @property
    def pat(self) -> bool:
        """The PAT bit: bit 12 of a large page's entry, bit 7 of a PTE."""
        return self.leaf and bool(self.raw & (LARGE if self.name == "PTE" else PAT_OF_LARGE))

    @property
    def flags(self) -> tuple[str, ...]:
        """The set bits by their SDM names, lowest first: P, R/W, U/S, PWT, PCD, A, D, PS, PAT, G, XD."""
        names = [name for bit, name in _ENTRY_BITS if self.raw & bit and self._has(name)]
        if self.pat:
            names.append("PAT")
        return tuple(names)

    def _has(self, name: str) -> bool:
        if name == "XD":
            return self.mode is not PagingMode.BITS32 and not self.is_pae_pdpte
        if self.is_pae_pdpte:
            return name in ("P", "PWT", "PCD")
        if name == "PS":
            return self.leaf and self.name != "PTE"
        return name not in ("D", "G") or self.leaf


_ENTRY_BITS = (
    (PRESENT, "P"),
    (WRITABLE, "R/W"),
    (USER, "U/S"),
    (WRITE_THROUGH, "PWT"),
    (CACHE_DISABLE, "PCD"),
    (ACCESSED, "A"),
    (DIRTY, "D"),
    (LARGE, "PS"),
    (GLOBAL, "G"),
    (NO_EXECUTE, "XD"),
)


@dataclass(frozen=True, slots=True)
class Permissions:
    """What all levels together allow, and the memory-type bits of the entry that maps the page."""

    writable: bool = True
    user: bool = True
    executable: bool = True
    global_page: bool = False
    write_through: bool = False
    cache_disable: bool = False
    pat: bool = False

    def __str__(self) -> str:
        """As in `urwxg`, with a dash for what is missing; supervisor pages have no `u`."""
        letters = (
            ("u", self.user),
            ("r", True),
            ("w", self.writable),
            ("x", self.executable),
            ("g", self.global_page),
        )
        return "".join(letter if present else "-" for letter, present in letters)

    @property
    def pat_index(self) -> int:
        """Which of the eight entries of IA32_PAT gives the memory type (SDM 3A table 11-11)."""
        return self.pat << 2 | self.cache_disable << 1 | self.write_through


@dataclass(frozen=True, slots=True)
class Fault:
    """Where a walk ended: the reason and, unless the address itself is at fault, the entry's name."""

    reason: FaultReason
    level: str | None = None

    def __str__(self) -> str:
        return self.reason.value if self.level is None else f"{self.level}: {self.reason.value}"


@dataclass(frozen=True, slots=True)
class Walk:
    """The outcome of one walk. Exactly one of `physical` and `fault` is None.

    `page_size` is in bytes (4096 without paging); `permissions` combines all levels.
    """

    linear: Linear
    mode: PagingMode
    entries: tuple[Entry, ...]
    physical: Physical | None
    page_size: int
    permissions: Permissions
    fault: Fault | None

    @property
    def accessed(self) -> bool:
        """Whether the A bit is set at every level that has one."""
        return all(entry.raw & ACCESSED for entry in self.entries if not entry.is_pae_pdpte)

    @property
    def dirty(self) -> bool:
        return bool(self.entries) and self.fault is None and bool(self.entries[-1].raw & DIRTY)


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


def page_base(level: Level, raw: int) -> int:
    """Physical address of the page that a leaf entry maps, PSE-36 included (SDM 3A table 4-4)."""
    if level.entry_size == 4 and level.shift == 22:
        return raw & 0xFFC0_0000 | (raw >> 13 & 0xFF) << 32
    return raw & _ADDRESS_BITS & -(1 << level.shift)


def table_base(level: Level, raw: int) -> int:
    """Physical address of the table that a non-leaf entry points to."""
    return raw & (0xFFFF_F000 if level.entry_size == 4 else _ADDRESS_BITS)


def walk(memory: PhysicalMemory, paging: Paging, linear: Linear) -> Walk:
    """Translate one linear address and keep every entry seen on the way. Never raises for guest state."""
    mode = paging.mode
    if mode is PagingMode.NONE:
        physical = Physical(linear & 0xFFFF_FFFF)
        return Walk(linear, mode, (), physical, PAGE_SIZE, Permissions(), None)
    if not mode.is_long:
        linear = Linear(linear & 0xFFFF_FFFF)
    elif not is_canonical(linear, mode.linear_bits):
        return _faulted(linear, mode, [], Fault(FaultReason.NON_CANONICAL))
    entries: list[Entry] = []
    table: int = paging.root
    for level in LEVELS[mode]:
        address = Physical(table + level.index(linear) * level.entry_size)
        try:
            raw = int.from_bytes(memory.read(address, level.entry_size), "little")
        except UnmappedPhysicalError:
            return _faulted(linear, mode, entries, Fault(FaultReason.NO_TABLE, level.name))
        leaf = maps_page(paging, level, raw)
        entries.append(Entry(level.name, address, raw, leaf, mode))
        if not raw & PRESENT:
            return _faulted(linear, mode, entries, Fault(FaultReason.NOT_PRESENT, level.name))
        if raw & reserved_bits(paging, level, leaf):
            return _faulted(linear, mode, entries, Fault(FaultReason.RESERVED_BIT, level.name))
        if leaf:
            break
        table = table_base(level, raw)
    size = 1 << level.shift
    physical = Physical(page_base(level, raw) | linear & (size - 1))
    return Walk(linear, mode, tuple(entries), physical, size, _combined(entries), None)


def translate(memory: PhysicalMemory, paging: Paging, linear: Linear) -> Physical | None:
    """The physical address alone, or None where a walk would fault: the quick path for bulk access."""
    mode = paging.mode
    if mode is PagingMode.NONE:
        return Physical(linear & 0xFFFF_FFFF)
    if mode.is_long and not is_canonical(linear, mode.linear_bits):
        return None
    table: int = paging.root
    for level in LEVELS[mode]:
        address = Physical(table + level.index(linear) * level.entry_size)
        try:
            raw = int.from_bytes(memory.read(address, level.entry_size), "little")
        except UnmappedPhysicalError:
            return None
        leaf = maps_page(paging, level, raw)
        if not raw & PRESENT or raw & reserved_bits(paging, level, leaf):
            return None
        if leaf:
            return Physical(page_base(level, raw) | linear & ((1 << level.shift) - 1))
        table = table_base(level, raw)
    return None


def _faulted(linear: Linear, mode: PagingMode, entries: list[Entry], fault: Fault) -> Walk:
    return Walk(linear, mode, tuple(entries), None, 0, _combined(entries), fault)


def _combined(entries: list[Entry]) -> Permissions:
    writable = user = executable = True
    for entry in entries:
        if not entry.is_pae_pdpte:
            writable = writable and bool(entry.raw & WRITABLE)
            user = user and bool(entry.raw & USER)
            executable = executable and not entry.raw & NO_EXECUTE
    if not entries or not entries[-1].leaf:
        return Permissions(writable, user, executable)
    last = entries[-1]
    return Permissions(
        writable,
        user,
        executable,
        global_page=bool(last.raw & GLOBAL),
        write_through=bool(last.raw & WRITE_THROUGH),
        cache_disable=bool(last.raw & CACHE_DISABLE),
        pat=last.pat,
    )
