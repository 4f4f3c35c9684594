"""Unpacking the payload of a Linux kernel, by its magic number, never beyond a given size.

Linux: scripts/Makefile.lib (the commands that pack), lib/decompress.c (the magic numbers). The payload's last
4 bytes are the unpacked size, little-endian: gzip's own trailer, appended to every other format.
"""

from __future__ import annotations

import bz2
import lzma
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import lz4.block
import zstandard

from vmdbg.boot.layout import size_text

_LZ4_LEGACY_BLOCK = 8 << 20
"""LZ4 frame format description, "Legacy frame": blocks unpack to 8 MiB, only the last to less."""

_READ = 8 << 20
_LZMA_MEMORY = 512 << 20
_ZSTD_WINDOW = 128 << 20
"""What the kernel's strongest settings need; a forged header must not exhaust the host."""


class PayloadError(Exception):
    """The payload is damaged or too large. The caller knows which file it came from."""


@dataclass(frozen=True, slots=True)
class Format:
    """A way to pack, told by its first bytes."""

    name: str
    magic: bytes
    unpack: Callable[[memoryview, int], bytes] | None


def find_format(data: memoryview) -> Format | None:
    """The format of packed data, or None."""
    return next((item for item in FORMATS if data[: len(item.magic)] == item.magic), None)


def unpack(data: memoryview, limit: int) -> bytes:
    """The unpacked payload, at most `limit` bytes. Raises PayloadError."""
    found = find_format(data)
    if found is None:
        raise PayloadError(f"is packed in an unknown way (it begins with {bytes(data[:6]).hex(' ') or 'nothing'})")
    if found.unpack is None:
        raise PayloadError(f"is packed with {found.name}, which vmdbg cannot unpack: run it with --via-decompressor")
    try:
        out = found.unpack(data if found.name == "gzip" else data[:-4], limit)
    except (
        zlib.error,
        lzma.LZMAError,
        zstandard.ZstdError,
        lz4.block.LZ4BlockError,
        EOFError,
        OSError,
        ValueError,
    ) as error:
        raise PayloadError(f"is damaged: its {found.name} data cannot be unpacked ({error})") from None
    if len(out) != int.from_bytes(data[-4:], "little"):
        raise PayloadError(f"is damaged: its {found.name} data unpacks to {len(out)} bytes, not to as many as it says")
    return out


class _Stream(Protocol):
    @property
    def eof(self) -> bool: ...

    def decompress(self, data: bytes | memoryview, max_length: int) -> bytes: ...


def _bounded(stream: _Stream, data: memoryview, limit: int) -> bytes:
    out = stream.decompress(data, limit + 1)
    _check_size(len(out), limit)
    if not stream.eof:
        raise EOFError("it ends too early")
    return out


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise PayloadError(f"unpacks to more than {size_text(limit)}: give the guest more --memory, or it is damaged")


def _gzip(data: memoryview, limit: int) -> bytes:
    return _bounded(zlib.decompressobj(wbits=31), data, limit)


def _bzip2(data: memoryview, limit: int) -> bytes:
    return _bounded(bz2.BZ2Decompressor(), data, limit)


def _xz(data: memoryview, limit: int) -> bytes:
    return _bounded(lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_LZMA_MEMORY), data, limit)


def _lzma(data: memoryview, limit: int) -> bytes:
    return _bounded(lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=_LZMA_MEMORY), data, limit)


def _zstd(data: memoryview, limit: int) -> bytes:
    blocks = []
    total = 0
    with zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).stream_reader(data) as reader:
        while block := reader.read(_READ):
            blocks.append(block)
            total += len(block)
            _check_size(total, limit)
    return b"".join(blocks)


def _lz4_legacy(data: memoryview, limit: int) -> bytes:
    blocks = []
    position, total = 4, 0
    while position + 4 <= len(data):
        (size,) = struct.unpack_from("<I", data, position)
        position += 4
        if size == 0 or position + size > len(data):
            raise EOFError("it ends too early")
        block = lz4.block.decompress(data[position : position + size], uncompressed_size=_LZ4_LEGACY_BLOCK)
        blocks.append(block)
        total += len(block)
        _check_size(total, limit)
        position += size
    return b"".join(blocks)


FORMATS = (
    Format("gzip", b"\x1f\x8b", _gzip),
    Format("lz4", b"\x02\x21\x4c\x18", _lz4_legacy),
    Format("xz", b"\xfd7zXZ\x00", _xz),
    Format("zstd", b"\x28\xb5\x2f\xfd", _zstd),
    Format("bzip2", b"BZh", _bzip2),
    Format("lzma", b"\x5d\x00\x00", _lzma),
    Format("lzo", b"\x89LZO", None),
)
