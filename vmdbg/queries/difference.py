"""What differs between two instants."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from vmdbg.machine.snapshot import Position
from vmdbg.queries.rows import DeviceChange, MemoryChange, RegisterChange, StateDifference
from vmdbg.timeline.checkpoint import Checkpoint
from vmdbg.timeline.outcomes import Progress
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Physical


def difference(
    timeline: Timeline, before: Position, after: Position, on_progress: Progress | None = None
) -> StateDifference:
    """From `before` to `after`. Leaves the timeline at `after`. Raises UserError for what is outside the history."""
    timeline.seek(before, on_progress)
    first, registers = timeline.checkpoint_here(), _registers(timeline)
    timeline.seek(after, on_progress)
    second, later = timeline.checkpoint_here(), _registers(timeline)
    return StateDifference(
        tuple(RegisterChange(name, registers[name], later[name]) for name in later if registers[name] != later[name]),
        tuple(_memory(timeline, first, second)),
        tuple(_devices(first, second)),
    )


def _registers(timeline: Timeline) -> dict[str, int]:
    engine = timeline.machine.engine
    names = list(engine.register_names)
    return dict(zip(names, engine.read_registers(names), strict=True))


def _memory(timeline: Timeline, first: Checkpoint, second: Checkpoint) -> Iterator[MemoryChange]:
    """Of RAM alone."""
    for number in first.ram.differences(second.ram):
        at = timeline.machine.pages.physical(number)
        if at is None:
            continue
        old, new = first.ram[number].data, second.ram[number].data
        for start, end in _runs(old, new):
            yield MemoryChange(Physical(at + start), old[start:end], new[start:end])


def _runs(old: bytes, new: bytes) -> Iterator[tuple[int, int]]:
    """Where neighbouring bytes all differ."""
    place = 0
    for differs, group in groupby(a != b for a, b in zip(old, new, strict=True)):
        length = sum(1 for _ in group)
        if differs:
            yield place, place + length
        place += length


def _devices(first: Checkpoint, second: Checkpoint) -> Iterator[DeviceChange]:
    states = {name: (data, second.state.devices[name]) for name, data in first.state.devices.items()}
    states["scheduler"] = (first.state.scheduler, second.state.scheduler)
    for name, (old, new) in sorted(states.items()):
        if old != new:
            yield DeviceChange(name, old.decode(), new.decode())
