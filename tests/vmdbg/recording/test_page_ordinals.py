"""Ordinals come back as they were, and say which page is meant even where blocks are lost."""

from __future__ import annotations

import random
import struct
from itertools import pairwise

import pytest

from vmdbg.errors import RecordingError
from vmdbg.recording.page_ordinals import (
    KEY_SIZE,
    Keys,
    Ordinals,
    count_of,
    pack_keys,
    pack_ordinals,
    unpack_keys,
    unpack_ordinals,
)

LARGEST = (1 << 32) - 1


def some_ordinals(rng: random.Random, count: int) -> list[int]:
    found = [rng.randrange(1 << 32)]
    while len(found) < count:
        found.append(rng.choice((0, LARGEST, (found[-1] + 1) & LARGEST, rng.randrange(1 << 32))))
    return found[:count]


@pytest.mark.parametrize("count", [0, 1, 2, 7, 300])
def test_ordinals_are_packed_as_it_is_said(count: int) -> None:
    for seed in range(20):
        ordinals = some_ordinals(random.Random(seed), count)
        packed = pack_ordinals(ordinals)
        assert list(unpack_ordinals(packed)) == ordinals
        steps = [struct.pack("<I", (b - a) % (1 << 32)) for a, b in pairwise((0, *ordinals))]
        assert packed == b"".join(bytes(step[byte] for step in steps) for byte in range(4))


@pytest.mark.parametrize("size", [1, 2, 3, 5, 401])
def test_what_are_no_ordinals_is_refused(size: int) -> None:
    with pytest.raises(RecordingError, match="the numbers of pages are damaged"):
        unpack_ordinals(bytes(size))


@pytest.mark.parametrize("first", [1, 77, LARGEST])
def test_keys_are_packed_with_the_first_ones_ordinal(first: int) -> None:
    keys = [random.Random(n).randbytes(KEY_SIZE) for n in range(9)]
    assert unpack_keys(pack_keys(first, keys)) == Keys(first, keys)
    assert count_of(pack_keys(first, keys)) == 9
    assert unpack_keys(b"".join(keys)) == Keys(0, keys), "as earlier builds have them"


@pytest.mark.parametrize("size", [1, 3, 5, 15, 17, 39])
def test_what_are_no_keys_is_refused(size: int) -> None:
    with pytest.raises(RecordingError, match="digests are not whole"):
        unpack_keys(bytes(size))


@pytest.mark.parametrize("seed", range(20))
def test_lost_blocks_leave_the_others_ordinals_as_they_were(seed: int) -> None:
    rng = random.Random(seed)
    model: dict[int, bytes] = {}
    ordinals, first = Ordinals(1000), 1
    for _ in range(10):
        keys = [rng.randbytes(KEY_SIZE) for _ in range(rng.randrange(1, 20))]
        if rng.random() < 0.7:
            ordinals.note(first, keys)
            model.update(enumerate(keys, first))
        first += len(keys)
    asked = [0, *range(first + 5), LARGEST]
    assert list(ordinals.keys(asked)) == [model.get(ordinal) for ordinal in asked]


@pytest.mark.parametrize("first", [0, 99, 101, LARGEST])
def test_a_block_cannot_have_more_before_it_than_the_file_holds(first: int) -> None:
    ordinals = Ordinals(100)
    ordinals.note(1, [bytes(KEY_SIZE)] * 5)
    with pytest.raises(RecordingError, match="there cannot be so many before it"):
        ordinals.note(first, [bytes(KEY_SIZE)] * 5)
    assert list(ordinals.keys([5, 6, 99, 100])) == [bytes(KEY_SIZE), None, None, None]
