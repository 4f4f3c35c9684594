"""What is packed comes out again; what is none of it is refused, and nothing else happens."""

from __future__ import annotations

import contextlib
import random
from array import array
from itertools import pairwise

import pytest
import zstandard

from vmdbg.engine.touched_coding import TouchedCoding
from vmdbg.engine.touches import FETCH, WRITE, Touches
from vmdbg.errors import RecordingError
from vmdbg.timeline.touched_packing import (
    MOST_ROWS,
    NOTHING,
    Columns,
    data_of,
    framed,
    pack,
    packed_rows,
    rows_in,
    unpack,
    unpack_two,
)

ALL = (1 << 64) - 1


def columns_of(random_: random.Random, count: int) -> Columns:
    """What a guest may touch: a row says nothing of stores or code that it has none of."""
    linear = array("Q", sorted(random_.choice((random_.getrandbits(52), 5, 1 << 52)) for _ in range(count)))
    physical = array("I", (random_.getrandbits(32) for _ in range(count)))
    kinds = bytes(random_.randrange(1, 8) for _ in range(count))
    lines = array("Q", (random_.getrandbits(64) if kind & FETCH else 0 for kind in kinds))
    written = array("Q", (_bits(random_) if kind & WRITE else 0 for kind in kinds))
    words = array("Q", (_words(random_, one) for one in written))
    return Columns(linear, lines, physical, kinds, written, words)


def _bits(random_: random.Random) -> int:
    return random_.choice((ALL, 0, 1 << random_.randrange(64), random_.getrandbits(64)))


def _words(random_: random.Random, written: int) -> int:
    if written == ALL:
        return ALL
    return random_.getrandbits(64) & (1 << 8 * min(8, written.bit_count())) - 1


def touches_of(columns: Columns) -> Touches:
    """As the engine gives them: steps from one page to the next."""
    steps = array("Q", (b - a for a, b in pairwise((0, *columns.linear))))
    farther = array("I")
    for before, page, step in zip((0, *columns.physical), columns.physical, steps, strict=False):
        farther.append((page - before - step) & 0xFFFFFFFF)
    return Touches(
        steps.tobytes(),
        columns.lines.tobytes(),
        columns.written.tobytes(),
        columns.words.tobytes(),
        farther.tobytes(),
        columns.kinds,
    )


@pytest.mark.parametrize("count", [0, 1, 2, 9, 300])
def test_what_is_packed_comes_out_again(count: int) -> None:
    for seed in range(20):
        columns = columns_of(random.Random(seed), count)
        assert unpack(pack(touches_of(columns))) == columns


@pytest.mark.parametrize("count", [0, 1, 300])
def test_recordings_of_earlier_builds_say_the_same(count: int) -> None:
    columns = columns_of(random.Random(count), count)
    touches, squeeze = touches_of(columns), zstandard.ZstdCompressor().compress
    rows = squeeze(touches.linear + touches.lines + touches.physical + touches.kinds)
    assert unpack_two(rows, squeeze(touches.written + touches.words)) == columns
    full = array("Q", [ALL] * count)
    assert unpack_two(rows, b"") == columns._replace(written=full, words=full)


def test_a_page_that_was_filled_is_taken_to_be_written_all_over() -> None:
    columns = columns_of(random.Random(1), 1)._replace(
        kinds=bytes([WRITE]), lines=array("Q", [0]), written=array("Q", [ALL]), words=array("Q", [0x55])
    )
    assert unpack(pack(touches_of(columns))).words[0] == ALL


@pytest.mark.parametrize("count", [0, 1, 300])
def test_rows_are_the_same_without_planes(count: int) -> None:
    rows = packed_rows(touches_of(columns_of(random.Random(count), count)))
    assert rows_in(data_of(rows)) == rows


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_decoded_can_be_unpacked(seed: int) -> None:
    """So that a recording's parts are looked at by those who ask."""
    random_ = random.Random(seed)
    rows = packed_rows(touches_of(columns_of(random_, 40)))
    data = bytearray(TouchedCoding().encode(rows))
    data[random_.randrange(len(data) // 2)] ^= 1 << random_.randrange(8)
    with contextlib.suppress(ValueError):
        columns = unpack(framed(data_of(TouchedCoding().decode(bytes(data), 30))))
        assert {len(column) for column in columns} == {30}


def test_what_is_damaged_is_refused_or_as_many_rows_as_it_says() -> None:
    random_, squeeze = random.Random(3), zstandard.ZstdCompressor().compress
    data = zstandard.ZstdDecompressor().decompress(pack(touches_of(columns_of(random_, 40))))
    for _ in range(400):
        bad = bytearray(data)
        for _ in range(random_.randrange(1, 4)):
            bad[random_.randrange(len(bad))] = random_.randrange(256)
        del bad[random_.choice((len(bad), random_.randrange(len(bad)))) :]
        try:
            columns = unpack(squeeze(bytes(bad)))
        except RecordingError:
            continue
        assert {len(column) for column in columns} == {int.from_bytes(bad[:4], "little")}


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"no frame",
        NOTHING[:-1],
        zstandard.ZstdCompressor().compress(b""),
        zstandard.ZstdCompressor().compress(b"\xff\xff\xff\xff"),
        zstandard.ZstdCompressor().compress(NOTHING + bytes(40 * MOST_ROWS)),
    ],
    ids=["nothing", "no frame", "cut off", "empty", "more rows than bytes", "huge"],
)
def test_what_is_no_part_of_an_index_is_refused(packed: bytes) -> None:
    with pytest.raises(RecordingError, match="history index is damaged"):
        unpack(packed)


@pytest.mark.parametrize("rows", [b"", b"no frame", NOTHING], ids=["nothing", "no frame", "no rows"])
def test_what_is_no_part_of_an_earlier_index_is_refused(rows: bytes) -> None:
    with pytest.raises(RecordingError, match="history index is damaged"):
        unpack_two(rows, b"")
