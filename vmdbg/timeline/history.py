"""The inputs of a timeline, in order: what live ones add to and replays read."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from vmdbg.errors import UserError
from vmdbg.machine.inputs import Input
from vmdbg.machine.snapshot import Position
from vmdbg.units import Tick


@dataclass(frozen=True, slots=True)
class PlacedInput:
    """An input and the instant at which it is taken."""

    position: Position
    input: Input


class History:
    """The InputSource of a machine on a timeline.

    `position` says where the machine is. `writable` says whether inputs can be added here.

    Invariants: `inputs` are in the order of their positions, which are distinct; those before `_next` have been taken,
    and no other. A machine that runs stops at next_tick() and looks again: an input is placed after what comes at its
    tick first, so where that has yet to come the answer is one tick later, lest the run end where it began for ever.
    """

    def __init__(self, position: Callable[[], Position], inputs: Iterable[PlacedInput] = ()) -> None:
        self._position = position
        self.inputs = list(inputs)
        self._next = 0
        self.writable = True

    def next_tick(self) -> Tick | None:
        """The tick of the next input; one later if it waits for a delivery at the present tick first."""
        if self._next >= len(self.inputs):
            return None
        due, now = self.inputs[self._next].position, self._position()
        return Tick(due.tick + 1) if due > now and due.tick <= now.tick else due.tick

    @property
    def upcoming(self) -> PlacedInput | None:
        """The next input."""
        return self.inputs[self._next] if self._next < len(self.inputs) else None

    @property
    def is_due(self) -> bool:
        """Whether the next input is taken before anything else happens."""
        coming = self.upcoming
        return coming is not None and coming.position <= self._position()

    def take(self, clock: Tick) -> Input | None:
        if self._next >= len(self.inputs):
            return None
        entry = self.inputs[self._next]
        if entry.position.tick > clock or entry.position > self._position():
            return None
        self._next += 1
        return entry.input

    def push(self, clock: Tick, data: Input) -> None:
        """Raises UserError in the past."""
        if not self.writable:
            raise UserError(
                "this is the past, which cannot be changed: `fork` starts a new timeline here, "
                "or go to the end of the recording"
            )
        self.inputs.append(PlacedInput(self._position(), data))

    def taken(self) -> int:
        """How many inputs the machine has taken: part of a checkpoint."""
        return self._next

    def first_in_row(self) -> Position:
        """When the first was taken of those that are taken one right after the other up to the next one."""
        at = self._next
        while at and _follows(self.inputs[at], self.inputs[at - 1]):
            at -= 1
        return self.inputs[at].position

    def rewind(self, taken: int) -> None:
        """The machine was restored to when it had taken that many."""
        self._next = taken

    def drop_future(self) -> None:
        """Forget the inputs that the machine has not taken."""
        del self.inputs[self._next :]

    def count_before(self, position: Position) -> int:
        """How many inputs were taken before `position`."""
        return bisect_left(self.inputs, position, key=lambda entry: entry.position)


def _follows(entry: PlacedInput, earlier: PlacedInput) -> bool:
    here, there = entry.position, earlier.position
    return here.tick == there.tick and here.phase <= there.phase + 1
