"""Pages of RAM kept once however often they occur.

A page lives as long as a checkpoint refers to it; Python's reference counts are the store's.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import lz4.block
import xxhash

from vmdbg.units import PAGE_SIZE

OVERHEAD = 120
"""Bytes that a page costs besides its contents."""


class PageSource(Protocol):
    """Where pages can be had again, such as a recording."""

    def page(self, key: bytes) -> bytes:
        """Raises RecordingError if it is damaged."""
        ...

    def pages(self, keys: Sequence[bytes], at_hand: Callable[[bytes], bytes | None]) -> Iterator[tuple[int, bytes]]:
        """Pages by their places in `keys`, in the order in which they are had the quickest. Raises RecordingError.

        `at_hand` gives contents by key, where they are at hand.
        """
        ...


class Page:
    """The contents of one page: at hand, compressed when cold, or in a source until they are needed.

    `at_hand` and `kept` are set by the store only, which knows what that takes.
    """

    __slots__ = ("__weakref__", "_packed", "_source", "at_hand", "kept", "key")

    def __init__(self, key: bytes, data: bytes | None, source: PageSource | None = None) -> None:
        self.key = key
        self.at_hand = data
        self._packed: bytes | None = None
        """Empty if that saves nothing."""
        self._source = source
        self.kept: _Kept | None = None
        """What its store knows of it."""

    @property
    def data(self) -> bytes:
        """4096 bytes. Raises RecordingError if its source is damaged."""
        data = self.held
        if data is not None:
            return data
        assert self._source is not None
        return self._source.page(self.key)

    @property
    def held(self) -> bytes | None:
        """The contents, if memory has them."""
        data = self.at_hand  # another thread may cool the page meanwhile
        if data is not None:
            return data
        packed = self._packed
        return bytes(lz4.block.decompress(packed, uncompressed_size=PAGE_SIZE)) if packed else None

    @property
    def is_cold(self) -> bool:
        return self.at_hand is None

    @property
    def is_away(self) -> bool:
        """Whether it has to be fetched from its source."""
        return self.at_hand is None and not self._packed and self._source is not None

    @property
    def source(self) -> PageSource | None:
        return self._source

    def came_into(self, source: PageSource) -> None:
        """It can be had from there, too: memory need not keep it. Another thread may say so."""
        if self._source is None:
            self._source = source

    def cool(self) -> None:
        """Keep it compressed from now on, or in its source, if that saves anything."""
        if self.at_hand is None:
            return
        if self._source is not None:
            self.at_hand = self._packed = None
            return
        if self._packed is None:
            packed = lz4.block.compress(self.at_hand, store_size=False)
            self._packed = packed if len(packed) < PAGE_SIZE * 3 // 4 else b""
        if self._packed:
            self.at_hand = None

    @property
    def size(self) -> int:
        """Bytes of memory."""
        return OVERHEAD + (len(self.at_hand) if self.at_hand is not None else 0) + len(self._packed or b"")


def contents(pages: Iterable[Page]) -> Iterator[bytes]:
    """What they hold, one after the other. Raises RecordingError if a source is damaged."""
    return (page.at_hand or page.data for page in pages)


def read_together(pages: Iterable[Page]) -> dict[bytes, bytes]:
    """The contents, by key, of those that have to be read of a source: one by one that takes many times as long.

    Raises RecordingError.
    """
    wanted: dict[PageSource, dict[bytes, None]] = {}
    for page in pages:
        if page.is_away and page.source is not None:
            wanted.setdefault(page.source, {})[page.key] = None
    found = dict[bytes, bytes]()
    for source, some in wanted.items():
        keys = list(some)
        found.update((keys[index], data) for index, data in source.pages(keys, lambda _key: None))
    return found


def page_key(data: bytes | memoryview) -> bytes:
    """What names a page by its contents: XXH3-128."""
    return xxhash.xxh3_128_digest(data)


class _Kept(weakref.ref[Page]):
    """A page that the store knows, by its key, and the bytes that it was last known to take."""

    __slots__ = ("key", "size")

    key: bytes
    size: int


class PageStore:
    """All pages of a timeline, by contents.

    `_size` is the sum of what is noted of each page; what other threads let go of may stay in it until recount().
    """

    def __init__(self) -> None:
        # What WeakValueDictionary does, which is written in Python: most of what keeping a page would cost.
        kept: dict[bytes, _Kept] = {}

        def forget(gone: weakref.ref[Page]) -> None:
            assert isinstance(gone, _Kept)
            self._size -= gone.size
            if kept.get(gone.key) is gone:
                del kept[gone.key]

        self._size = 0
        self._kept, self._forget = kept, forget
        self.zero = self.page(bytes(PAGE_SIZE))

    def page(self, data: bytes | memoryview) -> Page:
        """The page with these contents."""
        key = page_key(data)
        return self._find(key) or self._keep(Page(key, bytes(data)), OVERHEAD + PAGE_SIZE)

    def page_from(self, key: bytes, source: PageSource) -> Page:
        """The page of that key, whose contents are fetched when they are needed."""
        return self._find(key) or self._keep(Page(key, None, source), OVERHEAD)

    def _find(self, key: bytes) -> Page | None:
        known = self._kept.get(key)
        return known() if known is not None else None

    def _keep(self, page: Page, size: int) -> Page:
        known = page.kept = _Kept(page, self._forget)
        known.key, known.size = page.key, size
        self._size += size
        self._kept[page.key] = known
        return page

    def fetch(self, pages: Iterable[Page]) -> None:
        """Have what is in a source at hand. Raises RecordingError if some of it is damaged."""
        away = [page for page in pages if page.at_hand is None and page.is_away]
        for source in {page.source for page in away}:
            assert source is not None, "it is away"
            some = [page for page in away if page.source is source]
            for index, data in source.pages([page.key for page in some], self._at_hand):
                page = some[index]
                page.at_hand = data
                if (known := page.kept) is not None:
                    self._size += OVERHEAD + len(data) - known.size
                    known.size = OVERHEAD + len(data)

    def _at_hand(self, key: bytes) -> bytes | None:
        page = self._find(key)
        return page.data if page is not None and not page.is_away else None

    def cool(self, pages: Iterable[Page]) -> None:
        """Compress what is at hand of these, or leave it to its source; but for zeros, which are always wanted."""
        for page in pages:
            if page.at_hand is not None and page is not self.zero:
                page.cool()
                self._note(page)

    def _note(self, page: Page) -> None:
        known = page.kept
        if known is not None:
            size = page.size
            self._size += size - known.size
            known.size = size

    def pages(self) -> Iterable[Page]:
        return [page for known in list(self._kept.values()) if (page := known()) is not None]

    def __len__(self) -> int:
        return len(self._kept)

    def size(self) -> int:
        """Bytes of memory that the pages take."""
        return self._size

    def recount(self) -> None:
        """Have size() right. Looks at every page."""
        self._size = sum(known.size for known in list(self._kept.values()))
