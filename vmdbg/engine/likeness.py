"""What pages have in common with others, so that it need be kept once. Knows no machine."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vmdbg.engine.native import _native
from vmdbg.units import PAGE_SIZE

ffi, lib = _native.ffi, _native.lib

WORD = 8
MASK = PAGE_SIZE // WORD // 8
"""Bytes of a mask: a bit for each word of a page, the lowest first."""
_TABLE_BITS = 19
_MOST_PIECES = 6
_MOST_LEFT_OUT = 192
"""Bytes of a page beside its pieces."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a page has other words than the one that it is like, and these, one after the other; or, where it is
    `stepped`, how much more they are than the other's, modulo 2**64, which of relocated pages is often the same.
    """

    mask: bytes
    words: bytes
    stepped: bool


def differences(pages: Sequence[bytes], others: Sequence[bytes], most: int) -> list[Difference | None]:
    """How each page differs from the other of its place; None for more than `most` words."""
    count = len(pages)
    masks, words = bytearray(MASK * count), bytearray(PAGE_SIZE * count)
    counts, stepped = array("I", bytes(4 * count)), bytearray(count)
    lib.pages_differences(
        ffi.from_buffer("uint8_t[]", b"".join(pages)),
        ffi.from_buffer("uint8_t[]", b"".join(others)),
        count,
        most,
        ffi.from_buffer("uint8_t[]", masks),
        ffi.from_buffer("uint8_t[]", words),
        ffi.from_buffer("uint32_t[]", counts),
        ffi.from_buffer("uint8_t[]", stepped),
    )
    found, at = list[Difference | None](), 0
    for number, differing in enumerate(counts):
        if differing > most:
            found.append(None)
            continue
        mask = bytes(masks[number * MASK : (number + 1) * MASK])
        found.append(Difference(mask, bytes(words[at : at + differing * WORD]), bool(stepped[number])))
        at += differing * WORD
    return found


def changed(page: bytes, mask: bytes, words: bytes, *, stepped: bool) -> bytes:
    """The page that differs so from `page`. Raises ValueError if the mask is of another number of words."""
    if len(page) != PAGE_SIZE or len(mask) != MASK or int.from_bytes(mask).bit_count() * WORD != len(words):
        raise ValueError("no page differs so from another")
    result = bytearray(page)
    lib.page_change(
        ffi.from_buffer("uint8_t[]", result),
        ffi.from_buffer("uint8_t[]", mask),
        ffi.from_buffer("uint8_t[]", words),
        stepped,
    )
    return bytes(result)


@dataclass(frozen=True, slots=True)
class Piece:
    """`length` bytes of a page from `at` on, which are those of page `source` of what is known from `offset` on."""

    at: int
    source: int
    offset: int
    length: int


class RecentPages:
    """The pages seen last, and where in them the bytes of another page are, whole words apart."""

    def __init__(self, pages: int) -> None:
        self._room = pages
        self._bytes = bytearray()
        self._table = array("I", bytes(4 << _TABLE_BITS))
        self._pieces = ffi.new("uint32_t[]", 3 * _MOST_PIECES)
        self.count = 0
        """Pages noted since the beginning: each is a source by its number."""

    def note(self, page: bytes) -> None:
        """Know it, in place of the oldest if there are too many."""
        at = self.count % self._room * PAGE_SIZE
        self._bytes[at : at + PAGE_SIZE] = page
        known = ffi.from_buffer("uint8_t[]", self._bytes)
        lib.pieces_note(known, at, at + PAGE_SIZE, ffi.from_buffer("uint32_t[]", self._table), _TABLE_BITS)
        self.count += 1

    def pieces(self, page: bytes) -> list[Piece]:
        """Those that make up the page but for a few bytes between them, in order; empty if that cannot be."""
        if not self._bytes:
            return []
        found = lib.page_pieces(
            ffi.from_buffer("uint8_t[]", self._bytes),
            len(self._bytes),
            ffi.from_buffer("uint32_t[]", self._table),
            _TABLE_BITS,
            ffi.from_buffer("uint8_t[]", page),
            self._pieces,
            _MOST_PIECES,
            _MOST_LEFT_OUT,
        )
        return list(self._found(found))

    def _found(self, count: int) -> Iterator[Piece]:
        for index in range(count):
            at, where, length = self._pieces[3 * index : 3 * index + 3]
            place, offset = divmod(where, PAGE_SIZE)
            newest = (self.count - 1) % self._room
            age = (newest - place) % self._room
            yield Piece(at, self.count - 1 - age, offset, length)
