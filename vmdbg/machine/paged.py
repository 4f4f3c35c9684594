"""All that a machine holds by page: RAM, memory and paged state of devices, under one row of page numbers."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from devices.wiring.paged import PagedArea
from vmdbg.engine.memory import Contents, PhysicalMemory
from vmdbg.errors import UserError
from vmdbg.units import PAGE_SIZE, Physical
from vmdbg.x86.ram import ram_parts

ALIGNMENT = 256
"""Areas begin at multiples of so many pages: what images share."""
MOST_PAGES = 1 << 32
"""Of all areas together; a recording has four bytes for a page's number."""


@dataclass(frozen=True, slots=True)
class _Placed:
    first: int
    area: PagedArea


class MachinePages:
    """Pages from 0 on are those of the engine's memory, RAM first; each area follows at the next multiple of ALIGNMENT.

    Invariant: which page has which number depends on the machine's configuration alone.
    """

    def __init__(
        self, engine: PhysicalMemory, areas: Sequence[PagedArea], memories: Sequence[tuple[int, int, str]] = ()
    ) -> None:
        """`memories`: place and size of devices' in the engine's, and the name. Raises UserError if it is too much."""
        self._engine = engine
        self._memories = tuple(memories)
        self._memory = engine.memory
        self._memory_pages = end = engine.page_count
        self._areas: list[_Placed] = []
        for area in areas:
            first = -(-end // ALIGNMENT) * ALIGNMENT
            self._areas.append(_Placed(first, area))
            end = first + area.page_count
        if end > MOST_PAGES:
            raise UserError(f"the machine's memory and disks together are more than {MOST_PAGES * PAGE_SIZE >> 40} TiB")
        self.count = end
        """Page numbers are below that; some, between areas, are of nothing and hold zeros."""

    def view(self, number: int) -> bytes | memoryview:
        """What it holds now, and for as long as nothing runs."""
        if number < self._memory_pages:
            return self._memory[number * PAGE_SIZE : (number + 1) * PAGE_SIZE]
        placed = self._at(number)
        return placed.area.page(number - placed.first)

    def physical(self, number: int) -> Physical | None:
        """Where the guest has a page of RAM; None for the others."""
        at = number * PAGE_SIZE
        for start, size in ram_parts(self._engine.ram_size):
            if at < size:
                return Physical(start + at)
            at -= size
        return None

    def owner(self, number: int) -> str:
        """Whose page it is that is none of RAM."""
        if number >= self._memory_pages:
            return self._at(number).area.name
        return next((name for at, size, name in self._memories if 0 <= number * PAGE_SIZE - at < size), "a device")

    @property
    def owable(self) -> int:
        """Pages with numbers below that can be owed."""
        return self._memory_pages

    def owe(self, numbers: array[int], contents: Contents) -> bool:
        """As PhysicalMemory.owe_pages(), of pages with numbers below `owable`."""
        return self._engine.owe_pages(numbers, contents)

    def owed(self) -> bytes:
        """For each page below `owable` a byte, 1 if it is owed; empty if none is."""
        return self._engine.owed_pages()

    def of_physical(self, pages: Iterable[int]) -> set[int]:
        """The numbers of pages of RAM by where the guest has them, as numbers; others may be among them."""
        found, before = set(pages), 0
        for start, size in ram_parts(self._engine.ram_size):
            first = start // PAGE_SIZE
            if first != before:
                moved = {page for page in found if first <= page < first + size // PAGE_SIZE}
                found = (found - moved) | {page - first + before for page in moved}
            before += size // PAGE_SIZE
        return found

    def restore(self, pages: Iterable[tuple[int, bytes]]) -> None:
        """Have pages, by number, hold that, and not be dirty for it."""
        self._engine.restore_pages(self._put_in_areas(pages))

    def _put_in_areas(self, pages: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
        """What is left are those of the engine's memory."""
        for number, page in pages:
            if number < self._memory_pages:
                yield number, page
            else:
                placed = self._at(number)
                placed.area.put(number - placed.first, page)

    def dirty(self) -> list[int]:
        """What may have changed since clean(), rising."""
        found = list(self._engine.dirty_pages())
        for placed in self._areas:
            found += [placed.first + number for number in placed.area.dirty()]
        return found

    def clean(self) -> None:
        self._engine.clean_pages()
        for placed in self._areas:
            placed.area.clean()

    def _at(self, number: int) -> _Placed:
        return self._areas[bisect_right(self._areas, number, key=lambda placed: placed.first) - 1]
