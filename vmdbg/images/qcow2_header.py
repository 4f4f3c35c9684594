"""The header of a qcow2 image, checked (QEMU docs/interop/qcow2.txt, "Header"). Integers are big-endian."""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass

from devices.disk.medium import MOST_SECTORS, SECTOR
from vmdbg.document.printable import printable
from vmdbg.images.host_file import HostFile
from vmdbg.images.image import ImageError
from vmdbg.images.remedies import check_line, convert_line, decrypt_line

MAGIC = b"QFI\xfb"
_V2 = struct.Struct(">4sIQIIQIIQQIIQ")
_V3 = struct.Struct(">QQQII")
REFCOUNT_TABLE = struct.Struct(">QI")
"""Offset and clusters of the refcount table, as the header has them at REFCOUNT_TABLE_AT."""
REFCOUNT_TABLE_AT, AUTOCLEAR_AT = 48, 88
LARGEST_REFCOUNT_TABLE = 8 << 20
"""Bytes, as QEMU has it."""
_EXTENSION = struct.Struct(">II")
_SMALLEST_CLUSTER, _LARGEST_CLUSTER = 9, 21
"""Bits."""
_LARGEST_L1 = 32 << 20
"""Bytes, as QEMU has it."""
_LONGEST_NAME = 1023
_DIRTY, _CORRUPT, _EXTERNAL, _COMPRESSION, _EXTENDED = (1 << bit for bit in range(5))
_BACKING_FORMAT = 0xE2792ACA


class Compression(enum.IntEnum):
    """How compressed clusters are."""

    ZLIB = 0
    ZSTD = 1


@dataclass(frozen=True, slots=True)
class Header:
    """`size` in bytes, of the disk; `l1_offset` in bytes, of the table in the file. `backing` is the name in the file
    of the image that has what this one lacks, cleaned to be shown; "" if there is none. A refcount has
    2^`refcount_order` bits. `autoclear` are the features that whoever writes and does not know them takes away.
    """

    version: int
    cluster_bits: int
    size: int
    l1_offset: int
    l1_size: int
    backing: str
    backing_format: str
    compression: Compression
    refcounts_offset: int
    refcounts_clusters: int
    refcount_order: int
    autoclear: int

    @property
    def cluster_size(self) -> int:
        return 1 << self.cluster_bits

    @property
    def l2_bits(self) -> int:
        """An L2 table fills a cluster with entries of eight bytes."""
        return self.cluster_bits - 3


def read_header(file: HostFile) -> Header:
    """Raises ImageError for what is damaged, or cannot be read by us."""
    if file.size < _V2.size:
        raise damaged(file.name, f"it has {file.size} bytes, less than a header")
    fields = _V2.unpack(file.read(0, _V2.size))
    _, version, backing_at, backing_size, cluster_bits, size, encryption, l1_size, l1_offset, *refcounts, _, _ = fields
    if version not in (2, 3):
        raise ImageError(
            f"{file.name} is a qcow2 image of version {version}, and 2 and 3 are read: make one of it with "
            f"`{convert_line(file.name, 'qcow' if version == 1 else 'qcow2')}`"
        )
    if encryption:
        raise ImageError(
            f"{file.name} is an encrypted qcow2 image, which is not read: make a plain one with "
            f"`{decrypt_line(file.name)}`"
        )
    if not _SMALLEST_CLUSTER <= cluster_bits <= _LARGEST_CLUSTER:
        raise damaged(file.name, f"its clusters have 2^{cluster_bits} bytes; 2^9 to 2^21 can be")
    more = _More() if version == 2 else _version_3(file)
    _check_features(file, more.features)
    if more.compression not in list(Compression):
        raise ImageError(f"{file.name} has compression type {more.compression}, which is not known: convert it")
    _check_tables(file, cluster_bits, size, l1_offset, l1_size)
    return Header(
        version=version,
        cluster_bits=cluster_bits,
        size=size,
        l1_offset=l1_offset,
        l1_size=l1_size,
        backing=_backing(file, backing_at, backing_size),
        backing_format=_backing_format(file, more.length, backing_at),
        compression=Compression(more.compression),
        refcounts_offset=refcounts[0],
        refcounts_clusters=refcounts[1],
        refcount_order=more.refcount_order,
        autoclear=more.autoclear,
    )


