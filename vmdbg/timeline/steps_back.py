"""The instant before this one.

Nothing runs backwards: it is looked for forwards, from a place shortly before that is known to be one.
"""

from __future__ import annotations

from collections.abc import Callable

from vmdbg.engine.exits import StopRequested
from vmdbg.machine.snapshot import Position
from vmdbg.timeline.arrivals import Arrival, Came
from vmdbg.timeline.timeline import LONGEST_INSTRUCTION, Timeline
from vmdbg.units import Tick


def reverse_step(timeline: Timeline, *, past_inputs: bool = False) -> Position:
    """Go to the instant before this one, whichever CPU's; at the start, stay. Returns where that is.

    `past_inputs`: to before what was no input, which is an instruction or a delivery.
    """
    now = timeline.position
    with timeline.undisturbed():
        while now > timeline.start:
            inputs = timeline.history.taken()
            timeline.go(previous(timeline, now))
            if not past_inputs or timeline.history.taken() == inputs:
                break
            skip_inputs_back(timeline)
            now = timeline.position
    return timeline.position


def skip_inputs_back(timeline: Timeline) -> None:
    """The next is an input: go to before those that were taken with it. Call it while nothing is armed."""
    timeline.go(timeline.history.first_in_row())
    _back_to_halt(timeline)


def previous(timeline: Timeline, now: Position) -> Position:
    """The instant before `now`, which is after the start. May move the machine; call it while nothing is armed."""
    return arrival(timeline, now).before


def arrival(timeline: Timeline, now: Position) -> Arrival:
    """How `now`, which is after the start, was come to. Where the machine has to be moved, it is at `now` then.

    Call it while nothing is armed. What is passed on the way is kept, for whoever steps back asks for that next.
    """
    known = timeline.arrivals.get(now)
    if known is not None:
        return known
    timeline.go(max(Position(now.tick), timeline.start))
    if timeline.position >= now:  # an instruction retired and trapped in one go, or nothing came at this tick
        timeline.go(max(Position(Tick(now.tick - LONGEST_INSTRUCTION)), timeline.start))
    _back_to_halt(timeline)
    timeline.arrivals.clear()
    while True:
        found = _step(timeline, Tick(now.tick + 1))
        if timeline.position > found.before:
            timeline.arrivals[timeline.position] = found
        if timeline.position >= now or timeline.position == found.before:
            return found


def _step(timeline: Timeline, limit: Tick) -> Arrival:
    """To the next instant, if there is one."""
    machine = timeline.machine

    def step() -> None:
        while isinstance(machine.step(limit), StopRequested) and machine.halted:
            pass

    return arrival_by(timeline, step)


def arrival_by(timeline: Timeline, step: Callable[[], object]) -> Arrival:
    """How what a step makes of this instant is come to. Of several CPUs others may have run since."""
    machine, engine = timeline.machine, timeline.machine.engine
    before, inputs, deliveries = timeline.position, timeline.history.taken(), engine.delivery_count
    code = engine.read_linear(engine.linear_pc, LONGEST_INSTRUCTION)
    step()
    if timeline.history.taken() > inputs:
        return Arrival(before, Came.INPUT)
    if engine.delivery_count > deliveries:
        return Arrival(before, Came.DELIVERY)
    length = machine.clock - before.tick
    return Arrival(before, Came.INSTRUCTION, code[:length] if length <= LONGEST_INSTRUCTION else b"")


def _back_to_halt(timeline: Timeline) -> None:
    """Asleep: go to when the CPU halted."""
    cpu = timeline.machine.cpus
    if cpu.halted and timeline.machine.clock > cpu.halt_tick:
        timeline.go(max(Position(cpu.halt_tick), timeline.start))
