"""The lowest layer of a recording: a file of checksummed blocks that is only ever appended to.

The file begins with FILE_HEADER. Each block has a header of its own: magic, kind, flags, payload length, CRC-32 of
these, and XXH3-64 of the payload as it lies in the file. Integers are little-endian.
"""

from __future__ import annotations

import contextlib
import enum
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import xxhash
import zstandard

from vmdbg.errors import RecordingError

FILE_MAGIC = b"VMDBGREC"
FORMAT_VERSION = 5
FORMATS_READ = (2, 3, 4, FORMAT_VERSION)
FILE_HEADER = struct.Struct("<8sII")
BLOCK_MAGIC = b"\xabVMB"
BLOCK_HEADER = struct.Struct("<4sHHIIQ")
_CHECKED = struct.Struct("<4sHHI")
TRAILER = struct.Struct("<8sQ")
TRAILER_MAGIC = b"VMDBGIDX"
LARGEST_PAYLOAD = 64 << 20
LARGEST_UNPACKED = 256 << 20
PACKED = 1
"""Flag: the payload is one zstd frame."""
WORTH_PACKING = 200
"""Bytes."""


class Kind(enum.IntEnum):
    """What a block holds. Readers skip kinds that they do not know."""

    META = 1
    CONTENT = 2
    INPUTS = 3
    DIGEST = 4
    CONSOLE = 5
    PAGES = 6
    KEYED_CHECKPOINT = 7
    """Of earlier builds."""
    BASE = 8
    END = 9
    INDEX = 10
    MEDIUM = 11
    SECTORS = 12
    EARLIER_PART = 13
    """Of earlier builds, and what was read of them."""
    ANSWERS = 14
    BLOBS = 15
    DIFFERENCES = 16
    COPIES = 17
    ARCHIVED = 18
    CHECKPOINT = 19
    PART = 20


PAGE_KINDS = frozenset({Kind.PAGES, Kind.DIFFERENCES, Kind.COPIES, Kind.ARCHIVED})
"""Pages, each in one block of one of these kinds."""
CACHE = PAGE_KINDS | {Kind.KEYED_CHECKPOINT, Kind.CHECKPOINT, Kind.INDEX, Kind.EARLIER_PART, Kind.PART}
"""What can be lost without losing any of the history, unless the history begins with a snapshot."""
_LEVELS = dict.fromkeys(Kind, 3) | dict.fromkeys(CACHE, 1) | dict.fromkeys((Kind.PAGES, Kind.DIFFERENCES), 3)
"""Of zstd: what costs a guest that is recorded more than it saves is not worth it."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block in a file: where its header begins, and the length of its payload there."""

    kind: int
    flags: int
    offset: int
    length: int
    checksum: int

    @property
    def end(self) -> int:
        return self.offset + BLOCK_HEADER.size + self.length


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes from `offset` up to `end` that are no block, or none whose checksum holds. `kind` if that is known."""

    offset: int
    end: int
    what: str
    kind: int | None = None

    def __str__(self) -> str:
        return f"bytes {self.offset} to {self.end}: {self.what}"


class BlockWriter:
    """Appends blocks to a new file, opened without a buffer.

    After an error, what was written before stays whole and nothing more is written: later blocks rest on earlier ones.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._packers = {level: zstandard.ZstdCompressor(level=level) for level in set(_LEVELS.values())}
        self.index: list[tuple[int, int]] = []
        self._error: OSError | None = None
        self._write(FILE_HEADER.pack(FILE_MAGIC, FORMAT_VERSION, 0))

    def append(self, kind: Kind, payload: bytes) -> Block:
        """Raises OSError, with nothing of the block left in the file."""
        flags = 0
        if len(payload) >= WORTH_PACKING:
            packed = self._packers[_LEVELS[kind]].compress(payload)
            if len(packed) < len(payload):
                payload, flags = packed, PACKED
        checked = _CHECKED.pack(BLOCK_MAGIC, kind, flags, len(payload))
        checksum = xxhash.xxh3_64_intdigest(payload)
        header = BLOCK_HEADER.pack(BLOCK_MAGIC, kind, flags, len(payload), zlib.crc32(checked), checksum)
        offset = self._file.tell()
        self._write(header + payload)
        self.index.append((kind, offset))
        return Block(kind, flags, offset, len(payload), checksum)

    def finish(self, index: bytes) -> None:
        """Write the index and the trailer that finds it. Raises OSError."""
        offset = self._file.tell()
        self.append(Kind.INDEX, index)
        self._write(TRAILER.pack(TRAILER_MAGIC, offset))

    def _write(self, data: bytes) -> None:
        if self._error is not None:
            raise self._error
        offset, rest = self._file.tell(), memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._error = error
            with contextlib.suppress(OSError):  # the reader copes with half a block
                os.ftruncate(self._file.fileno(), offset)
            raise


