"""The instants of one CPU among those of all: when it last did something.

Between two instants of a CPU others may have had their turns, and how many follows from the schedule alone. So its last
one is looked for forwards, turn by turn, from places farther and farther back.
"""

from __future__ import annotations

from collections.abc import Iterator

from vmdbg.engine.exits import LimitReached, StopRequested
from vmdbg.engine.processor import Awaited
from vmdbg.errors import RecordingError
from vmdbg.machine.snapshot import Position
from vmdbg.timeline.steps_back import previous, reverse_step, skip_inputs_back
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import CpuId, Tick

CLOSE_BY = 4
"""Instants before the present one that are looked at one by one: more than turns begin and end at one tick."""
FIRST_SPAN, SPAN_GROWTH = 1 << 18, 4
"""Ticks, and by how much more is looked at each time that nothing was found."""


def previous_of(timeline: Timeline, now: Position, cpu: CpuId) -> Position | None:
    """The last instant before `now`, which is after the start, at which that CPU did something; None if it did nothing.

    Moves the machine; call it while nothing is armed.
    """
    turns = timeline.machine.cpus.turns
    if not turns.several:
        return previous(timeline, now)
    end: Position | None = now
    looked_at = 0
    while end is not None and end > timeline.start:
        before = previous(timeline, end)
        timeline.go(before)
        if turns.current == cpu:
            return before
        looked_at += 1
        end = before if looked_at < CLOSE_BY else _end_of_last_turn(timeline, before, cpu)
        looked_at %= CLOSE_BY
    return None


def reverse_step_of(timeline: Timeline, cpu: CpuId, *, past_inputs: bool = False) -> Position:
    """Go to the last instant before this one at which that CPU did something; where there is none, stay.

    `past_inputs`: inputs, which no CPU does, are none. Returns where that is.
    """
    if not timeline.machine.cpus.turns.several:
        return reverse_step(timeline, past_inputs=past_inputs)
    origin = now = timeline.position
    with timeline.undisturbed():
        while now > timeline.start:
            before = previous_of(timeline, now, cpu)
            if before is None:
                break
            timeline.go(before)
            if not (past_inputs and timeline.history.is_due):
                return before
            skip_inputs_back(timeline)
            now = timeline.position
        timeline.go(origin)
        timeline.machine.engine.select(cpu)
    return origin


def _end_of_last_turn(timeline: Timeline, bound: Position, cpu: CpuId) -> Position | None:
    """When the last turn of the CPU before `bound` ended, or `bound`; None if it had none."""
    span = FIRST_SPAN
    while True:
        start = max(Position(Tick(max(0, bound.tick - span))), timeline.start)
        found, its = None, False
        for began, whose in _turns(timeline, start, bound):
            if its:
                found = began
            its = whose == cpu
        if its or found is not None:
            return bound if its else found
        if start == timeline.start:
            return None
        span *= SPAN_GROWTH


def _turns(timeline: Timeline, start: Position, bound: Position) -> Iterator[tuple[Position, CpuId | None]]:
    """Each turn from `start` up to `bound`, the first from there on: when it began and whose it is."""
    turns = timeline.machine.cpus.turns
    timeline.go(start, to_stay=False)
    yield timeline.position, turns.current
    with turns.awaiting(Awaited.ANY):
        while timeline.position < bound:
            begun = turns.begun
            outcome = timeline.advance(bound)
            if turns.begun != begun:
                turns.look_out()
                yield timeline.position, turns.current
            elif not isinstance(outcome, LimitReached | StopRequested):
                raise RecordingError(f"the replay ended at {timeline.position}, before {bound}: {outcome}")
