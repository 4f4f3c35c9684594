"""From a recording to a timeline."""

from __future__ import annotations

import gc
from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vmdbg.errors import EngineError, RecordingError
from vmdbg.machine.inputs import RegisterWrite
from vmdbg.machine.machine import Machine
from vmdbg.machine.saving import check_devices
from vmdbg.machine.snapshot import Position
from vmdbg.recording.checkpoint_packing import keys_of
from vmdbg.recording.reader import Recording, open_recording
from vmdbg.recording.records import CheckpointRecord
from vmdbg.timeline.checkpoint import DEFAULT_BUDGET, Checkpoint
from vmdbg.timeline.keeping import CHECKPOINT_SECONDS
from vmdbg.timeline.pages import Page, PageStore
from vmdbg.timeline.ram import RamImage, RamTracker
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Tick


def replay_file(path: Path | str, *, budget: int = DEFAULT_BUDGET, left_out: Iterable[Path | str] = ()) -> Timeline:
    """The timeline of a recording, at its start, closed at its end. Raises RecordingError, UserError, EngineError."""
    return replay(open_recording(path, left_out), budget=budget)


def replay(recording: Recording, *, budget: int = DEFAULT_BUDGET, closed: bool = True) -> Timeline:
    """As replay_file(). Not `closed`, the history goes on live after its end, as from a snapshot.

    The recording must stay open as long as the timeline is used.
    """
    with _no_garbage():
        return _replayed(recording, budget, closed=closed)


@contextmanager
def _no_garbage() -> Iterator[None]:
    """Python does not look for garbage meanwhile: hundreds of thousands of pages come, and none of them is any."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _replayed(recording: Recording, budget: int, *, closed: bool) -> Timeline:
    origin = recording.origin()
    store = PageStore()
    machine = origin.machine()
    try:
        _check_build(machine, recording)
        ram = _become(machine, recording, recording.base, store) if recording.base is not None else None
        _check_registers(machine, recording)
        timeline = Timeline(
            machine,
            origin=origin,
            budget=budget,
            inputs=recording.inputs,
            digests=recording.digests,
            closed_at=recording.end,
            store=store,
            ram=ram,
        )
        if recording.other_build:
            timeline.verification.other_build = recording.other_build
            timeline.verification.made_by = recording.meta.vmdbg, recording.meta.build
        for piece in recording.console:
            log = timeline.console.ports.get(piece.port)
            if log is not None and (not log.ticks or piece.tick >= log.ticks[-1]):
                log.append(piece.data, piece.tick)
        timeline.console.known_until = recording.end.tick
        for checkpoint, seconds in _checkpoints(recording, timeline):
            timeline.checkpoints.add(checkpoint, recording.end, seconds)
        for part in recording.parts:
            if part.end <= recording.end:
                timeline.index.add(part)
    except BaseException:
        machine.close()
        raise
    if not closed:
        timeline.reopen()
    return timeline


def _check_registers(machine: Machine, recording: Recording) -> None:
    for entry in recording.inputs:
        if isinstance(entry.input, RegisterWrite) and entry.input.name not in machine.engine.register_names:
            raise RecordingError(
                f"the input at {entry.position} writes a register that does not exist, {entry.input.name[:40]!r}"
            )


def _check_build(machine: Machine, recording: Recording) -> None:
    """Raises RecordingError where another build made it, whose devices were others: nothing replays the same here."""
    first = recording.base or next(iter(recording.checkpoints), None)
    if not recording.other_build or first is None:
        return
    try:
        check_devices(first.state, machine.pc)
    except RecordingError as error:
        raise RecordingError(
            f"{recording.path} was made by {recording.other_build}, and {error}: replay it with the build that made it"
        ) from error


def _become(machine: Machine, recording: Recording, base: CheckpointRecord, store: PageStore) -> RamImage:
    """Put the machine where the snapshot was taken. Raises RecordingError if it is damaged."""
    zeros = RamImage.filled(store.zero, machine.pages.count)
    _check_pages(machine, base)
    changes, lost = _changes(recording, base, store)
    if lost:
        raise RecordingError(f"{recording.path} is a snapshot of which pages of memory are lost")
    ram = zeros.with_pages(changes)
    RamTracker(machine.pages, store).restore(ram)
    try:
        machine.restore(base.state)
    except EngineError as error:
        raise RecordingError(f"{recording.path} is a snapshot of another version: {error}") from error
    return ram


def _check_pages(machine: Machine, record: CheckpointRecord) -> None:
    """Raises RecordingError if a checkpoint has pages that the machine has not."""
    numbers = _numbers(record)
    if numbers and max(numbers) >= machine.pages.count:
        raise RecordingError("a checkpoint is damaged: it has pages beyond the end of memory")


def _numbers(record: CheckpointRecord) -> array[int]:
    numbers = array("I")
    numbers.frombytes(record.changed)
    return numbers


def _changes(recording: Recording, record: CheckpointRecord, store: PageStore) -> tuple[dict[int, Page], set[int]]:
    """Pages by number, and numbers of those of which it is lost what they were. Raises RecordingError."""
    pages = recording.pages
    keys = keys_of(record, pages.keys(array("I", record.ordinals)))
    found, lost = dict[int, Page](), set[int]()
    for number, key in zip(_numbers(record), keys, strict=True):
        if key is None:
            lost.add(number)
        else:
            found[number] = store.page_from(key, pages)
    return found, lost


def _checkpoints(recording: Recording, timeline: Timeline) -> list[tuple[Checkpoint, float]]:
    """Those whose pages are all there, and what it takes to come to each."""
    found = []
    image = timeline.checkpoints.first.ram
    missing: set[int] = set()
    seconds = 0.0
    for record in recording.checkpoints:
        try:
            _check_pages(timeline.machine, record)
            changes, lost = _changes(recording, record, timeline.store)
        except RecordingError as error:
            recording.damage.append(str(error))
            break
        seconds += record.microseconds / 1e6 or CHECKPOINT_SECONDS
        missing -= changes.keys()
        missing |= lost
        missing |= {number for number, page in changes.items() if not _is_there(page, recording, timeline)}
        image = image.with_pages(changes)
        if not missing:
            position = Position(record.state.cpu.clock, record.phase)
            halted_at = Tick(record.halted_at) if record.halted_at is not None else None
            found.append((Checkpoint(position, record.state, image, record.inputs, halted_at), seconds))
            seconds = 0.0
    return found


def _is_there(page: Page, recording: Recording, timeline: Timeline) -> bool:
    return not page.is_cold or page is timeline.store.zero or page.key in recording.pages