@dataclass(frozen=True, slots=True)
class _More:
    """What version 3 adds, as it is in version 2. `features` are those that must be known to read the image."""

    features: int = 0
    autoclear: int = 0
    refcount_order: int = 4
    length: int = _V2.size
    compression: int = 0


def _version_3(file: HostFile) -> _More:
    if file.size < _V2.size + _V3.size:
        raise damaged(file.name, "its header is cut off")
    features, _, autoclear, refcount_order, length = _V3.unpack(file.read(_V2.size, _V3.size))
    if length < _V2.size + _V3.size or length % 8 or length > file.size:
        raise damaged(file.name, f"it says that its header has {length} bytes")
    compression = file.read(_V2.size + _V3.size, 1)[0] if length > _V2.size + _V3.size else 0
    return _More(features, autoclear, refcount_order, length, compression)


def _check_features(file: HostFile, features: int) -> None:
    if features & _CORRUPT:
        raise ImageError(
            f"{file.name} is marked as corrupt, by a QEMU that found it so: repair a copy of it with "
            f"`{check_line(file.name)} -r all`"
        )
    if features & _DIRTY and file.writable:
        raise ImageError(f"{file.name} was not closed properly: mend it with `{check_line(file.name)} -r all`")
    if features & _EXTERNAL:
        raise ImageError(
            f"{file.name} keeps its data in another file, which vmdbg does not follow: make one of both with "
            f"`{convert_line(file.name, 'qcow2')}`"
        )
    unknown = features & ~(_DIRTY | _COMPRESSION)
    if unknown:
        what = "subclusters (extended L2 entries)" if unknown == _EXTENDED else f"features {unknown:#x}"
        raise ImageError(
            f"{file.name} is a qcow2 image with {what}, which vmdbg does not read: make a plain one with "
            f"`{convert_line(file.name, 'qcow2')}`"
        )


def _check_tables(file: HostFile, cluster_bits: int, size: int, l1_offset: int, l1_size: int) -> None:
    if not 0 < size <= MOST_SECTORS * SECTOR:
        raise damaged(file.name, f"its disk has {size} bytes")
    if l1_size * 8 > _LARGEST_L1:
        raise damaged(file.name, f"its L1 table has {l1_size} entries, more than {_LARGEST_L1 // 8}")
    if l1_size < -(-size >> 2 * cluster_bits - 3):
        raise damaged(file.name, f"its L1 table has {l1_size} entries, too few for a disk of {size} bytes")
    if l1_offset % (1 << cluster_bits) or l1_offset + l1_size * 8 > file.size:
        raise damaged(file.name, f"its L1 table is at byte {l1_offset}, and the file ends at {file.size}")


def _backing(file: HostFile, offset: int, length: int) -> str:
    if not offset:
        return ""
    if not 0 < length <= _LONGEST_NAME or offset + length > file.size:
        raise damaged(file.name, f"the name of its backing file has {length} bytes at {offset}")
    return printable(file.read(offset, length).decode(errors="replace"))


def _backing_format(file: HostFile, offset: int, end: int) -> str:
    """What the header's extension says; "" if nothing."""
    end = min(end or offset, file.size)
    while offset + _EXTENSION.size <= end:
        kind, length = _EXTENSION.unpack(file.read(offset, _EXTENSION.size))
        offset += _EXTENSION.size
        if not kind or offset + length > end:
            break
        if kind == _BACKING_FORMAT:
            return printable(file.read(offset, min(length, _LONGEST_NAME)).decode(errors="replace"))
        offset += -(-length // 8) * 8
    return ""


def damaged(name: str, why: str) -> ImageError:
    return ImageError(f"{name} is a damaged qcow2 image: {why}. Fetch it again, or ask `{check_line(name)}`")
