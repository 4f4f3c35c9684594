"""What a guest reads of media and shared folders, on its way into a recording."""

from __future__ import annotations

import errno
import threading
from array import array
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Protocol

from devices.disk.medium import MediumError
from devices.ninep.folder import Answer, Question
from vmdbg.machine.media import Media, ReadMedium
from vmdbg.recording.blocks import Kind
from vmdbg.recording.known_digests import KnownDigests
from vmdbg.recording.media_digest import LARGEST_UNASKED
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
        self._hashing = ThreadPoolExecutor(1, "hashing")
        """Beside the thread that writes: a large image takes seconds, and what the guest does is to be in the file."""
        self._hashes: list[tuple[ReadMedium, Future[str]]] = []
        """In their order, those that are still to be written."""
        self._is_over = threading.Event()
        self.unnamed: set[str] = set()
        """Media that are not embedded and whose hashes are not in the file yet: nothing can be replayed without."""
        self._watches = False

    def watch(self, *, embed: bool) -> None:
        """From now on, what is read of media is kept, before the instant at which it was read counts as known."""
        self._watches, media = True, self._media
        media.on_added = partial(self._added, embed=embed)
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
        """Which there are, in the thread that writes: their hashes follow. Raises OSError."""
        if embed:
            for medium in list(self._media):
                self._write_name(medium)

    def hash_media(self, *, embed: bool) -> None:
        """Begin with the hashes of all that can be read of media: flush() has them written when they are there."""
        for medium in self._media:
            self._hash(medium, embed=embed)

    def _hash(self, medium: ReadMedium, *, embed: bool) -> None:
        if not embed:
            self.unnamed.add(medium.name)
        known = medium.image.known_digest
        if known is None:
            self._hashes.append((medium, self._hashing.submit(self._digest, medium, embed=embed)))
        elif not embed:
            self._blocks.submit(partial(self._write_medium, medium, known))

    def _added(self, medium: ReadMedium, *, embed: bool) -> None:
        if embed:
            self._blocks.submit(partial(self._write_name, medium))
        self._hash(medium, embed=embed)

    def put_hashes(self) -> None:
        """Have all of them written: the thread that writes waits for those that are not there yet."""
        hashes, self._hashes = self._hashes, []
        for medium, digest in hashes:
            self._blocks.submit(partial(self._write_hash, medium, digest))

    def _put_ready_hashes(self) -> None:
        while self._hashes and self._hashes[0][1].done():
            self._blocks.submit(partial(self._write_hash, *self._hashes.pop(0)))

    def _digest(self, medium: ReadMedium, *, embed: bool) -> str:
        """Without it, a recording that names the medium alone is of no use. Raises OSError."""
        try:
            most = LARGEST_UNASKED if embed else None
            return KnownDigests().digest(medium.image, medium.looked_at, most, self._is_over.is_set)
        except MediumError as error:
            if embed:
                return ""
            raise OSError(errno.EIO, str(error)) from error

    def _write_hash(self, medium: ReadMedium, digest: Future[str]) -> None:
        self._write_medium(medium, digest.result())

    def end(self) -> None:
        """What is read from now on is not kept, what is still being hashed is not wanted."""
        self.ignore()
        self._is_over.set()
        self._hashing.shutdown(wait=True, cancel_futures=True)

    def _write_name(self, medium: ReadMedium) -> None:
        """Before its hash is there."""
        self._write_medium(medium, medium.image.known_digest or "")

    def _write_medium(self, medium: ReadMedium, digest: str) -> None:
        self._blocks.append(Kind.MEDIUM, encode(MediumRecord(medium.name, medium.sectors, digest)))
        self.unnamed.discard(medium.name)

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
        self._put_ready_hashes()
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
