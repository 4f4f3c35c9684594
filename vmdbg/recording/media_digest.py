"""What names the contents of a medium: a hash of what its guests can read, whatever the image's format."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from devices.disk.medium import SECTOR
from vmdbg.interruption import INTERRUPTION


class Contents(Protocol):
    """What can be read of a medium, as Source has it."""

    @property
    def sectors(self) -> int: ...

    def read(self, sector: int, count: int) -> bytes: ...

    def extents(self) -> Iterable[tuple[int, int]]: ...


PIECE = 1 << 20
"""Bytes."""
_ZEROS = bytes(PIECE)
LARGEST_UNASKED = 8 << 30
"""Bytes of data that are hashed where the recording has what it needs itself."""


def content_digest(source: Contents, most: int | None = None, is_over: Callable[[], bool] = lambda: False) -> str:
    """SHA-256 in hex over numbers and SHA-256 of all pieces of 1 MiB that are not zeros, and the size.

    "" if there is more than `most` bytes of data to be read, or the process is to end meanwhile, or `is_over` says that
    nobody wants it any more. Raises MediumError.
    """
    numbers = list(_pieces(source))
    if most is not None and len(numbers) * PIECE > most:
        return ""
    whole = hashlib.sha256(b"%d" % source.sectors)
    for number in numbers:
        if INTERRUPTION.wanted or is_over():
            return ""
        first = number * PIECE // SECTOR
        data = source.read(first, min(PIECE // SECTOR, source.sectors - first))
        if data != _ZEROS[: len(data)]:
            whole.update(b"%d:" % number + hashlib.sha256(data).digest())
    return whole.hexdigest()


def _pieces(source: Contents) -> Iterator[int]:
    """Numbers of the pieces in which there may be data."""
    last = -1
    for start, end in source.extents():
        for number in range(max(start // PIECE, last + 1), -(-min(end, source.sectors * SECTOR) // PIECE)):
            yield number
            last = number
