"""Physical memory and page tables built by hand, following the SDM's figures and not the walker."""

from __future__ import annotations

from vmdbg.units import PAGE_SIZE, Linear, Physical
from vmdbg.x86.paging import Paging, PagingMode
from vmdbg.x86.physical_memory import UnmappedPhysicalError

PG, PSE, PAE, LA57 = 1 << 31, 1 << 4, 1 << 5, 1 << 12
LME, LMA, NXE = 1 << 8, 1 << 10, 1 << 11
NX = 1 << 63

CONTROL = {
    PagingMode.NONE: (0, 0, 0),
    PagingMode.BITS32: (PG | 1, PSE, 0),
    PagingMode.PAE: (PG | 1, PAE, NXE),
    PagingMode.LEVEL4: (PG | 1, PAE, LME | LMA | NXE),
    PagingMode.LEVEL5: (PG | 1, PAE | LA57, LME | LMA | NXE),
}
SHIFTS = {
    PagingMode.BITS32: (22, 12),
    PagingMode.PAE: (30, 21, 12),
    PagingMode.LEVEL4: (39, 30, 21, 12),
    PagingMode.LEVEL5: (48, 39, 30, 21, 12),
}


class Ram:
    """Memory from physical 0 on, as long as asked; nothing else answers."""

    def __init__(self, size: int) -> None:
        self.data = bytearray(size)

    def _check(self, address: int, size: int) -> None:
        if address < 0 or address + size > len(self.data):
            raise UnmappedPhysicalError(Physical(address), size)

    def blocks(self) -> list[tuple[Physical, memoryview]]:
        return [(Physical(0), memoryview(self.data))]

    def read(self, address: Physical, size: int) -> bytes:
        self._check(address, size)
        return bytes(self.data[address : address + size])

    def write(self, address: Physical, data: bytes) -> None:
        self._check(address, len(data))
        self.data[address : address + len(data)] = data


class PageTables:
    """Tables of one mode, allocated upwards from `tables_at`. Intermediate entries allow everything."""

    def __init__(self, memory: Ram, mode: PagingMode, tables_at: int = PAGE_SIZE) -> None:
        self.memory = memory
        self.mode = mode
        self._next = tables_at
        self.root = self._allocate()

    @property
    def paging(self) -> Paging:
        cr0, cr4, efer = CONTROL[self.mode]
        return Paging(cr0=cr0, cr3=self.root, cr4=cr4, efer=efer)

    def _allocate(self) -> int:
        address = self._next
        self._next += PAGE_SIZE
        return address

    def map(self, linear: int, physical: int, size: int = PAGE_SIZE, bits: int = 0b111) -> int:
        """Map one page of `size` bytes; `bits` go into its entry as they are. Returns the entry's address."""
        table = self.root
        for shift in SHIFTS[self.mode]:
            address = self.entry_address(table, linear, shift)
            if 1 << shift == size:
                self.write_entry(address, self._leaf(physical, shift, bits))
                return address
            raw = self.read_entry(address)
            if not raw & 1:
                top_of_pae = self.mode is PagingMode.PAE and shift == 30
                raw = self._allocate() | (0b001 if top_of_pae else 0b111)
                self.write_entry(address, raw)
            table = raw & 0x000F_FFFF_FFFF_F000
        raise AssertionError(f"{self.mode} has no pages of {size} bytes")

    def _leaf(self, physical: int, shift: int, bits: int) -> int:
        if shift == 12:
            return physical | bits
        if shift == 22:
            return physical & 0xFFC0_0000 | (physical >> 32) << 13 | bits | 1 << 7
        return physical | bits | 1 << 7

    def entry_address(self, table: int, linear: int, shift: int) -> int:
        if self.mode is PagingMode.BITS32:
            return table + 4 * (linear >> shift & 1023)
        if self.mode is PagingMode.PAE and shift == 30:
            return table + 8 * (linear >> shift & 3)
        return table + 8 * (linear >> shift & 511)

    @property
    def entry_size(self) -> int:
        return 4 if self.mode is PagingMode.BITS32 else 8

    def read_entry(self, address: int) -> int:
        return int.from_bytes(self.memory.read(Physical(address), self.entry_size), "little")

    def write_entry(self, address: int, raw: int) -> None:
        self.memory.write(Physical(address), raw.to_bytes(self.entry_size, "little"))


def canonical(linear: int, mode: PagingMode) -> Linear:
    """`linear` cut to the mode's width and sign-extended."""
    bits = {PagingMode.LEVEL4: 48, PagingMode.LEVEL5: 57}.get(mode)
    if bits is None:
        return Linear(linear & 0xFFFF_FFFF)
    linear &= (1 << bits) - 1
    return Linear(linear | ((1 << 64) - (1 << bits)) if linear >> (bits - 1) else linear)
