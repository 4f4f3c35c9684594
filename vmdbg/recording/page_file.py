"""The pages that a recording holds, read when they are needed."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate, groupby, islice
from typing import BinaryIO

from vmdbg.engine.likeness import MASK, WORD, changed
from vmdbg.errors import RecordingError
from vmdbg.interruption import INTERRUPTION
from vmdbg.recording.archive_file import ArchivedPages, ArchiveFile
from vmdbg.recording.blocks import Block, Kind, read_payload
from vmdbg.recording.content import ContentReader
from vmdbg.recording.page_ordinals import KEY_SIZE, Keys, Ordinals, count_of, unpack_keys, unpack_ordinals
from vmdbg.recording.page_records import PIECE, Archived, Copies, Differences, Pages
from vmdbg.recording.recorded_media import SectorFile
from vmdbg.recording.records import decode
from vmdbg.timeline.pages import page_key
from vmdbg.units import PAGE_SIZE

BYTES_AT_HAND = 96 << 20
"""Of blocks, unpacked. To put memory back takes up to as much, of blocks from all over the file, and the next time most
of the same ones."""
LEAST_PAGE = KEY_SIZE // 2
"""Bytes of a file that a page in it takes, surely: its digest does not pack."""
MOST_KEYS = 1 << 16
"""Bytes of a block that its keys are in: a block of more pages than fit holds none."""
_BYTES = {0xC4: 1, 0xC5: 2, 0xC6: 4}
"""MessagePack's bytes, and how long their lengths are."""
_PLACE_BITS = 16
_DAMAGED = "a page of a checkpoint is damaged or missing: replay without checkpoints"
_LIES = "a page of a checkpoint is not what its digest says: replay without checkpoints"

AtHand = Callable[[bytes], bytes | None]
"""A page's contents by its key, if they are at hand."""


def keys_at_the_beginning(payload: bytes, count: int = 1) -> list[bytes]:
    """The first fields of a block of pages of which only the beginning is there. Raises RecordingError if they are not
    in it.
    """
    found, at = list[bytes](), 1
    for _ in range(count if payload[:1] and payload[0] & 0xF0 == 0x90 else 0):
        wide = _BYTES.get(payload[at], 0) if len(payload) > at else 0
        start = at + 1 + wide
        at = start + int.from_bytes(payload[at + 1 : start], "big")
        if not wide or at > len(payload):
            break
        found.append(payload[start:at])
    if len(found) < count:
        raise RecordingError("a block of pages is damaged: its keys are not where they should be")
    return found


class _Whole:
    """Pages as they are."""

    def __init__(self, pages: Pages) -> None:
        if count_of(pages.keys) != len(pages.data) // PAGE_SIZE:
            raise RecordingError("a block of pages is damaged: its contents do not match its digests")
        self._data = pages.data
        self.size = len(pages.data)

    def page(self, place: int, _base: bytes) -> bytes:
        return bytes(self._data[place * PAGE_SIZE : (place + 1) * PAGE_SIZE])


class _Differing:
    """Pages that differ from others."""

    def __init__(self, pages: Differences) -> None:
        masks = [pages.masks[at : at + MASK] for at in range(0, len(pages.masks), MASK)]
        ends = accumulate(map(int.bit_count, map(int.from_bytes, masks)), initial=0)
        self._masks, self._ends, self._words = masks, list(ends), pages.words
        """Ends are counted in words."""
        self._stepped = pages.stepped or bytes(len(masks))
        fits = count_of(pages.keys) == len(masks) == len(self._stepped)
        if not fits or self._ends[-1] * WORD != len(pages.words):
            raise RecordingError("a block of pages is damaged: its differences do not match its digests")
        self.size = len(pages.masks) + len(pages.words)

    def page(self, place: int, base: bytes) -> bytes:
        words = self._words[self._ends[place] * WORD : self._ends[place + 1] * WORD]
        return changed(base, self._masks[place], words, stepped=bool(self._stepped[place]))


