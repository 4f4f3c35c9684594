"""Descriptor chains, read from memory that the guest owns and may have filled with anything.

Source: virtio 1.2, 2.7.5 (the descriptor table) and 2.7.5.3 (indirect descriptors).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from devices.seam import BusMaster

NEXT, WRITE, INDIRECT = 1, 2, 4
DESCRIPTOR = 16
_FORMAT = struct.Struct("<QIHH")
Read = Callable[[int, int, str], bytes]
"""BusMaster.read()."""
Row = tuple[int, int, int, int]
"""Address, length, flags and index of the next."""


class RingError(Exception):
    """The guest's rings make no sense: the device needs a reset (virtio 1.2, 2.1.1). Never leaves the device."""


class Segment(NamedTuple):
    """`length` bytes of physical memory, up to 4 GiB: nothing of them has been touched yet.

    A tuple, as Chain is: quick to make, of which there are some for each frame.
    """

    address: int
    length: int


class Chain(NamedTuple):
    """What the device may read, and what it may write, in order. `head` names it in the used ring."""

    head: int
    readable: tuple[Segment, ...]
    writable: tuple[Segment, ...]
    readable_size: int
    writable_size: int

    def read(self, memory: BusMaster, offset: int, size: int, request: str = "") -> bytes:
        """`size` bytes from `offset` of what the device may read; fewer at its end."""
        if not offset and self.readable and size <= self.readable[0].length:
            return memory.read(self.readable[0].address, size, request) if size else b""
        parts = _parts(self.readable, offset, size)
        return b"".join(memory.read(part.address, part.length, request) for part in parts)

    def write(self, memory: BusMaster, offset: int, data: bytes, request: str = "") -> None:
        """Into what the device may write; what does not fit is dropped."""
        if not offset and data and self.writable and len(data) <= self.writable[0].length:
            memory.write(self.writable[0].address, data, request)
            return
        at = 0
        for part in _parts(self.writable, offset, len(data)):
            memory.write(part.address, data[at : at + part.length], request)
            at += part.length


def _parts(segments: Sequence[Segment], offset: int, size: int) -> Iterator[Segment]:
    for segment in segments:
        if not size:
            return
        if offset < segment.length:
            length = min(segment.length - offset, size)
            yield Segment(segment.address + offset, length)
            offset, size = 0, size - length
        else:
            offset -= segment.length


def read_chain(read: Read, table: int, size: int, head: int) -> Chain:
    """The chain that begins at descriptor `head` of a table of `size`.

    No chain is longer than the queue (2.7.5.3.1), so a loop ends there. Raises RingError.
    """
    if head >= size:
        raise RingError(f"descriptor {head} of a table of {size}")
    first: Row = _FORMAT.unpack(read(table + DESCRIPTOR * head, DESCRIPTOR, "descriptor"))
    address, length, flags, _ = first
    if not flags & (NEXT | INDIRECT):
        alone = (Segment(address, length),)
        return Chain(head, (), alone, 0, length) if flags & WRITE else Chain(head, alone, (), length, 0)
    readable, writable = list[Segment](), list[Segment]()
    to_read = to_write = 0
    for address, length, flags in _descriptors(read, table, size, first):
        if flags & WRITE:
            writable.append(Segment(address, length))
            to_write += length
        elif writable:
            raise RingError("a descriptor to be read comes after one to be written")
        else:
            readable.append(Segment(address, length))
            to_read += length
    return Chain(head, tuple(readable), tuple(writable), to_read, to_write)


def _descriptors(read: Read, table: int, size: int, row: Row) -> Iterator[tuple[int, int, int]]:
    """Address, length and flags of each from `row` on, those of an indirect table, read at once, in its place."""
    limit, indirect = size, b""
    for _ in range(size):
        address, length, flags, index = row
        if flags & INDIRECT:
            if indirect or flags & NEXT or not length or length % DESCRIPTOR:
                raise RingError("an indirect table that cannot be one")
            table, limit, index = address, length // DESCRIPTOR, 0
            indirect = read(table, DESCRIPTOR * min(limit, size), "descriptor")
        else:
            yield address, length, flags
            if not flags & NEXT:
                return
        if index >= limit:
            raise RingError(f"descriptor {index} of a table of {limit}")
        at = DESCRIPTOR * index
        held = indirect[at : at + DESCRIPTOR] or read(table + at, DESCRIPTOR, "descriptor")
        row = _FORMAT.unpack(held)
    raise RingError(f"a chain of more than {size} descriptors")
