"""Message signalled interrupts: the MSI and MSI-X capabilities, with masks and pending bits.

Source: PCI Local Bus Specification 3.0, 6.8. A message is a store of a dword by the function; what it means is for the
chipset, which finds the local APICs at FEE00000h (Intel SDM 3A, 11.11).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from devices.pci.config_space import Capability

MSI = 0x05
MSIX = 0x11

CONTROL = 2
"""Offset of Message Control in either capability."""

MSI_ENABLE = 0x0001
MSI_CAPABLE_SHIFT = 1
MSI_ALLOCATED_SHIFT = 4
MSI_64 = 0x0080
MSI_MASKABLE = 0x0100
MSI_ADDRESS, MSI_UPPER, MSI_DATA, MSI_MASK, MSI_PENDING = 0x04, 0x08, 0x0C, 0x10, 0x14
MSI_MOST = 32

MSIX_MASK_ALL = 0x4000
MSIX_ENABLE = 0x8000
MSIX_MOST = 2048
ENTRY_SIZE = 16
ENTRY_CONTROL = 3
ENTRY_MASKED = 1
QWORD_BITS = 64
PAGE = 0x1000


@dataclass(frozen=True, slots=True)
class Msi:
    """MSI with 64-bit addresses and masks, for 1, 2, 4, 8, 16 or 32 messages. Raises ValueError for other numbers."""

    vectors: int = 1

    def __post_init__(self) -> None:
        if self.vectors & self.vectors - 1 or not 1 <= self.vectors <= MSI_MOST:
            raise ValueError(f"MSI has 1, 2, 4, 8, 16 or 32 messages, not {self.vectors}")

    def capability(self) -> Capability:
        capable = self.vectors.bit_length() - 1
        control = MSI_64 | MSI_MASKABLE | capable << MSI_CAPABLE_SHIFT
        body = control.to_bytes(2, "little") + bytes(MSI_PENDING + 4 - MSI_ADDRESS)
        masks = ((1 << self.vectors) - 1).to_bytes(4, "little")
        writable = b"\x71\x00" + b"\xfc\xff\xff\xff" + b"\xff\xff\xff\xff" + b"\xff\xff\x00\x00" + masks + bytes(4)
        return Capability(MSI, body, writable)


@dataclass(frozen=True, slots=True)
class Msix:
    """MSI-X with table and pending bits in a memory BAR of their own. Raises ValueError for a number that cannot be."""

    vectors: int
    bar: int

    def __post_init__(self) -> None:
        if not 1 <= self.vectors <= MSIX_MOST:
            raise ValueError(f"MSI-X has 1 to {MSIX_MOST} messages, not {self.vectors}")

    @property
    def pending_offset(self) -> int:
        """Where the pending bits are in the BAR; the table is at its start."""
        table = self.vectors * ENTRY_SIZE
        return PAGE // 2 if table <= PAGE // 2 else -(-table // PAGE) * PAGE

    @property
    def bar_size(self) -> int:
        size = self.pending_offset + -(-self.vectors // QWORD_BITS) * 8
        return max(PAGE, 1 << (size - 1).bit_length())

    def capability(self) -> Capability:
        control = (self.vectors - 1).to_bytes(2, "little")
        offsets = self.bar.to_bytes(4, "little") + (self.pending_offset | self.bar).to_bytes(4, "little")
        return Capability(MSIX, control + offsets, b"\x00\xc0" + bytes(8))


@dataclass(slots=True)
class MsixState:
    """`table` has four dwords a vector: address, upper address, data, control; `pending` 64 vectors a number."""

    table: list[int]
    pending: list[int]


def fresh_msix(vectors: int) -> MsixState:
    """All masked (6.8.2.9)."""
    return MsixState([0, 0, 0, ENTRY_MASKED] * vectors, [0] * -(-vectors // QWORD_BITS))


class MsixTable:
    """The BAR: table and pending bits. `unmasked` gets the number of a vector that may now be sent.

    Accesses other than of aligned dwords and qwords are undefined (6.8.2): they read as their lanes and write nothing.
    """

    def __init__(self, msix: Msix, unmasked: Callable[[int], None]) -> None:
        self.vectors = msix.vectors
        self._pending_offset = msix.pending_offset
        self._unmasked = unmasked
        self.state = fresh_msix(msix.vectors)

    def read(self, offset: int, size: int, now: int) -> int:
        first = offset & ~3
        dwords = range(first, offset + size, 4)
        value = sum(self._dword(at) << 8 * (at - first) for at in dwords)
        return value >> 8 * (offset & 3) & (1 << 8 * size) - 1

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        if size < 4 or offset & size - 1:
            return
        for lane in range(0, size, 4):
            self._write_dword(offset + lane, value >> 8 * lane & 0xFFFF_FFFF)

    def entry(self, vector: int) -> tuple[int, int, bool]:
        """Address, data, and whether it is masked."""
        low, high, data, control = self.state.table[4 * vector : 4 * vector + 4]
        return high << 32 | low, data, bool(control & ENTRY_MASKED)

    def is_pending(self, vector: int) -> bool:
        return bool(self.state.pending[vector // QWORD_BITS] >> vector % QWORD_BITS & 1)

    def set_pending(self, vector: int, pending: bool) -> None:
        word, bit = vector // QWORD_BITS, 1 << vector % QWORD_BITS
        kept = self.state.pending[word] & ~bit
        self.state.pending[word] = kept | bit if pending else kept

    def _dword(self, at: int) -> int:
        index = at // 4
        if index < len(self.state.table):
            return self.state.table[index]
        word, high = divmod(at - self._pending_offset, 8)
        if at >= self._pending_offset and word < len(self.state.pending):
            return self.state.pending[word] >> 8 * high & 0xFFFF_FFFF
        return 0

    def _write_dword(self, at: int, value: int) -> None:
        index = at // 4
        if index >= len(self.state.table):
            return
        vector, field = divmod(index, 4)
        writable = (0xFFFF_FFFC, 0xFFFF_FFFF, 0xFFFF_FFFF, ENTRY_MASKED)[field]
        self.state.table[index] = value & writable
        if field == ENTRY_CONTROL and not value & ENTRY_MASKED:
            self._unmasked(vector)