class _Copied:
    """Pages made of pieces of media's."""

    def __init__(self, pages: Copies, sectors: SectorFile) -> None:
        self._sectors, self._media, self._between = sectors, pages.media, pages.between
        self._pieces = list(PIECE.iter_unpack(pages.pieces[: len(pages.pieces) // PIECE.size * PIECE.size]))
        self._ends = list(accumulate(pages.counts, initial=0))
        left = (PAGE_SIZE - sum(piece[1] for piece in self.pieces(n)) for n in range(len(pages.counts)))
        self._begins = list(accumulate(left, initial=0))
        fits = count_of(pages.keys) == len(pages.counts) and self._ends[-1] == len(self._pieces)
        if not fits or self._begins[-1] != len(pages.between) or not all(map(self._is_piece, self._pieces)):
            raise RecordingError("a block of pages is damaged: its pieces make no pages")
        self.size = len(pages.pieces) * 8

    def pieces(self, place: int) -> list[tuple[int, ...]]:
        return self._pieces[self._ends[place] : self._ends[place + 1]]

    def _is_piece(self, piece: tuple[int, ...]) -> bool:
        at, length, medium, offset, _ = piece
        return 0 < length <= PAGE_SIZE - max(at, offset) and medium < len(self._media)

    def is_there(self, place: int) -> bool:
        """Whether the file has what it is made of."""
        return all(self._sectors.has(self._media[medium], number) for _, _, medium, _, number in self.pieces(place))

    def page(self, place: int, _base: bytes) -> bytes:
        result, between = bytearray(), self._between[self._begins[place] : self._begins[place + 1]]
        for at, length, medium, offset, number in self.pieces(place):
            gap = at - len(result)
            result, between = result + between[: max(gap, 0)], between[max(gap, 0) :]
            source = self._sectors.page(self._media[medium], number)
            if gap < 0 or source is None:
                raise RecordingError(_DAMAGED)
            result += source[offset : offset + length]
        return bytes(result + between)


_Unpacked = _Whole | _Differing | _Copied | ArchivedPages


@dataclass(slots=True)
class _Plan:
    """Which pages are to be read: numbers of blocks and places in them as one number."""

    asked: dict[int, int]
    """Those that were asked for, and which of what was asked for they are."""
    bases: dict[int, int]
    """What those that differ from another page of the file differ from."""
    given: dict[int, bytes]
    """What others differ from that is at hand."""


def _block_of(where: int) -> int:
    return where >> _PLACE_BITS


def _page(block: _Unpacked, where: int, base: bytes) -> bytes:
    try:
        return block.page(where & (1 << _PLACE_BITS) - 1, base)
    except (IndexError, ValueError) as error:
        raise RecordingError(_DAMAGED) from error


class PageFile:
    """A PageSource over the blocks of a file that hold pages.

    Invariant: what a page rests on comes before it in the file.
    """

    def __init__(self, file: BinaryIO, sectors: SectorFile, contents: ContentReader) -> None:
        self._file = file
        self._sectors = sectors
        self._archives = ArchiveFile(sectors, contents)
        self._blocks: list[Block] = []
        self._where: dict[bytes, int] = {}
        self._noted = 0
        """Blocks of which it is known what they hold."""
        self._ordinals = Ordinals(0)
        self._bases: dict[int, bytes] = {}
        """Keys of what pages differ from."""
        self._at_hand: dict[int, _Unpacked] = {}
        self._size = 0

    def add(self, block: Block) -> None:
        """Another thread may do so, of a file that is being written."""
        self._blocks.append(block)

    def _index(self) -> dict[bytes, int]:
        """Where each page is: the number of its block, and its place in it. Damaged blocks hold none, and what rests on
        one of theirs is not there either.
        """
        if self._noted < len(self._blocks):
            self._ordinals.most = os.fstat(self._file.fileno()).st_size // LEAST_PAGE
        while self._noted < len(self._blocks):
            INTERRUPTION.check()
            with suppress(RecordingError):
                self._note_block(self._noted, self._where)
            self._noted += 1
        return self._where

    def _note_block(self, number: int, where: dict[bytes, int]) -> None:
        """Raises RecordingError."""
        block, first = self._blocks[number], number << _PLACE_BITS
        if block.kind in (Kind.COPIES, Kind.ARCHIVED):
            payload = read_payload(self._file, block)
            made = self._made_of_media(block, payload)
            for place, key in enumerate(self._keys(keys_at_the_beginning(payload)[0]).keys):
                if made.is_there(place):
                    where.setdefault(key, first + place)
        elif block.kind == Kind.DIFFERENCES:
            packed, likewise = keys_at_the_beginning(read_payload(self._file, block, MOST_KEYS), 2)
            keys = self._keys(packed)
            for place, (key, base) in enumerate(zip(keys.keys, self._based_on(keys, likewise), strict=False)):
                if base is not None and base in where:
                    where.setdefault(key, first + place)
                    self._bases[first + place] = base
        else:
            (whole,) = keys_at_the_beginning(read_payload(self._file, block, MOST_KEYS))
            for place, key in enumerate(self._keys(whole).keys):
                where.setdefault(key, first + place)

    def _keys(self, packed: bytes) -> Keys:
        """The digests of a block's pages, whose ordinals are then known. Raises RecordingError."""
        keys = unpack_keys(packed)
        if keys.first:
            self._ordinals.note(*keys)
        return keys

    def _based_on(self, keys: Keys, bases: bytes) -> Iterable[bytes | None]:
        """Digests of what a block's pages differ from. Raises RecordingError."""
        return self._ordinals.keys(unpack_ordinals(bases)) if keys.first else unpack_keys(bases).keys

    def keys(self, ordinals: Iterable[int]) -> Iterator[bytes | None]:
        """Digests of pages by their ordinals in the file; None where these are lost."""
        self._index()
        return self._ordinals.keys(ordinals)

    def _read(self, number: int) -> _Unpacked:
        found = self._at_hand.get(number)
        if found is None:
            INTERRUPTION.check()
            found = self._at_hand[number] = self._unpacked(self._blocks[number])
            self._size += found.size
            while self._size > BYTES_AT_HAND and len(self._at_hand) > 1:
                self._make_room()
        return found

    def _make_room(self) -> None:
        """A younger one goes: they are read in order, over and over, and the oldest would be the next one wanted."""
        number = next(islice(self._at_hand, (len(self._at_hand) - 1) * 3 // 4, None))
        self._size -= self._at_hand.pop(number).size

    def _block(self, number: int) -> _Unpacked:
        try:
            return self._read(number)
        except (IndexError, ValueError) as error:
            raise RecordingError(_DAMAGED) from error

    def _unpacked(self, block: Block) -> _Unpacked:
        payload = read_payload(self._file, block)
        if block.kind == Kind.DIFFERENCES:
            return _Differing(decode(payload, Differences, "a block of pages"))
        if block.kind in (Kind.COPIES, Kind.ARCHIVED):
            return self._made_of_media(block, payload)
        return _Whole(decode(payload, Pages, "a block of pages"))

    def _made_of_media(self, block: Block, payload: bytes) -> _Copied | ArchivedPages:
        """Raises RecordingError."""
        if block.kind == Kind.COPIES:
            return _Copied(decode(payload, Copies, "a block of pages"), self._sectors)
        return ArchivedPages(decode(payload, Archived, "a block of pages"), self._archives)

    def close(self) -> None:
        self._archives.close()

    def __contains__(self, key: bytes) -> bool:
        return key in self._index()

    def page(self, key: bytes) -> bytes:
        """Raises RecordingError if it is missing or damaged."""
        return next(self.pages([key]))[1]

    def pages(self, keys: Sequence[bytes], at_hand: AtHand = lambda _key: None) -> Iterator[tuple[int, bytes]]:
        """Pages by their places in `keys`, in the order in which they are had the quickest.

        Raises RecordingError if one is missing or damaged.
        """
        plan = self._plan(keys, at_hand)
        users = Counter(plan.bases.values())
        built: dict[int, bytes] = {}
        for number, places in groupby(sorted({*plan.asked, *plan.bases, *users}), _block_of):
            block = self._block(number)
            for where in places:
                base = plan.bases.get(where)
                data = _page(block, where, built[base] if base is not None else plan.given.pop(where, b""))
                if base is not None:
                    users[base] -= 1
                    if not users[base]:
                        del built[base]
                if where in users:
                    built[where] = data
                index = plan.asked.get(where)
                if index is not None:
                    if page_key(data) != keys[index]:
                        raise RecordingError(_LIES)
                    yield index, data

    def _plan(self, keys: Sequence[bytes], at_hand: AtHand) -> _Plan:
        """Raises RecordingError."""
        places = self._index()
        if not all(key in places for key in keys):
            raise RecordingError(_DAMAGED)
        plan = _Plan({places[key]: index for index, key in enumerate(keys)}, {}, {})
        left = [where for where in plan.asked if where in self._bases]
        while left:
            where = left.pop()
            base = self._bases.get(where)
            if base is None or where in plan.bases or where in plan.given:
                continue
            if (data := at_hand(base)) is not None:
                plan.given[where] = data
            else:
                plan.bases[where] = self._found(base)
                left.append(plan.bases[where])
        return plan

    def _found(self, key: bytes) -> int:
        where = self._index().get(key)
        if where is None:
            raise RecordingError(_DAMAGED)
        return where
