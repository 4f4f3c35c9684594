"""The bytes that a recording embeds, stored once however often they are needed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from vmdbg.boot.image import Segment
from vmdbg.errors import RecordingError
from vmdbg.recording.records import Content, SegmentRef
from vmdbg.units import PAGE_SIZE, Physical

PIECE = 4 << 20
"""Bytes of a content in one block."""


def segment_ref(segment: Segment) -> SegmentRef:
    digest = hashlib.sha256(segment.data).hexdigest()
    return SegmentRef(segment.address, len(segment.data), segment.name, segment.rom, digest)


def pieces(segments: Iterable[tuple[SegmentRef, Segment]]) -> Iterator[Content]:
    """What to write so that all the segments can be read again."""
    done: set[str] = set()
    for ref, segment in segments:
        if ref.sha256 in done:
            continue
        done.add(ref.sha256)
        for offset in range(0, len(segment.data), PIECE):
            yield Content(ref.sha256, offset, bytes(segment.data[offset : offset + PIECE]))


class ContentReader:
    """Puts pieces together again."""

    def __init__(self) -> None:
        self._parts: dict[str, dict[int, bytes]] = {}

    def add(self, piece: Content) -> None:
        self._parts.setdefault(piece.sha256, {})[piece.offset] = piece.data

    def page(self, sha256: str, number: int) -> bytes | None:
        """4096 bytes of a content, zeros after its end; None if they are not there."""
        offset = number * PAGE_SIZE
        start = offset // PIECE * PIECE
        data = self._parts.get(sha256, {}).get(start, b"")[offset - start : offset - start + PAGE_SIZE]
        return data.ljust(PAGE_SIZE, b"\0") if data else None

    def segment(self, ref: SegmentRef) -> Segment:
        """Raises RecordingError if its bytes are missing or damaged."""
        parts = self._parts.get(ref.sha256, {})
        data = b"".join(parts[offset] for offset in sorted(parts))
        if len(data) != ref.size or hashlib.sha256(data).hexdigest() != ref.sha256:
            raise RecordingError(
                f"the bytes of {ref.name!r} that the recording begins with are damaged or missing: "
                "it cannot be replayed; fetch it again from where it came from"
            )
        return Segment(Physical(ref.address), data, ref.name, ref.rom)
