"""The naive model of a timeline: a machine that is run again from the start for every question."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache

from tests.guests.build import assemble_file
from tests.vmdbg.recording.guests import sample_origin
from vmdbg.boot.detect import boot_image
from vmdbg.boot.image import BootOptions, InputFile
from vmdbg.engine.exits import BreakpointHit, EventCaught, LimitReached, Stepped, WatchpointHit
from vmdbg.engine.stops import Stops
from vmdbg.machine.config import MachineConfig
from vmdbg.machine.digest import Digest, digest
from vmdbg.machine.inputs import Input
from vmdbg.machine.machine import Machine
from vmdbg.machine.outcome import Outcome
from vmdbg.machine.snapshot import Position
from vmdbg.timeline.history import PlacedInput
from vmdbg.timeline.origin import BootOrigin
from vmdbg.timeline.stops import arm, at_breakpoint
from vmdbg.units import Tick

MEMORY = 4 << 20
MOST_INSTANTS = 25_000
SAMPLE = "sample"
REPEATED = re.compile(rb"[\x48\x66\x67]*[\xf2\xf3][\x48\x66\x67]*[\x6c-\x6f\xa4-\xa7\xaa-\xaf]")
SAMPLE_STARTS = Tick(1_080_000)
"""From there on, the sample is in ring 3 and out, faults, and is interrupted."""


@cache
def origin_of(guest: str) -> BootOrigin:
    if guest == SAMPLE:
        return sample_origin()
    options = BootOptions(memory=MEMORY, kernel=InputFile(guest, memoryview(assemble_file(guest))))
    return BootOrigin(MachineConfig(memory=MEMORY), boot_image(options), options)


def machine_of(guest: str) -> Machine:
    """The guest where its history is to begin."""
    machine = origin_of(guest).machine()
    if guest == SAMPLE:
        machine.run(SAMPLE_STARTS)
    return machine


class Model:
    """Every instant of a guest that gets `inputs`, found by single steps; and answers by running it again."""

    def __init__(self, guest: str, inputs: Sequence[PlacedInput] = ()) -> None:
        self._guest = guest
        self._inputs = list(inputs)
        self._digests: dict[Position, Digest] = {}
        self.positions: list[Position] = []
        self.pcs: list[int] = []
        self.arrivals: list[tuple[Position, int]] = []
        """Where control came to an instruction, and which: once to one that repeats."""
        self.stacks: list[int] = []
        with self._machine() as machine:
            while len(self.positions) < MOST_INSTANTS or machine.position.phase:
                self._note(machine)
                outcome = machine.step()
                if machine.position == self.positions[-1]:
                    break
                if not isinstance(outcome, Stepped):
                    self._note(machine)
                    break
        self.end = self.positions[-1]

    def _note(self, machine: Machine) -> None:
        position, pc = machine.position, machine.engine.linear_pc
        back = bool(self.pcs) and self.pcs[-1] == pc and not position.phase
        if not back or not REPEATED.match(machine.engine.read_linear(pc, 15)):
            self.arrivals.append((position, pc))
        self.positions.append(position)
        self.pcs.append(pc)
        self.stacks.append(sum(machine.engine.read_registers(("ss_base", "rsp"))))

    @contextmanager
    def _machine(self) -> Iterator[Machine]:
        machine = machine_of(self._guest)
        machine.inputs = Schedule(machine, self._inputs)
        try:
            yield machine
        finally:
            machine.close()

    def previous(self, position: Position) -> Position:
        """The instant before."""
        return self.positions[max(0, bisect_left(self.positions, position) - 1)]

    def following(self, position: Position) -> Position:
        """The instant at or after."""
        at = bisect_left(self.positions, position)
        return self.positions[min(at, len(self.positions) - 1)]

    def digest(self, position: Position) -> Digest:
        if position not in self._digests:
            with self._machine() as machine:
                while machine.position < position:
                    if machine.clock < position.tick:
                        _advance(machine, position.tick)
                    else:
                        machine.step()
                self._digests[position] = digest(machine)
        return self._digests[position]

    def reports(self, stops: Stops) -> list[tuple[Position, str]]:
        """All that a run from the start reports with `stops` armed, before it ends."""
        found: list[tuple[Position, str]] = []
        with self._machine() as machine:
            arm(machine.engine, stops)
            over = False
            while True:
                outcome = _advance(machine, Tick(self.end.tick), over)
                over = isinstance(outcome, BreakpointHit | EventCaught)
                if machine.ending is not None or (isinstance(outcome, LimitReached) and machine.clock >= self.end.tick):
                    return found
                if isinstance(outcome, LimitReached | Stepped):
                    continue
                entry = (machine.position, type(outcome).__name__)
                if found and found[-1] == entry:
                    return found
                found.append(entry)

    def last_report(self, stops: Stops, now: Position) -> Position | None:
        """Where a reverse search from `now` is to end."""
        for position, kind in reversed(self.reports(stops)):
            if kind == WatchpointHit.__name__ and position <= now:
                return self.previous(position)
            if kind != WatchpointHit.__name__ and position < now:
                return position
        return None


class Schedule:
    """Inputs for a machine that runs from its start: each comes at the instant that it was noted for."""

    def __init__(self, machine: Machine, inputs: Sequence[PlacedInput]) -> None:
        self._machine = machine
        self._left = list(inputs)

    @property
    def coming(self) -> Position | None:
        return self._left[0].position if self._left else None

    def next_tick(self) -> Tick | None:
        if not self._left:
            return None
        due, now = self._left[0].position, self._machine.position
        return Tick(now.tick + 1) if due.tick == now.tick and due > now else due.tick

    def take(self, clock: Tick) -> Input | None:
        if self._left and self._left[0].position <= self._machine.position:
            return self._left.pop(0).input
        return None

    def push(self, clock: Tick, data: Input) -> None:
        raise AssertionError("all is known beforehand")


def _advance(machine: Machine, limit: Tick, over: bool = False) -> Outcome:
    """Run at most to `limit`, or take or come to the next input."""
    assert isinstance(machine.inputs, Schedule)
    now, coming = machine.position, machine.inputs.coming
    if coming is None or coming.tick >= limit > now.tick:
        return machine.run(limit, over_breakpoint=over)
    if coming.tick > now.tick:
        return machine.run(coming.tick, over_breakpoint=over)
    if coming > now and not over and at_breakpoint(machine.engine):
        return BreakpointHit()
    return machine.step()
