"""Linear memory as a debugger sees it: read and written through the walker, page by page.

Protection does not matter to a debugger: whatever is mapped can be read and written. A and D stay as they
are.
"""

from __future__ import annotations

from collections.abc import Iterator

from vmdbg.errors import UserError
from vmdbg.units import PAGE_MASK, PAGE_SIZE, Linear, Physical
from vmdbg.x86.page_walk import walk
from vmdbg.x86.paging import Paging, PagingMode, translate
from vmdbg.x86.physical_memory import PhysicalMemory, ReadableMemory, UnmappedPhysicalError

MOST_TABLES = 64
"""Pages of tables that are remembered."""


class UnmappedLinearError(UserError):
    """A linear address that no physical memory answers, with the walk's reason."""

    def __init__(self, address: Linear, reason: str) -> None:
        super().__init__(f"cannot access linear {address:#x}: {reason}")
        self.address = address
        self.reason = reason


class TablePages:
    """Physical memory as page tables are read out of it: neighbouring entries come of one reading of their page.

    Good until one of them changes.
    """

    def __init__(self, memory: ReadableMemory) -> None:
        self._memory = memory
        self._pages: dict[int, bytes] = {}

    def read(self, address: Physical, size: int) -> bytes:
        number, offset = address // PAGE_SIZE, address % PAGE_SIZE
        page = self._pages.get(number)
        if page is None:
            page = self._fetch(number)
        entry = page[offset : offset + size]
        return entry if len(entry) == size else self._memory.read(address, size)

    def _fetch(self, number: int) -> bytes:
        """Nothing of a page that is not there as a whole."""
        if len(self._pages) >= MOST_TABLES:
            self._pages.clear()
        try:
            page = self._memory.read(Physical(number * PAGE_SIZE), PAGE_SIZE)
        except UnmappedPhysicalError:
            page = b""
        self._pages[number] = page
        return page

    def clear(self) -> None:
        self._pages.clear()


class LinearMemory:
    """One address space at one instant. Addresses wrap at 4 GiB, or at 2^64 in long mode.

    Build it anew after the guest ran or its tables changed: translations are remembered.
    """

    def __init__(self, memory: PhysicalMemory, paging: Paging) -> None:
        self._memory = memory
        self.paging = paging
        self._mask = (1 << 64) - 1 if paging.mode.is_long else 0xFFFF_FFFF
        self._frames: dict[int, int] = {}
        self._tables = TablePages(memory)

    def translate(self, address: Linear) -> Physical | None:
        """Physical address, or None where a walk would fault."""
        address = Linear(address & self._mask)
        if self.paging.mode is PagingMode.NONE:
            return self.paging.gated(address)
        page = address & ~PAGE_MASK
        frame = self._frames.get(page)
        if frame is None:
            found = translate(self._tables, self.paging, Linear(page))
            if found is None:
                return None
            frame = self._frames[page] = found
        return Physical(frame | address & PAGE_MASK)

    def read(self, address: Linear, size: int) -> bytes:
        """Exactly `size` bytes. Raises `UnmappedLinearError` naming the first address that cannot be read."""
        data = self.read_prefix(address, size)
        if len(data) < size:
            raise self._unmapped(Linear(address + len(data) & self._mask))
        return data

    def read_prefix(self, address: Linear, size: int) -> bytes:
        """As many of `size` bytes as can be read from `address` on; empty if the first cannot."""
        if size <= PAGE_SIZE - address % PAGE_SIZE:  # most are within a page
            return self._read_within(address, size) if size > 0 else b""
        chunks = []
        for position, length in _pages(address, size):
            chunk = self._read_within(position, length)
            if not chunk:
                break
            chunks.append(chunk)
        return b"".join(chunks)

    def _read_within(self, address: Linear, size: int) -> bytes:
        """All of it or nothing, of one page."""
        physical = self.translate(address)
        if physical is None:
            return b""
        try:
            return self._memory.read(physical, size)
        except UnmappedPhysicalError:
            return b""

    def read_suffix(self, end: int, size: int) -> bytes:
        """As many of the `size` bytes before `end` as can be read from there downwards; empty if the last cannot."""
        start = max(0, end - size)
        chunks: list[bytes] = []
        for position, length in reversed(list(_pages(start, end - start))):
            chunk = self.read_prefix(position, length)
            if len(chunk) < length:
                break
            chunks.append(chunk)
        return b"".join(reversed(chunks))

    def write(self, address: Linear, data: bytes) -> None:
        """Write all of `data`, or nothing. Raises `UnmappedLinearError`."""
        before = self.read(address, len(data))
        offset = 0
        for position, length in _pages(address, len(data)):
            physical = self.translate(position)
            assert physical is not None
            try:
                self._memory.write(physical, data[offset : offset + length])
            except UnmappedPhysicalError as error:
                self.write(address, before[:offset])
                raise UnmappedLinearError(position, f"physical {physical:#x} cannot be written") from error
            offset += length
        self._frames.clear()
        self._tables.clear()

    def _unmapped(self, address: Linear) -> UnmappedLinearError:
        result = walk(self._memory, self.paging, address)
        if result.fault is not None:
            return UnmappedLinearError(address, str(result.fault))
        return UnmappedLinearError(address, f"it maps to physical {result.physical:#x}, where no memory answers")


def _pages(address: int, size: int) -> Iterator[tuple[Linear, int]]:
    return ((Linear(position), length) for position, length in pieces(address, size, PAGE_SIZE))


def pieces(address: int, size: int, unit: int) -> Iterator[tuple[int, int]]:
    """Cut [address, address + size) at multiples of `unit`: (start, length) of each piece."""
    end = address + size
    while address < end:
        length = min(unit - address % unit, end - address)
        yield address, length
        address += length
