"""Rows in few bytes: as their description has them, the same again, and whatever the bytes are, rows or a refusal."""

from __future__ import annotations

import contextlib
import random
from array import array
from collections.abc import Iterable

import pytest

from tests.vmdbg.engine.touched_model import ALL, WORDS, Model, Row
from vmdbg.engine.packed_rows import PackedRows
from vmdbg.engine.touched_coding import TouchedCoding
from vmdbg.engine.touches import FETCH, NO_LINEAR_PAGE, NO_PHYSICAL_PAGE, WRITE


def rows_of(rng: random.Random, before: list[Row]) -> list[Row]:
    """Some that were there before, changed or not, and others, of every kind; in runs, as memory is touched."""
    kept = [_again(rng, row) for row in rng.sample(before, len(before) * 3 // 4)]
    new = list[Row]()
    for _ in range(rng.randrange(12)):
        linear = rng.choice((rng.getrandbits(20), ALL - rng.getrandbits(18), rng.getrandbits(64), NO_LINEAR_PAGE))
        physical = rng.choice((rng.getrandbits(17), rng.getrandbits(32), NO_PHYSICAL_PAGE))
        ahead = rng.choice((1, 1, 0, 7))
        for step in range(rng.choice((1, 2, rng.randrange(1, 20)))):
            place = (linear + step * rng.choice((1, ahead))) & ALL, (physical + step) & NO_PHYSICAL_PAGE
            new.append(_filled(rng, Row(*place, kinds=rng.choice((1, 2, 3, 3, 5, 7, rng.randrange(256))))))
    return sorted(kept + new, key=lambda row: (row.linear, row.physical))


def _again(rng: random.Random, row: Row) -> Row:
    found = Row(row.linear, row.physical, row.kinds, row.lines, row.written, list(row.words))
    return _filled(rng, found) if rng.random() < 0.5 else found


def _filled(rng: random.Random, row: Row) -> Row:
    row.lines = _bits(rng, row.lines) if row.kinds & FETCH else 0
    row.written = _bits(rng, row.written) if row.kinds & WRITE else 0
    count = 0 if row.written == ALL else min(WORDS, row.written.bit_count())
    row.words = [rng.choice((0xFF, 1, 0x80, rng.randrange(256))) for _ in range(count)] + [0] * (WORDS - count)
    return row


def _bits(rng: random.Random, old: int) -> int:
    some = (ALL, 0, 1 << rng.randrange(64), rng.getrandbits(64), rng.getrandbits(6) << rng.randrange(58))
    return rng.choice((*some, old, old ^ 1 << rng.randrange(64), old | rng.choice(some)))


def packed(rows: Iterable[Row]) -> PackedRows:
    rows = list(rows)
    both = list(zip([Row(), *rows], rows, strict=False))
    steps = [(row.linear - before.linear) & ALL for before, row in both]
    farther = [
        (row.physical - before.physical - step) & NO_PHYSICAL_PAGE
        for (before, row), step in zip(both, steps, strict=True)
    ]
    stores = [row for row in rows if row.kinds & WRITE]
    partial = [row for row in stores if row.written != ALL]
    return PackedRows(
        array("Q", steps).tobytes(),
        array("I", farther).tobytes(),
        bytes(row.kinds for row in rows),
        array("Q", (row.lines for row in rows if row.kinds & FETCH)).tobytes(),
        array("Q", (row.written for row in stores)).tobytes(),
        b"".join(bytes(row.words[: min(WORDS, row.written.bit_count())]) for row in partial),
    )


@pytest.mark.parametrize("seed", range(12))
def test_rows_are_encoded_as_they_are_described_and_decoded_again(seed: int) -> None:
    rng, rows = random.Random(seed), list[Row]()
    model, encoding, decoding = Model(), TouchedCoding(), TouchedCoding()
    for _ in range(6):
        rows = rows_of(rng, rows)
        columns = packed(rows)
        data = encoding.encode(columns)
        assert data == model.encode(rows)
        assert decoding.decode(data, len(rows)) == columns


def test_no_rows_are_a_part_too() -> None:
    encoding, decoding = TouchedCoding(), TouchedCoding()
    for rows in ([], [_filled(random.Random(1), Row(5, 6, 7))], []):
        assert decoding.decode(encoding.encode(packed(rows)), len(rows)) == packed(rows)


def test_what_was_touched_before_costs_little() -> None:
    rng = random.Random(1)
    rows = [_filled(rng, Row(rng.getrandbits(36), rng.getrandbits(17), FETCH | WRITE)) for _ in range(300)]
    encoding = TouchedCoding()
    first, second, third = (len(encoding.encode(packed(rows))) for _ in range(3))
    assert third < second < first / 10


@pytest.mark.parametrize("seed", range(40))
def test_other_bytes_are_other_rows_or_are_refused(seed: int) -> None:
    rng = random.Random(seed)
    rows = rows_of(rng, [])
    data = bytearray(TouchedCoding().encode(packed(rows)))
    for _ in range(rng.randrange(1, 4)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    cut = rng.choice((len(data), rng.randrange(len(data))))
    count = rng.choice((len(rows), rng.randrange(2000)))
    with contextlib.suppress(ValueError):
        found = TouchedCoding().decode(bytes(data[:cut]), count)
        assert len(found.kinds) == count
        assert TouchedCoding().decode(TouchedCoding().encode(found), count) == found


@pytest.mark.parametrize("data", [b"", b"\xff" * 3, random.Random(5).randbytes(1000)])
def test_few_bytes_are_not_so_many_rows(data: bytes) -> None:
    with pytest.raises(ValueError, match="do not hold"):
        TouchedCoding().decode(data, 1 << 18)


@pytest.mark.parametrize(
    "rows",
    [
        PackedRows(bytes(8), bytes(8), bytes(1), b"", b"", b""),
        PackedRows(bytes(16), bytes(4), bytes(1), b"", b"", b""),
        PackedRows(bytes(8), bytes(4), b"\x04", b"", b"", b""),
        PackedRows(bytes(8), bytes(4), b"\x02", b"", b"", b""),
        PackedRows(bytes(8), bytes(4), b"\x02", b"", bytes([1, *bytes(7)]), b""),
        PackedRows(bytes(8), bytes(4), b"\x04", bytes(16), b"", b""),
        PackedRows(bytes(8), bytes(4), b"\x02", b"", bytes(8), b"a"),
        PackedRows(bytes(8), bytes(4), b"\x04", bytes(7), b"", b""),
    ],
    ids=["farther", "steps", "no lines", "no written", "no words", "more lines", "more words", "cut off"],
)
def test_columns_that_do_not_go_together_are_refused(rows: PackedRows) -> None:
    with pytest.raises(ValueError, match=r"no rows|different lengths|buffer"):
        TouchedCoding().encode(rows)
