"""Writing a recording while it happens."""

from __future__ import annotations

import errno
import os
import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

from vmdbg.errors import NotKeptError, UserError
from vmdbg.files import remove
from vmdbg.interruption import INTERRUPTION
from vmdbg.machine.snapshot import Position
from vmdbg.recording.blocks import BlockWriter, Kind
from vmdbg.recording.checkpoint_packing import CheckpointPacking
from vmdbg.recording.content import pieces
from vmdbg.recording.media_keeper import MediaKeeper
from vmdbg.recording.meta import check_can_leave_out, make_meta
from vmdbg.recording.page_packing import PagePacking
from vmdbg.recording.part_packing import PartBlock, PartPacking
from vmdbg.recording.records import (
    CheckpointRecord,
    ConsolePiece,
    DigestRecord,
    End,
    InputRecord,
    Inputs,
    encode,
    encode_input,
)
from vmdbg.recording.written_pages import WrittenPages
from vmdbg.timeline.checkpoint import Checkpoint
from vmdbg.timeline.history import PlacedInput
from vmdbg.timeline.history_index import Part
from vmdbg.timeline.origin import Origin, StateOrigin
from vmdbg.timeline.pages import Page
from vmdbg.timeline.ram import RamImage
from vmdbg.timeline.state_digest import StateDigest
from vmdbg.timeline.timeline import Timeline

FLUSH_SECONDS = 0.5
PAGES_IN_BLOCK = 256
BACKLOG = 64
"""Blocks that wait to be written before the guest waits for them."""
_NO_SYNC = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)
"""Of files that cannot be synchronized, such as pipes."""


