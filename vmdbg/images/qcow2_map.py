"""Where the clusters of a qcow2 image's disk are (QEMU docs/interop/qcow2.txt, "Cluster mapping")."""

from __future__ import annotations

import sys
from array import array
from collections import OrderedDict
from collections.abc import Iterator

from vmdbg.images.host_file import HostFile
from vmdbg.images.image import ImageError
from vmdbg.images.qcow2_header import Header, damaged

OFFSET = 0x00FF_FFFF_FFFF_FE00
COPIED = 1 << 63
"""Nothing else refers to it."""
COMPRESSED = 1 << 62
ZEROS = 1
_RESERVED = ~(OFFSET | COPIED | COMPRESSED | ZEROS) & (1 << 64) - 1
ABSENT = -1
ALL_ZEROS = -2
"""Places that are none."""
ENTRY = 8
_TABLES_KEPT = 64
"""L2 tables: 32 GiB of disk with clusters of 64 KiB, in 4 MiB of memory."""


class ClusterMap:
    """The L1 table and the L2 tables. All methods raise ImageError.

    Invariant: what is at hand of them is as the file has it.
    """

    def __init__(self, file: HostFile, header: Header) -> None:
        self._file = file
        self._header = header
        self._cluster = header.cluster_size
        self.l1 = self._read_table(header.l1_offset, header.l1_size)
        for number, entry in enumerate(self.l1):
            self._check_l1(number, entry)
        self._kept: OrderedDict[int, array[int]] = OrderedDict()

    def _read_table(self, offset: int, entries: int) -> array[int]:
        table = array("Q", self._file.read(offset, entries * ENTRY))
        if sys.byteorder == "little":
            table.byteswap()
        return table

    def _check_l1(self, number: int, entry: int) -> None:
        offset = entry & OFFSET
        if entry & ~(OFFSET | COPIED) or offset % self._cluster:
            raise self._damaged(f"entry {number} of its L1 table is {entry:#x}")
        if offset and offset + self._cluster > self._file.size:
            raise self._damaged(
                f"entry {number} of its L1 table points to byte {offset}, and the file ends at {self._file.size}: "
                "it may be cut off"
            )

    def table(self, number: int) -> array[int] | None:
        """L2 table `number`; None if there is none, and nothing of its part of the disk is anywhere."""
        found = self._kept.get(number)
        if found is not None:
            self._kept.move_to_end(number)
            return found
        offset = self.l1[number] & OFFSET
        if not offset:
            return None
        return self._keep(number, self._read_table(offset, self._cluster // ENTRY))

    def _keep(self, number: int, table: array[int]) -> array[int]:
        self._kept[number] = table
        if len(self._kept) > _TABLES_KEPT:
            self._kept.popitem(last=False)
        return table

    def entry(self, cluster: int) -> int:
        """Of a cluster of the disk."""
        bits = self._header.l2_bits
        table = self.table(cluster >> bits)
        return table[cluster & (1 << bits) - 1] if table is not None else 0

    def place(self, cluster: int) -> int:
        """Where in the file a cluster lies plainly; ABSENT or ALL_ZEROS. Not for compressed ones."""
        entry = self.entry(cluster)
        offset = entry & OFFSET
        if entry & _RESERVED or offset % self._cluster or (entry & ZEROS and self._header.version < 3):
            raise self._damaged(f"the entry of cluster {cluster} is {entry:#x}")
        if entry & ZEROS:
            return ALL_ZEROS
        if not offset:
            return ABSENT
        if offset >= self._file.size:
            raise self._damaged(
                f"cluster {cluster} is at byte {offset}, and the file ends at {self._file.size}: it may be cut off"
            )
        return offset

    def holding(self, size: int) -> Iterator[int]:
        """The clusters of a disk of `size` bytes that are somewhere in the file."""
        span = self._cluster << self._header.l2_bits
        for number in range(-(-size // span)):
            table = self.table(number)
            for index, entry in enumerate(table or ()):
                if entry & COMPRESSED or (entry & OFFSET and not entry & ZEROS):
                    yield (number << self._header.l2_bits) + index

    def set_table(self, number: int, offset: int, table: array[int]) -> None:
        """Have L1 point to an L2 table that is in the file already, and nobody else's."""
        entry = offset | COPIED
        self._file.write(self._header.l1_offset + number * ENTRY, entry.to_bytes(ENTRY, "big"))
        self.l1[number] = entry
        self._keep(number, table)

    def set_entry(self, cluster: int, entry: int) -> None:
        """In a table that is there, and nobody else's."""
        number, index = cluster >> self._header.l2_bits, cluster & (1 << self._header.l2_bits) - 1
        table = self.table(number)
        assert table is not None, "it was made"
        self._file.write((self.l1[number] & OFFSET) + index * ENTRY, entry.to_bytes(ENTRY, "big"))
        table[index] = entry

    def _damaged(self, why: str) -> ImageError:
        return damaged(self._file.name, why)


def stored(table: array[int]) -> bytes:
    """A table as the file has it."""
    copy = array("Q", table)
    if sys.byteorder == "little":
        copy.byteswap()
    return copy.tobytes()
