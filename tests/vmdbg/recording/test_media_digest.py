import hashlib
import random
from collections.abc import Iterable
from dataclasses import dataclass

import pytest

from devices.disk.medium import SECTOR
from vmdbg.recording.media_digest import PIECE, content_digest


@dataclass
class Contents:
    data: bytes
    holes: frozenset[int] = frozenset()
    """Numbers of pieces that are said to be zeros, and are."""

    @property
    def sectors(self) -> int:
        return len(self.data) // SECTOR

    def read(self, sector: int, count: int) -> bytes:
        return self.data[sector * SECTOR : (sector + count) * SECTOR]

    def extents(self) -> Iterable[tuple[int, int]]:
        for number in range(-(-len(self.data) // PIECE)):
            if number not in self.holes:
                yield number * PIECE, (number + 1) * PIECE


def naive_digest(data: bytes) -> str:
    whole = hashlib.sha256(b"%d" % (len(data) // SECTOR))
    for number in range(-(-len(data) // PIECE)):
        piece = data[number * PIECE : (number + 1) * PIECE]
        if any(piece):
            whole.update(b"%d:" % number + hashlib.sha256(piece).digest())
    return whole.hexdigest()


@pytest.mark.parametrize("seed", range(4))
def test_is_a_hash_of_what_is_not_zeros(seed: int) -> None:
    random_ = random.Random(seed)
    data = bytearray(random_.randrange(1, 4 * PIECE // SECTOR) * SECTOR)
    for _ in range(random_.randrange(4)):
        data[random_.randrange(len(data))] = random_.randrange(1, 256)
    assert content_digest(Contents(bytes(data))) == naive_digest(bytes(data))


@pytest.mark.parametrize("at", [0, PIECE - 1, 2 * PIECE, 2 * PIECE + SECTOR - 1])
def test_one_byte_counts_wherever_it_is(at: int) -> None:
    data = bytearray(2 * PIECE + SECTOR)
    zeros = content_digest(Contents(bytes(data)))
    data[at] = 1
    found = content_digest(Contents(bytes(data)))
    assert found == naive_digest(bytes(data)) != zeros


def test_is_the_same_whether_zeros_are_holes_or_written() -> None:
    data = bytes(PIECE) + b"\x01" * PIECE + bytes(PIECE)
    assert content_digest(Contents(data, frozenset({0, 2}))) == content_digest(Contents(data)) == naive_digest(data)


def test_is_left_alone_where_there_is_too_much() -> None:
    assert content_digest(Contents(bytes(2 * PIECE)), PIECE) == ""
