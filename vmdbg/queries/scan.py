"""Running once through a part of the history and collecting rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from vmdbg.engine.exits import BreakpointHit, EventCaught, LimitReached, WatchpointHit
from vmdbg.engine.stops import Stops
from vmdbg.machine.outcome import Outcome
from vmdbg.machine.snapshot import Position
from vmdbg.timeline.stops import arm
from vmdbg.timeline.timeline import Timeline

Row = Any
"""One of vmdbg.queries.rows."""
Collector = Callable[[Outcome], None]
Checked = Callable[[Position], None]
"""Told how far a scan is. May raise to end it."""


class Scan(Protocol):
    """One pass over a part of the history, under way."""

    @property
    def stops(self) -> Stops:
        """What is to stop the machine now; looked at after every outcome."""
        ...

    def take(self, outcome: Outcome) -> None:
        """The machine stands at a stop."""
        ...

    @property
    def wants_more(self) -> bool:
        """Whether to go on beyond the end of the part, to see how what began there ends."""
        ...

    def finish(self) -> Sequence[Row]:
        """All rows, in order."""
        ...


class Query(Protocol):
    """A question that can be sent to another process."""

    def begin(self, timeline: Timeline) -> Scan:
        """Start a pass where the timeline stands."""
        ...


FOLLOW_TICKS = 1_000_000_000
"""How far beyond its part a scan follows what it has begun."""


def scan(
    timeline: Timeline, query: Query, start: Position, end: Position, checked: Checked | None = None
) -> Sequence[Row]:
    """The rows of what happens from `start` up to `end`. Leaves the timeline somewhere."""
    with timeline.undisturbed():
        timeline.go(start)
        pass_ = query.begin(timeline)
        try:
            _run(timeline, pass_, end, checked)
            if pass_.wants_more:
                farthest = min(timeline.end, Position(type(end.tick)(end.tick + FOLLOW_TICKS)))
                _run(timeline, pass_, farthest, checked, while_wanted=True)
        finally:
            arm(timeline.machine.engine, Stops())
    return pass_.finish()


def _run(
    timeline: Timeline, pass_: Scan, end: Position, checked: Checked | None, *, while_wanted: bool = False
) -> None:
    engine = timeline.machine.engine
    over, taken, stops = False, False, Stops()

    def passes() -> bool:
        """At a breakpoint, which is taken without leaving the engine: whether to go on."""
        nonlocal taken
        pass_.take(BreakpointHit())
        taken = pass_.stops != stops
        return not taken

    engine.set_breakpoint_filter(passes)
    try:
        while timeline.position < end and (not while_wanted or pass_.wants_more):
            stops = pass_.stops
            arm(engine, stops)
            before, taken = timeline.position, False
            outcome = timeline.advance(end, over_breakpoint=over)
            over = isinstance(outcome, BreakpointHit | EventCaught)
            if isinstance(outcome, LimitReached):
                if checked is not None:
                    checked(timeline.position)
                continue
            position = timeline.position
            if position > end or (position == end and not isinstance(outcome, WatchpointHit)):
                break
            if not taken:
                pass_.take(outcome)
            if position == before and not over:
                break
    finally:
        engine.set_breakpoint_filter(None)
    if checked is not None:
        checked(timeline.position)
