"""How a run along a timeline ends, and the way from one stop to the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from vmdbg.engine.exits import BreakpointHit, EventCaught, LimitReached, StopRequested, WatchpointHit
from vmdbg.machine.outcome import Outcome
from vmdbg.machine.snapshot import Position


@dataclass(frozen=True, slots=True)
class EndOfHistory:
    """The recording ends here: nothing is known of what the guest did next."""


TimelineOutcome = Outcome | EndOfHistory


def says_nothing(outcome: TimelineOutcome) -> bool:
    """Whether it tells of no event: time was up, or somebody wanted a look in between."""
    return isinstance(outcome, LimitReached | StopRequested)


def has_yet_to_run(outcome: TimelineOutcome) -> bool:
    """Whether it stopped before the instruction that it is about, which the next run must be told to pass."""
    return isinstance(outcome, BreakpointHit | EventCaught)


def comes_before(outcome: TimelineOutcome, position: Position, bound: Position) -> bool:
    """Whether what stopped a run at `position` came before `bound`: of a watchpoint, the access did."""
    return position <= bound if isinstance(outcome, WatchpointHit) else position < bound


class Advancing(Protocol):
    """What of a timeline a passage moves."""

    @property
    def position(self) -> Position: ...

    def advance(self, target: Position, *, over_breakpoint: bool = False) -> Outcome: ...


class Passage:
    """Forwards along a timeline, from one stop that is armed to the next.

    Invariants: `_over` is true exactly where the machine stands at a breakpoint or an event that the last outcome told
    of, so each is told of once; whatever else moves the machine meanwhile begins a new passage. `stuck` is true where
    an outcome was told of without any time passing, and not to be passed: going on would tell of it for ever.
    """

    def __init__(self, timeline: Advancing) -> None:
        self._timeline = timeline
        self._over = False
        self.stuck = False

    def to(self, target: Position) -> Outcome:
        """As far as the next stop, or a part of the way to `target`: see Timeline.advance()."""
        before = self._timeline.position
        outcome = self._timeline.advance(target, over_breakpoint=self._over)
        self._over = has_yet_to_run(outcome)
        # what devices touched at a boundary is told of once, after whatever else came there
        repeats = not (self._over or says_nothing(outcome) or isinstance(outcome, WatchpointHit))
        self.stuck = repeats and self._timeline.position == before
        return outcome
