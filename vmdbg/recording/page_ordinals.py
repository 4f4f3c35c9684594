"""Pages by their ordinals in the file: four bytes that pack well, where a digest has sixteen that do not.

The first page in any block of a file has ordinal 1, and so on; 0 is none of them. A block says what its first page's
is, so that the others' stay as they are where a block is lost.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from operator import sub
from typing import NamedTuple

from vmdbg.errors import RecordingError
from vmdbg.timeline.byte_planes import join, split

KEY_SIZE = 16
_FIRST = _WIDTH = 4
_LAST = (1 << 32) - 1


class Keys(NamedTuple):
    """Digests of pages that are in one block, and the ordinal of the first; 0 in recordings that have none."""

    first: int
    keys: list[bytes]


def pack_keys(first: int, keys: Sequence[bytes]) -> bytes:
    """The first's ordinal in four bytes, little-endian, and the digests one after the other."""
    return first.to_bytes(_FIRST, "little") + b"".join(keys)


def unpack_keys(packed: bytes) -> Keys:
    """Of recordings without ordinals, too. Raises RecordingError."""
    begin = len(packed) % KEY_SIZE
    if begin not in (0, _FIRST):
        raise RecordingError("a block of pages is damaged: its digests are not whole")
    keys = [packed[at : at + KEY_SIZE] for at in range(begin, len(packed), KEY_SIZE)]
    return Keys(int.from_bytes(packed[:begin], "little"), keys)


def count_of(packed: bytes) -> int:
    """How many digests unpack_keys() has."""
    return len(packed) // KEY_SIZE


def pack_ordinals(ordinals: Sequence[int]) -> bytes:
    """Numbers of four bytes: each less the one before, modulo 2**32, in byte planes."""
    steps = array("q", map(sub, ordinals, (0, *ordinals)))
    return split(steps.tobytes(), steps.itemsize)[: _WIDTH * len(steps)]


def unpack_ordinals(packed: bytes) -> array[int]:
    """Raises RecordingError."""
    try:
        steps = array("I", join(packed, _WIDTH))
    except ValueError as error:
        raise RecordingError(f"the numbers of pages are damaged: {error}") from error
    return array("I", [ordinal & _LAST for ordinal in accumulate(steps)])


class Ordinals:
    """The digests of a file's pages by ordinal, as far as they are known."""

    def __init__(self, most: int) -> None:
        """`most`: ordinals that the file has room for."""
        self.most = most
        self._keys: list[bytes | None] = [None]

    def note(self, first: int, keys: Sequence[bytes]) -> None:
        """A block has these. Raises RecordingError if that cannot be."""
        end = first + len(keys)
        if not 0 < first < end <= self.most:
            raise RecordingError("a block of pages is damaged: there cannot be so many before it")
        self._keys += [None] * (end - len(self._keys))
        self._keys[first:end] = keys

    def keys(self, ordinals: Iterable[int]) -> Iterator[bytes | None]:
        """None where it is not known."""
        known, count = self._keys, len(self._keys)
        return (known[ordinal] if ordinal < count else None for ordinal in ordinals)
