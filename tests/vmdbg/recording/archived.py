"""Archives as mkinitramfs makes them, and where their files' pages lie, found the plain way."""

from __future__ import annotations

import gzip
import lzma
import random
from collections.abc import Callable, Iterator, Sequence

import zstandard

from vmdbg.recording.archives import Archives
from vmdbg.units import PAGE_SIZE

PACKED: dict[str, Callable[[bytes], bytes]] = {
    "GZIP": lambda data: gzip.compress(data, 1),
    "XZ": lambda data: lzma.compress(data, check=lzma.CHECK_CRC32, preset=0),
    "ZSTD": zstandard.ZstdCompressor(level=1).compress,
    "NONE": lambda data: data,
}


def _member(name: bytes, data: bytes, magic: bytes) -> bytes:
    fields = [0] * 13
    fields[6], fields[11] = len(data), len(name) + 1
    result = magic + b"".join(b"%08X" % field for field in fields) + name + b"\0"
    result += bytes(-len(result) % 4) + data
    return result + bytes(-len(result) % 4)


def make_archive(files: Sequence[bytes], magic: bytes = b"070701") -> bytes:
    members = [_member(b"usr/lib/%d" % number + b"x" * (number % 7), data, magic) for number, data in enumerate(files)]
    return b"".join(members) + _member(b"TRAILER!!!", b"", magic) + bytes(300)


def file_pages(files: Sequence[bytes]) -> list[bytes]:
    """What a page cache has of them."""
    return [
        data[at : at + PAGE_SIZE].ljust(PAGE_SIZE, b"\0") for data in files for at in range(0, len(data), PAGE_SIZE)
    ]


def medium_pages(data: bytes, number: int, offset: int = 0) -> list[tuple[int, bytes]]:
    """The pages of a medium that has these bytes from `offset` on in page `number`."""
    row = bytes(offset) + data
    return [(number + index, page) for index, page in enumerate(file_pages([row]))]


def noted_in_goes(known: Archives, pages: Sequence[tuple[int, bytes]], rng: random.Random) -> Iterator[int]:
    """A disk's pages are read a few at a time, others between them; how many were, after each time."""
    at = 0
    while at < len(pages):
        count = rng.randrange(1, 9)
        known.note("disk", pages[at : at + count])
        known.note(rng.choice(("disk", "cd")), [(rng.randrange(500), rng.randbytes(PAGE_SIZE))])
        at += count
        yield at
