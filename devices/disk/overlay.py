"""A disk whose image is never written: what the guest writes is kept beside it, page by page, as machine state."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from devices.disk.medium import SECTOR, Medium

PAGE = 4096
_SECTORS = PAGE // SECTOR


class SparsePages(Protocol):
    """Pages of 4096 bytes by number, of which most are not there. They are state of the machine."""

    def read_page(self, number: int) -> bytes | None:
        """None for one that is not there."""
        ...

    def write_page(self, number: int, data: bytes) -> None: ...

    def numbers(self) -> Iterable[int]:
        """Those that are there, ascending."""
        ...


class Overlay:
    """A Medium: `base` under `pages`. Nothing is written where the base cannot be read."""

    read_only = False

    def __init__(self, base: Medium, pages: SparsePages) -> None:
        self.base = base
        self.pages = pages

    @property
    def sectors(self) -> int:
        return self.base.sectors

    def read(self, sector: int, count: int) -> bytes:
        first, last = sector // _SECTORS, (sector + count - 1) // _SECTORS
        pages = ((number, self.pages.read_page(number)) for number in range(first, last + 1))
        found = {number: page for number, page in pages if page is not None}
        if not found:
            return self.base.read(sector, count)
        start = sector * SECTOR - first * PAGE
        return self._pages(first, last, found)[start : start + count * SECTOR]

    def _pages(self, first: int, last: int, found: dict[int, bytes]) -> bytes:
        """Whole pages; those that are not found come from the base, neighbours in one go."""
        parts: list[bytes] = []
        number = first
        while number <= last:
            page, end = found.get(number), number + 1
            if page is None:
                while end <= last and end not in found:
                    end += 1
                page = self._from_base(number, end)
            parts.append(page)
            number = end
        return b"".join(parts)

    def _from_base(self, first: int, end: int) -> bytes:
        """Pages `first` to before `end`; beyond the last sector, zeros."""
        there = min(end * _SECTORS, self.sectors) - first * _SECTORS
        return self.base.read(first * _SECTORS, there).ljust((end - first) * PAGE, b"\0")

    def write(self, sector: int, data: bytes) -> None:
        written = self._merged(sector * SECTOR, data)
        for number, page in written:
            self.pages.write_page(number, page)

    def _merged(self, offset: int, data: bytes) -> list[tuple[int, bytes]]:
        """The pages as they will be. Reads all that it needs before anything is written."""
        pages, at = list[tuple[int, bytes]](), 0
        while at < len(data):
            number, inside = divmod(offset + at, PAGE)
            part = data[at : at + PAGE - inside]
            if len(part) < PAGE:
                before = self.pages.read_page(number) or self._from_base(number, number + 1)
                whole = before[:inside] + part + before[inside + len(part) :]
            else:
                whole = bytes(part)
            pages.append((number, whole))
            at += len(part)
        return pages

    def flush(self) -> None:
        """Pages are state: there is nothing more lasting."""
