"""How a run along a timeline ends, and the way from one stop to the next."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from vmdbg.engine.exits import (
    BreakpointHit,
    EventCaught,
    ExceptionDelivered,
    LimitReached,
    Stepped,
    StopRequested,
    WatchpointHit,
)
from vmdbg.engine.stops import Stops
from vmdbg.machine.outcome import DevicesCaught, Outcome
from vmdbg.machine.snapshot import Position

Progress = Callable[[float], None]
"""Told how much of some long work is done, from 0 to 1. May raise to end it."""


@dataclass(frozen=True, slots=True)
class EndOfHistory:
    """The recording ends here: nothing is known of what the guest did next."""


TimelineOutcome = Outcome | EndOfHistory
_SILENT = (LimitReached, StopRequested)
_AHEAD = (BreakpointHit, EventCaught)
_ASKED_FOR = (*_SILENT, *_AHEAD, Stepped, WatchpointHit, ExceptionDelivered, DevicesCaught)


def says_nothing(outcome: TimelineOutcome) -> bool:
    """Whether it tells of no event: time was up, or somebody wanted a look in between."""
    return isinstance(outcome, _SILENT)


def has_yet_to_run(outcome: TimelineOutcome) -> bool:
    """Whether it stopped before the instruction that it is about, which the next run must be told to pass."""
    return isinstance(outcome, _AHEAD)


def ends_by_itself(outcome: TimelineOutcome) -> bool:
    """Whether the guest ended a run, which nobody had asked for."""
    return not isinstance(outcome, _ASKED_FOR)


def comes_before(outcome: TimelineOutcome, position: Position, bound: Position) -> bool:
    """Whether what stopped a run at `position` came before `bound`: of a watchpoint, the access did."""
    return position <= bound if isinstance(outcome, WatchpointHit) else position < bound


class Advancing(Protocol):
    """What of a timeline a passage moves."""

    @property
    def position(self) -> Position: ...

    def advance(self, target: Position, *, over_breakpoint: bool = False) -> Outcome: ...

    def next_chance(self, stops: Stops) -> tuple[Position, Position]: ...

    def undisturbed(self) -> AbstractContextManager[Stops]: ...

    def go(self, position: Position, on_progress: Progress | None = None, *, to_stay: bool = True) -> None: ...


class Passage:
    """Forwards along a timeline, from one stop that is armed to the next.

    Invariants: `_over` is true exactly where the machine stands at a breakpoint or an event that the last outcome told
    of, so each is told of once; whatever else moves the machine meanwhile begins a new passage. `stuck` is true where
    an outcome was told of without any time passing, and not to be passed: going on would tell of it for ever. Before
    `_looked_until`, `_looked_for` could come at any instant, for all that is known.
    """

    def __init__(self, timeline: Advancing) -> None:
        self._timeline = timeline
        self._over = False
        self.stuck = False
        self._looked_for: Stops | None = None
        self._looked_until = timeline.position

    def to(self, target: Position, looked_for: Stops | None = None) -> Outcome:
        """As far as the next stop, or a part of the way to `target`: see Timeline.advance().

        `looked_for`: nothing else is, and the machine need not come by where that cannot be.
        """
        if looked_for is not None:
            if self._skip(target, looked_for):
                return LimitReached()
            target = min(target, self._looked_until)
        before = self._timeline.position
        outcome = self._timeline.advance(target, over_breakpoint=self._over)
        self._over = has_yet_to_run(outcome)
        # what devices did at a boundary is told of once, after whatever else came there
        repeats = not (self._over or says_nothing(outcome) or isinstance(outcome, WatchpointHit | DevicesCaught))
        self.stuck = repeats and self._timeline.position == before
        return outcome

    def _skip(self, target: Position, looked_for: Stops) -> bool:
        timeline = self._timeline
        before = timeline.position
        if before < self._looked_until and looked_for == self._looked_for:
            return False
        chance, self._looked_until = timeline.next_chance(looked_for)
        self._looked_for = looked_for
        chance = min(chance, target)
        if chance <= before:
            return False
        with timeline.undisturbed():
            timeline.go(chance, to_stay=False)
        self._over = False
        return True
