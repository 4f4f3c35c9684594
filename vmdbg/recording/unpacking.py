"""Unpacking what lies packed on media, piece by piece: who made it may want it to have no end."""

from __future__ import annotations

import enum
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

import zstandard

try:
    from zlib_ng import zlib_ng
except ImportError:  # there is none for every host
    _inflater: Callable[[int], _Inflater] = zlib.decompressobj
    _INFLATER_ERROR: type[Exception] = zlib.error
else:
    _inflater, _INFLATER_ERROR = zlib_ng.decompressobj, zlib_ng.error

LARGEST_WINDOW = 1 << 27
"""Bytes that unpacking may keep: what `zstd --ultra -22` and `xz -9` ask for."""
_STEP = 1 << 18
"""Bytes that come at once, at most, from what can be told."""
_ZSTD_STEP = 1 << 10
"""Bytes that go at once into what cannot: four of them are up to 128 KiB (RFC 8878, 3.1.1.2.3)."""

_FIXED = 10
"""Bytes of a gzip header that are always there."""
_HEADER_CRC, _EXTRA, _NAME, _COMMENT = 2, 4, 8, 16
_LONGEST_HEADER = 1 << 17


class Packing(enum.Enum):
    """How it is packed, by the bytes that it begins with."""

    GZIP = b"\x1f\x8b\x08"
    ZSTD = b"\x28\xb5\x2f\xfd"
    XZ = b"\xfd7zXZ\0"
    NONE = b"07070"
    """It is an archive as it is (vmdbg.recording.cpio)."""


_BEGINNINGS = tuple(packing.value for packing in Packing)
FIRST_BYTES = frozenset(beginning[0] for beginning in _BEGINNINGS)
"""What packing_at() finds begins with one of these."""


def packing_at(data: bytes, at: int) -> Packing | None:
    """What begins there."""
    if not data.startswith(_BEGINNINGS, at):
        return None
    return next(packing for packing in Packing if data.startswith(packing.value, at))


class UnpackingError(Exception):
    """It is damaged, or was never packed so."""


class Unpacker(Protocol):
    """One stream, from its first byte on. What follows its end is left alone.

    The same bytes come out after the same have been put in, but for how they are cut.
    """

    @property
    def ended(self) -> bool: ...

    def feed(self, data: bytes) -> Iterator[bytes]:
        """All that comes out when this has been put in. Raises UnpackingError."""
        ...


class _Plain:
    ended = False
    """Nothing here tells."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        yield data


class _Inflater(Protocol):
    """What zlib and zlib-ng, which takes half the time, have: the same bytes come out of both, cut alike."""

    @property
    def eof(self) -> bool: ...

    @property
    def unconsumed_tail(self) -> bytes: ...

    def decompress(self, data: bytes, /, max_length: int = 0) -> bytes: ...


class _Gzip:
    """Without its checksum, which takes a fifth of the time: pages have digests of their own."""

    def __init__(self) -> None:
        self._unpacker = _inflater(-zlib.MAX_WBITS)
        self._header = bytearray()
        self._begun = False

    @property
    def ended(self) -> bool:
        return self._unpacker.eof

    def feed(self, data: bytes) -> Iterator[bytes]:
        if not self._begun:
            self._header += data
            size = _gzip_header(self._header)
            if not size:
                if len(self._header) > _LONGEST_HEADER:
                    raise UnpackingError("it is no gzip file")
                return
            self._begun, data = True, bytes(self._header[size:])
        yield from self._inflated(data)

    def _inflated(self, data: bytes) -> Iterator[bytes]:
        size = _STEP
        while (data or size == _STEP) and not self.ended:
            try:
                unpacked = self._unpacker.decompress(data, _STEP)
            except _INFLATER_ERROR as error:
                raise UnpackingError(str(error)) from error
            data, size = self._unpacker.unconsumed_tail, len(unpacked)
            yield unpacked


def _gzip_header(data: bytearray) -> int:
    """How long it is (RFC 1952, 2.3); 0 if it is not all there."""
    if len(data) < _FIXED + 2:
        return 0
    flags, at = data[3], _FIXED
    if flags & _EXTRA:
        at += 2 + int.from_bytes(data[at : at + 2], "little")
    for flag in (_NAME, _COMMENT):
        if flags & flag:
            at = data.find(0, at) + 1
            if not at:
                return 0
    at += 2 if flags & _HEADER_CRC else 0
    return at if at <= len(data) else 0


class Decompressor(Protocol):
    """What lzma and bz2 have."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class Stepwise:
    """What comes in steps of a size that can be told."""

    def __init__(self, unpacker: Decompressor) -> None:
        self._unpacker = unpacker

    @property
    def ended(self) -> bool:
        return self._unpacker.eof

    def feed(self, data: bytes) -> Iterator[bytes]:
        more = True
        while more and not self.ended:
            try:
                unpacked = self._unpacker.decompress(data, _STEP)
            except (lzma.LZMAError, OSError, ValueError, MemoryError) as error:
                raise UnpackingError(str(error)) from error
            data, more = b"", not self._unpacker.needs_input
            yield unpacked


class _Zstd:
    def __init__(self) -> None:
        self._unpacker = zstandard.ZstdDecompressor(max_window_size=LARGEST_WINDOW).decompressobj()

    @property
    def ended(self) -> bool:
        return self._unpacker.eof

    def feed(self, data: bytes) -> Iterator[bytes]:
        for at in range(0, len(data), _ZSTD_STEP):
            if self.ended:
                return
            try:
                unpacked = self._unpacker.decompress(data[at : at + _ZSTD_STEP])
            except (zstandard.ZstdError, MemoryError) as error:
                raise UnpackingError(str(error)) from error
            yield unpacked


def unpacker(packing: Packing) -> Unpacker:
    match packing:
        case Packing.GZIP:
            return _Gzip()
        case Packing.XZ:
            return Stepwise(lzma.LZMADecompressor(lzma.FORMAT_XZ, LARGEST_WINDOW))
        case Packing.ZSTD:
            return _Zstd()
        case Packing.NONE:
            return _Plain()