class RecordingWriter:
    """The Recorder of one timeline into one new file; blocks are packed and written by a thread of their own.

    If the file cannot be written any more, `failure` says why, `on_failure` is called once, and the guest goes on. A
    file that is then of no use is removed by close().
    """

    def __init__(
        self,
        path: Path | str,
        timeline: Timeline,
        *,
        embed: bool = True,
        checkpoints: bool = True,
        origin: Origin | None = None,
        first: Checkpoint | None = None,
    ) -> None:
        """`origin` and `first`, for a snapshot, replace the timeline's.

        Raises UserError if the file cannot be made, NotKeptError if it can hold nothing, and is then gone.
        """
        self._origin = origin if origin is not None else timeline.origin
        self._first = first if first is not None else timeline.checkpoints.first
        if self._origin is None:
            raise UserError("this timeline cannot be recorded: what its machine was made from is not known")
        self._made_by = timeline.verification.made_by if origin is None else None
        self.path = Path(path)
        self.failure: NotKeptError | None = None
        self.reason = ""
        self._on_failure: Callable[[NotKeptError], None] | None = None
        self._timeline = timeline
        self._checkpoints = checkpoints
        check_can_leave_out(self._origin, embed=embed)
        try:
            self._file = open(self.path, "x+b", buffering=0)  # noqa: SIM115 - closed by close()
        except FileExistsError:
            raise UserError(f"{self.path} exists already: remove it, or give another name for the recording") from None
        except (OSError, ValueError) as error:
            raise UserError(f"cannot write {self.path}: {getattr(error, 'strerror', None) or error}") from None
        self._thread = ThreadPoolExecutor(1, "recording")
        self._queue: list[Future[None]] = []
        self._pending: list[InputRecord] = []
        self._packing = PagePacking([timeline.store.zero.key])
        self._written: WrittenPages | None = None
        self._packed_checkpoints = CheckpointPacking()
        self._packed_parts = PartPacking()
        self.media = MediaKeeper(timeline.machine.media, self, self._packing.note_sectors if checkpoints else None)
        self._written_console = {port: len(log.text) for port, log in timeline.console.ports.items()}
        self._blocks = 0
        self._flushed_at = time.monotonic()
        self._written_checkpoints = 0
        self._has_beginning = False
        self._closing = False
        self._ram = self._first.ram
        try:
            self._start(self._origin, embed=embed)
        except BaseException as error:
            self.abandon()
            if isinstance(error, OSError):
                raise NotKeptError(f"cannot write {self.path}: {error.strerror}") from error
            raise

    def _start(self, origin: Origin, *, embed: bool) -> None:
        self._writer = BlockWriter(self._file)
        self.submit(lambda: self._write_beginning(origin, embed=embed))
        if isinstance(origin, StateOrigin):
            self._put_base(self._first)
        else:
            zero = self._timeline.store.zero
            self._packing.new(self._ram.besides(zero)[1])
        self._beginning = self._queue[-1] if self._queue else None
        self.media.hash_media(embed=embed)

    def _write_beginning(self, origin: Origin, *, embed: bool) -> None:
        """What was booted."""
        meta, held = make_meta(origin, embed=embed, made_by=self._made_by)
        self.append(Kind.META, encode(meta))
        for piece in pieces(held):
            self.append(Kind.CONTENT, encode(piece))
            if self._checkpoints:
                self._packing.note_content(piece)
        self.media.write_media(embed=embed)
        self._has_beginning = not isinstance(origin, StateOrigin)

    def begin(self, on_failure: Callable[[NotKeptError], None] | None = None) -> None:
        """From now on all that the guest does is recorded. What it begins with is in the file when this returns:
        whoever sees the guest do anything can replay it, even if this process is killed then.

        Raises NotKeptError if there is no room for that; the file is then gone.
        """
        try:
            if self._beginning is not None:
                self._beginning.result()
            self._drain(BACKLOG)
        except BaseException as error:
            self.abandon()
            if isinstance(error, OSError):
                raise NotKeptError(f"cannot write {self.path}: {error.strerror}") from error
            raise
        if self.failure is not None:
            self.abandon()
            raise NotKeptError(f"cannot write {self.path}: {self.reason}") from self.failure
        self._on_failure = on_failure
        self._timeline.recorder = self
        with suppress(OSError):  # memory keeps the pages then
            self._written = WrittenPages(self._file.fileno())
            self._packing.own = self._written.source

    def on_input(self, entry: PlacedInput) -> None:
        self._pending.append(encode_input(entry))

    def on_digest(self, digest: StateDigest) -> None:
        self._flush(digest.position)
        self._put_digest(digest)

    def _put_digest(self, digest: StateDigest) -> None:
        where = digest.position
        self.put(Kind.DIGEST, DigestRecord(where.tick, where.phase, digest.cpu, digest.ram, digest.devices))

    def on_checkpoint(self, checkpoint: Checkpoint) -> None:
        if self._checkpoints and self.failure is None:
            self._flush(checkpoint.position)
            self._put_checkpoint(checkpoint)

    def on_part(self, part: Part) -> None:
        if self._checkpoints and self.failure is None:
            self.submit(partial(self._write_part, part))

    def _write_part(self, part: Part) -> None:
        packed = self._packed_parts.pack(part)
        self.append(Kind.PART if isinstance(packed, PartBlock) else Kind.EARLIER_PART, encode(packed))

    def on_advance(self, position: Position) -> None:
        if self._pending or time.monotonic() - self._flushed_at >= FLUSH_SECONDS:
            self._flush(position)

    def write_past(self, end: Position, things: Iterable[object]) -> None:
        """What came before: the console, and digests and checkpoints in order, of a history known up to `end`."""
        self._written_console.clear()
        self._flush(end)
        for thing in things:
            if isinstance(thing, StateDigest):
                self._put_digest(thing)
            elif isinstance(thing, Checkpoint) and self._checkpoints and self.failure is None:
                self._put_checkpoint(thing)
            elif isinstance(thing, Part):
                self.on_part(thing)

    def on_fork(self) -> None:
        self.close("the timeline was forked")

    def flush(self) -> None:
        """Everything up to now is in the file when this returns, unless writing has failed, but for hashes of media
        that are still being made.
        """
        self._flush(self._timeline.end)
        self._drain(0)

    def _flush(self, position: Position) -> None:
        self._flushed_at = time.monotonic()
        self.media.flush()
        self.put(Kind.INPUTS, Inputs(self._blocks, position.tick, position.phase, self._pending))
        self._blocks += 1
        self._pending = []
        console = list(self._new_console())
        if console:
            self.put(Kind.CONSOLE, console)

    def _new_console(self) -> Iterator[ConsolePiece]:
        """What the guest wrote for the first time since the last flush."""
        for port, log in self._timeline.console.ports.items():
            for tick, data in log.pieces(self._written_console.get(port, 0)):
                yield ConsolePiece(port, tick, data)
            self._written_console[port] = len(log.text)

    def _put_checkpoint(self, checkpoint: Checkpoint) -> None:
        numbers, pages = checkpoint.ram.changed(self._ram)
        record = self._record(checkpoint, numbers, self._timeline.checkpoints.seconds(checkpoint))
        self._put_pages(pages, self._ram.pages(numbers))
        self._ram = checkpoint.ram
        self._written_checkpoints += 1
        keys = [page.key for page in pages]
        self.submit(lambda: self._write_checkpoint(record, keys))

    def _write_checkpoint(self, record: CheckpointRecord, keys: list[bytes]) -> None:
        ordinals = self._packing.ordinals(keys)
        self.append(Kind.CHECKPOINT, encode(self._packed_checkpoints.pack(record, keys, ordinals)))

    def _put_base(self, checkpoint: Checkpoint) -> None:
        zero = self._timeline.store.zero
        numbers, pages = checkpoint.ram.besides(zero)
        self._put_pages(pages, [None] * len(pages))
        base = encode(self._record(checkpoint, numbers, keys=b"".join([page.key for page in pages])))
        self.submit(lambda: self._write_base(base))

    def _write_base(self, base: bytes) -> None:
        self.append(Kind.BASE, base)
        self._has_beginning = True

    def _record(
        self, checkpoint: Checkpoint, numbers: array[int], seconds: float = 0.0, keys: bytes = b""
    ) -> CheckpointRecord:
        return CheckpointRecord(
            self._written_checkpoints,
            checkpoint.position.phase,
            checkpoint.inputs,
            checkpoint.state,
            numbers.tobytes(),
            keys,
            checkpoint.halted_at,
            round(seconds * 1e6),
        )

    def _put_pages(self, pages: Sequence[Page], bases: Sequence[Page | None]) -> None:
        """`bases` are what was at their places before."""
        new = self._packing.new(pages)
        for first in range(0, len(new), PAGES_IN_BLOCK):
            some = [bases[n] for n in new[first : first + PAGES_IN_BLOCK]]
            held = [base.held if base is not None else None for base in some]
            self.submit(partial(self._write_pages, [pages[n] for n in new[first : first + PAGES_IN_BLOCK]], some, held))

    def _write_pages(self, pages: list[Page], bases: list[Page | None], held: list[bytes | None]) -> None:
        for packed in self._packing.blocks(pages, bases, held):
            block = self._writer.append(packed.kind, encode(packed.record))
            if self._written is not None:
                self._written.note(block, packed)

    def append(self, kind: Kind, payload: bytes) -> None:
        """In the thread that writes."""
        self._writer.append(kind, payload)

    def put(self, kind: Kind, record: object) -> None:
        """Have the thread write it."""
        self.submit(lambda: self.append(kind, encode(record)))

    def submit(self, write: Callable[[], None]) -> None:
        """Have the thread call it, unless writing has failed."""
        if self.failure is not None:
            return
        self._queue.append(self._thread.submit(write))
        self._drain(BACKLOG)

    def _drain(self, left: int) -> None:
        """Wait until at most `left` blocks wait, and see how the others fared."""
        while self._queue and (len(self._queue) > left or self._queue[0].done()):
            try:
                self._queue.pop(0).result()
            except OSError as error:
                self._failed(error)
                return

    def _failed(self, error: OSError) -> None:
        self._end_thread()
        self.reason = str(error.strerror)
        words = f"{self.path} cannot be written any more: {self.reason}. {self._what_is_left()}"
        self.failure = NotKeptError(words, useless=self._is_useless)
        if self._on_failure is not None:
            self._on_failure(self.failure)

    def _end_thread(self) -> None:
        self.media.end()  # first: the thread may be waiting for the hash of an image
        for waiting in self._queue:
            waiting.cancel()
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._queue = []

    @property
    def _is_useless(self) -> bool:
        return not self._has_beginning or bool(self.media.unnamed)

    def _what_is_left(self) -> str:
        if self._is_useless:
            return "It does not even hold what the history begins with, and is of no use"
        left = "What was recorded so far can be replayed"
        return left if self._closing else f"{left}; the guest runs on unrecorded"

    def close(self, why: str = "closed", *, at: Position | None = None) -> None:
        """End the recording properly, at the timeline's end or `at`; does nothing the second time."""
        if self._file.closed:
            return
        self._closing = True
        with INTERRUPTION.critical():
            self._close(why, at)

    def _close(self, why: str, at: Position | None) -> None:
        end = at if at is not None else self._timeline.end
        if self._timeline.recorder is self:
            self._timeline.keep_index()
        self._flush(end)
        self.media.put_hashes()
        if self._first.position < end == self._timeline.position:
            self._put_digest(self._timeline.digest_here())
        self.put(Kind.END, End(end.tick, end.phase, why))
        self._drain(0)
        if self.failure is None:
            self.submit(lambda: self._writer.finish(encode(self._writer.index)))
            self._drain(0)
        self._thread.shutdown(wait=True)
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            if self.failure is None and error.errno not in _NO_SYNC:
                self._failed(error)
        self._leave()
        if self.failure is not None and self.failure.useless:
            remove(self.path)

    def _leave(self) -> None:
        self._file.close()
        self._written = self._packing.own = None
        self._ram = RamImage.filled(self._timeline.store.zero, self._ram.count)
        if self._timeline.recorder is self:
            self._timeline.recorder = None
        self.media.end()

    def abandon(self) -> None:
        """The file is not wanted any more, and goes. Does nothing after close()."""
        if self._file.closed:
            return
        with INTERRUPTION.critical():
            self._end_thread()
            self._leave()
            remove(self.path)


def start_recording(
    path: Path | str,
    timeline: Timeline,
    *,
    embed: bool = True,
    checkpoints: bool = True,
    on_failure: Callable[[NotKeptError], None] | None = None,
) -> RecordingWriter:
    """Record `timeline`, which stands at its start and is live, into a new file. Raises UserError, NotKeptError.

    `on_failure` is told once when the file cannot be written any more. A file that has no room for what the history
    begins with is gone.
    """
    if timeline.recorder is not None:
        raise UserError("this timeline is being recorded already")
    writer = RecordingWriter(path, timeline, embed=embed, checkpoints=checkpoints)
    writer.begin(on_failure)
    writer.media.watch(embed=embed)
    return writer
