"""Searching memory: what is mapped, however large the range, each table and each frame looked through once.

Kernels map one frame at many addresses (Linux's ESPFIX area maps a page 65,536 times), and hostile guests at any number
of them. A part of an address space in which nothing was found is therefore remembered by what it maps, with the bytes
at its edges, and passed over wherever it is mapped again.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from vmdbg.units import Linear, Physical
from vmdbg.x86.linear_memory import pieces
from vmdbg.x86.mappings import MAX_TABLES, TooManyTablesError
from vmdbg.x86.paging import (
    LEVELS,
    PRESENT,
    Level,
    Paging,
    PagingMode,
    maps_page,
    page_base,
    reserved_bits,
    sign_extend,
    table_base,
)
from vmdbg.x86.physical_memory import PhysicalMemory, UnmappedPhysicalError
from vmdbg.x86.ram import A20

CHUNK = 1 << 20
"""Bytes that are looked through at a time."""
LINEAR_END = 1 << 64

Checked = Callable[[int], None]
"""Told, between two chunks or tables, how many bytes have been looked through. May raise to end a search."""
_Entry = tuple[int, int, int]
"""(offset, size, frame) of pages in a table, or (offset, 0, table)."""


class BlockMemory(PhysicalMemory, Protocol):
    """Physical memory that says where it is."""

    def blocks(self) -> Sequence[tuple[Physical, memoryview]]:
        """RAM and ROM: where each begins and what it holds, ascending, none over another."""
        ...


def search_physical(
    memory: BlockMemory,
    pattern: bytes,
    start: int = 0,
    end: int = LINEAR_END,
    checked: Checked | None = None,
) -> Iterator[Physical]:
    """Addresses in physical [start, end) where `pattern` lies, ascending and lazily."""
    scan = _Scan(pattern, checked)
    for position, view in _pieces(memory.blocks(), start, end):
        yield from map(Physical, scan.take(position, view))


def search_linear(
    memory: BlockMemory,
    paging: Paging,
    pattern: bytes,
    start: int = 0,
    end: int = LINEAR_END,
    checked: Checked | None = None,
) -> Iterator[Linear]:
    """Addresses in linear [start, end) where `pattern` lies, at every place that maps it, ascending and lazily.

    It may lie in neighbouring pages whose frames are no neighbours, not across a hole. Raises `TooManyTablesError`.
    """
    return map(Linear, _LinearSearch(memory, paging, pattern, start, end, checked).run())


def find_all(text: bytes, pattern: bytes) -> Iterator[int]:
    """Offsets of every occurrence, overlapping ones included. An empty pattern occurs nowhere."""
    if not pattern:
        return
    found = text.find(pattern)
    while found >= 0:
        yield found
        found = text.find(pattern, found + 1)


def _pieces(blocks: Sequence[tuple[Physical, memoryview]], start: int, end: int) -> Iterator[tuple[int, memoryview]]:
    """What physical [start, end) has of the blocks, cut at multiples of CHUNK."""
    for base, view in blocks:
        position, last = max(start, base), min(end, base + len(view))
        while position < last:
            length = min(CHUNK - position % CHUNK, last - position)
            yield position, view[position - base : position - base + length]
            position += length


@dataclass(slots=True)
class _Edge:
    """The first bytes of a part as far as they have come, at most one less than the pattern has."""

    next: int
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class _Empty:
    """The edges of a part without an occurrence: what of one may begin before it, or end behind it.

    The part is no shorter than the pattern, so both edges are its own.
    """

    head: bytes
    tail: bytes


@dataclass(slots=True)
class _Scan:
    """Pieces of memory in ascending order. `tail` is what ends at `at` and may begin an occurrence."""

    pattern: bytes
    checked: Checked | None
    done: int = 0
    tail: bytes = b""
    at: int = -1
    edges: list[_Edge] = field(default_factory=list)
    """Of the parts that the scan is in, the outermost first."""

    def take(self, position: int, view: memoryview) -> Iterator[int]:
        """Occurrences that end in a piece."""
        data = bytes(view)
        self.done += len(data)
        self.check()
        text = self.tail + data if position == self.at else data
        base = position + len(data) - len(text)
        self._begin(position, data, len(data))
        self._keep(text, position + len(data))
        for found in find_all(text, self.pattern):
            yield base + found

    def skip(self, position: int, size: int, part: _Empty) -> Iterator[int]:
        """Occurrences that begin before a part that has none."""
        text = self.tail + part.head if position == self.at else b""
        base = position - len(self.tail)
        self._begin(position, part.head, size)
        self._keep(part.tail, position + size)
        for found in find_all(text, self.pattern):
            yield base + found

    def check(self) -> None:
        if self.checked is not None:
            self.checked(self.done)

    def _keep(self, text: bytes, at: int) -> None:
        self.tail = text[max(0, len(text) - len(self.pattern) + 1) :]
        self.at = at

    def _begin(self, position: int, data: bytes, size: int) -> None:
        """`data` is what `size` bytes of the parts that the scan is in begin with, up to a hole."""
        for edge in self.edges:
            if edge.next == position:
                edge.data += data[: len(self.pattern) - 1 - len(edge.data)]
                edge.next = position + size if len(data) == size else -1


class _LinearSearch:
    """One pass over the tables of an address space, lowest address first."""

    def __init__(
        self,
        memory: BlockMemory,
        paging: Paging,
        pattern: bytes,
        start: int,
        end: int,
        checked: Checked | None,
    ) -> None:
        self._memory = memory
        self._blocks = memory.blocks()
        self._paging = paging
        self._levels = LEVELS[paging.mode] if paging.mode is not PagingMode.NONE else ()
        self._pattern = pattern
        self._start, self._end = start, min(end, LINEAR_END if paging.mode.is_long else 1 << 32)
        self._scan = _Scan(pattern, checked)
        self._empty: dict[tuple[int, int], _Empty] = {}
        """By what is mapped: a frame and its size, or a table and minus its depth."""
        self._tables = 0

    def run(self) -> Iterator[int]:
        if not self._pattern or self._start >= self._end:
            return iter(())
        if not self._levels:
            return self._frames(0, 0, 1 << 32)
        return self._table(self._paging.root, 0, 0)

    def _part(self, key: tuple[int, int], base: int, size: int, inside: Iterator[int]) -> Iterator[int]:
        """Occurrences that end in a part, which is passed over if nothing was found in it before."""
        scan, known = self._scan, self._empty.get(key)
        if size < len(self._pattern) or base < self._start or base + size > self._end:
            yield from inside
            return
        if known is not None:
            yield from scan.skip(base, size, known)
            return
        edge, is_empty = _Edge(base), True
        scan.edges.append(edge)
        for found in inside:
            is_empty = is_empty and found < base
            yield found
        scan.edges.pop()
        if is_empty:
            self._empty[key] = _Empty(edge.data, scan.tail if scan.at == base + size else b"")

    def _table(self, table: int, depth: int, base: int) -> Iterator[int]:
        level = self._levels[depth]
        for offset, size, target in _merged(self._entries(table, level, base)):
            linear = base + offset
            if depth == 0 and self._paging.mode.is_long:
                linear = sign_extend(linear, self._paging.mode.linear_bits)
            if linear >= self._end:
                return
            if linear + (size or 1 << level.shift) <= self._start:
                continue
            if size:
                yield from self._frames(linear, target, size)
            else:
                inside = self._table(target, depth + 1, linear)
                yield from self._part((target, -depth - 1), linear, 1 << level.shift, inside)

    def _frames(self, linear: int, physical: int, size: int) -> Iterator[int]:
        """Occurrences that end in frames that follow one another, but for address line 20."""
        if self._paging.a20:
            yield from self._row(linear, physical, size)
            return
        for start, length in pieces(physical, size, A20):
            yield from self._row(linear + start - physical, self._paging.gated(start), length)

    def _row(self, linear: int, physical: int, size: int) -> Iterator[int]:
        shift = linear - physical
        low, high = max(linear, self._start) - shift, min(linear + size, self._end) - shift
        for position, view in _pieces(self._blocks, low, high):
            found = self._scan.take(position + shift, view)
            if len(view) == CHUNK:
                yield from self._part((position, CHUNK), position + shift, CHUNK, found)
            else:
                yield from found

    def _entries(self, table: int, level: Level, base: int) -> Iterator[_Entry]:
        self._scan.check()
        self._tables += 1
        if self._tables > MAX_TABLES:
            raise TooManyTablesError(MAX_TABLES, Linear(base))
        try:
            raw = self._memory.read(Physical(table), level.entry_size << level.index_bits)
        except UnmappedPhysicalError:
            return
        if not any(raw):
            return
        kind = "Q" if level.entry_size == 8 else "I"
        reserved = reserved_bits(self._paging, level, False), reserved_bits(self._paging, level, True)
        for index, entry in enumerate(struct.unpack(f"<{1 << level.index_bits}{kind}", raw)):
            leaf = entry & PRESENT and maps_page(self._paging, level, entry)
            if not entry & PRESENT or entry & reserved[leaf]:
                continue
            offset = index << level.shift
            yield (offset, 1 << level.shift, page_base(level, entry)) if leaf else (offset, 0, table_base(level, entry))


def _merged(entries: Iterator[_Entry]) -> Iterator[_Entry]:
    """Pages that follow one another in both spaces as one."""
    current: _Entry | None = None
    for entry in entries:
        if current is not None:
            offset, size, target = current
            if size and entry[1] and entry[0] == offset + size and entry[2] == target + size:
                current = (offset, size + entry[1], target)
                continue
            yield current
        current = entry
    if current is not None:
        yield current
