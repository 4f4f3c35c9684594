"""What is in a machine's drives: images of the host, or what a recording has of them, read and told of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from devices.disk.medium import SECTOR, Medium
from devices.disk.overlay import PAGE, Overlay
from vmdbg.machine.page_stash import PageStash

if TYPE_CHECKING:
    from devices.disk.requests import Listener
    from vmdbg.machine.answers import Answers

_SECTORS = PAGE // SECTOR
Keeper = Callable[[str, int, bytes], None]
"""Told of each page that was read for the first time: the medium's name, the page's number, its 4096 bytes."""


class Source(Medium, Protocol):
    """Where what is in a medium comes from."""

    def recorded(self) -> Iterable[int]:
        """Pages that a recording had of it, ascending: a history that goes on from there needs them too."""
        ...

    def lasts(self, number: int) -> bool:
        """Whether a page that was read will be there again, whatever becomes of the host's images."""
        ...

    @property
    def known_digest(self) -> str | None:
        """What a recording says of content_digest(); None if nobody has said anything."""
        ...

    def extents(self) -> Iterable[tuple[int, int]]:
        """Start and end, in bytes, of what may hold other than zeros."""
        ...

    def open_for_writing(self) -> None:
        """From now on it can be written. Raises UserError for one that cannot, and is as it was then."""
        ...

    def close(self) -> None: ...


class Following(Protocol):
    """An image that follows what the guest writes (vmdbg.machine.following)."""

    disk: str
    until: int

    @property
    def written(self) -> int: ...

    def flush(self) -> None: ...

    def take_back(self) -> TakenBack | None: ...


@dataclass(frozen=True, slots=True)
class TakenBack:
    """The image of a disk was brought to another instant: so many bytes of it are others than they were."""

    disk: str
    medium: str
    size: int


