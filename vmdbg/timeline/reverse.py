"""Searching backwards: forwards through one interval between checkpoints after the other, the last interval first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vmdbg.engine.exits import BreakpointHit, WatchpointHit
from vmdbg.engine.stops import Stops
from vmdbg.machine.outcome import Outcome
from vmdbg.machine.snapshot import Position
from vmdbg.timeline.checkpoint import Checkpoint
from vmdbg.timeline.outcomes import Passage, Progress, comes_before, has_yet_to_run, says_nothing
from vmdbg.timeline.steps_back import previous
from vmdbg.timeline.stops import arm
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Tick

IsStop = Callable[[Outcome], bool]
MANY_HITS = 4000
"""Outcomes in an interval, one to stop at among them, after which its end is searched first."""
LEAST_TAIL = 100_000


class _CancelledError(Exception):
    pass


def _just_after(end: Position) -> Position:
    """So that what a part ends with is in it, told of by an outcome at its end: a delivery, an access."""
    return Position(end.tick, end.phase + 1)


@dataclass(slots=True)
class _Found:
    """What one pass forwards through a part of the history has come to."""

    last: Position | None = None
    """The last instant to stop at, of an access the one after it."""
    is_access: bool = False
    hits: int = 0
    judged: bool = False
    """Whether the breakpoint at which the engine was left has been counted."""

    @property
    def is_many(self) -> bool:
        return self.hits >= MANY_HITS and self.last is not None

    def instant(self, timeline: Timeline) -> Position | None:
        """Where to stand. May move the timeline."""
        if self.last is None or not self.is_access:
            return self.last
        return previous(timeline, self.last)


def reverse_search(
    timeline: Timeline,
    is_stop: IsStop,
    on_progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Position | None:
    """Go back to the last instant before now at which a run with what is armed now would have stopped.

    `is_stop` judges the outcomes of that run, with the machine standing there. A watchpoint's instant is the one
    before the access. None, and the start of history, if there is none; if cancelled, back where it began.
    """
    return _ReverseSearch(timeline, is_stop, on_progress, cancelled).search()


class _ReverseSearch:
    """One search of a timeline, back from where it is.

    Invariants: from `bound` up to where the search began there is nothing to stop at, but for what a delivery or an
    access tells of at `bound` itself: whoever begins there does not hear it. What stops before the instruction at
    `_end`, where the part that is searched ends, is told of by the part that begins there. Stops are armed only inside
    _last_in(), which leaves the engine with none. Whatever ends the search early, the timeline goes back to `_origin`.
    """

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
        self._origin = self._end = timeline.position

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
        timeline.keep_index()
        for one in stops.watchpoints:
            if not one.physical:
                timeline.index.note_mapped(timeline.mapped(one.address, one.size))
        while (part := timeline.last_chance(bound, stops)) is not None:
            start, end = part
            base = timeline.checkpoints.before(end)
            if base is None:
                break
            self._end = end
            found = self._last_in(self._beginning(base, start), min(self._origin, _just_after(end)), stops)
            if found is not None:
                timeline.go(found)
                return found
            bound = max(base.position, start)
            self._report(bound)
        timeline.go(timeline.start)
        return None

    def _beginning(self, base: Checkpoint, start: Position) -> Checkpoint:
        """Of the part to search: where it starts, or the checkpoint if that is later."""
        if base.position >= start:
            return base
        self._check_cancelled()
        self._timeline.go(start, to_stay=False)
        return self._timeline.checkpoint_here()

    def _report(self, bound: Position) -> None:
        whole = self._origin.tick - self._timeline.start.tick
        if self._on_progress is not None and whole:
            self._on_progress((self._origin.tick - bound.tick) / whole)

    def _last_in(self, base: Checkpoint, bound: Position, stops: Stops) -> Position | None:
        """The last instant to stop at from `base` up to `bound`. Nothing is armed before and after."""
        timeline = self._timeline
        engine = timeline.machine.engine
        timeline.restore(base, bound)
        found, passage = _Found(), Passage(timeline)
        arm(engine, stops)
        engine.set_breakpoint_filter(lambda: self._passes(found))
        try:
            while timeline.position < bound:
                found.judged = False
                self._check_cancelled()
                outcome = passage.to(bound)
                if says_nothing(outcome):
                    continue
                if not comes_before(outcome, timeline.position, bound):
                    break
                if not found.judged:
                    self._judge(found, outcome)
                if passage.stuck:
                    break
                if found.is_many:
                    tail = self._split(base, bound)
                    if tail is None:
                        found.hits = 0
                        continue
                    later, bound = self._tail(tail, bound, stops, found)
                    if later is not None:
                        return later
        finally:
            engine.set_breakpoint_filter(None)
            arm(engine, Stops())
        return found.instant(timeline)

    def _passes(self, found: _Found) -> bool:
        """At a breakpoint, without leaving the engine: whether to go on."""
        if self._cancelled is None or not self._cancelled():
            self._judge(found, BreakpointHit())
        found.judged = found.is_many or (self._cancelled is not None and self._cancelled())
        return not found.judged

    def _judge(self, found: _Found, outcome: Outcome) -> None:
        found.hits += 1
        here = self._timeline.position
        if has_yet_to_run(outcome) and here >= self._end:
            return
        if self._is_stop(outcome):
            found.last = here
            found.is_access = isinstance(outcome, WatchpointHit)

    def _check_cancelled(self) -> None:
        if self._cancelled is not None and self._cancelled():
            raise _CancelledError

    def _split(self, base: Checkpoint, bound: Position) -> Position | None:
        """Where the part begins that is worth searching first; None if that is all that is left."""
        here = self._timeline.position
        left = bound.tick - here.tick
        tail = max(2 * (here.tick - base.position.tick), left // 4, LEAST_TAIL)
        return Position(Tick(bound.tick - tail)) if tail < left else None

    def _tail(self, start: Position, bound: Position, stops: Stops, found: _Found) -> tuple[Position | None, Position]:
        """Search from `start` up to `bound`, then come back here: (what was found, the bound that is left)."""
        timeline = self._timeline
        engine = timeline.machine.engine
        here = timeline.checkpoint_here()
        arm(engine, Stops())
        timeline.go(start)
        middle = timeline.checkpoint_here()
        later = self._last_in(middle, bound, stops)
        if later is None:
            timeline.restore(here)
            arm(engine, stops)
            engine.set_breakpoint_filter(lambda: self._passes(found))
            found.hits = 0
        return later, middle.position
