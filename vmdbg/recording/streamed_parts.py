"""Parts of the history index as recordings of format 4 have them: a few in a row are one zstd stream, of which each has
a piece. In earlier ones each is a frame of its own.
"""

from __future__ import annotations

import msgspec
import xxhash

from vmdbg.errors import RecordingError
from vmdbg.recording.records import PartRecord
from vmdbg.recording.unpacking import Packing, Unpacker, UnpackingError, unpacker
from vmdbg.timeline.touched_packing import MOST_BYTES, framed

MOST_TOGETHER = 8
"""Parts of one stream."""


class StreamedParts:
    """Unpacks one part after the other."""

    def __init__(self) -> None:
        self._place = 0
        """Of the part that the stream goes on with."""
        self._stream: Unpacker = unpacker(Packing.ZSTD)

    def unpack(self, record: PartRecord) -> PartRecord:
        """What encode_part() has made of it. Raises RecordingError if it is damaged, or one before it is missing."""
        if not record.digest:
            return record
        if not record.place:
            self._place, self._stream = 0, unpacker(Packing.ZSTD)
        if record.place != self._place:
            self._place = MOST_TOGETHER
            raise RecordingError("the part before it is missing, with which it was packed")
        self._place = MOST_TOGETHER
        columns = unpacked_piece(self._stream, record.columns, MOST_BYTES, "it has more rows than a part can have")
        if xxhash.xxh3_64_digest(columns) != record.digest:
            raise RecordingError("it is damaged, or another part was before it")
        self._place = record.place + 1
        return msgspec.structs.replace(record, columns=framed(columns), place=0, digest=b"")


def unpacked_piece(stream: Unpacker, piece: bytes, most: int, too_much: str) -> bytes:
    """What a stream that each part has a piece of goes on with: at most so many bytes. Raises RecordingError, with
    `too_much` if they are more.
    """
    unpacked = bytearray()
    try:
        for some in stream.feed(piece):
            unpacked += some
            if len(unpacked) > most:
                raise RecordingError(too_much)
    except UnpackingError as error:
        raise RecordingError(f"it is damaged: {error}") from error
    return bytes(unpacked)
