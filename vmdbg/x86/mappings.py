"""Whole address spaces: what is mapped where, merged into ranges, and the reverse map.

A hostile guest can build tables that map themselves many times over, so every traversal is lazy and bounded.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from vmdbg.errors import GuestError
from vmdbg.units import PAGE_SIZE, Linear, Physical
from vmdbg.x86.linear_memory import pieces
from vmdbg.x86.page_walk import Permissions
from vmdbg.x86.paging import (
    CACHE_DISABLE,
    GLOBAL,
    LARGE,
    LEVELS,
    NO_EXECUTE,
    PAT_OF_LARGE,
    PRESENT,
    PROTECTION_KEY,
    USER,
    WRITABLE,
    WRITE_THROUGH,
    Level,
    Paging,
    PagingMode,
    key_of,
    maps_page,
    page_base,
    reserved_bits,
    sign_extend,
    table_base,
)
from vmdbg.x86.physical_memory import PhysicalMemory, UnmappedPhysicalError
from vmdbg.x86.ram import A20

MAX_TABLES = 1 << 20

_LEAF_BITS = GLOBAL | WRITE_THROUGH | CACHE_DISABLE
_ALLOWING = WRITABLE | USER
_SHOWN = _ALLOWING | NO_EXECUTE | PROTECTION_KEY


@dataclass(frozen=True, slots=True)
class Mapping:
    """Linear [start, end) with the same permissions throughout; `end` may be 1 << 64.

    `physical` is where the range starts and continues without a gap, or None in a range merged by permissions
    alone. `page_size` is in bytes, the smallest of the range.
    """

    start: int
    end: int
    physical: Physical | None
    permissions: Permissions
    page_size: int

    @property
    def size(self) -> int:
        return self.end - self.start


class TooManyTablesError(GuestError):
    """The page tables refer to one another so often that they cannot be listed."""

    def __init__(self, limit: int, linear: Linear) -> None:
        super().__init__(
            f"gave up at linear {linear:#x} after {limit} page tables, which map themselves: ask for a narrower range"
        )


# start, size, physical, permission bits as in an entry (NO_EXECUTE, PAT as PAT_OF_LARGE, keys where they are in use)
_Run = tuple[int, int, int, int, int]


def mappings(
    memory: PhysicalMemory, paging: Paging, start: int = 0, end: int = 1 << 64, max_tables: int = MAX_TABLES
) -> Iterator[Mapping]:
    """The mapped ranges that touch [start, end) in ascending order, physically contiguous, of one page size.

    Ranges are cut to [start, end). Entries that would fault (reserved bits, tables outside memory) are
    left out. Raises `TooManyTablesError`.
    """
    for run in _merged(_runs(memory, paging, start, end, max_tables), contiguous=True):
        yield _mapping(run, contiguous=True)


def regions(
    memory: PhysicalMemory, paging: Paging, start: int = 0, end: int = 1 << 64, max_tables: int = MAX_TABLES
) -> Iterator[Mapping]:
    """Like `mappings`, merged by user, writable, executable and key alone: what a person calls a memory map."""
    runs = (
        (linear, size, physical, bits & _SHOWN, page)
        for linear, size, physical, bits, page in _runs(memory, paging, start, end, max_tables)
    )
    for run in _merged(runs, contiguous=False):
        yield _mapping(run, contiguous=False)


def who_maps(
    memory: PhysicalMemory,
    paging: Paging,
    frame: Physical,
    size: int = PAGE_SIZE,
    max_tables: int = MAX_TABLES,
) -> Iterator[Mapping]:
    """Every linear range of this address space that reaches physical [frame, frame + size)."""
    for mapping in mappings(memory, paging, max_tables=max_tables):
        assert mapping.physical is not None
        first = max(mapping.physical, frame)
        last = min(mapping.physical + mapping.size, frame + size)
        if first < last:
            start = mapping.start + first - mapping.physical
            yield replace(mapping, start=start, end=start + last - first, physical=Physical(first))


def _mapping(run: _Run, contiguous: bool) -> Mapping:
    start, size, physical, bits, page = run
    return Mapping(start, start + size, Physical(physical) if contiguous else None, _permissions(bits), page)


@lru_cache(maxsize=256)
def _permissions(bits: int) -> Permissions:
    return Permissions(
        writable=bool(bits & WRITABLE),
        user=bool(bits & USER),
        executable=not bits & NO_EXECUTE,
        global_page=bool(bits & GLOBAL),
        write_through=bool(bits & WRITE_THROUGH),
        cache_disable=bool(bits & CACHE_DISABLE),
        pat=bool(bits & PAT_OF_LARGE),
        protection_key=key_of(bits),
    )


def _merged(runs: Iterator[_Run], contiguous: bool) -> Iterator[_Run]:
    current = next(runs, None)
    if current is None:
        return
    start, size, physical, bits, page = current
    for run in runs:
        adjoins = run[0] == start + size and run[3] == bits
        if contiguous:
            adjoins = adjoins and run[2] == physical + size and run[4] == page
        if adjoins:
            size += run[1]
            page = min(page, run[4])
        else:
            yield start, size, physical, bits, page
            start, size, physical, bits, page = run
    yield start, size, physical, bits, page


def _runs(memory: PhysicalMemory, paging: Paging, start: int, end: int, max_tables: int) -> Iterator[_Run]:
    """Unmerged but clipped leaves; neighbours within one table of small pages already come merged."""
    if paging.mode is PagingMode.NONE:
        runs: Iterator[_Run] = iter([(0, 1 << 32, 0, _ALLOWING, PAGE_SIZE)])
    else:
        runs = _Traversal(memory, paging, start, end, max_tables).runs()
    if not paging.a20:
        runs = _gated(runs, paging)
    for linear, size, physical, bits, page in runs:
        low = max(linear, start)
        high = min(linear + size, end)
        if low < high:
            yield low, high - low, physical + low - linear, bits, page


def _gated(runs: Iterator[_Run], paging: Paging) -> Iterator[_Run]:
    """Cut where the line that is held low would change."""
    for linear, size, physical, bits, page in runs:
        for start, length in pieces(physical, size, A20):
            yield linear + start - physical, length, paging.gated(start), bits, page


class _Traversal:
    """One pass over a tree of tables, lowest address first; subtrees outside [start, end) are not entered."""

    def __init__(self, memory: PhysicalMemory, paging: Paging, start: int, end: int, max_tables: int) -> None:
        self._memory = memory
        self._paging = paging
        self._levels = LEVELS[paging.mode]
        self._start = start
        self._end = end
        self._max_tables = max_tables
        self._tables = 0
        self._leaf_bits = _LEAF_BITS | (PROTECTION_KEY if paging.protection_keys else 0)

    def runs(self) -> Iterator[_Run]:
        return self._table(self._paging.root, 0, 0, _ALLOWING)

    def _entries(self, table: int, level: Level) -> tuple[int, ...]:
        size = level.entry_size << level.index_bits
        try:
            raw = self._memory.read(Physical(table), size)
        except UnmappedPhysicalError:
            return ()
        if not any(raw):
            return ()
        return struct.unpack(f"<{1 << level.index_bits}{'Q' if level.entry_size == 8 else 'I'}", raw)

    def _table(self, table: int, depth: int, base: int, above: int) -> Iterator[_Run]:
        level = self._levels[depth]
        self._tables += 1
        if self._tables > self._max_tables:
            raise TooManyTablesError(self._max_tables, Linear(base))
        entries = self._entries(table, level)
        if level.shift == 12:
            yield from self._page_table(entries, base, above)
            return
        coverage = 1 << level.shift
        for index, raw in enumerate(entries):
            if not raw & PRESENT:
                continue
            linear = base + (index << level.shift)
            if depth == 0 and self._paging.mode.is_long:
                linear = sign_extend(linear, self._paging.mode.linear_bits)
            if linear >= self._end:
                return
            if linear + coverage > self._start:
                yield from self._entry(raw, depth, linear, above)

    def _entry(self, raw: int, depth: int, linear: int, above: int) -> Iterator[_Run]:
        level = self._levels[depth]
        leaf = maps_page(self._paging, level, raw)
        if raw & reserved_bits(self._paging, level, leaf):
            return
        pae_pdpte = self._paging.mode is PagingMode.PAE and depth == 0
        bits = above if pae_pdpte else (above & raw & _ALLOWING) | (above | raw) & NO_EXECUTE
        if leaf:
            bits |= raw & (self._leaf_bits | PAT_OF_LARGE)
            yield linear, 1 << level.shift, page_base(level, raw), bits, 1 << level.shift
        else:
            yield from self._table(table_base(level, raw), depth + 1, linear, bits)

    def _page_table(self, entries: tuple[int, ...], base: int, above: int) -> Iterator[_Run]:
        """Runs of consecutive PTEs that differ only in the frame, counting up: the hot loop."""
        level = self._levels[-1]
        reserved = reserved_bits(self._paging, level, True)
        significant = _ALLOWING | NO_EXECUTE | self._leaf_bits | LARGE
        first = count = 0
        expected = -1
        for index, raw in enumerate(entries):
            if raw & PRESENT and not raw & reserved:
                key = raw & (significant | 0x000F_FFFF_FFFF_F000)
                if key == expected:
                    count += 1
                else:
                    if count:
                        yield self._page_run(entries[first], base + (first << 12), count, above)
                    first, count = index, 1
                expected = key + PAGE_SIZE
            elif count:
                yield self._page_run(entries[first], base + (first << 12), count, above)
                count, expected = 0, -1
        if count:
            yield self._page_run(entries[first], base + (first << 12), count, above)

    def _page_run(self, raw: int, linear: int, count: int, above: int) -> _Run:
        bits = (above & raw & _ALLOWING) | (above | raw) & NO_EXECUTE | raw & self._leaf_bits
        if raw & LARGE:
            bits |= PAT_OF_LARGE
        return linear, count << 12, page_base(self._levels[-1], raw), bits, PAGE_SIZE
