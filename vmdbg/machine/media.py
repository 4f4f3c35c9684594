"""What is in a machine's drives: images of the host, or what a recording has of them, read and told of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

from devices.disk.medium import SECTOR, Medium
from devices.disk.overlay import PAGE
from devices.disk.requests import Listener

_SECTORS = PAGE // SECTOR
Keeper = Callable[[str, int, bytes], None]
"""Told of each page that was read for the first time: the medium's name, the page's number, its 4096 bytes."""


class Source(Medium, Protocol):
    """Where what is in a medium comes from."""

    def recorded(self) -> Iterable[int]:
        """Pages that a recording had of it, ascending: a history that goes on from there needs them too."""
        ...

    def extents(self) -> Iterable[tuple[int, int]]:
        """Start and end, in bytes, of what may hold other than zeros."""
        ...

    def open_for_writing(self) -> None:
        """From now on it can be written. Raises UserError for one that cannot, and is as it was then."""
        ...

    def close(self) -> None: ...


class ReadMedium:
    """A medium that never changes for its guests, read by whole pages, and which of them were read.

    What is written to the image meanwhile, with the user's word, is not seen here.
    """

    read_only = True

    def __init__(self, name: str, image: Source, keeper: Callable[[], Keeper | None] = lambda: None) -> None:
        self.name = name
        self.image = image
        self.sectors = image.sectors
        self._keeper = keeper
        self._seen = set[int]()
        self._before: dict[int, bytes] = {}
        """Pages as they were before they were written to the image."""

    def read(self, sector: int, count: int) -> bytes:
        first, end = sector // _SECTORS, -(-(sector + count) // _SECTORS)
        data = self._pages(first, end)
        start = (sector - first * _SECTORS) * SECTOR
        return data[start : start + count * SECTOR]

    def _pages(self, first: int, end: int) -> bytes:
        """Whole pages, with zeros after the last sector."""
        data = self._from_image(first, end)
        if not self._seen.issuperset(range(first, end)):
            keep = self._keeper()
            for number in range(first, end):
                if number not in self._seen:
                    if keep is not None:
                        keep(self.name, number, data[(number - first) * PAGE : (number - first + 1) * PAGE])
                    self._seen.add(number)
        return data

    def _from_image(self, first: int, end: int) -> bytes:
        there = min(end * _SECTORS, self.sectors) - first * _SECTORS
        data = self.image.read(first * _SECTORS, there).ljust((end - first) * PAGE, b"\0")
        replaced = self._before.keys() & range(first, end) if self._before else ()
        for number in replaced:
            at = (number - first) * PAGE
            data = data[:at] + self._before[number] + data[at + PAGE :]
        return data

    def write(self, sector: int, data: bytes) -> None:
        raise AssertionError("nothing writes below an overlay")

    def flush(self) -> None:
        """Nothing is written."""

    @property
    def looked_at(self) -> LookedAt:
        """The same for people: what they read the guest has not."""
        return LookedAt(self)

    def look(self, sector: int, count: int) -> bytes:
        """As read(), and nobody is told."""
        first, end = sector // _SECTORS, -(-(sector + count) // _SECTORS)
        start = (sector - first * _SECTORS) * SECTOR
        return self._from_image(first, end)[start : start + count * SECTOR]

    def seen(self) -> Iterator[tuple[int, bytes]]:
        """Every page that was read since forget(), or that a recording had, by number."""
        for number in sorted({*self._seen, *self.image.recorded()}):
            yield number, self._from_image(number, number + 1)

    def forget(self) -> None:
        """A history begins: nothing of it was read yet."""
        self._seen.clear()

    def write_image(self, pages: Iterable[tuple[int, bytes]]) -> int:
        """Write pages to the image, which was opened for that; returns how many. Guests go on seeing what was.

        Raises MediumError.
        """
        count = 0
        for number, page in pages:
            if number not in self._before:
                self._before[number] = self._from_image(number, number + 1)
            there = min(_SECTORS, self.sectors - number * _SECTORS)
            self.image.write(number * _SECTORS, page[: there * SECTOR])
            count += 1
        self.image.flush()
        return count


class LookedAt:
    """A Medium that is only looked at."""

    read_only = True

    def __init__(self, medium: ReadMedium) -> None:
        self.sectors = medium.sectors
        self.read = medium.look

    def write(self, sector: int, data: bytes) -> None:
        raise AssertionError("it is only looked at")

    def flush(self) -> None:
        """Nothing is written."""


class Media:
    """All media that the drives of a machine can have, by name. `keeper`, if any, is told of what is read, and
    `on_added` of a medium that comes later.
    """

    def __init__(self, images: Mapping[str, Source] | None = None) -> None:
        self.keeper: Keeper | None = None
        self.listeners: list[Listener] = []
        """Told of every request that drives have finished; they change nothing."""
        self.on_added: Callable[[ReadMedium], None] | None = None
        self._media: dict[str, ReadMedium] = {}
        for name, image in (images or {}).items():
            self.add(name, image)

    def add(self, name: str, image: Source) -> ReadMedium:
        """Raises ValueError for a name that is taken."""
        if name in self._media:
            raise ValueError(f"there is a medium {name!r} already")
        self._media[name] = medium = ReadMedium(name, image, lambda: self.keeper)
        if self.on_added is not None:
            self.on_added(medium)
        return medium

    def find(self, name: str) -> ReadMedium | None:
        return self._media.get(name)

    def close(self) -> None:
        """Nothing is read any more."""
        for medium in self:
            medium.image.close()

    def __iter__(self) -> Iterator[ReadMedium]:
        return iter(self._media.values())
