"""Which clusters of a qcow2 image are in use, and how new ones come.

Source: QEMU docs/interop/qcow2.txt, "Host cluster management". What is written here is in such an order that the image
is whole whenever the process or the host dies: a cluster counts as used, and the host has that on its disk, before
anything refers to it. What dies in between leaves clusters that nothing refers to, which `qemu-img check -r leaks`
gives back.
"""

from __future__ import annotations

import contextlib
import sys
from array import array
from collections import OrderedDict, deque

from vmdbg.images.host_file import HostFile
from vmdbg.images.image import ImageError
from vmdbg.images.qcow2_header import LARGEST_REFCOUNT_TABLE, REFCOUNT_TABLE, REFCOUNT_TABLE_AT, Header, damaged

RESERVED_BYTES, MOST_RESERVED = 4 << 20, 64
"""What is taken in one go for clusters to come: bytes, and clusters."""
_BLOCKS_KEPT = 32
_ENTRY = 8
_LARGEST_OFFSET = 1 << 56
_MOST_LEAKED = 1 << 16
"""Clusters beyond the end of the file that may count as used: a QEMU that was killed leaves some."""


class Refcounts:
    """Those of one image that is being written.

    Invariants: the blocks at hand are as the file has them. Clusters of `_reserved` count as used once each, on the
    host's disk too, and nothing refers to them. `_next` is beyond all that anything refers to.
    """

    def __init__(self, file: HostFile, header: Header) -> None:
        """Raises ImageError."""
        self._file = file
        self._cluster = header.cluster_size
        self._bits = 1 << header.refcount_order
        self._per_block = self._cluster * 8 // self._bits
        self._table_offset, self._table_clusters = header.refcounts_offset, header.refcounts_clusters
        self._check_place(header)
        self._table = self._read_table()
        self._blocks: OrderedDict[int, bytearray] = OrderedDict()
        self._next = -(-file.size // self._cluster)
        self._reserved: deque[int] = deque()
        self._released: list[int] = []

    def _check_place(self, header: Header) -> None:
        size = self._table_clusters * self._cluster
        end = self._table_offset + size
        if not 0 < size <= LARGEST_REFCOUNT_TABLE or self._table_offset % self._cluster or not self._table_offset:
            raise self._damaged(f"its refcount table has {size} bytes at byte {self._table_offset}")
        if end > self._file.size:
            raise self._damaged(f"its refcount table ends at byte {end}, and the file at {self._file.size}")
        if header.refcount_order > 6:
            raise self._damaged(f"its refcounts have 2^{header.refcount_order} bits")

    def _read_table(self) -> array[int]:
        table = array("Q", self._file.read(self._table_offset, self._table_clusters * self._cluster))
        if sys.byteorder == "little":
            table.byteswap()
        return table

    def count(self, cluster: int) -> int:
        """How many refer to a cluster, by its number in the file. Raises ImageError."""
        block, index = divmod(cluster, self._per_block)
        if block >= len(self._table) or not self._table[block]:
            return 0
        return self._get(self._block(block), index)

    def _block(self, number: int) -> bytearray:
        """The one that is there."""
        found = self._blocks.get(number)
        if found is None:
            offset = self._table[number]
            if offset % self._cluster or offset + self._cluster > self._file.size:
                raise self._damaged(f"entry {number} of its refcount table is {offset:#x}")
            found = self._keep(number, bytearray(self._file.read(offset, self._cluster)))
        self._blocks.move_to_end(number)
        return found

    def _keep(self, number: int, block: bytearray) -> bytearray:
        self._blocks[number] = block
        if len(self._blocks) > _BLOCKS_KEPT:
            self._blocks.popitem(last=False)
        return block

    def _get(self, block: bytearray, index: int) -> int:
        if self._bits >= 8:
            size = self._bits // 8
            return int.from_bytes(block[index * size : (index + 1) * size], "big")
        at, shift = divmod(index * self._bits, 8)
        return block[at] >> shift & (1 << self._bits) - 1

    def _put(self, block: bytearray, index: int, value: int) -> None:
        if self._bits >= 8:
            size = self._bits // 8
            block[index * size : (index + 1) * size] = value.to_bytes(size, "big")
            return
        at, shift = divmod(index * self._bits, 8)
        block[at] = block[at] & ~((1 << self._bits) - 1 << shift) | value << shift

    def _change(self, clusters: range, value: int) -> None:
        """Of clusters whose block is there, and is one."""
        number = clusters.start // self._per_block
        block = self._block(number)
        changed = bytearray(block)
        first = clusters.start - number * self._per_block
        for index in range(first, first + len(clusters)):
            self._put(changed, index, value)
        start, end = first * self._bits // 8, -(-(first + len(clusters)) * self._bits // 8)
        self._file.write(self._table[number] + start, bytes(changed[start:end]))
        block[:] = changed

    def take(self) -> int:
        """A cluster that is the caller's, by its byte in the file: used once, and its contents anything.

        Raises ImageError.
        """
        if not self._reserved:
            self._reserve()
        return self._reserved.popleft() * self._cluster

    def give_back(self, offset: int) -> None:
        """What was taken is not needed: nothing refers to it."""
        self._reserved.appendleft(offset // self._cluster)

    def _reserve(self) -> None:
        """Neighbours at the end of the file, which grows to have them."""
        self._find_next()
        number = self._next // self._per_block
        wanted = min(MOST_RESERVED, max(1, RESERVED_BYTES // self._cluster))
        end = min(self._next + wanted, (number + 1) * self._per_block)
        first = self._next
        while self._next < end and self._get(self._block(number), self._next - number * self._per_block) == 0:
            self._next += 1
        new = range(first, self._next)
        try:
            if self._file.size < self._next * self._cluster:
                self._file.resize(self._next * self._cluster)
            self._change(new, 1)
            self._file.flush()
        except BaseException:
            self._next = first
            with contextlib.suppress(ImageError):
                self._change(new, 0)
            raise
        self._reserved.extend(new)

    def _find_next(self) -> None:
        """Have `_next` be one that is free, and whose block is there."""
        first = self._next
        while True:
            if self._next > first + _MOST_LEAKED:
                raise self._damaged(f"clusters from {first} on, beyond its end, count as used")
            if self._next * self._cluster >= _LARGEST_OFFSET - self._cluster * MOST_RESERVED:
                raise ImageError(f"{self._file.name} has become too large for a qcow2 image")
            number = self._next // self._per_block
            if number >= len(self._table):
                self._grow_table()
            elif not self._table[number]:
                self._make_block(number)
            elif self._get(self._block(number), self._next - number * self._per_block) == 0:
                return
            else:
                self._next += 1

    def _make_block(self, number: int) -> None:
        """In the next cluster, which is the first that it counts: nobody has used another."""
        place, block = self._next, bytearray(self._cluster)
        self._put(block, place - number * self._per_block, 1)
        self._file.write(place * self._cluster, bytes(block))
        self._file.flush()
        self._set_table(number, place * self._cluster)
        self._keep(number, block)
        self._next += 1

    def _set_table(self, number: int, offset: int) -> None:
        self._file.write(self._table_offset + number * _ENTRY, offset.to_bytes(_ENTRY, "big"))
        self._table[number] = offset

    def _grow_table(self) -> None:
        """Another, with the blocks that count it before it, where no block is yet. The header's change makes it so."""
        first = -(-self._next // self._per_block)
        start = first * self._per_block
        clusters, blocks = self._size_of_growth(start, first)
        table = array("Q", [*self._table, *bytes(clusters * self._cluster // _ENTRY - len(self._table))])
        made = [bytearray(self._cluster) for _ in range(blocks)]
        for index in range(blocks + clusters):
            self._put(made[index // self._per_block], index % self._per_block, 1)
        for index in range(blocks):
            table[first + index] = (start + index) * self._cluster
        stored = array("Q", table)
        if sys.byteorder == "little":
            stored.byteswap()
        self._file.write(start * self._cluster, b"".join(made) + stored.tobytes())
        self._file.flush()
        place = (start + blocks) * self._cluster
        self._file.write(REFCOUNT_TABLE_AT, REFCOUNT_TABLE.pack(place, clusters))
        before = range(self._table_offset // self._cluster, self._table_offset // self._cluster + self._table_clusters)
        self._table, self._table_offset, self._table_clusters = table, place, clusters
        for index, block in enumerate(made):
            self._keep(first + index, block)
        self._file.flush()
        for cluster in before:
            self._forget(cluster)

    def _size_of_growth(self, start: int, first: int) -> tuple[int, int]:
        """Clusters of a table that can count itself and half as much again, and of the blocks that do count it."""
        per_cluster = self._cluster // _ENTRY
        clusters = self._table_clusters
        while True:
            blocks = -(-clusters // (self._per_block - 1))
            needed = (first + blocks) * 3 // 2 + 1
            if clusters * per_cluster >= needed:
                break
            clusters = -(-needed // per_cluster)
        if clusters * self._cluster > LARGEST_REFCOUNT_TABLE:
            raise ImageError(
                f"{self._file.name} cannot count more clusters of {self._cluster} bytes: make an image with larger "
                "ones with `qemu-img convert -O qcow2 -o cluster_size=65536`"
            )
        return clusters, blocks

    def release(self, offset: int, size: int = 1) -> None:
        """Nobody of ours refers any more to the clusters with those bytes; they count until settle() is called."""
        first, last = offset // self._cluster, (offset + size - 1) // self._cluster
        self._released.extend(range(first, last + 1))

    def settle(self) -> None:
        """Call it when the host has all that was written on its disk."""
        released, self._released = self._released, []
        for cluster in released:
            self._forget(cluster)

    def _forget(self, cluster: int) -> None:
        """One less refers to it."""
        count = self.count(cluster)
        if count:
            self._change(range(cluster, cluster + 1), count - 1)

    def close(self) -> None:
        """Nothing is reserved any more, and the file ends where it need not go on. After settle()."""
        unused = sorted(self._reserved)
        self._reserved.clear()
        for cluster in unused:
            self._forget(cluster)
        if self._file.size != self._next * self._cluster:
            return
        end = self._next
        while unused and unused[-1] == end - 1:
            end = unused.pop()
        if end < self._next:
            self._file.resize(end * self._cluster)
            self._next = end

    def _damaged(self, why: str) -> ImageError:
        return damaged(self._file.name, why)
