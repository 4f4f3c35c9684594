"""The page-table walker: every level's entry and the result or the reason for a fault. Never sets A or D."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from vmdbg.units import PAGE_SIZE, Linear, Physical
from vmdbg.x86.paging import (
    ACCESSED,
    CACHE_DISABLE,
    DIRTY,
    GLOBAL,
    LARGE,
    LEVELS,
    NO_EXECUTE,
    PAT_OF_LARGE,
    PRESENT,
    USER,
    WRITABLE,
    WRITE_THROUGH,
    Paging,
    PagingMode,
    is_canonical,
    key_of,
    maps_page,
    page_base,
    reserved_bits,
    table_base,
)
from vmdbg.x86.physical_memory import PhysicalMemory, UnmappedPhysicalError


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
    protection_key: int = 0
    """0 too where keys are not in use."""

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


def walk(memory: PhysicalMemory, paging: Paging, linear: Linear) -> Walk:
    """Translate one linear address and keep every entry seen on the way. Never raises for guest state."""
    mode = paging.mode
    if mode is PagingMode.NONE:
        physical = paging.gated(linear & 0xFFFF_FFFF)
        return Walk(linear, mode, (), physical, PAGE_SIZE, Permissions(), None)
    if not mode.is_long:
        linear = Linear(linear & 0xFFFF_FFFF)
    elif not is_canonical(linear, mode.linear_bits):
        return _faulted(linear, paging, [], Fault(FaultReason.NON_CANONICAL))
    entries: list[Entry] = []
    table: int = paging.root
    for level in LEVELS[mode]:
        address = Physical(table + level.index(linear) * level.entry_size)
        try:
            raw = int.from_bytes(memory.read(address, level.entry_size), "little")
        except UnmappedPhysicalError:
            return _faulted(linear, paging, entries, Fault(FaultReason.NO_TABLE, level.name))
        leaf = maps_page(paging, level, raw)
        entries.append(Entry(level.name, address, raw, leaf, mode))
        if not raw & PRESENT:
            return _faulted(linear, paging, entries, Fault(FaultReason.NOT_PRESENT, level.name))
        if raw & reserved_bits(paging, level, leaf):
            return _faulted(linear, paging, entries, Fault(FaultReason.RESERVED_BIT, level.name))
        if leaf:
            break
        table = table_base(level, raw)
    size = 1 << level.shift
    physical = paging.gated(page_base(level, raw) | linear & (size - 1))
    return Walk(linear, mode, tuple(entries), physical, size, _combined(entries, paging), None)


def _faulted(linear: Linear, paging: Paging, entries: list[Entry], fault: Fault) -> Walk:
    return Walk(linear, paging.mode, tuple(entries), None, 0, _combined(entries, paging), fault)


def _combined(entries: list[Entry], paging: Paging) -> Permissions:
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
        protection_key=key_of(last.raw) if paging.protection_keys else 0,
    )
