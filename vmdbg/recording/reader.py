"""Reading a recording: all that is whole in it, and what is not, by name."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from vmdbg.document.printable import printable
from vmdbg.errors import RecordingError, UserError
from vmdbg.machine.snapshot import Position
from vmdbg.recording.blocks import (
    CACHE,
    PAGE_KINDS,
    Block,
    Damage,
    Kind,
    block_at,
    check_file_header,
    indexed,
    read_payload,
    scan,
)
from vmdbg.recording.checkpoint_packing import CheckpointBlock, CheckpointUnpacking
from vmdbg.recording.content import ContentReader
from vmdbg.recording.meta import check_meta, other_build, read_origin
from vmdbg.recording.page_file import PageFile
from vmdbg.recording.page_ordinals import KEY_SIZE
from vmdbg.recording.part_packing import PartBlock, PartUnpacking
from vmdbg.recording.recorded_answers import BlobFile, check_answers, recorded_folders
from vmdbg.recording.recorded_media import MOST_MEDIA, SectorFile, check_medium, recorded_media
from vmdbg.recording.records import (
    AnswersRecord,
    CheckpointRecord,
    ConsolePiece,
    Content,
    DigestRecord,
    End,
    Inputs,
    MediumRecord,
    Meta,
    PartRecord,
    decode,
    decode_input,
    decode_part,
)
from vmdbg.recording.streamed_parts import StreamedParts
from vmdbg.timeline.history import PlacedInput
from vmdbg.timeline.history_index import Part
from vmdbg.timeline.origin import Origin
from vmdbg.timeline.state_digest import StateDigest
from vmdbg.units import Tick

_HISTORY = frozenset(
    {Kind.META, Kind.CONTENT, Kind.INPUTS, Kind.DIGEST, Kind.CONSOLE, Kind.BASE, Kind.END, Kind.MEDIUM, Kind.ANSWERS}
)

START = Position(Tick(0))
LAST_TICK = 1 << 63
LONGEST_MICROSECONDS = 1 << 40
LONGEST_WHY = 1000
LONGEST_DIGEST = 64
MOST_CONSOLE = 256 << 20
"""Bytes of console output that are kept in memory, and of inputs likewise: few bytes of a file unpack to many."""


@dataclass(slots=True)
class Recording:
    """What a file holds. The history is known up to `end`; `complete` if the recording was ended properly.

    `damage` lists what could not be read, in words; everything here was whole.
    """

    path: Path
    file: BinaryIO
    meta: Meta
    pages: PageFile
    sectors: SectorFile
    blobs: BlobFile
    contents: ContentReader
    end: Position = START
    complete: bool = False
    why: str = ""
    inputs: list[PlacedInput] = field(default_factory=list)
    digests: list[StateDigest] = field(default_factory=list)
    console: list[ConsolePiece] = field(default_factory=list)
    base: CheckpointRecord | None = None
    checkpoints: list[CheckpointRecord] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)
    left_out: tuple[Path, ...] = ()
    """Files of the user's that it may have been made without."""
    media: dict[str, MediumRecord] = field(default_factory=dict)
    """By name."""
    answers: list[AnswersRecord] = field(default_factory=list)
    """Of shared folders."""

    _origin: Origin | None = None

    def origin(self) -> Origin:
        """What it begins with. Raises RecordingError, or UserError for files that were not embedded."""
        if self._origin is None:
            media, others = recorded_media(self.media, self.sectors, self.left_out)
            media.folders = recorded_folders(self.meta.config, self.answers, self.blobs)
            self._origin = read_origin(self.meta, self.contents.segment, others, media)
        return self._origin

    @property
    def other_build(self) -> str:
        """Which build of vmdbg made it, in words, if not this one: what it replays may then differ, and is compared."""
        return other_build(self.meta)

    def close(self) -> None:
        self.pages.close()
        self.file.close()

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_recording(path: Path | str, left_out: Iterable[Path | str] = ()) -> Recording:
    """`left_out`: files that were not embedded, found by their contents; none else is opened.

    Raises UserError if the file cannot be read, RecordingError if it is no recording or cannot be replayed here.
    """
    path = Path(path)
    try:
        file = open(path, "rb")  # noqa: SIM115 - the recording's to close
        size = os.fstat(file.fileno()).st_size
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    try:
        recording = _Reading(path, file, size).recording
        recording.left_out = tuple(map(Path, left_out))
        return recording
    except OSError as error:
        file.close()
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except BaseException:
        file.close()
        raise


