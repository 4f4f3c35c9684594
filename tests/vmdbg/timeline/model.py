"""The naive model of a timeline: a machine that is run again from the start for every question."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache

from tests.guests.build import assemble_file
from vmdbg.boot.detect import boot_image
from vmdbg.boot.image import BootOptions, InputFile
from vmdbg.engine.port import BreakpointHit, EventCaught, LimitReached, Stepped, Stops, WatchpointHit
from vmdbg.machine.config import MachineConfig
from vmdbg.machine.digest import Digest, digest
from vmdbg.machine.machine import Machine
from vmdbg.machine.snapshot import Position
from vmdbg.timeline.history import PlacedInput
from vmdbg.timeline.origin import BootOrigin
from vmdbg.timeline.stops import arm
from vmdbg.units import Tick

MEMORY = 4 << 20
MOST_INSTANTS = 30_000


@cache
def origin_of(guest: str) -> BootOrigin:
    options = BootOptions(memory=MEMORY, kernel=InputFile(guest, memoryview(assemble_file(guest))))
    return BootOrigin(MachineConfig(memory=MEMORY), boot_image(options), options)


class Model:
    """Every instant of a guest that gets `inputs`, found by single steps; and answers by running it again."""

    def __init__(self, guest: str, inputs: Sequence[PlacedInput] = ()) -> None:
        self._guest = guest
        self._inputs = list(inputs)
        self._digests: dict[Position, Digest] = {}
        self.positions: list[Position] = []
        self.pcs: list[int] = []
        with self._machine() as machine:
            left = self._inputs.copy()
            while len(self.positions) < MOST_INSTANTS:
                self.positions.append(machine.position)
                self.pcs.append(machine.engine.linear_pc)
                _push_due(machine, left)
                outcome = machine.step_phase()
                if machine.position == self.positions[-1]:
                    break
                if not isinstance(outcome, Stepped):
                    self.positions.append(machine.position)
                    self.pcs.append(machine.engine.linear_pc)
                    break
        self.end = self.positions[-1]

    @contextmanager
    def _machine(self) -> Iterator[Machine]:
        machine = origin_of(self._guest).machine()
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
                self._run_to(machine, position)
                self._digests[position] = digest(machine)
        return self._digests[position]

    def _run_to(self, machine: Machine, position: Position) -> None:
        left = self._inputs.copy()
        while machine.position < position:
            _push_due(machine, left)
            goal = min([position, *(entry.position for entry in left[:1])])
            if machine.position.tick < goal.tick:
                machine.run(goal.tick)
            else:
                machine.step_phase()

    def reports(self, stops: Stops) -> list[tuple[Position, str]]:
        """All that a run from the start reports with `stops` armed, before it ends. For guests without inputs."""
        assert not self._inputs
        found: list[tuple[Position, str]] = []
        with self._machine() as machine:
            arm(machine.engine, stops)
            over = False
            while True:
                outcome = machine.run(Tick(self.end.tick), over_breakpoint=over)
                if isinstance(outcome, LimitReached) or machine.ending is not None:
                    return found
                entry = (machine.position, type(outcome).__name__)
                if found and found[-1] == entry:
                    return found
                found.append(entry)
                over = isinstance(outcome, BreakpointHit | EventCaught)

    def last_report(self, stops: Stops, now: Position) -> Position | None:
        """Where a reverse search from `now` is to end."""
        for position, kind in reversed(self.reports(stops)):
            if kind == WatchpointHit.__name__ and position <= now:
                return self.previous(position)
            if kind != WatchpointHit.__name__ and position < now:
                return position
        return None


def _push_due(machine: Machine, left: list[PlacedInput]) -> None:
    while left and left[0].position == machine.position:
        machine.push(left.pop(0).input)
