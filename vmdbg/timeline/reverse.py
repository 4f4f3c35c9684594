"""Searching backwards: forwards through one interval between checkpoints after the other, the last interval first."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from vmdbg.engine.exits import BreakpointHit, EventCaught, LimitReached, StopRequested, WatchpointHit
from vmdbg.engine.stops import Stops
from vmdbg.machine.outcome import Outcome
from vmdbg.machine.snapshot import Position
from vmdbg.timeline.checkpoint import Checkpoint
from vmdbg.timeline.stops import arm
from vmdbg.units import Tick

if TYPE_CHECKING:
    from vmdbg.timeline.timeline import Progress, Timeline

IsStop = Callable[[Outcome], bool]
MANY_HITS = 500
"""Outcomes in an interval after which its end is searched first."""
LEAST_TAIL = 100_000


class _CancelledError(Exception):
    pass


class ReverseSearch:
    """One search of a timeline, back from where it is."""

    def __init__(
        self,
        timeline: Timeline,
        is_stop: IsStop,
        on_progress: Progress | None,
        cancelled: Callable[[], bool] | None,
    ) -> None:
        self._timeline = timeline
        self._is_stop = is_stop
        self._on_progress = on_progress
        self._cancelled = cancelled
        self._origin = timeline.position

    def search(self) -> Position | None:
        timeline = self._timeline
        with timeline.undisturbed() as stops:
            try:
                found = self._search(stops)
            except _CancelledError:
                timeline.go(self._origin)
                return None
            except BaseException:
                arm(timeline.machine.engine, Stops())
                timeline.go(self._origin)
                raise
        return found

    def _search(self, stops: Stops) -> Position | None:
        timeline, bound = self._timeline, self._origin
        while (base := timeline.checkpoints.before(bound)) is not None:
            found = self._last_in(base, bound, stops)
            if found is not None:
                timeline.go(found)
                return found
            bound = base.position
            self._report(bound)
        timeline.go(timeline.start)
        return None

    def _report(self, bound: Position) -> None:
        whole = self._origin.tick - self._timeline.start.tick
        if self._on_progress is not None and whole:
            self._on_progress((self._origin.tick - bound.tick) / whole)

    def _last_in(self, base: Checkpoint, bound: Position, stops: Stops) -> Position | None:
        """The last instant to stop at from `base` up to `bound`. Nothing is armed before and after."""
        timeline = self._timeline
        engine = timeline.machine.engine
        timeline.restore(base)
        last: tuple[Position, bool] | None = None
        over, hits = False, 0
        arm(engine, stops)
        try:
            while timeline.position < bound:
                before = timeline.position
                outcome = self._advance(bound, over)
                over = isinstance(outcome, BreakpointHit | EventCaught)
                if isinstance(outcome, LimitReached | StopRequested):
                    continue
                if not self._counts(outcome, bound):
                    break
                if self._is_stop(outcome):
                    last = (timeline.position, isinstance(outcome, WatchpointHit))
                if timeline.position == before and not over:
                    break
                hits += 1
                if hits >= MANY_HITS:
                    tail = self._split(base, bound)
                    if tail is None:
                        continue
                    found, bound = self._tail(tail, bound, stops)
                    if found is not None:
                        return found
                    hits = 0
        finally:
            arm(engine, Stops())
        if last is None:
            return None
        return timeline.previous(last[0]) if last[1] else last[0]

    def _advance(self, bound: Position, over_breakpoint: bool) -> Outcome:
        if self._cancelled is not None and self._cancelled():
            raise _CancelledError
        return self._timeline.advance(bound, over_breakpoint=over_breakpoint)

    def _counts(self, outcome: Outcome, bound: Position) -> bool:
        """Whether it came before `bound`: of a watchpoint, the access."""
        position = self._timeline.position
        return position <= bound if isinstance(outcome, WatchpointHit) else position < bound

    def _split(self, base: Checkpoint, bound: Position) -> Position | None:
        """Where the part begins that is worth searching first; None if that is all that is left."""
        here = self._timeline.position
        left = bound.tick - here.tick
        tail = max(2 * (here.tick - base.position.tick), left // 4, LEAST_TAIL)
        return Position(Tick(bound.tick - tail)) if tail < left else None

    def _tail(self, start: Position, bound: Position, stops: Stops) -> tuple[Position | None, Position]:
        """Search from `start` up to `bound`, then come back here: (what was found, the bound that is left)."""
        timeline = self._timeline
        engine = timeline.machine.engine
        here = timeline.checkpoint_here()
        arm(engine, Stops())
        timeline.go(start)
        middle = timeline.checkpoint_here()
        found = self._last_in(middle, bound, stops)
        if found is None:
            timeline.restore(here)
            arm(engine, stops)
        return found, middle.position
