"""Parts of the history index as they lie in a file: what one of them touched is foretold by those before it.

A few in a row are a stream, for if one is damaged, those after it in its stream are lost as well.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence

import msgspec
import xxhash
import zstandard

from vmdbg.engine.touched_coding import TouchedCoding
from vmdbg.errors import RecordingError
from vmdbg.recording.records import PartRecord, RequestRecord, decode, encode, encode_part
from vmdbg.recording.streamed_parts import unpacked_piece
from vmdbg.recording.unpacking import Packing, Unpacker, unpacker
from vmdbg.timeline.byte_planes import join, split
from vmdbg.timeline.history_index import Part
from vmdbg.timeline.touched import MOST_PORT_BYTES, MOST_REQUESTS
from vmdbg.timeline.touched_packing import MOST_ROWS, data_of, framed, rows_in, unframed

MOST_TOGETHER = 32
"""Parts of one stream."""
_PARAMETERS = zstandard.ZstdCompressionParameters.from_level(9, window_log=20)
"""The window holds what several parts did beside touching pages."""
_NUMBERS = 5
"""Of a request."""
_WIDTH = 8
_ALL = (1 << 64) - 1
MOST_OTHERS = MOST_REQUESTS * _NUMBERS * _WIDTH + MOST_PORT_BYTES + (1 << 16)
"""Bytes of what a part is beside its columns."""


class PartBlock(msgspec.Struct, frozen=True, array_like=True):
    """A part: the `place` in its stream, how many rows `columns` holds, which TouchedCoding has made of them, and in
    `others`, a piece of a zstd stream, a _Others. `digest`: XXH3-64, big-endian, of `others` and the columns, both as
    they were before they were packed.
    """

    place: int
    rows: int
    columns: bytes
    others: bytes
    digest: bytes


class _Others(msgspec.Struct, frozen=True, array_like=True):
    """The record of a part without its columns and its requests. Of these `kinds` are units and operations, each once;
    `numbers` are five of 64 bits for each, in byte planes, little-endian, modulo: which of `kinds`; how many sectors
    behind the end of the one before; how many sectors; ticks from when the one before was submitted, of the first from
    0; and ticks from then until it completed. Without `kinds` requests are not known.
    """

    record: PartRecord
    kinds: list[tuple[str, str]] | None
    numbers: bytes


class PartPacking:
    """Packs one part after the other."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._place = 0
        self._coding = TouchedCoding()
        self._stream = zstandard.ZstdCompressor(compression_params=_PARAMETERS).compressobj()

    def pack(self, part: Part) -> PartBlock | PartRecord:
        """Those of recordings of earlier builds stay what they were: a record."""
        record = encode_part(part)
        if not record.columns:
            return record
        if self._place == MOST_TOGETHER:
            self._begin()
        columns, others = unframed(record.columns), encode(_others(record))
        rows = rows_in(columns)
        piece = self._stream.compress(others) + self._stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        place, self._place = self._place, self._place + 1
        digest = xxhash.xxh3_64_digest(others + columns)
        return PartBlock(place, len(rows.kinds), self._coding.encode(rows), piece, digest)


class PartUnpacking:
    """Unpacks one part after the other."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._place = 0
        """Of the part that the stream goes on with."""
        self._coding = TouchedCoding()
        self._stream: Unpacker = unpacker(Packing.ZSTD)

    def unpack(self, block: PartBlock) -> PartRecord:
        """What encode_part() has made of it. Raises RecordingError if it is damaged, or one before it is missing."""
        if not block.place:
            self._begin()
        if block.place != self._place:
            self._place = MOST_TOGETHER
            raise RecordingError("the part before it is missing, with which it was packed")
        self._place = MOST_TOGETHER
        if not 0 <= block.rows <= MOST_ROWS:
            raise RecordingError("it has more rows than a part can have")
        others = unpacked_piece(self._stream, block.others, MOST_OTHERS, "it is more than there can be of a part")
        columns = self._columns(block)
        if xxhash.xxh3_64_digest(others + columns) != block.digest:
            raise RecordingError("it is damaged, or another part was before it")
        found = decode(others, _Others, "part of the history index")
        self._place = block.place + 1
        return msgspec.structs.replace(found.record, columns=framed(columns), requests=_requests(found))

    def _columns(self, block: PartBlock) -> bytes:
        """Raises RecordingError."""
        try:
            return data_of(self._coding.decode(block.columns, block.rows))
        except ValueError as error:
            raise RecordingError(f"it is damaged: {error}") from error


def _others(record: PartRecord) -> _Others:
    bare = msgspec.structs.replace(record, columns=b"", requests=None)
    if record.requests is None:
        return _Others(bare, None, b"")
    kinds = dict.fromkeys((one.unit, one.operation) for one in record.requests)
    places = {kind: place for place, kind in enumerate(kinds)}
    numbers = array("Q", (one & _ALL for one in _numbers(record.requests, record.tick, places)))
    return _Others(bare, list(kinds), split(numbers.tobytes(), _WIDTH * _NUMBERS))


def _numbers(requests: Sequence[RequestRecord], since: int, places: dict[tuple[str, str], int]) -> Iterator[int]:
    end = submitted = 0
    for one in requests:
        yield places[one.unit, one.operation]
        yield one.sector - end
        yield one.count
        yield since + one.submitted - submitted
        yield one.completed - one.submitted
        end, submitted = one.sector + one.count, since + one.submitted


def _requests(others: _Others) -> list[RequestRecord] | None:
    """Raises RecordingError."""
    if others.kinds is None:
        return None
    try:
        return list(_found_requests(others.kinds, others.numbers, others.record.tick))
    except (ValueError, IndexError) as error:
        raise RecordingError(f"its requests to drives are none: {error}") from error


def _found_requests(kinds: list[tuple[str, str]], planes: bytes, since: int) -> Iterator[RequestRecord]:
    numbers = iter(array("Q", join(planes, _WIDTH * _NUMBERS)))
    sector = submitted = 0
    for kind, step, count, later, took in zip(*[numbers] * _NUMBERS, strict=True):
        sector, submitted = (sector + step) & _ALL, (submitted + later) & _ALL
        unit, operation = kinds[kind]
        yield RequestRecord(unit, operation, sector, count, submitted - since, (submitted + took & _ALL) - since)
        sector += count
