"""Which instants are worth a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vmdbg.machine.snapshot import Position
from vmdbg.units import Tick

GRID = 1 << 24
"""Checkpoints are taken at multiples of this many ticks, where replaying from the last one has become costly."""
CHECKPOINT_SECONDS = 0.1
"""CPU time of replay that a checkpoint is worth: how busy the host is otherwise does not matter."""
LONGEST_SHARE = 20
"""A checkpoint that cost a second is worth that many of replay,"""
LONGEST_SECONDS = 0.4
"""and never more than this: one has to wait for it wherever one goes."""
PASSING_SECONDS = 1.0
"""Of replay that a checkpoint is worth where nobody means to stay: what is there already does for coming back."""
LADDER = tuple(Tick(1 << shift) for shift in (22, 16, 10))
"""Ticks before a destination at which checkpoints make the next steps back quick."""


@dataclass(slots=True)
class Keeping:
    """The policy of a timeline: where replaying has cost more than keeping would.

    Invariant: `seconds` is the CPU time that going from `since` to the present instant has taken; at `since` the
    machine was kept, or put back to what it was.
    """

    since: Position
    seconds: float = 0.0
    wanted: bool = True
    """Whether checkpoints, and digests for nobody but the timeline itself, are taken without being asked."""
    passes_by: bool = False
    """Whether the machine is led through the history for what comes by."""
    _costs: tuple[float, float] = (0.0, 0.0)
    """Of the last two: now and then Python collects its garbage in one."""

    def ran(self, seconds: float) -> None:
        """Going forwards has taken so long."""
        self.seconds += seconds

    def stands_at(self, position: Position) -> None:
        """A checkpoint is known here: what it costs to come here counts no longer."""
        self.since, self.seconds = position, 0.0

    def took(self, seconds: float) -> None:
        """Making a checkpoint has taken so long."""
        self._costs = (self._costs[1], seconds)

    @property
    def is_due(self) -> bool:
        """Whether a checkpoint here is worth its price."""
        worth = min(max(CHECKPOINT_SECONDS, LONGEST_SHARE * min(self._costs)), LONGEST_SECONDS)
        return self.wanted and self.seconds >= (PASSING_SECONDS if self.passes_by else worth)


def rungs(goal: Position) -> Iterator[tuple[Tick, Tick]]:
    """Where to take checkpoints before `goal`, each with the tick after which one that is there already will do."""
    for distance in LADDER:
        rung = Tick(goal.tick - distance)
        yield rung, Tick(rung - distance // 2)
