"""What is in the files that the guest has written: pages of the share's data, which is paged state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from devices.ninep.node import Extent, Node
from devices.ninep.refused import EFBIG, ENOSPC, RefusedError
from devices.seam import Pages

PAGE = 4096
MANY_EXTENTS, CHUNK = 64, 64
"""A file of more extents than that gets pages by so many."""
LARGEST_FILE = 1 << 40
Range = tuple[int, int]
"""The first page, and how many."""


class Contents:
    """`free` are the ranges of pages before `end` that no file has, in order; they are zeros, as all from `end` on."""

    def __init__(self, data: Pages, size: int) -> None:
        """At most `size` bytes, whole pages."""
        self._data = data
        self.pages = size // PAGE
        self.free: tuple[Range, ...] = ()
        self.end = 0
        self._taken: list[Range] | None = None

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Pages that files get inside are free again if it raises. Nothing that was there before may go inside."""
        free, end = self.free, self.end
        self._taken = []
        try:
            yield
        except BaseException:
            for place, count in self._taken:
                self._clear(place, count)
            self.free, self.end = free, end
            raise
        finally:
            self._taken = None

    def _clear(self, place: int, count: int) -> None:
        for page in range(place, place + count):
            self._data.write(page * PAGE, bytes(PAGE))

    @property
    def unused(self) -> int:
        """Pages that files can still have."""
        return self.pages - self.end + sum(count for _, count in self.free)

    def read(self, node: Node, offset: int, size: int) -> bytes:
        """Less at the end of the file."""
        end = min(offset + size, node.size)
        if offset >= end:
            return b""
        found = bytearray(end - offset)
        for extent in node.extents:
            start, stop = max(offset, extent.at * PAGE), min(end, (extent.at + extent.count) * PAGE)
            if start < stop:
                place = extent.place * PAGE + start - extent.at * PAGE
                found[start - offset : stop - offset] = self._data.read(place, stop - start)
        return bytes(found)

    def write(self, node: Node, offset: int, data: bytes) -> Node:
        """The file with that in it. Raises RefusedError, and nothing has changed."""
        if not data:
            return node
        end = offset + len(data)
        if end > LARGEST_FILE:
            raise RefusedError(EFBIG)
        node = self._with_pages(node, offset // PAGE, -(-end // PAGE))
        for extent in node.extents:
            start, stop = max(offset, extent.at * PAGE), min(end, (extent.at + extent.count) * PAGE)
            if start < stop:
                place = extent.place * PAGE + start - extent.at * PAGE
                self._data.write(place, data[start - offset : stop - offset])
        return replace(node, size=max(node.size, end))

    def _with_pages(self, node: Node, first: int, end: int) -> Node:
        missing = list(_missing(node.extents, first, end))
        if not missing:
            return node
        if len(node.extents) > MANY_EXTENTS:
            first, end = first // CHUNK * CHUNK, -(-end // CHUNK) * CHUNK
            missing = list(_missing(node.extents, first, end))
        if sum(count for _, count in missing) > self.unused:
            raise RefusedError(ENOSPC)
        extents = list(node.extents)
        for at, count in missing:
            for place, length in self._take(count):
                extents.append(Extent(at, place, length))
                at += length
        return replace(node, extents=_joined(extents))

    def _take(self, count: int) -> list[Range]:
        """Pages that are there to be had."""
        found = self._chosen(count)
        if self._taken is not None:
            self._taken += found
        return found

    def _chosen(self, count: int) -> list[Range]:
        if self.pages - self.end >= count:
            self.end += count
            return [(self.end - count, count)]
        found: list[Range] = []
        while count:
            if self.free:
                (place, length), *rest = self.free
                taken = min(length, count)
                self.free = (*([(place + taken, length - taken)] if taken < length else []), *rest)
            else:
                place, taken = self.end, count
                self.end += count
            found.append((place, taken))
            count -= taken
        return found

    def resize(self, node: Node, size: int) -> Node:
        """The file with another size; what is new reads as zeros. Raises RefusedError."""
        if size > LARGEST_FILE:
            raise RefusedError(EFBIG)
        if size < node.size:
            tail = -size % PAGE
            if tail and not list(_missing(node.extents, size // PAGE, size // PAGE + 1)):
                node = self.write(node, size, bytes(tail))
            node = self._cut(node, -(-size // PAGE))
        return replace(node, size=size)

    def _cut(self, node: Node, first: int) -> Node:
        """The file without its pages from there on, which are free."""
        kept: list[Extent] = []
        for extent in node.extents:
            keep = min(max(first - extent.at, 0), extent.count)
            if keep:
                kept.append(replace(extent, count=keep))
            if keep < extent.count:
                self._give_back((extent.place + keep, extent.count - keep))
        return replace(node, extents=tuple(kept))

    def _give_back(self, pages: Range) -> None:
        self._clear(*pages)
        ranges: list[Range] = []
        for start, length in sorted([*self.free, pages]):
            if ranges and sum(ranges[-1]) == start:
                ranges[-1] = (ranges[-1][0], ranges[-1][1] + length)
            else:
                ranges.append((start, length))
        if ranges and sum(ranges[-1]) == self.end:
            self.end = ranges.pop()[0]
        self.free = tuple(ranges)

    def restore(self, free: Sequence[Range], end: int, nodes: Iterable[Node]) -> None:
        """The pages are put back beside it. Raises ValueError for what is none of them."""
        used = [(extent.place, extent.count) for node in nodes for extent in node.extents]
        if not 0 <= end <= self.pages or any(not 0 <= at < at + count <= end for at, count in (*used, *free)):
            raise ValueError("pages of a share that it has not")
        self.free, self.end = tuple((at, count) for at, count in free), end

    def drop(self, node: Node) -> None:
        """Nobody has the file any more."""
        self._cut(node, 0)


def _missing(extents: tuple[Extent, ...], first: int, end: int) -> list[Range]:
    """The file's pages from `first` to before `end` that are nowhere."""
    found: list[Range] = []
    at = first
    for extent in extents:
        if extent.at + extent.count <= at or extent.at >= end:
            continue
        if extent.at > at:
            found.append((at, extent.at - at))
        at = max(at, extent.at + extent.count)
    if at < end:
        found.append((at, end - at))
    return found


def _joined(extents: list[Extent]) -> tuple[Extent, ...]:
    """In order, neighbours as one."""
    found: list[Extent] = []
    for extent in sorted(extents, key=lambda one: one.at):
        last = found[-1] if found else None
        if last and (last.at + last.count, last.place + last.count) == (extent.at, extent.place):
            found[-1] = Extent(last.at, last.place, last.count + extent.count)
        else:
            found.append(extent)
    return tuple(found)
