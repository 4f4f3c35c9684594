"""Columns of what was touched, small: what a row says nothing of is left out, and the rest compressed."""

from __future__ import annotations

import sys
from array import array
from itertools import accumulate, compress, pairwise, repeat
from operator import add
from typing import NamedTuple

import zstandard

from vmdbg.engine.packed_rows import PackedRows
from vmdbg.engine.touches import FETCH, WRITE, Touches
from vmdbg.errors import RecordingError
from vmdbg.timeline.byte_planes import join, split

MOST_ROWS = 1 << 18
_ROW = 8 + 8 + 4 + 1
_WRITTEN = 8 + 8
_COUNT = 4
_PLANES = 8 + 4
_MOST_WORDS = 8
_ALL = (1 << 64) - 1
_FETCHES, _WRITES = (bytes(bool(kinds & one) for kinds in range(256)) for one in (FETCH, WRITE))
MOST_BYTES = MOST_ROWS * (_ROW + _WRITTEN) + _COUNT
"""Of what is packed."""
_LEVEL = 1
"""Of zstd. What goes into a file is packed anew (vmdbg.recording.part_packing); in memory it is a few megabytes."""


class Columns(NamedTuple):
    """As engine.touches.Touches has them, but with pages by their numbers."""

    linear: array[int]
    lines: array[int]
    physical: array[int]
    kinds: bytes
    written: array[int]
    words: array[int]


def pack(touches: Touches) -> bytes:
    """One zstd frame: how many rows there are, in four bytes; `linear`, byte by byte of all rows; `physical` in the
    same way; `kinds`; `lines` where there were fetches, `written` where there were writes; of `words` a byte for each
    line that was written, where these are some and not all of a page's.
    """
    return framed(data_of(packed_rows(touches)))


def packed_rows(touches: Touches) -> PackedRows:
    """Without what a row says nothing of."""
    writes = touches.kinds.translate(_WRITES)
    lines = array("Q", compress(array("Q", touches.lines), touches.kinds.translate(_FETCHES)))
    written = array("Q", compress(array("Q", touches.written), writes))
    words = compress(array("Q", touches.words), writes)
    partial = [
        line.to_bytes(8, "little")[: lines.bit_count()]
        for lines, line in zip(written, words, strict=True)
        if lines != _ALL
    ]
    columns = (lines.tobytes(), written.tobytes(), b"".join(partial))
    return PackedRows(touches.linear, touches.physical, touches.kinds, *columns)


def data_of(rows: PackedRows) -> bytes:
    """What pack() makes a frame of."""
    steps, farther = split(rows.steps, 8), split(rows.farther, 4)
    return b"".join((len(rows.kinds).to_bytes(_COUNT, "little"), steps, farther, *rows[2:]))


def rows_in(data: bytes) -> PackedRows:
    """What data_of() was given. Raises RecordingError if it is cut off, or of more rows than a part can have."""
    count = int.from_bytes(data[:_COUNT], "little")
    kinds = _COUNT + _PLANES * count
    lines = kinds + count
    fetches, writes = (data[kinds:lines].translate(those).count(1) for those in (_FETCHES, _WRITES))
    written = lines + 8 * fetches
    words = written + 8 * writes
    if count > MOST_ROWS or words > len(data):
        raise _damaged()
    farther = _COUNT + 8 * count
    steps = join(data[_COUNT:farther], 8)
    cuts = pairwise((kinds, lines, written, words, len(data)))
    return PackedRows(steps, join(data[farther:kinds], 4), *(data[at:end] for at, end in cuts))


def framed(columns: bytes) -> bytes:
    """What pack() makes of what it puts together."""
    return zstandard.ZstdCompressor(level=_LEVEL).compress(columns)  # threads must not share one


def unframed(packed: bytes) -> bytes:
    """What framed() was given. Raises RecordingError."""
    return _frame(packed, MOST_BYTES)


NOTHING = pack(Touches(b"", b"", b"", b"", b"", b""))


def unpack(packed: bytes) -> Columns:
    """Raises RecordingError if that was not packed here."""
    rows = rows_in(unframed(packed))
    lines = _spread(rows.lines, rows.kinds.translate(_FETCHES))
    written = _spread(rows.written, rows.kinds.translate(_WRITES))
    linear, physical = _pages(array("Q", rows.steps), array("I", rows.farther))
    return Columns(linear, lines, physical, rows.kinds, written, _words(written, rows.words))


def unpack_two(rows: bytes, written: bytes) -> Columns:
    """What recordings of earlier builds have: a frame of all columns but `written` and `words`, and one of these, which
    may be missing: all of a page may have been written then. Raises RecordingError.
    """
    columns = _frame(rows, MOST_ROWS * _ROW)
    count = len(columns) // _ROW
    both = _frame(written, MOST_ROWS * _WRITTEN) if written else b"\xff" * _WRITTEN * count
    if len(columns) % _ROW or len(both) != _WRITTEN * count:
        raise _damaged()
    places = (0, 8 * count, 16 * count, 20 * count)
    steps, lines = (array("Q", columns[at : at + 8 * count]) for at in places[:2])
    linear, physical = _pages(steps, array("I", columns[places[2] : places[3]]))
    return Columns(
        linear, lines, physical, columns[places[3] :], array("Q", both[: 8 * count]), array("Q", both[8 * count :])
    )


def _pages(steps: array[int], farther: array[int]) -> tuple[array[int], array[int]]:
    """The linear and the physical ones."""
    sums, others = accumulate(steps), accumulate(map(add, steps, farther))
    try:
        return array("Q", sums), _low_halves(array("Q", others))
    except OverflowError:  # they do not ascend, as what a guest touches does
        linear = array("Q", (page & _ALL for page in accumulate(steps)))
        return linear, array("I", (page & 0xFFFFFFFF for page in accumulate(map(add, steps, farther))))


def _low_halves(numbers: array[int]) -> array[int]:
    return array("I", numbers.tobytes())[sys.byteorder == "big" :: 2]


def _spread(numbers: bytes, has_one: bytes) -> array[int]:
    """A number for each row, 0 if it has none."""
    spread = array("Q", bytes(8 * len(has_one)))
    for row, number in zip(compress(range(len(has_one)), has_one), array("Q", numbers), strict=True):
        spread[row] = number
    return spread


def _words(written: array[int], data: bytes) -> array[int]:
    words, at = array("Q", map({_ALL: _ALL}.get, written, repeat(0))), 0
    partial = [(row, lines) for row, lines in enumerate(written) if lines and lines != _ALL]
    for row, lines in partial:
        end = at + min(_MOST_WORDS, lines.bit_count())
        words[row] = int.from_bytes(data[at:end], "little")
        at = end
    if at != len(data):
        raise _damaged()
    return words


def _frame(packed: bytes, most: int) -> bytes:
    """Unpacked. Raises RecordingError."""
    try:
        if not 0 <= zstandard.frame_content_size(packed) <= most:
            raise _damaged()
        return zstandard.ZstdDecompressor().decompress(packed)
    except zstandard.ZstdError as error:
        raise RecordingError(f"part of the history index is damaged: {error}") from error


def _damaged() -> RecordingError:
    return RecordingError("part of the history index is damaged: it does not have as many rows as it should")
