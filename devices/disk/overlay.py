"""A disk whose image is never written: what the guest writes is kept beside it, page by page, as machine state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from devices.disk.medium import SECTOR, Medium
from devices.seam import Pages

PAGE = 4096
SECTORS = PAGE // SECTOR
_ZEROS = bytes(PAGE)
_MAP_PIECE = 4096
"""Bytes of the map looked at in one go."""


def page_count(sectors: int) -> int:
    """How many pages so many sectors take; the last may go beyond them."""
    return -(-sectors // SECTORS)


class Follower(Protocol):
    """Where what is written to a disk goes besides. Both raise MediumError: it is then still to be done, here too."""

    def write(self, sector: int, data: bytes) -> None: ...

    def flush(self) -> None: ...


class Overlay:
    """A Medium: `base` under what was written. `data` has room for whole pages of the disk, and `written` a bit for
    each that holds something: (page & 7) of byte (page >> 3).

    Invariant: a page whose bit is clear is zeros in `data`. Nothing is written where the base cannot be read.
    """

    read_only = False

    def __init__(self, base: Medium, data: Pages, written: Pages) -> None:
        self.base = base
        self._data = data
        self._written = written
        self.follower: Follower | None = None

    def over(self, base: Medium) -> Overlay:
        """What was written here, over another base of the same size."""
        return Overlay(base, self._data, self._written)

    @property
    def sectors(self) -> int:
        return self.base.sectors

    def read(self, sector: int, count: int) -> bytes:
        first, last = sector // SECTORS, (sector + count - 1) // SECTORS
        start = first >> 3
        bits = int.from_bytes(self._written.read(start, (last >> 3) - start + 1), "little") >> (first & 7)
        if not bits & (1 << last - first + 1) - 1:
            return self.base.read(sector, count)
        skipped = (sector - first * SECTORS) * SECTOR
        return b"".join(self._runs(first, last + 1, bits))[skipped : skipped + count * SECTOR]

    def _runs(self, first: int, end: int, bits: int) -> Iterator[bytes]:
        """Whole pages, neighbours of the same source in one go. Bit 0 of `bits` is the first page's."""
        number = first
        while number < end:
            written, start = bits & 1, number
            while number < end and bits & 1 == written:
                number, bits = number + 1, bits >> 1
            if written:
                yield self._data.read(start * PAGE, (number - start) * PAGE)
            else:
                yield self._from_base(start, number)

    def image_page(self, number: int) -> bytes:
        """What was there before anything was written."""
        return self._from_base(number, number + 1)

    def _from_base(self, first: int, end: int) -> bytes:
        """Pages `first` to before `end`; beyond the last sector, zeros."""
        there = min(end * SECTORS, self.sectors) - first * SECTORS
        return self.base.read(first * SECTORS, there).ljust((end - first) * PAGE, b"\0")

    def write(self, sector: int, data: bytes) -> None:
        """All that is read for it is read, and whoever follows has it, before anything is written here."""
        first, last = sector // SECTORS, (sector + len(data) // SECTOR - 1) // SECTORS
        before = (sector - first * SECTORS) * SECTOR
        after = (last - first + 1) * PAGE - before - len(data)
        head = self.page(first)[:before] if before else b""
        tail = self.page(last)[PAGE - after :] if after else b""
        if self.follower is not None:
            self.follower.write(sector, data)
        self._data.write(first * PAGE, head + data + tail)
        self._mark(first, last)

    def discard(self, sector: int, count: int) -> None:
        """What was written to whole pages of it is given back, and zeros are there; what the image has stays.

        Whoever follows has that before anything is changed here.
        """
        first, end = -(-sector // SECTORS), (sector + count) // SECTORS
        found = [number for number in self._marked(first, end) if self._data.read(number * PAGE, PAGE) != _ZEROS]
        if self.follower is not None:
            for number in found:
                there = min(SECTORS, self.sectors - number * SECTORS)
                self.follower.write(number * SECTORS, bytes(there * SECTOR))
        for number in found:
            self._data.write(number * PAGE, _ZEROS)

    def page(self, number: int) -> bytes:
        """4096 bytes."""
        if self.is_written(number):
            return self._data.read(number * PAGE, PAGE)
        return self._from_base(number, number + 1)

    def _mark(self, first: int, last: int) -> None:
        start, size = first >> 3, (last >> 3) - (first >> 3) + 1
        before = int.from_bytes(self._written.read(start, size), "little")
        marked = before | (1 << last - first + 1) - 1 << (first & 7)
        if marked != before:
            self._written.write(start, marked.to_bytes(size, "little"))

    def is_written(self, number: int) -> bool:
        """Whether a page holds what was written."""
        return bool(self._written.read(number >> 3, 1)[0] >> (number & 7) & 1)

    def written(self) -> Iterator[int]:
        """The numbers of all pages that were written, ascending."""
        return self._marked(0, self._written.size * 8)

    def _marked(self, first: int, end: int) -> Iterator[int]:
        """Those from `first` to before `end`."""
        last = min(-(-end // 8), self._written.size)
        for start in range(first // 8, last, _MAP_PIECE):
            piece = self._written.read(start, min(_MAP_PIECE, last - start))
            if piece.count(0) == len(piece):
                continue
            for index, byte in enumerate(piece):
                numbers = ((start + index) * 8 + bit for bit in range(8) if byte >> bit & 1)
                yield from (number for number in numbers if first <= number < end)

    def flush(self) -> None:
        """What was written is state, and there is nothing more lasting; whoever follows may have more to do."""
        if self.follower is not None:
            self.follower.flush()
