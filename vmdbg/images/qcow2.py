"""qcow2 images, read (QEMU docs/interop/qcow2.txt, "Cluster mapping"). Their own snapshots are passed over."""

from __future__ import annotations

import io
import sys
import zlib
from array import array
from collections.abc import Iterator
from functools import lru_cache

import zstandard

from devices.disk.medium import SECTOR
from vmdbg.images.host_file import HostFile
from vmdbg.images.image import Image, ImageError
from vmdbg.images.qcow2_header import Compression, Header, damaged

_TABLES_KEPT = 64
"""L2 tables: 32 GiB of disk with clusters of 64 KiB, in 4 MiB of memory."""
_UNPACKED_KEPT = 16
_OFFSET = 0x00FF_FFFF_FFFF_FE00
_COPIED = 1 << 63
_COMPRESSED = 1 << 62
_ZEROS = 1
_RESERVED = ~(_OFFSET | _COPIED | _COMPRESSED | _ZEROS) & (1 << 64) - 1
_ABSENT = -1
_ALL_ZEROS = -2
"""Places that are none."""


class Qcow2Image:
    """`backing` has what is in no cluster of this one; without it, that is zeros. It is closed with this one."""

    format = "qcow2"
    writable = False

    def __init__(self, file: HostFile, header: Header, backing: Image | None = None) -> None:
        """Raises ImageError."""
        self._file = file
        self._header = header
        self._backing = backing
        self.name = file.name
        self.size = -(-header.size // SECTOR) * SECTOR
        self._cluster = header.cluster_size
        self._l1 = self._read_table(header.l1_offset, header.l1_size)
        for number, entry in enumerate(self._l1):
            self._check_l1(number, entry)
        self._l2 = lru_cache(_TABLES_KEPT)(self._read_l2)
        self._unpacked = lru_cache(_UNPACKED_KEPT)(self._unpack)

    def _read_table(self, offset: int, entries: int) -> array[int]:
        table = array("Q", self._file.read(offset, entries * 8))
        if sys.byteorder == "little":
            table.byteswap()
        return table

    def _check_l1(self, number: int, entry: int) -> None:
        offset = entry & _OFFSET
        if entry & ~(_OFFSET | _COPIED) or offset % self._cluster:
            raise self._damaged(f"entry {number} of its L1 table is {entry:#x}")
        if offset and offset + self._cluster > self._file.size:
            raise self._damaged(
                f"entry {number} of its L1 table points to byte {offset}, and the file ends at {self._file.size}: "
                "it may be cut off"
            )

    def _read_l2(self, number: int) -> array[int] | None:
        offset = self._l1[number] & _OFFSET
        return self._read_table(offset, self._cluster // 8) if offset else None

    def _entry(self, cluster: int) -> int:
        bits = self._header.l2_bits
        table = self._l2(cluster >> bits)
        return table[cluster & (1 << bits) - 1] if table is not None else 0

    def _place(self, cluster: int) -> int:
        """Where in the file a cluster lies plainly; _ABSENT or _ALL_ZEROS. Not for compressed ones."""
        entry = self._entry(cluster)
        offset = entry & _OFFSET
        if entry & _RESERVED or offset % self._cluster or (entry & _ZEROS and self._header.version < 3):
            raise self._damaged(f"the entry of cluster {cluster} is {entry:#x}")
        if entry & _ZEROS:
            return _ALL_ZEROS
        if not offset:
            return _ABSENT
        if offset >= self._file.size:
            raise self._damaged(
                f"cluster {cluster} is at byte {offset}, and the file ends at {self._file.size}: it may be cut off"
            )
        return offset

    def read(self, offset: int, length: int) -> bytes:
        parts = [self._part(*run) for run in self._runs(offset, length)]
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _runs(self, offset: int, length: int) -> Iterator[tuple[int, int, int]]:
        """A place, an offset in the disk, and a length: what can be read in one go. The place is where the first byte
        is in the file, _ABSENT, _ALL_ZEROS, or the entry of a compressed cluster.
        """
        end = offset + length
        while offset < end:
            cluster, inside = divmod(offset, self._cluster)
            start, entry = offset, self._entry(cluster)
            offset += self._cluster - inside
            if entry & _COMPRESSED:
                yield entry, start, min(offset, end) - start
                continue
            place = self._place(cluster)
            while offset < end and self._follows(place, cluster + 1):
                cluster, offset = cluster + 1, offset + self._cluster
                place = place + self._cluster if place >= 0 else place
            if place >= 0:
                place -= offset - self._cluster - start
            yield place, start, min(offset, end) - start

    def _follows(self, place: int, cluster: int) -> bool:
        """Whether a cluster can be read with the one before it, which is at `place`."""
        if self._entry(cluster) & _COMPRESSED:
            return False
        return self._place(cluster) == (place + self._cluster if place >= 0 else place)

    def _part(self, place: int, offset: int, length: int) -> bytes:
        if place == _ALL_ZEROS:
            return bytes(length)
        if place == _ABSENT:
            return self._from_backing(offset, length)
        if place & _COMPRESSED:
            inside = offset % self._cluster
            return self._unpacked(place, offset // self._cluster)[inside : inside + length]
        return self._file.read(place, length)

    def _from_backing(self, offset: int, length: int) -> bytes:
        there = max(0, min(length, self._backing.size - offset)) if self._backing is not None else 0
        data = self._backing.read(offset, there) if self._backing is not None and there else b""
        return data + bytes(length - there)

    def _unpack(self, entry: int, cluster: int) -> bytes:
        """ "Compressed Clusters Descriptor": the offset, then how many sectors of 512 bytes follow the first."""
        bits = 62 - (self._header.cluster_bits - 8)
        offset, sectors = entry & (1 << bits) - 1, (entry & _COMPRESSED - 1) >> bits
        end = min((offset // SECTOR + sectors + 1) * SECTOR, self._file.size)
        if entry & _COPIED or offset >= end:
            raise self._damaged(f"the compressed cluster {cluster} is at byte {offset}, {sectors} sectors long")
        packed = self._file.read(offset, end - offset)
        try:
            data = _unpacked(packed, self._header.compression, self._cluster)
        except (zlib.error, zstandard.ZstdError) as error:
            raise self._damaged(f"the compressed cluster {cluster}, at byte {offset}, is none: {error}") from None
        if len(data) < self._cluster:
            raise self._damaged(f"the compressed cluster {cluster}, at byte {offset}, unpacks to {len(data)} bytes")
        return data

    def extents(self) -> Iterator[tuple[int, int]]:
        if self._backing is not None:
            yield 0, self.size
            return
        span = self._cluster << self._header.l2_bits
        for number in range(-(-self.size // span)):
            table = self._l2(number)
            for index, entry in enumerate(table or ()):
                start = number * span + index * self._cluster
                holds = entry & _COMPRESSED or (entry & _OFFSET and not entry & _ZEROS)
                if holds and start < self.size:
                    yield start, min(start + self._cluster, self.size)

    def write(self, offset: int, data: bytes) -> None:
        raise ImageError(f"{self.name} is a qcow2 image, which is only read")

    def opened_for_writing(self) -> Image:
        raise ImageError(
            f"{self.name} is a qcow2 image, which is only read: `disk export` writes the whole disk to a new image"
        )

    def flush(self) -> None:
        """Nothing is ever written."""

    def _damaged(self, why: str) -> ImageError:
        return damaged(self.name, why)

    def close(self) -> None:
        self._file.close()
        if self._backing is not None:
            self._backing.close()


def _unpacked(packed: bytes, compression: Compression, most: int) -> bytes:
    """At most so many bytes; what follows the stream is padding. Raises zlib.error, ZstdError."""
    match compression:
        case Compression.ZLIB:
            return zlib.decompressobj(-12).decompress(packed, most)
        case Compression.ZSTD:
            return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(packed)).read(most)