class _Reading:
    """One pass over the blocks."""

    def __init__(self, path: Path, file: BinaryIO, size: int) -> None:
        check_file_header(file, str(path))
        self._file = file
        self._broken = False
        self._next_inputs = 0
        self._console = self._inputs = 0
        self._unpacking = CheckpointUnpacking()
        self._parts, self._earlier_parts = PartUnpacking(), StreamedParts()
        blocks = self._indexed(size) or list(scan(file, size))
        meta = self._meta(blocks, path)
        sectors, contents = SectorFile(file), ContentReader()
        pages = PageFile(file, sectors, contents)
        self.recording = Recording(path, file, meta, pages, sectors, BlobFile(file), contents)
        for item in blocks[1:]:
            self._take(item)
        self._settle()

    def _indexed(self, size: int) -> list[Block | Damage] | None:
        """All blocks by the index; None if there is none or it does not fit."""
        index = indexed(self._file, size)
        if index is None:
            return None
        try:
            rows = decode(read_payload(self._file, index), list[tuple[int, int]], "the index")
        except RecordingError:
            return None
        blocks: list[Block | Damage] = []
        for kind, offset in rows:
            block = block_at(self._file, offset) if 0 <= offset < size else None
            if block is None or block.kind != kind or block.end > size:
                return None
            blocks.append(block)
        return blocks

    def _meta(self, blocks: list[Block | Damage], path: Path) -> Meta:
        first = blocks[0] if blocks else None
        if first is None:
            raise RecordingError(f"{path} holds nothing: what recorded it ended before the guest began")
        if not isinstance(first, Block) or first.kind != Kind.META:
            raise RecordingError(f"{path} is damaged at its beginning, which says what was recorded: it is lost")
        meta = decode(read_payload(self._file, first), Meta, "the beginning of the recording")
        check_meta(meta, str(path))
        return meta

    def _take(self, item: Block | Damage) -> None:
        recording = self.recording
        if isinstance(item, Damage):
            recording.damage.append(str(item))
            return
        if item.kind in PAGE_KINDS:
            recording.pages.add(item)
            return
        if item.kind == Kind.SECTORS:
            recording.sectors.add(item)
            return
        if item.kind == Kind.BLOBS:
            recording.blobs.add(item)
            return
        if item.kind not in _HISTORY and item.kind not in CACHE:
            return
        try:
            self._decode(Kind(item.kind), read_payload(self._file, item))
        except RecordingError as error:
            self._broken |= item.kind == Kind.INPUTS
            what = Kind(item.kind).name.lower()
            recording.damage.append(f"bytes {item.offset} to {item.end} ({what}): {error}")

    def _decode(self, kind: Kind, payload: bytes) -> None:
        recording = self.recording
        match kind:
            case Kind.CONTENT:
                recording.contents.add(decode(payload, Content, "embedded content"))
            case Kind.INPUTS:
                self._take_inputs(decode(payload, Inputs, "an input log block"))
            case Kind.MEDIUM:
                medium = decode(payload, MediumRecord, "a medium")
                check_medium(medium)
                if len(recording.media) < MOST_MEDIA:
                    recording.media[medium.name] = medium
            case Kind.ANSWERS:
                answers = decode(payload, AnswersRecord, "answers of a shared folder")
                check_answers(answers)
                recording.answers.append(answers)
            case Kind.DIGEST:
                d = decode(payload, DigestRecord, "a digest")
                if not all(len(part) <= LONGEST_DIGEST and part.isalnum() for part in (d.cpu, d.ram, d.devices)):
                    raise RecordingError("it is no digest")
                recording.digests.append(StateDigest(Position(Tick(d.tick), d.phase), d.cpu, d.ram, d.devices))
            case Kind.CONSOLE:
                self._take_console(decode(payload, list[ConsolePiece], "console output"))
            case Kind.KEYED_CHECKPOINT:
                recording.checkpoints.append(decode(payload, CheckpointRecord, "a checkpoint"))
            case Kind.CHECKPOINT:
                block = decode(payload, CheckpointBlock, "a checkpoint")
                recording.checkpoints += self._unpacking.unpack(block)
            case Kind.BASE:
                recording.base = decode(payload, CheckpointRecord, "the snapshot it begins with")
            case Kind.PART | Kind.EARLIER_PART:
                recording.parts.append(self._part(kind, payload))
            case Kind.END:
                end = decode(payload, End, "the end mark")
                self._broken |= Position(Tick(end.tick), end.phase) > recording.end
                recording.complete = True
                recording.why = printable(end.why[:LONGEST_WHY])
            case _:
                pass

    def _part(self, kind: Kind, payload: bytes) -> Part:
        what = "part of the history index"
        if kind == Kind.PART:
            return decode_part(self._parts.unpack(decode(payload, PartBlock, what)), whole=True)
        return decode_part(self._earlier_parts.unpack(decode(payload, PartRecord, what)))

    def _take_console(self, pieces: list[ConsolePiece]) -> None:
        size = sum(len(piece.data) for piece in pieces)
        if any(piece.tick not in range(LAST_TICK) for piece in pieces):
            raise RecordingError("it was written at no time")
        if self._console + size > MOST_CONSOLE:
            raise RecordingError(f"there is more of it than {MOST_CONSOLE} bytes")
        self._console += size
        self.recording.console += pieces

    def _take_inputs(self, block: Inputs) -> None:
        """The log goes on as long as no block of it is missing."""
        recording = self.recording
        if self._broken or block.number != self._next_inputs:
            self._broken = True
            return
        self._inputs += sum(len(record.body) for record in block.inputs)
        until = Position(Tick(block.until_tick), block.until_phase)
        if self._inputs > MOST_CONSOLE or not _is_instant(until):
            self._broken = True
            raise RecordingError("it ends at no time" if self._inputs <= MOST_CONSOLE else "there are too many inputs")
        config = recording.meta.config
        entries = [decode_input(record, config.memory, config.cpus) for record in block.inputs]
        places = [recording.inputs[-1].position if recording.inputs else Position(Tick(0))]
        places += [entry.position for entry in entries]
        if any(later < earlier for earlier, later in pairwise(places)):
            raise RecordingError("its inputs are out of order")
        self._next_inputs += 1
        recording.inputs += entries
        recording.end = max(recording.end, until)

    def _settle(self) -> None:
        """Drop what lies beyond the history that is known, and check what hostile hands could have made."""
        recording, end = self.recording, self.recording.end
        if self._broken:
            recording.damage.append(f"part of the input log is lost: the history ends at {end}")
        recording.complete = recording.complete and not self._broken
        if recording.meta.image is None and recording.base is None:
            raise RecordingError(
                f"{recording.path}: the snapshot that it begins with is damaged or missing: it is lost"
            )
        if recording.base is not None:
            check_checkpoint(recording.base)
            start = Position(recording.base.state.cpu.clock, recording.base.phase)
            recording.end = end = max(end, start)
        recording.digests = [digest for digest in recording.digests if digest.position <= end]
        recording.checkpoints = _unbroken(recording, end)


