"""How pages come into a file: what they have in common with what is in it already is not written again."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import NamedTuple

from vmdbg.engine.likeness import WORD, Difference, Piece, RecentPages, differences
from vmdbg.recording.alike_pages import AlikePages
from vmdbg.recording.archives import EMBEDDED, Archive, Archives, FilePage
from vmdbg.recording.blocks import Kind
from vmdbg.recording.packed_kernel import KernelForm
from vmdbg.recording.page_ordinals import pack_keys, pack_ordinals
from vmdbg.recording.page_records import PIECE, Archived, Copies, Differences, Pages
from vmdbg.recording.records import Content
from vmdbg.timeline.pages import Page, PageSource, page_key, read_together
from vmdbg.units import PAGE_SIZE

MOST_WORDS = PAGE_SIZE // WORD // 2
"""In which a page may differ from another to be kept as a difference."""
MOST_DEPTH = 8
"""Pages that have to be had before one, each of which differs from the one before."""
_UNFIT = 255
"""Depth of what is not to be built upon."""
RECENT = 4096
"""Pages of media, of which pieces are found: what firmware and boot loaders read they copy to where it fits."""
MOST_KNOWN = 1 << 17
"""Pages of media that are known by their contents."""
MOST_MISSED = 1024
"""Pages in a row that are not made of recent pages, after which none is sought until others are read."""

_Close = tuple[Page, Page, Difference]
"""A page, what it is like, and how it differs."""
_Alike = tuple[Page, Page, bytes]
"""A page, what it may be like, and the contents of that."""


class PageBlock(NamedTuple):
    """What to write. Of whole pages and differences, which pages these are; and of the latter, from which."""

    kind: Kind
    record: Pages | Differences | Copies | Archived
    pages: Sequence[Page] = ()
    bases: Sequence[Page] = ()


@dataclass(slots=True)
class _Copied:
    """Pages that are made of pieces, so far."""

    keys: list[bytes] = field(default_factory=list)
    media: dict[str, int] = field(default_factory=dict)
    counts: bytearray = field(default_factory=bytearray)
    pieces: bytearray = field(default_factory=bytearray)
    between: bytearray = field(default_factory=bytearray)

    def add(self, key: bytes, data: bytes, pieces: Sequence[Piece], sources: Sequence[tuple[str, int]]) -> None:
        at = 0
        for piece, (medium, number) in zip(pieces, sources, strict=True):
            self.between += data[at : piece.at]
            at = piece.at + piece.length
            index = self.media.setdefault(medium, len(self.media))
            self.pieces += PIECE.pack(piece.at, piece.length, index, piece.offset, number)
        self.between += data[at:]
        self.keys.append(key)
        self.counts.append(len(pieces))

    def record(self, keys: bytes) -> Copies:
        """`keys` as they are packed."""
        return Copies(keys, list(self.media), bytes(self.counts), bytes(self.pieces), bytes(self.between))


@dataclass(slots=True)
class _Archived:
    """Pages that files of an archive have, so far."""

    keys: list[bytes] = field(default_factory=list)
    places: array[int] = field(default_factory=lambda: array("I"))
    lengths: array[int] = field(default_factory=lambda: array("H"))
    pages: int = 0

    def add(self, key: bytes, page: FilePage) -> None:
        self.keys.append(key)
        self.places.append(page.place)
        self.lengths.append(page.length)
        self.pages = max(self.pages, page.pages)

    def record(self, keys: bytes, archive: Archive) -> Archived:
        """`keys` as they are packed."""
        medium, number, offset, packing = archive
        where = self.places.tobytes(), self.lengths.tobytes()
        return Archived(keys, medium, number, offset, packing.name, self.pages, *where)


class PagePacking:
    """What of pages is in a file.

    Two threads have it: one asks what is new() and puts it in a row, the other makes blocks() of it and notes sectors,
    in that order. Invariant: a page is built only upon what has been given out before it.
    """

    def __init__(self, known: Sequence[bytes]) -> None:
        """`known`: keys of pages that whoever reads the file has anyway."""
        self._depths = dict.fromkeys(known, _UNFIT)
        self._ordinals: dict[bytes, int] = {}
        self._media: dict[bytes, tuple[str, int]] = {}
        self._archives = Archives()
        self._alike = AlikePages()
        self._recent: RecentPages | None = None
        self._places: dict[int, tuple[str, int]] = {}
        """Where the recent ones are from, by number."""
        self._missed = 0
        self._read: dict[bytes, bytes] = {}
        """Contents of pages that blocks() is about, of those that memory has not."""
        self.own: PageSource | None = None
        """The file as a source of pages, which another thread reads."""

    def new(self, pages: Sequence[Page]) -> list[int]:
        """Which of them are not in the file, nor given out to be written; they count as that from now on."""
        found, depths = [], self._depths
        for index, page in enumerate(pages):
            if page.key not in depths:
                depths[page.key] = _UNFIT
                found.append(index)
        return found

    def note_sectors(self, medium: str, pages: Sequence[tuple[int, bytes]]) -> None:
        """Pages of a medium have come into the file."""
        if self._recent is None:
            self._recent = RecentPages(RECENT)
        self._missed = 0
        for number, data in pages:
            self._places[self._recent.count] = medium, number
            self._places.pop(self._recent.count - RECENT, None)
            self._recent.note(data)
            self._media.setdefault(page_key(data), (medium, number))
        while len(self._media) > MOST_KNOWN:
            del self._media[next(iter(self._media))]
        self._archives.note(medium, pages)

    def note_content(self, piece: Content) -> None:
        """A piece of an embedded file has come into the file, in order."""
        first, data = piece.offset // PAGE_SIZE, piece.data
        pages = [data[at : at + PAGE_SIZE].ljust(PAGE_SIZE, b"\0") for at in range(0, len(data), PAGE_SIZE)]
        self._archives.note(EMBEDDED + piece.sha256, list(enumerate(pages, first)))

    def blocks(
        self, pages: Sequence[Page], bases: Sequence[Page | None], held: Sequence[bytes | None] = ()
    ) -> Iterator[PageBlock]:
        """What to write of new pages, in order, each of which may be like one that was at its place before, or
        elsewhere. `held` are contents of `bases`, which memory may have no longer.
        """
        others_own = (base for base in bases if base is not None and base.source is not self.own)
        self._read = read_together([*pages, *others_own])
        copied, left, alike = _Copied(), list[Page](), list[_Alike]()
        archived: dict[Archive, _Archived] = {}
        for page, base, data in zip(pages, bases, held or repeat(None, len(pages)), strict=True):
            if (place := self._media.get(page.key)) is not None:
                self._depths[page.key] = 0
                copied.add(page.key, self._data(page), [Piece(0, 0, 0, PAGE_SIZE)], [place])
            elif (file_page := self._archives.take(page.key)) is not None:
                self._depths[page.key] = 0
                archived.setdefault(file_page.archive, _Archived()).add(page.key, file_page)
                if file_page.archive.packing is KernelForm.KERNEL:
                    self._alike.exchange(page, self._data(page))
            elif (
                base is not None
                and self._depths.get(base.key, _UNFIT) < MOST_DEPTH
                and (data := data or self._contents(base)) is not None
            ):
                alike.append((page, base, data))
            else:
                left.append(page)
        close, others = self._close(alike)
        whole = [page for page in (*left, *others) if not self._is_copied(page, copied)]
        self._depths.update((page.key, 0) for page in whole)
        moved, _ = self._close(self._resembling(whole))
        close += moved
        gone = {page.key for page, _, _ in moved}
        whole = [page for page in whole if page.key not in gone]
        if copied.keys:
            yield PageBlock(Kind.COPIES, copied.record(self._keys(copied.keys)))
        for archive, some in archived.items():
            yield PageBlock(Kind.ARCHIVED, some.record(self._keys(some.keys), archive))
        if whole:
            contents = memoryview(b"".join(map(self._data, whole)))
            yield PageBlock(Kind.PAGES, Pages(self._keys([page.key for page in whole]), contents), whole)
        if close:
            rest_on = [base for _, base, _ in close]
            yield PageBlock(Kind.DIFFERENCES, self._differing(close), [page for page, _, _ in close], rest_on)

    def _keys(self, keys: Sequence[bytes]) -> bytes:
        """Those of the next block, packed: from now on their pages have ordinals."""
        first = len(self._ordinals) + 1
        self._ordinals.update(zip(keys, range(first, first + len(keys)), strict=True))
        return pack_keys(first, keys)

    def _differing(self, close: Sequence[_Close]) -> Differences:
        keys = self._keys([page.key for page, _, _ in close])
        bases = pack_ordinals([self._ordinals[base.key] for _, base, _ in close])
        masks, words = b"".join(one.mask for _, _, one in close), b"".join(one.words for _, _, one in close)
        return Differences(keys, bases, masks, words, bytes(one.stepped for _, _, one in close))

    def ordinals(self, keys: Iterable[bytes]) -> list[int]:
        """Of pages by their keys, in the thread that makes blocks(); 0 for those that are in none of them."""
        return list(map(self._ordinals.get, keys, repeat(0)))

    def _data(self, page: Page) -> bytes:
        return self._read.get(page.key) or page.data

    def _contents(self, base: Page) -> bytes | None:
        """None if nobody but the file has them."""
        data = base.held
        return data if data is not None or base.source is self.own else self._data(base)

    def _resembling(self, pages: Sequence[Page]) -> Iterator[_Alike]:
        """Those that may be like another page that was in memory, or is one of them, before them."""
        for page in pages:
            if (found := self._alike.exchange(page, self._data(page))) is None:
                continue
            base, data = found
            if (data := data or self._contents(base)) is not None:
                yield page, base, data

    def _close(self, alike: Iterable[_Alike]) -> tuple[list[_Close], list[Page]]:
        """Those that differ little from their bases, and the others."""
        some = list(alike)
        found = differences([self._data(page) for page, _, _ in some], [data for _, _, data in some], MOST_WORDS)
        close: list[_Close] = []
        others: list[Page] = []
        for (page, base, _), difference in zip(some, found, strict=True):
            depth = self._depths.get(base.key, _UNFIT) + 1
            if difference is None or depth > MOST_DEPTH:
                others.append(page)
            else:
                self._depths[page.key] = depth
                close.append((page, base, difference))
        return close, others

    def _is_copied(self, page: Page, copied: _Copied) -> bool:
        """Whether it is made of pieces of recent pages; then it is added."""
        if self._recent is None or self._missed >= MOST_MISSED:
            return False
        data = self._data(page)
        pieces = self._recent.pieces(data)
        self._missed = 0 if pieces else self._missed + 1
        if pieces:
            copied.add(page.key, data, pieces, [self._places[piece.source] for piece in pieces])
            self._depths[page.key] = 0
        return bool(pieces)
