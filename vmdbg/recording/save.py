"""Writing what is in memory to a file: a whole timeline, or the present instant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vmdbg.errors import NotKeptError, UserError
from vmdbg.files import remove
from vmdbg.machine.snapshot import Position
from vmdbg.recording.writer import RecordingWriter
from vmdbg.timeline.origin import StateOrigin
from vmdbg.timeline.timeline import Timeline


def save_recording(timeline: Timeline, path: Path | str, *, embed: bool = True, why: str = "saved") -> None:
    """Write the whole timeline to a new file. Raises UserError, or NotKeptError if the disk is full."""
    with _whole(RecordingWriter(path, timeline, embed=embed)) as writer:
        _write_history(writer, timeline, embed=embed)
        writer.close(why)


def record_on(timeline: Timeline, path: Path | str) -> RecordingWriter:
    """Write the whole timeline, which stands at its end and is live, to a new file, and all that comes. Raises as
    save_recording().
    """
    with _whole(RecordingWriter(path, timeline)) as writer:
        _write_history(writer, timeline, embed=True)
        writer.begin()
    writer.media.watch(embed=True)
    return writer


def _write_history(writer: RecordingWriter, timeline: Timeline, *, embed: bool) -> None:
    if embed:
        _keep_media(timeline, writer)
    for folder in timeline.machine.media.folders.values():
        for answer in folder.all():
            writer.media.keep_answer(folder.name, *answer)
    for entry in timeline.history.inputs:
        writer.on_input(entry)
    things: list[tuple[Position, int, object]] = [(d.position, 0, d) for d in timeline.verification.digests.values()]
    timeline.keep_index()
    things += [(part.start, 2, part) for part in timeline.index]
    things += [(c.position, 1, c) for c in timeline.checkpoints if c is not timeline.checkpoints.first]
    writer.write_past(timeline.end, [thing for _, _, thing in sorted(things, key=lambda t: (t[0], t[1]))])


def save_snapshot(timeline: Timeline, path: Path | str) -> None:
    """Write the present instant to a new file, from which a machine can go on anywhere. Raises as save_recording()."""
    origin = timeline.origin
    if origin is None:
        raise UserError("this machine cannot be saved: what it was made from is not known")
    here = timeline.checkpoint_here()
    state = StateOrigin(origin.config, origin.roms, origin.description, origin.command_line, origin.elf, origin.media)
    with _whole(RecordingWriter(path, timeline, origin=state, first=here)) as writer:
        _keep_media(timeline, writer)
        for folder in timeline.machine.media.folders.values():
            for answer in folder.recalled():
                writer.media.keep_answer(folder.name, *answer)
        writer.close("snapshot", at=here.position)


def _keep_media(timeline: Timeline, writer: RecordingWriter) -> None:
    """What the guest has read: for the rest the images are needed."""
    for medium in timeline.machine.media:
        for number, data in medium.seen():
            writer.media.keep_sectors(medium.name, number, data)


@contextmanager
def _whole(writer: RecordingWriter) -> Iterator[RecordingWriter]:
    """What was written is removed if it is not all: it can be written again elsewhere."""
    try:
        yield writer
    except BaseException:
        writer.abandon()
        raise
    if writer.failure is not None:
        remove(writer.path)
        raise NotKeptError(f"{writer.path} cannot be written: {writer.reason}") from writer.failure
