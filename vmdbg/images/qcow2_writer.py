"""Writing to a qcow2 image: new clusters, copies of shared and compressed ones, tables (QEMU docs/interop/qcow2.txt).

At whatever instant this ends, the image is whole: data is in a cluster before an entry refers to that, and a cluster is
given up only after the host has on its disk that nothing refers to it (vmdbg.images.qcow2_refcounts for the rest).
"""

from __future__ import annotations

from array import array
from collections.abc import Callable

from vmdbg.images.host_file import HostFile
from vmdbg.images.qcow2_header import AUTOCLEAR_AT, Header, damaged
from vmdbg.images.qcow2_map import COMPRESSED, COPIED, ENTRY, OFFSET, ZEROS, ClusterMap, stored
from vmdbg.images.qcow2_refcounts import Refcounts

_PIECE = 4096
_SECTOR = 512


class Qcow2Writer:
    """`read_cluster` gives what a cluster of the disk holds now, whole. All methods raise ImageError.

    What fails half-way has written some of the data and has harmed nothing: it can be done again.
    """

    def __init__(
        self, file: HostFile, header: Header, places: ClusterMap, read_cluster: Callable[[int], bytes]
    ) -> None:
        self._file = file
        self._header = header
        self._map = places
        self._read_cluster = read_cluster
        self._cluster = header.cluster_size
        self._refcounts = Refcounts(file, header)
        self._soiled = set[int]()
        """New clusters that something was written to which nothing refers to; the others are zeros."""
        self._own_tables = set[int]()
        self._untouched = True

    def write(self, offset: int, data: memoryview) -> None:
        """Within the disk."""
        if self._untouched:
            self._begin()
        while data:
            cluster, inside = divmod(offset, self._cluster)
            part = data[: self._cluster - inside]
            self._write_in(cluster, inside, part)
            offset, data = offset + len(part), data[len(part) :]

    def _begin(self) -> None:
        """Others' additions, such as dirty bitmaps, know nothing of what is written from now on."""
        if self._header.version >= 3 and self._header.autoclear:
            self._file.write(AUTOCLEAR_AT, bytes(8))
        self._untouched = False

    def _write_in(self, cluster: int, inside: int, data: memoryview) -> None:
        entry = self._map.entry(cluster)
        offset = self._map.place(cluster) if not entry & COMPRESSED else entry & OFFSET
        is_plain = offset > 0 and not entry & (COMPRESSED | ZEROS)
        if is_plain and entry & COPIED and self._is_ours(cluster, offset):
            self._file.write(offset + inside, data)
            return
        before = self._read_cluster(cluster)
        if not is_plain and not entry & COMPRESSED and not any(data) and not any(before):
            return  # zeros that nobody has to keep
        head, tail = before[:inside], before[inside + len(data) :]
        self._move(cluster, entry, head + bytes(data) + tail, is_copied=any(head) or any(tail))

    def _is_ours(self, cluster: int, offset: int) -> bool:
        """Raises ImageError where the entry and the refcount of a cluster do not agree."""
        if (cluster >> self._header.l2_bits) not in self._own_tables:
            self._own_table(cluster >> self._header.l2_bits)
        if self._refcounts.count(offset // self._cluster) != 1:
            raise damaged(self._file.name, f"cluster {cluster}, at byte {offset}, is not counted as its entry says")
        return True

    def _move(self, cluster: int, entry: int, content: bytes, *, is_copied: bool) -> None:
        """Have a cluster of the disk in a new one of the file. `is_copied`: more is in it than is being written."""
        self._own_table(cluster >> self._header.l2_bits)
        place = self._refcounts.take()
        try:
            self._fill(place, content)
            if is_copied:
                self._file.flush()  # what the guest believes to be on its disk is nowhere else soon
            self._map.set_entry(cluster, place | COPIED)
        except BaseException:
            self._give_back(place)
            raise
        self._let_go(entry)

    def _give_back(self, place: int) -> None:
        self._soiled.add(place)
        self._refcounts.give_back(place)

    def _fill(self, place: int, content: bytes) -> None:
        """Where nothing was, zeros at both ends need not be written."""
        start, end = 0, len(content)
        if place not in self._soiled:
            start = (len(content) - len(content.lstrip(b"\0"))) // _PIECE * _PIECE
            end = -(-len(content.rstrip(b"\0")) // _PIECE) * _PIECE
        if start < end:
            self._file.write(place + start, memoryview(content)[start:end])

    def _let_go(self, entry: int) -> None:
        """What an entry referred to."""
        if entry & COMPRESSED:
            bits = 62 - (self._header.cluster_bits - 8)
            offset, more = entry & (1 << bits) - 1, (entry & COMPRESSED - 1) >> bits
            self._refcounts.release(offset // _SECTOR * _SECTOR, (more + 1) * _SECTOR)
        elif entry & OFFSET:
            self._refcounts.release(entry & OFFSET)

    def _own_table(self, number: int) -> None:
        """Have an L2 table that no snapshot shares."""
        if number in self._own_tables:
            return
        entry = self._map.l1[number]
        offset = entry & OFFSET
        if offset and entry & COPIED:
            if self._refcounts.count(offset // self._cluster) != 1:
                raise damaged(self._file.name, f"L2 table {number}, at byte {offset}, is not counted as L1 says")
        else:
            self._make_table(number, offset)
        self._own_tables.add(number)

    def _make_table(self, number: int, shared: int) -> None:
        before = self._map.table(number)
        table = array("Q", before) if before is not None else array("Q", bytes(self._cluster // ENTRY * ENTRY))
        place = self._refcounts.take()
        try:
            self._file.write(place, stored(table))
            self._file.flush()  # a table of anything is worse than none
            self._map.set_table(number, place, table)
        except BaseException:
            self._give_back(place)
            raise
        if shared:
            self._refcounts.release(shared)

    def flush(self) -> None:
        """The host has all of it on its disk then."""
        self._file.flush()
        self._refcounts.settle()

    def close(self) -> None:
        """What was reserved and is not needed is given back."""
        if not self._untouched:
            self.flush()
            self._refcounts.close()
