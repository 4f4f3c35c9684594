"""Blocks that hold pages of RAM: whole, or by what they have in common with others.

`keys` are their digests, XXH3-128, and the ordinal of the first (page_ordinals.pack_keys()).
"""

from __future__ import annotations

import struct

import msgspec


class Pages(msgspec.Struct, frozen=True, array_like=True):
    """Pages of RAM: their contents one after the other."""

    keys: bytes
    data: memoryview
    """Read, they are not copied out of the block."""


class Differences(msgspec.Struct, frozen=True, array_like=True):
    """Pages that differ from others in the file, before them: the ordinals of what they are like (pack_ordinals());
    masks of 64 bytes, a bit for each word of 8 bytes that differs, lowest first; the words; and for each page a byte, 1
    if its words are steps, to be added to those of the other, modulo 2**64.

    Where `keys` has no ordinal, in recordings of earlier builds, `bases` are digests, too.
    """

    keys: bytes
    bases: bytes
    masks: bytes
    words: bytes
    stepped: bytes = b""
    """Empty, in recordings of earlier builds: none are."""


class Copies(msgspec.Struct, frozen=True, array_like=True):
    """Pages made of pieces of media's pages that are in the file: names of media; for each page a byte, how many pieces
    it has; the pieces (PIECE); and what of the pages lies between these.
    """

    keys: bytes
    media: list[str]
    counts: bytes
    pieces: bytes
    between: bytes


class Archived(msgspec.Struct, frozen=True, array_like=True):
    """Pages that have bytes of files of an archive, and zeros after them: where the archive begins, by the medium's
    name, the number of its page, and a byte in that; how it is packed; how many pages of the medium it takes to unpack
    all of these; and for each page where in what is unpacked its bytes are, and how many, as arrays of 4 and of 2
    bytes.
    """

    keys: bytes
    medium: str
    number: int
    offset: int
    packing: str
    pages: int
    places: bytes
    lengths: bytes


PIECE = struct.Struct("<HHHHQ")
"""Where in the page, how many bytes, which medium, from which byte on of which page of it."""