class ReadMedium:
    """A medium that never changes for its guests, read by whole pages, and which of them were read.

    What is written to the image meanwhile, with the user's word, is not seen here.

    Invariant: a page of the stash is as the guest's history has it, and no other place is asked for it. All pages that
    were written to the image are there; where the history may come back, also those that were read.
    """

    read_only = True

    def __init__(self, name: str, image: Source, media: Media) -> None:
        self.name = name
        self.image = image
        self.sectors = image.sectors
        self.follower: Following | None = None
        self.replaced = set[int]()
        """Pages of the image that were written."""
        self._media = media
        self._seen = set[int]()
        self._stash = PageStash()

    def read(self, sector: int, count: int) -> bytes:
        first, end = sector // _SECTORS, -(-(sector + count) // _SECTORS)
        data = self._pages(first, end)
        start = (sector - first * _SECTORS) * SECTOR
        return data[start : start + count * SECTOR]

    def _pages(self, first: int, end: int) -> bytes:
        """Whole pages, with zeros after the last sector."""
        data = self._from_image(first, end)
        if not self._seen.issuperset(range(first, end)):
            self._note(first, data, [number for number in range(first, end) if number not in self._seen])
        return data

    def _note(self, first: int, data: bytes, new: list[int]) -> None:
        """Of pages that were read, from a number on, some for the first time."""
        keep = self._media.keeper
        if keep is not None:
            for number in new:
                keep(self.name, number, data[(number - first) * PAGE : (number - first + 1) * PAGE])
        if self._media.remembers:
            unkept = [number for number in new if number not in self._stash and not self.image.lasts(number)]
            for start, end in _rows(unkept):
                self._stash.put(start, data[(start - first) * PAGE : (end - first) * PAGE])
        self._seen.update(new)

    def _from_image(self, first: int, end: int) -> bytes:
        if not self._stash.has_any(first, end):
            return self._read_image(first, end)
        return b"".join(self._parts(first, end))

    def _parts(self, first: int, end: int) -> Iterator[bytes]:
        number = first
        while number < end:
            if number in self._stash:
                yield self._stash.get(number)
                number += 1
                continue
            start = number
            while number < end and number not in self._stash:
                number += 1
            yield self._read_image(start, number)

    def _read_image(self, first: int, end: int) -> bytes:
        there = min(end * _SECTORS, self.sectors) - first * _SECTORS
        return self.image.read(first * _SECTORS, there).ljust((end - first) * PAGE, b"\0")

    def write(self, sector: int, data: bytes) -> None:
        raise AssertionError("nothing writes below an overlay")

    def flush(self) -> None:
        """Nothing is written."""

    @property
    def looked_at(self) -> LookedAt:
        """The same for people: what they read the guest has not."""
        return LookedAt(self)

    def look(self, sector: int, count: int) -> bytes:
        """As read(), and nobody is told. Another thread may call it while the image is written."""
        first, end = sector // _SECTORS, -(-(sector + count) // _SECTORS)
        start = (sector - first * _SECTORS) * SECTOR
        while True:
            known = len(self._stash)
            data = self._from_image(first, end)
            if len(self._stash) == known:
                return data[start : start + count * SECTOR]

    def extents(self) -> Iterator[tuple[int, int]]:
        """As Source's, of what guests see."""
        yield from self.image.extents()
        for number in sorted(self.replaced):
            yield number * PAGE, (number + 1) * PAGE

    def seen(self) -> Iterator[tuple[int, bytes]]:
        """Every page that was read since forget(), or that a recording had, by number."""
        for number in sorted({*self._seen, *self.image.recorded()}):
            yield number, self._from_image(number, number + 1)

    def forget(self) -> None:
        """A history begins: nothing of it was read yet."""
        self._seen.clear()

    def write_image(self, sector: int, data: bytes) -> None:
        """Write to the image, which was opened for that. Guests go on seeing what was. Raises MediumError."""
        first, end = sector // _SECTORS, -(-(sector + len(data) // SECTOR) // _SECTORS)
        new = [number for number in range(first, end) if number not in self._stash]
        for number in new:
            self._stash.put(number, self._read_image(number, number + 1))
        self.replaced.update(range(first, end))
        self.image.write(sector, data)

    def bring_to(self, disk: Overlay, pages: Iterable[int] = ()) -> int:
        """Have the image hold what a disk over this medium does, which differs in `pages` at most, or in what was
        written; returns how many pages were others. Raises MediumError.
        """
        count, disk = 0, disk.over(self.looked_at)
        within = -(-self.sectors // _SECTORS)
        for number in sorted({*self.replaced, *pages}):
            if number >= within:
                break  # a floppy disk may be longer than its image
            there = min(_SECTORS, self.sectors - number * _SECTORS)
            wanted = disk.page(number)[: there * SECTOR]
            if self.image.read(number * _SECTORS, there) != wanted:
                self.write_image(number * _SECTORS, wanted)
                count += 1
        self.image.flush()
        return count

    def close(self) -> None:
        """Nothing is read any more."""
        self.image.close()
        self._stash.close()


def _rows(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Start and end of what follows one another in ascending numbers."""
    start = 0
    for index in range(1, len(numbers) + 1):
        if index == len(numbers) or numbers[index] != numbers[index - 1] + 1:
            yield numbers[start], numbers[index - 1] + 1
            start = index


class LookedAt:
    """A Medium that is only looked at."""

    read_only = True

    def __init__(self, medium: ReadMedium) -> None:
        self.sectors = medium.sectors
        self.read = medium.look
        self.extents = medium.extents

    def write(self, sector: int, data: bytes) -> None:
        raise AssertionError("it is only looked at")

    def flush(self) -> None:
        """Nothing is written."""


class Media:
    """All media that the drives of a machine can have, by name, and what its shares ask.

    `keeper`, if any, is told of what is read, and `on_added` of a medium that comes later. `remembers`: what guests
    have read can be had again, whatever becomes of the host's images.
    """

    def __init__(self, images: Mapping[str, Source] | None = None) -> None:
        self.keeper: Keeper | None = None
        self.remembers = False
        self.listeners: list[Listener] = []
        """Told of every request that drives have finished; they change nothing."""
        self.on_added: Callable[[ReadMedium], None] | None = None
        self.now: Callable[[], int] = lambda: 0
        """The machine's clock."""
        self.folders: dict[str, Answers] = {}
        """What shared folders answer, by the share's name."""
        self._media: dict[str, ReadMedium] = {}
        for name, image in (images or {}).items():
            self.add(name, image)

    def add(self, name: str, image: Source) -> ReadMedium:
        """Raises ValueError for a name that is taken."""
        if name in self._media:
            raise ValueError(f"there is a medium {name!r} already")
        self._media[name] = medium = ReadMedium(name, image, self)
        if self.on_added is not None:
            self.on_added(medium)
        return medium

    def find(self, name: str) -> ReadMedium | None:
        return self._media.get(name)

    def take_back(self) -> list[TakenBack]:
        """The future of the present instant is dropped: images that follow their disks are brought to it.

        Raises MediumError.
        """
        taken = [medium.follower.take_back() for medium in self if medium.follower is not None]
        for folder in self.folders.values():
            folder.drop_future()
        return [one for one in taken if one is not None]

    def close(self) -> None:
        """Nothing is read any more."""
        for medium in self:
            medium.close()
        for folder in self.folders.values():
            folder.close()

    def __iter__(self) -> Iterator[ReadMedium]:
        return iter(self._media.values())