def _is_instant(position: Position) -> bool:
    return position.tick in range(LAST_TICK) and position.phase in range(LAST_TICK)


def check_checkpoint(record: CheckpointRecord) -> None:
    """Raises RecordingError if it makes no sense."""
    if not _is_instant(Position(record.state.cpu.clock, record.phase)) or record.inputs < 0:
        raise RecordingError("a checkpoint is damaged: it is of no instant")
    if record.halted_at is not None and not (record.state.halted and 0 <= record.halted_at <= record.state.cpu.clock):
        raise RecordingError("a checkpoint is damaged: its CPU did not halt when it says")
    if not 0 <= record.microseconds <= LONGEST_MICROSECONDS:
        raise RecordingError("a checkpoint is damaged: no replay takes so long")
    width = array("I").itemsize
    fits = not len(record.changed) % width and len(record.ordinals) in (0, len(record.changed))
    without = array("I", record.ordinals).count(0) if record.ordinals and fits else len(record.changed) // width
    if not fits or len(record.keys) != KEY_SIZE * without:
        raise RecordingError("a checkpoint is damaged: its pages do not match")


def _unbroken(recording: Recording, end: Position) -> list[CheckpointRecord]:
    """Checkpoints as far as each rests on the one before."""
    good: list[CheckpointRecord] = []
    last = Position(Tick(-1))
    for record in recording.checkpoints:
        position = Position(record.state.cpu.clock, record.phase)
        if record.number != len(good):
            recording.damage.append(f"checkpoint {len(good)} is missing: those after it cannot be used")
            break
        try:
            check_checkpoint(record)
        except RecordingError as error:
            recording.damage.append(str(error))
            break
        if not last < position <= end or record.inputs > len(recording.inputs):
            break
        last = position
        good.append(record)
    return good
