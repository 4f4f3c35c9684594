"""RAM at an instant, and the difference between two instants put back into the engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import compress
from typing import TypeVar

import xxhash

from vmdbg.engine.memory import PhysicalMemory
from vmdbg.timeline.pages import Page, PageStore, page_key
from vmdbg.units import PAGE_SIZE, Physical

CHUNK = 256
"""Pages in a chunk, the unit that images share."""
_T = TypeVar("_T")


class Chunk:
    """CHUNK neighbouring pages, immutable."""

    __slots__ = ("_digest", "pages")

    def __init__(self, pages: Sequence[Page]) -> None:
        self.pages = tuple(pages)
        self._digest: bytes | None = None

    @property
    def digest(self) -> bytes:
        if self._digest is None:
            self._digest = xxhash.xxh3_128_digest(b"".join(page.key for page in self.pages))
        return self._digest

    def digest_with(self, changes: dict[int, bytes]) -> bytes:
        """The digest that it would have if some pages, by their index in it, had other keys."""
        keys = [page.key for page in self.pages]
        for index, key in changes.items():
            keys[index] = key
        return xxhash.xxh3_128_digest(b"".join(keys))

    def with_pages(self, changes: dict[int, Page]) -> Chunk:
        """The chunk with some pages, by their index in it, replaced."""
        pages = list(self.pages)
        for index, page in changes.items():
            pages[index] = page
        return Chunk(pages)


class RamImage:
    """The contents of RAM at an instant. Images share what is equal."""

    __slots__ = ("chunks",)

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        self.chunks = tuple(chunks)

    @classmethod
    def filled(cls, page: Page, pages: int) -> RamImage:
        """All pages alike."""
        whole = Chunk([page] * CHUNK)
        rest = pages % CHUNK
        return cls([whole] * (pages // CHUNK) + ([Chunk([page] * rest)] if rest else []))

    def __getitem__(self, page: int) -> Page:
        return self.chunks[page // CHUNK].pages[page % CHUNK]

    def with_pages(self, changes: dict[int, Page]) -> RamImage:
        """The image with some pages replaced."""
        chunks = list(self.chunks)
        for number, pages in _by_chunk(changes).items():
            chunks[number] = chunks[number].with_pages(pages)
        return RamImage(chunks)

    def differences(self, other: RamImage) -> Iterator[int]:
        """The numbers of the pages in which the two differ, ascending."""
        for number, (mine, theirs) in enumerate(zip(self.chunks, other.chunks, strict=True)):
            if mine is theirs:
                continue
            for index, (a, b) in enumerate(zip(mine.pages, theirs.pages, strict=True)):
                if a is not b:
                    yield number * CHUNK + index

    def pages(self) -> Iterator[Page]:
        """Every page, in order."""
        for chunk in self.chunks:
            yield from chunk.pages

    def digest(self, changes: Mapping[int, bytes]) -> str:
        """XXH3-128 in hex over chunks' digests, if some pages had other keys: cheap where little has changed."""
        digests = [chunk.digest for chunk in self.chunks]
        for number, keys in _by_chunk(changes).items():
            digests[number] = self.chunks[number].digest_with(keys)
        return xxhash.xxh3_128_hexdigest(b"".join(digests))


def _by_chunk(pages: Mapping[int, _T]) -> dict[int, dict[int, _T]]:
    """What belongs to pages, by the numbers of their chunks and their indices in these."""
    found: dict[int, dict[int, _T]] = {}
    for number, thing in pages.items():
        found.setdefault(number // CHUNK, {})[number % CHUNK] = thing
    return found


class RamTracker:
    """Knows which image an engine's RAM was last equal to, and what may have changed since."""

    def __init__(self, engine: PhysicalMemory, store: PageStore, image: RamImage | None = None) -> None:
        """Without an `image`, RAM held zeros before anything was marked dirty."""
        self._engine = engine
        self._store = store
        self._image = image or RamImage.filled(store.zero, engine.ram_size // PAGE_SIZE)
        self._hashed: dict[int, bytes] = {}
        """The keys of pages that were touched since RAM was equal to the image, when they were last hashed."""

    def digest(self) -> str:
        """The digest of RAM as it is now, of which nothing else is kept."""
        ram, hashed = self._engine.ram, self._hashed
        for number in self._dirty():
            hashed[number] = page_key(ram[number * PAGE_SIZE : (number + 1) * PAGE_SIZE])
        self._engine.clean_pages()
        return self._image.digest(hashed)

    def capture(self) -> RamImage:
        """RAM as it is now."""
        changes: dict[int, Page] = {}
        ram, image, page_of = self._engine.ram, self._image, self._store.page
        for number in self._touched():
            data = bytes(ram[number * PAGE_SIZE : (number + 1) * PAGE_SIZE])
            before = image[number]
            if not before.is_at_hand_as(data):
                page = page_of(data)
                if page is not before:
                    changes[number] = page
        self._is_equal_to(image.with_pages(changes) if changes else image)
        return self._image

    def restore(self, image: RamImage) -> int:
        """Make RAM what it was; returns how many pages had to be written."""
        ram = self._engine.ram
        candidates = sorted(self._touched().union(image.differences(self._image)))
        wrong: list[tuple[int, bytes]] = []
        for number in candidates:
            page = image[number]
            if page_key(ram[number * PAGE_SIZE : (number + 1) * PAGE_SIZE]) != page.key:
                wrong.append((number, page.data))
        for first, parts in _runs(wrong):
            self._engine.restore_ram(Physical(first * PAGE_SIZE), b"".join(parts))
        self._is_equal_to(image)
        return len(wrong)

    def _is_equal_to(self, image: RamImage) -> None:
        """RAM holds that now."""
        self._engine.clean_pages()
        self._hashed.clear()
        self._image = image

    def _touched(self) -> set[int]:
        """What may differ from the image."""
        return {*self._dirty(), *self._hashed}

    def _dirty(self) -> Iterator[int]:
        """What may have changed since it was last hashed or equal to the image."""
        dirty = self._engine.dirty_pages()
        return compress(range(len(dirty)), dirty)


def _runs(pages: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, list[bytes]]]:
    """Neighbouring pages together."""
    first, parts = 0, list[bytes]()
    for number, data in pages:
        if parts and number == first + len(parts):
            parts.append(data)
            continue
        if parts:
            yield first, parts
        first, parts = number, [data]
    if parts:
        yield first, parts
