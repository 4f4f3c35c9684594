"""qcow2 images, read and written (QEMU docs/interop/qcow2.txt). Their own snapshots are passed over, and kept."""

from __future__ import annotations

import contextlib
import io
import threading
import zlib
from collections.abc import Iterator
from functools import lru_cache

import zstandard

from devices.disk.medium import SECTOR
from vmdbg.images.host_file import HostFile
from vmdbg.images.image import FileIdentity, Image, ImageError, Provenance
from vmdbg.images.qcow2_header import Compression, Header, damaged, read_header
from vmdbg.images.qcow2_map import ABSENT, ALL_ZEROS, COMPRESSED, COPIED, ClusterMap
from vmdbg.images.qcow2_writer import Qcow2Writer

_UNPACKED_KEPT = 16


class Qcow2Image:
    """`backing` has what is in no cluster of this one; without it, that is zeros. It is closed with this one.

    May be read by several threads.
    """

    format = "qcow2"

    def __init__(self, file: HostFile, header: Header, backing: Image | None = None) -> None:
        """Raises ImageError."""
        self._file = file
        self._header = header
        self._backing = backing
        self._lock = threading.RLock()
        self.name = file.name
        self.writable = file.writable
        self.size = -(-header.size // SECTOR) * SECTOR
        self._cluster = header.cluster_size
        self._map = ClusterMap(file, header)
        self._unpacked = lru_cache(_UNPACKED_KEPT)(self._unpack)
        self._writer = Qcow2Writer(file, header, self._map, self._whole_cluster) if file.writable else None

    @property
    def identity(self) -> FileIdentity:
        return self._file.identity

    @property
    def provenance(self) -> Provenance | None:
        identity = self._file.lasting_identity
        behind = self._backing.provenance if self._backing is not None else ()
        return ((self.format, identity), *behind) if identity is not None and behind is not None else None

    def read(self, offset: int, length: int) -> bytes:
        with self._lock:
            parts = [self._part(*run) for run in self._runs(offset, length)]
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _runs(self, offset: int, length: int) -> Iterator[tuple[int, int, int]]:
        """A place, an offset in the disk, and a length: what can be read in one go. The place is where the first byte
        is in the file, ABSENT, ALL_ZEROS, or the entry of a compressed cluster.
        """
        end = offset + length
        while offset < end:
            cluster, inside = divmod(offset, self._cluster)
            start, entry = offset, self._map.entry(cluster)
            offset += self._cluster - inside
            if entry & COMPRESSED:
                yield entry, start, min(offset, end) - start
                continue
            place = self._map.place(cluster)
            while offset < end and self._follows(place, cluster + 1):
                cluster, offset = cluster + 1, offset + self._cluster
                place = place + self._cluster if place >= 0 else place
            if place >= 0:
                place -= offset - self._cluster - start
            yield place, start, min(offset, end) - start

    def _follows(self, place: int, cluster: int) -> bool:
        """Whether a cluster can be read with the one before it, which is at `place`."""
        if self._map.entry(cluster) & COMPRESSED:
            return False
        return self._map.place(cluster) == (place + self._cluster if place >= 0 else place)

    def _part(self, place: int, offset: int, length: int) -> bytes:
        if place == ALL_ZEROS:
            return bytes(length)
        if place == ABSENT:
            return self._from_backing(offset, length)
        if place & COMPRESSED:
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
        offset, sectors = entry & (1 << bits) - 1, (entry & COMPRESSED - 1) >> bits
        end = min((offset // SECTOR + sectors + 1) * SECTOR, self._file.size)
        if entry & COPIED or offset >= end:
            raise self._damaged(f"the compressed cluster {cluster} is at byte {offset}, {sectors} sectors long")
        packed = self._file.read(offset, end - offset)
        try:
            data = _unpacked(packed, self._header.compression, self._cluster)
        except (zlib.error, zstandard.ZstdError) as error:
            raise self._damaged(f"the compressed cluster {cluster}, at byte {offset}, is none: {error}") from None
        if len(data) < self._cluster:
            raise self._damaged(f"the compressed cluster {cluster}, at byte {offset}, unpacks to {len(data)} bytes")
        return data

    def _whole_cluster(self, cluster: int) -> bytes:
        """What a cluster of the disk holds; beyond the end of the disk or of the file, zeros."""
        entry = self._map.entry(cluster)
        place = entry if entry & COMPRESSED else self._map.place(cluster)
        length = self._cluster
        if place >= 0 and not entry & COMPRESSED:
            length = min(length, self._file.size - place)
        return self._part(place, cluster * self._cluster, length).ljust(self._cluster, b"\0")

    def extents(self) -> Iterator[tuple[int, int]]:
        if self._backing is not None:
            yield 0, self.size
            return
        with self._lock:
            clusters = list(self._map.holding(self.size))
        for cluster in clusters:
            start = cluster * self._cluster
            if start < self.size:
                yield start, min(start + self._cluster, self.size)

    def write(self, offset: int, data: bytes) -> None:
        assert self._writer is not None, "it is only read"
        with self._lock:
            self._writer.write(offset, memoryview(data))

    def opened_for_writing(self) -> Image:
        if self.writable:
            return self
        again = self._file.opened_for_writing()
        try:
            return Qcow2Image(again, read_header(again), self._backing)
        except BaseException:
            again.close()
            self._file.reopen()
            raise

    def flush(self) -> None:
        if self._writer is not None:
            with self._lock:
                self._writer.flush()

    def _damaged(self, why: str) -> ImageError:
        return damaged(self.name, why)

    def close(self) -> None:
        if self._writer is not None:
            with contextlib.suppress(ImageError):  # what is not given back is lost room, and no harm
                self._writer.close()
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
