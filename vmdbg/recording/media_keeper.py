"""What a guest reads of media and shared folders, on its way into a recording."""

from __future__ import annotations

import errno
from array import array
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

from devices.disk.medium import MediumError
from devices.ninep.folder import Answer, Question
from vmdbg.machine.media import Media, ReadMedium
from vmdbg.recording.blocks import Kind
from vmdbg.recording.media_digest import LARGEST_UNASKED, content_digest
from vmdbg.recording.recorded_answers import records_of
from vmdbg.recording.records import BlobsRecord, MediumRecord, Sectors, encode

SECTOR_PAGES_IN_BLOCK = 256
BLOBS_IN_BLOCK = 1 << 20
"""Bytes."""


class Blocks(Protocol):
    """Where they go: RecordingWriter."""

    def append(self, kind: Kind, payload: bytes) -> None: ...

    def put(self, kind: Kind, record: object) -> None: ...

    def submit(self, write: Callable[[], None]) -> None: ...


class MediaKeeper:
    """Keeps what is read until it is written, each page of a medium and each blob once.

    `note_sectors` is told of pages of media as they are written, in the thread that writes.
    """

    def __init__(
        self,
        media: Media,
        blocks: Blocks,
        note_sectors: Callable[[str, Sequence[tuple[int, bytes]]], None] | None,
    ) -> None:
        self._media = media
        self._blocks = blocks
        self._note_sectors = note_sectors
        self._sectors: dict[str, list[tuple[int, bytes]]] = {}
        """Pages that are still to be written, by medium."""
        self._answers: dict[str, list[tuple[int, Question, Answer, bytes]]] = {}
        """Of shared folders, that are still to be written, by share; and data of them."""
        self._blobs: dict[bytes, bytes] = {}
        self._blob_bytes = 0
        self._known_blobs: set[bytes] = set()
        self._watches = False

    def watch(self, *, embed: bool) -> None:
        """From now on, what is read of media is kept, before the instant at which it was read counts as known."""
        self._watches, media = True, self._media
        media.on_added = lambda medium: self._blocks.submit(lambda: self._write_medium(medium, embed=embed))
        for folder in media.folders.values():
            folder.keeper = self.keep_answer
        if embed:
            for medium in media:
                medium.forget()
            media.keeper = self.keep_sectors

    def ignore(self) -> None:
        """What is read from now on is not kept."""
        if self._watches:
            self._media.keeper = self._media.on_added = None
            for folder in self._media.folders.values():
                folder.keeper = None

    def write_media(self, *, embed: bool) -> None:
        """Which there are, in the thread that writes. Raises OSError."""
        for medium in self._media:
            self._write_medium(medium, embed=embed)

    def _write_medium(self, medium: ReadMedium, *, embed: bool) -> None:
        digest = medium.image.known_digest
        if digest is None:
            digest = _digest(medium, embed=embed)
        self._blocks.append(Kind.MEDIUM, encode(MediumRecord(medium.name, medium.sectors, digest)))

    def keep_sectors(self, medium: str, number: int, data: bytes) -> None:
        """A page of a medium that the guest has read."""
        pending = self._sectors.setdefault(medium, [])
        pending.append((number, data))
        if len(pending) >= SECTOR_PAGES_IN_BLOCK:
            self._put_sectors(medium)

    def keep_answer(self, share: str, number: int, question: Question, answer: Answer, key: bytes) -> None:
        """What a shared folder has answered; with a `key`, its data is kept once."""
        if key and key not in self._known_blobs:
            self._known_blobs.add(key)
            self._blobs[key] = answer.data
            self._blob_bytes += len(answer.data)
        kept = replace(answer, data=b"") if key else answer
        self._answers.setdefault(share, []).append((number, question, kept, key))
        if self._blob_bytes >= BLOBS_IN_BLOCK:
            self._put_answers()

    def flush(self) -> None:
        """Have all that is kept written."""
        for medium in list(self._sectors):
            self._put_sectors(medium)
        if self._answers:
            self._put_answers()

    def _put_sectors(self, medium: str) -> None:
        self._blocks.submit(partial(self._write_sectors, medium, self._sectors.pop(medium)))

    def _write_sectors(self, medium: str, pages: list[tuple[int, bytes]]) -> None:
        numbers = array("Q", (number for number, _ in pages)).tobytes()
        self._blocks.append(Kind.SECTORS, encode(Sectors(medium, numbers, b"".join(data for _, data in pages))))
        if self._note_sectors is not None:
            self._note_sectors(medium, pages)

    def _put_answers(self) -> None:
        """Data first: an answer without it is of no use."""
        if self._blobs:
            blobs, self._blobs, self._blob_bytes = self._blobs, {}, 0
            sizes = [len(data) for data in blobs.values()]
            self._blocks.put(Kind.BLOBS, BlobsRecord(b"".join(blobs), sizes, b"".join(blobs.values())))
        answers, self._answers = self._answers, {}
        for share, some in answers.items():
            self._blocks.put(Kind.ANSWERS, records_of(share, some))


def _digest(medium: ReadMedium, *, embed: bool) -> str:
    """Without it, a recording that names the medium alone is of no use. Raises OSError."""
    try:
        return content_digest(medium.looked_at, LARGEST_UNASKED if embed else None)
    except MediumError as error:
        if embed:
            return ""
        raise OSError(errno.EIO, str(error)) from error
