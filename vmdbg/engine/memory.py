"""Memory: what there is of it, and where the guest finds it. What is written here comes from outside the CPU."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from vmdbg.units import PAGE_SIZE, Physical
from vmdbg.x86.ram import ram_parts

Contents = Callable[[Sequence[int]], Iterable[bytes]]
"""Of pages by their numbers."""


@dataclass(frozen=True, slots=True)
class Region:
    """Whole pages of physical addresses from `start` with memory behind them.

    `read_at` and `write_at` say where that memory begins in PhysicalMemory.memory. Where they differ it is ROM or a
    shadow: without `read_at` devices answer loads; without `write_at` devices take stores, or nobody if `lost`.
    """

    start: Physical
    size: int
    read_at: int | None
    write_at: int | None
    lost: bool = False

    @property
    def end(self) -> int:
        return self.start + self.size


def ram_regions(ram_size: int) -> tuple[Region, ...]:
    """Where RAM is."""
    regions, at = [], 0
    for start, size in ram_parts(ram_size):
        regions.append(Region(start, size, at, at))
        at += size
    return tuple(regions)


class PhysicalMemory(Protocol):
    """Memory is one row of bytes: RAM, then that of devices, then ROM. Regions say where the guest finds it."""

    @property
    def ram_size(self) -> int: ...

    @property
    def memory(self) -> memoryview:
        """All of it, read-only."""
        ...

    @property
    def page_count(self) -> int:
        """How many pages of `memory` can change: those of RAM and of devices."""
        ...

    @property
    def ram(self) -> memoryview:
        """RAM, read-only: what is from 4 GiB on follows what is below."""
        ...

    @property
    def regions(self) -> Sequence[Region]:
        """By rising address, without overlaps; at first those of RAM alone."""
        ...

    def set_regions(self, regions: Sequence[Region]) -> None:
        """The guest finds memory there from now on, also while code runs."""
        ...

    def add_rom(self, data: bytes | memoryview) -> int:
        """Memory with contents that nobody writes, before the first run. Whole pages. Where it is in `memory`."""
        ...

    def is_readable(self, address: Physical, size: int) -> bool:
        """Whether loads of all of it find memory."""
        ...

    def is_writable(self, address: Physical, size: int) -> bool:
        """Whether all of it is where stores go to memory."""
        ...

    def read_physical(self, address: Physical, size: int) -> bytes:
        """What a device finds there. What is no memory reads as ones."""
        ...

    def write_physical(self, address: Physical, data: bytes | memoryview) -> None:
        """A device stores. What takes no stores stays as it is."""
        ...

    def write_ram(self, address: Physical, data: bytes | memoryview) -> None:
        """As write_physical(). Raises ValueError if not all of it is_writable()."""
        ...

    def write_memory(self, at: int, data: bytes | memoryview) -> None:
        """Write `memory` from there on, wherever the guest finds it."""
        ...

    def read_memory(self, at: int, size: int) -> bytes:
        """What `memory` holds from there on."""
        ...

    def owe_pages(self, numbers: array[int], contents: Contents) -> bool:
        """Pages of `memory`, by rising numbers, hold from now on what `contents` says, which is asked when one of them
        is accessed, in whatever way, of some that are owed. As restore_pages(), it marks none dirty.

        What it raises comes out of the access, or of the run that made it. False: it is not possible here, and all
        that is owed is to be put back before any of it is accessed.
        """
        ...

    def owed_pages(self) -> bytes:
        """For each page of `memory` that can change a byte, 1 if it is still owed; empty if none is."""
        ...

    def restore_pages(self, pages: Iterable[tuple[int, bytes | memoryview]]) -> None:
        """Have pages of `memory`, by number, hold that again, without marking them dirty."""
        ...

    def dirty_pages(self) -> Sequence[int]:
        """The numbers of the pages of `memory` that may have changed since clean_pages(), rising."""
        ...

    def clean_pages(self) -> None: ...


def blocks(memory: PhysicalMemory) -> list[tuple[Physical, memoryview]]:
    """What can be read, by rising address; neighbours that are neighbours in memory too are one."""
    whole = memory.memory
    return [(Physical(start), whole[at : at + end - start]) for start, end, at in stretches(memory.regions)]


def stretches(regions: Sequence[Region]) -> list[tuple[int, int, int]]:
    """(First address, end, place in memory) of blocks()."""
    found: list[tuple[int, int, int]] = []
    for region in regions:
        if region.read_at is None:
            continue
        if found and found[-1][1] == region.start and found[-1][2] + found[-1][1] - found[-1][0] == region.read_at:
            found[-1] = (found[-1][0], region.end, found[-1][2])
        else:
            found.append((region.start, region.end, region.read_at))
    return found


def loaded_parts(regions: Sequence[Region], address: int, size: int) -> Iterator[tuple[int, int, int]]:
    """(First address, end, place in memory) of the parts of a load that find memory."""
    for region in regions:
        start, stop = max(address, region.start), min(address + size, region.end)
        if start < stop and region.read_at is not None:
            yield start, stop, region.read_at + start - region.start


def stored_parts(regions: Sequence[Region], address: int, size: int) -> Iterator[tuple[int, int, int]]:
    """(First address, end, place in memory) of the parts of a store that go to memory."""
    for region in regions:
        start, stop = max(address, region.start), min(address + size, region.end)
        if start < stop and region.write_at is not None:
            yield start, stop, region.write_at + start - region.start


def check_regions(regions: Sequence[Region], memory_size: int) -> None:
    """Raises ValueError if they are not of whole pages, rising, without overlaps, and in memory."""
    end = 0
    for region in regions:
        places = [at for at in (region.read_at, region.write_at) if at is not None]
        whole = not any(value % PAGE_SIZE for value in (region.start, region.size, *places))
        inside = all(0 <= at <= at + region.size <= memory_size for at in places)
        if not whole or not inside or region.start < end or region.size <= 0 or not (places or region.lost):
            raise ValueError(f"{region} is no region of {memory_size:#x} bytes of memory, or overlaps the one before")
        end = region.end
