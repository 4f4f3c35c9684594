"""Columns of what was touched, small: what a row says nothing of is left out, and the rest compressed."""

from __future__ import annotations

from array import array
from itertools import accumulate, compress
from operator import add
from typing import NamedTuple

import zstandard

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
    kinds = touches.kinds
    written = array("Q", compress(array("Q", touches.written), kinds.translate(_WRITES)))
    words = compress(array("Q", touches.words), kinds.translate(_WRITES))
    partial = [
        line.to_bytes(8, "little")[: lines.bit_count()]
        for lines, line in zip(written, words, strict=True)
        if lines != _ALL
    ]
    return framed(
        b"".join(
            (
                len(kinds).to_bytes(_COUNT, "little"),
                split(touches.linear, 8),
                split(touches.physical, 4),
                kinds,
                array("Q", compress(array("Q", touches.lines), kinds.translate(_FETCHES))).tobytes(),
                written.tobytes(),
                *partial,
            )
        )
    )


def framed(columns: bytes) -> bytes:
    """What pack() makes of what it puts together."""
    return zstandard.ZstdCompressor(level=_LEVEL).compress(columns)  # threads must not share one


def unframed(packed: bytes) -> bytes:
    """What framed() was given. Raises RecordingError."""
    return _frame(packed, MOST_BYTES)


NOTHING = pack(Touches(b"", b"", b"", b"", b"", b""))


def unpack(packed: bytes) -> Columns:
    """Raises RecordingError if that was not packed here."""
    data = unframed(packed)
    count = int.from_bytes(data[:_COUNT], "little")
    at = _COUNT + _PLANES * count
    if at + count > len(data):
        raise _damaged()
    steps = array("Q", join(data[_COUNT : _COUNT + 8 * count], 8))
    farther = array("I", join(data[_COUNT + 8 * count : at], 4))
    kinds = data[at : at + count]
    lines, at = _spread(data, at + count, kinds.translate(_FETCHES))
    written, at = _spread(data, at, kinds.translate(_WRITES))
    linear, physical = _pages(steps, farther)
    return Columns(linear, lines, physical, kinds, written, _words(written, data[at:]))


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
    linear = array("Q", (page & _ALL for page in accumulate(steps)))
    return linear, array("I", (page & 0xFFFFFFFF for page in accumulate(map(add, steps, farther))))


def _spread(data: bytes, at: int, has_one: bytes) -> tuple[array[int], int]:
    """A number for each row, 0 if it has none, and where in `data` these end."""
    end = at + 8 * sum(has_one)
    if end > len(data):
        raise _damaged()
    spread = array("Q", bytes(8 * len(has_one)))
    for row, number in zip(compress(range(len(has_one)), has_one), array("Q", data[at:end]), strict=True):
        spread[row] = number
    return spread, end


def _words(written: array[int], data: bytes) -> array[int]:
    words, at = array("Q", bytes(8 * len(written))), 0
    for row, lines in enumerate(written):
        if lines == _ALL:
            words[row] = _ALL
        elif lines:
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
