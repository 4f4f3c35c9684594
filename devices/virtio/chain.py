"""Descriptor chains, read from memory that the guest owns and may have filled with anything.

Source: virtio 1.2, 2.7.5 (the descriptor table) and 2.7.5.3 (indirect descriptors).
"""

from __future__ import annotations

import itertools
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


Segment = tuple[int, int]
"""An address and a length of physical memory, up to 4 GiB: nothing of them has been touched yet."""


class Chain(NamedTuple):
    """What the device may read, and what it may write, in order. `head` names it in the used ring."""

    head: int
    readable: tuple[Segment, ...]
    writable: tuple[Segment, ...]
    readable_size: int
    writable_size: int

    def places(self, size: int) -> Sequence[Segment]:
        """Where the first so many bytes are that the device may read; fewer at its end."""
        return self.readable if self.readable_size <= size else list(_parts(self.readable, 0, size))

    def pieces(self, data: bytes, offset: int = 0) -> Sequence[tuple[int, bytes]]:
        """What goes where from `offset` of what the device may write; what does not fit is dropped."""
        if not offset and data and self.writable and len(data) <= self.writable[0][1]:
            return ((self.writable[0][0], data),)
        found, at = list[tuple[int, bytes]](), 0
        for address, length in _parts(self.writable, offset, len(data)):
            found.append((address, data[at : at + length]))
            at += length
        return found

    def read(self, memory: BusMaster, offset: int, size: int, request: str = "") -> bytes:
        """`size` bytes from `offset` of what the device may read; fewer at its end."""
        return b"".join(memory.gather(_parts(self.readable, offset, size), request))

    def write(self, memory: BusMaster, offset: int, data: bytes, request: str = "") -> None:
        """Into what the device may write; what does not fit is dropped."""
        memory.scatter(self.pieces(data, offset), request)


def read_all(chains: Sequence[Chain], memory: BusMaster, most: int, request: str = "") -> list[bytes]:
    """Of each what the device may read, up to `most` bytes."""
    places = [chain.places(most) for chain in chains]
    parts = memory.gather(itertools.chain.from_iterable(places), request)
    if set(map(len, places)) == {1}:
        return parts
    following = iter(parts)
    return [b"".join(itertools.islice(following, len(some))) for some in places]


def _parts(segments: Sequence[Segment], offset: int, size: int) -> Iterator[Segment]:
    for address, length in segments:
        if not size:
            return
        if offset < length:
            part = min(length - offset, size)
            yield address + offset, part
            offset, size = 0, size - part
        else:
            offset -= length


def read_chain(read: Read, table: int, size: int, head: int) -> Chain:
    """The chain that begins at descriptor `head` of a table of `size`.

    No chain is longer than the queue (2.7.5.3.1), so a loop ends there. Raises RingError.
    """
    _must_be_in(size, head)
    return _chain(read, table, size, head, _FORMAT.unpack(read(table + DESCRIPTOR * head, DESCRIPTOR, "descriptor")))


def read_chains(memory: BusMaster, table: int, size: int, heads: Sequence[int]) -> list[Chain]:
    """Several, as read_chain(). Raises RingError."""
    for head in heads:
        _must_be_in(size, head)
    rows = memory.gather([(table + DESCRIPTOR * head, DESCRIPTOR) for head in heads], "descriptor")
    return [_chain(memory.read, table, size, head, _FORMAT.unpack(row)) for head, row in zip(heads, rows, strict=True)]


def _must_be_in(size: int, index: int) -> None:
    if index >= size:
        raise RingError(f"descriptor {index} of a table of {size}")


def _chain(read: Read, table: int, size: int, head: int, first: Row) -> Chain:
    address, length, flags, _ = first
    if not flags & (NEXT | INDIRECT):
        alone = ((address, length),)
        return Chain(head, (), alone, 0, length) if flags & WRITE else Chain(head, alone, (), length, 0)
    readable, writable = list[Segment](), list[Segment]()
    to_read = to_write = 0
    for address, length, flags in _descriptors(read, table, size, first):
        if flags & WRITE:
            writable.append((address, length))
            to_write += length
        elif writable:
            raise RingError("a descriptor to be read comes after one to be written")
        else:
            readable.append((address, length))
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
        _must_be_in(limit, index)
        at = DESCRIPTOR * index
        held = indirect[at : at + DESCRIPTOR] or read(table + at, DESCRIPTOR, "descriptor")
        row = _FORMAT.unpack(held)
    raise RingError(f"a chain of more than {size} descriptors")