def check_file_header(file: BinaryIO, name: str) -> None:
    """Raises RecordingError unless this is a recording that this version reads."""
    head = file.read(FILE_HEADER.size)
    if len(head) < FILE_HEADER.size or head[:8] != FILE_MAGIC:
        raise RecordingError(f"{name} is no vmdbg recording or snapshot: name a file made by `vmdbg record` or `save`")
    version = FILE_HEADER.unpack(head)[1]
    if version not in FORMATS_READ:
        *others, last = map(str, FORMATS_READ)
        read = f"{', '.join(others)} and {last}"
        raise RecordingError(
            f"{name} has recording format {version}, but this vmdbg reads formats {read}: "
            "replay it with the version of vmdbg that made it"
        )


def read_payload(file: BinaryIO, block: Block, most: int = -1) -> bytes:
    """The payload, unpacked: all of it, or the first `most` bytes, which is quicker. RecordingError: it is damaged."""
    payload = os.pread(file.fileno(), block.length, block.offset + BLOCK_HEADER.size)  # forked processes share a seek
    where = f"the block at byte {block.offset}"
    if len(payload) < block.length:
        raise RecordingError(f"{where} is cut off")
    if xxhash.xxh3_64_intdigest(payload) != block.checksum:
        raise RecordingError(f"{where} is damaged: its checksum is wrong")
    if not block.flags & PACKED:
        return payload[:most] if most >= 0 else payload
    try:
        if not 0 <= zstandard.frame_content_size(payload) <= LARGEST_UNPACKED:
            raise RecordingError(f"{where} does not say that it unpacks to at most {LARGEST_UNPACKED} bytes")
        unpacker = zstandard.ZstdDecompressor()
        return unpacker.stream_reader(payload).read(most) if most >= 0 else unpacker.decompress(payload)
    except zstandard.ZstdError as error:
        raise RecordingError(f"{where} cannot be unpacked: {error}") from error


def block_at(file: BinaryIO, offset: int) -> Block | None:
    """The block whose header is at `offset`, None if there is none."""
    file.seek(offset)
    header = file.read(BLOCK_HEADER.size)
    if len(header) < BLOCK_HEADER.size:
        return None
    magic, kind, flags, length, crc, checksum = BLOCK_HEADER.unpack(header)
    if magic != BLOCK_MAGIC or zlib.crc32(header[: _CHECKED.size]) != crc or length > LARGEST_PAYLOAD:
        return None
    return Block(kind, flags, offset, length, checksum)


def scan(file: BinaryIO, size: int) -> Iterator[Block | Damage]:
    """All blocks of the file in order, by their headers, and what lies between them."""
    offset = FILE_HEADER.size
    while offset < size:
        block = block_at(file, offset)
        if block is not None and block.end <= size:
            yield block
            offset = block.end
            continue
        if block is not None:
            yield Damage(offset, size, "the last block is cut off", block.kind)
            return
        if _is_trailer(file, offset, size):
            return
        resumed = _next_block(file, offset + 1, size)
        yield Damage(offset, resumed, "these bytes are no block")
        offset = resumed


def _is_trailer(file: BinaryIO, offset: int, size: int) -> bool:
    file.seek(offset)
    return size - offset == TRAILER.size and file.read(8) == TRAILER_MAGIC


def _next_block(file: BinaryIO, offset: int, size: int) -> int:
    """Where the next plausible header is, or the end of the file."""
    window = 1 << 20
    while offset < size:
        file.seek(offset)
        data = file.read(window + 3)
        at = data.find(BLOCK_MAGIC)
        while at >= 0:
            if block_at(file, offset + at) is not None:
                return offset + at
            at = data.find(BLOCK_MAGIC, at + 1)
        offset += window
    return size


def indexed(file: BinaryIO, size: int) -> Block | None:
    """The index block of a recording that was ended properly."""
    if size < FILE_HEADER.size + TRAILER.size:
        return None
    file.seek(size - TRAILER.size)
    magic, offset = TRAILER.unpack(file.read(TRAILER.size))
    if magic != TRAILER_MAGIC or offset >= size:
        return None
    block = block_at(file, offset)
    return block if block is not None and block.kind == Kind.INDEX and block.end + TRAILER.size == size else None
