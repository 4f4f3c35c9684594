"""Running once through a part of the history and collecting rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from vmdbg.engine.exits import BreakpointHit, ExceptionDelivered
from vmdbg.engine.stops import Stops
from vmdbg.machine.outcome import Outcome
from vmdbg.machine.snapshot import Position
from vmdbg.timeline.outcomes import Passage, comes_before, says_nothing
from vmdbg.timeline.stops import arm
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import CpuId, Tick

NO_STOPS = Stops()
Row = Any
"""One of vmdbg.queries.rows, the same of all of a question's: only who asks it knows which."""
Collector = Callable[[Outcome], None]
Checked = Callable[[Position], None]
"""Told how far a scan is. May raise to end it."""


class Scan(Protocol):
    """One pass over a part of the history, under way."""

    @property
    def stops(self) -> Stops:
        """What is to stop the machine now; looked at after every outcome."""
        ...

    @property
    def looked_for(self) -> Stops | None:
        """What there must be for a row: where that cannot be, the machine is not led through. None: nothing tells."""
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


@runtime_checkable
class Sampling(Protocol):
    """A scan that is to be shown some instants besides, as LimitReached."""

    def next_sample(self, now: Tick) -> Tick:
        """The first that comes after `now`."""
        ...


@runtime_checkable
class Joining(Protocol):
    """A question whose rows are finished when all parts of the history are known."""

    def join(self, parts: Sequence[Sequence[Row]]) -> list[Row]:
        """All rows, from those of the parts in order."""
        ...


class RowScan(ABC):
    """What scans have in common. `only` says at a row's instant whether the row is wanted."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.engine = timeline.machine.engine
        self.rows: list[Row] = []
        self.only: Callable[[], bool] | None = None
        self.completed: Callable[[Row], Row] = lambda row: row
        """What more is to be known of a row, told at its instant."""

    @property
    @abstractmethod
    def stops(self) -> Stops: ...

    @property
    def looked_for(self) -> Stops | None:
        """Who sets no stops hears of things in some other way, which the history index does not know."""
        return self.stops if self.stops != NO_STOPS else None

    @property
    def wants_more(self) -> bool:
        return False

    @property
    def cpu(self) -> CpuId:
        """The one that came to the stop."""
        return self.engine.selected

    @abstractmethod
    def take(self, outcome: Outcome) -> None: ...

    def add(self, row: Row) -> int | None:
        """The index of the row; None if it is not wanted."""
        if self.only is not None and not self.only():
            return None
        self.rows.append(self.completed(row))
        return len(self.rows) - 1

    def finish(self) -> Sequence[Row]:
        return self.rows


@dataclass(frozen=True, slots=True)
class Conditioned:
    """A question about the instants at which something holds. It stays in this process and its copies."""

    query: Query
    holds: Callable[[], bool]

    def begin(self, timeline: Timeline) -> Scan:
        scan = self.query.begin(timeline)
        assert isinstance(scan, RowScan), "every question of ours is"
        scan.only = self.holds
        return scan

    def join(self, parts: Sequence[Sequence[Row]]) -> list[Row]:
        return joined(self.query, parts)


def joined(query: Query, parts: Sequence[Sequence[Row]]) -> list[Row]:
    """The rows of all parts, in order."""
    return query.join(parts) if isinstance(query, Joining) else [row for rows in parts for row in rows]


FOLLOW_TICKS = 1_000_000_000
"""How far beyond its part a scan follows what it has begun. What ends later is followed when all parts are known."""


def scan(
    timeline: Timeline, query: Query, start: Position, end: Position, checked: Checked | None = None
) -> Sequence[Row]:
    """The rows of what happens from `start` up to `end`. Leaves the timeline somewhere."""
    with timeline.undisturbed():
        timeline.go(start)
        bus, apics = timeline.machine.bus, timeline.machine.pc.apic_bus
        heard, listeners = bus.on_interrupt, timeline.machine.media.listeners
        told, sent = list(listeners), list(apics.on_sent)
        packets = timeline.machine.pc.device_events.packet_listeners
        passed = list(packets)
        try:
            pass_ = query.begin(timeline)
            run_through(timeline, pass_, end, checked)
            if pass_.wants_more:
                farthest = min(timeline.end, Position(type(end.tick)(end.tick + FOLLOW_TICKS)))
                run_through(timeline, pass_, farthest, checked, while_wanted=True)
            return pass_.finish()
        finally:
            bus.on_interrupt = heard
            listeners[:], apics.on_sent[:], packets[:] = told, sent, passed
            arm(timeline.machine.engine, Stops())


def run_through(
    timeline: Timeline, pass_: Scan, end: Position, checked: Checked | None, *, while_wanted: bool = False
) -> None:
    """Show the pass what comes up to `end`, while it wants more if that is all. Leaves its stops armed."""
    engine = timeline.machine.engine
    passage, taken, stops = Passage(timeline), False, Stops()
    sampling = pass_ if isinstance(pass_, Sampling) else None

    def passes(outcome: Outcome) -> bool:
        """What is taken without leaving the engine: whether to go on."""
        nonlocal taken
        pass_.take(outcome)
        wanted = pass_.stops  # mostly the very same: to compare what they hold costs more than all else here
        taken = (wanted is not stops and wanted != stops) or (while_wanted and not pass_.wants_more)
        return not taken

    def passes_delivery(outcome: ExceptionDelivered) -> bool:
        """Not taken here where leaving the engine would bring something before it is looked at."""
        return timeline.machine.settled and passes(outcome)

    timeline.keeping.passes_by = True
    engine.set_breakpoint_filter(lambda: passes(BreakpointHit()))
    engine.set_delivery_filter(passes_delivery)
    try:
        while timeline.position < end and (not while_wanted or pass_.wants_more):
            stops = pass_.stops
            arm(engine, stops)
            taken = False
            if sampling is None:
                outcome = passage.to(end, pass_.looked_for)
            else:
                sample = Position(sampling.next_sample(timeline.position.tick))
                outcome = passage.to(min(end, sample))
            if says_nothing(outcome):
                if sampling is not None and sample <= timeline.position:
                    pass_.take(outcome)
                if checked is not None:
                    checked(timeline.position)
                continue
            # one stands after a delivery: the next part begins there, and does not hear of it
            ends_with_it = isinstance(outcome, ExceptionDelivered) and timeline.position == end
            if not (ends_with_it or comes_before(outcome, timeline.position, end)):
                break
            if not taken:
                pass_.take(outcome)
            if passage.stuck:
                break
    finally:
        engine.set_breakpoint_filter(None)
        engine.set_delivery_filter(None)
        timeline.keeping.passes_by = False
    if checked is not None:
        checked(timeline.position)
