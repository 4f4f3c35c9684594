"""What each part of the history touched, so that searches go through those parts only that can answer.

It is for people: no state of the machine, and in no digest.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice, pairwise, takewhile

from devices.disk.requests import DiskRequest, Listener
from vmdbg.engine.stops import DiskCatch, Stops
from vmdbg.engine.touches import TouchTracking
from vmdbg.machine.snapshot import Position
from vmdbg.timeline.touched import MOST_REQUESTS, Aliases, Mappings, Touched
from vmdbg.units import Tick

MOST_BYTES = 32 << 20
"""Of memory. What does not fit is searched as if nothing were known of it."""
WORTH_A_WAY_ROUND = 1 << 16
"""Ticks. Fewer are gone through more quickly than round: stops are taken off and put back, the machine moved."""
SETTLED = 64
"""Ticks after an access to a device at which its instruction is surely over."""


@dataclass(frozen=True, slots=True)
class Part:
    """All instants from `start` up to `end`, and what the way from one to the other touched."""

    start: Position
    end: Position
    touched: Touched


class HistoryIndex:
    """The parts of a history of which it is known what they touched, in order.

    Invariants: parts do not overlap, and what lies between two is not known; what happened in a part touched nothing
    that the part does not name. `_since` is where gathering began: the machine has come from there to where it stands
    without anybody having moved it, and all that it touched since is gathered. None: nothing is being gathered.
    """

    def __init__(self, engine: TouchTracking, requests: list[Listener] | None = None) -> None:
        """`requests`: where one can be told of requests to drives, without which it does not know of them."""
        self._engine = engine
        self._requests: list[DiskRequest] | None = None
        if requests is not None:
            self._requests = []
            requests.append(self._on_request)
        self._parts: list[Part] = []
        self._since: Position | None = None
        self._size = 0
        self._stopped = False
        self._aliases: tuple[tuple[Position, Position], Aliases] | None = None
        self._mapped: Mappings = frozenset()
        self.wanted = True
        """Whether what runs is added."""
        self.worth_a_way_round = WORTH_A_WAY_ROUND
        """Ticks without a chance that next_chance() tells of."""
        self.foreseen = 4
        """Parts of which it is looked up which pages they touch."""

    def __iter__(self) -> Iterator[Part]:
        return iter(list(self._parts))

    @property
    def size(self) -> int:
        """Bytes of memory, about."""
        return self._size

    # what is gathered

    def moved_to(self, position: Position) -> None:
        """The machine was put to `position`, and runs on from there."""
        if self.wanted:
            self._engine.begin_touches()
            self._since, self._stopped = position, False
            if self._requests is not None:
                self._requests = []

    def _on_request(self, request: DiskRequest) -> None:
        if self.wanted and self._requests is not None and len(self._requests) <= MOST_REQUESTS:
            self._requests.append(request)

    def stopped(self) -> None:
        """A run has just ended by itself: with whatever stops another one might there, too."""
        self._stopped = True

    def stop(self) -> None:
        """Add nothing any more."""
        self._engine.drop_touches()
        self._since, self.wanted = None, False

    def keep(self, position: Position) -> Part | None:
        """The machine has come to `position`: a part ends here. What is new in it, if anything."""
        since = self._since
        if since is None or position <= since:
            return None
        start = self._known_until(since)
        if start >= position:
            return None
        requests = tuple(self._requests) if self._requests is not None else None
        touched = Touched.of(self._engine.end_touches(), stopped=self._stopped, requests=requests)
        part = Part(start, position, touched)
        self.moved_to(position)
        return part if self.add(part) else None

    def _known_until(self, position: Position) -> Position:
        """How far from there on it is known what happened."""
        at = bisect_right(self._parts, position, key=_start)
        while at and self._parts[at - 1].end > position:
            position = self._parts[at - 1].end
            at += at < len(self._parts) and self._parts[at].start == position
        return position

    def add(self, part: Part) -> bool:
        """Whether it fits in, between what is known and in the memory that there is."""
        at = bisect_left(self._parts, part.start, key=_start)
        if at and self._parts[at - 1].end > part.start:
            return False
        if at < len(self._parts):
            part = replace(part, end=min(part.end, self._parts[at].start))
        if part.end <= part.start or self._size + part.touched.size > MOST_BYTES:
            return False
        self._parts.insert(at, part)
        self._size += part.touched.size
        self._aliases = None
        return True

    def drop_after(self, position: Position) -> None:
        """That future will not happen."""
        self._parts = [replace(p, end=min(p.end, position)) for p in self._parts if p.start < position]
        self._size = sum(part.touched.size for part in self._parts)
        self._aliases = None

    # what is asked

    def pages_between(self, start: Position, end: Position) -> set[int] | None:
        """Physical pages, by number, that going from one instant to the other touches, and perhaps others.

        None if that is not known of what comes after `start`. Page tables need not be among them.
        """
        part = self.part_at(start)
        if part is None or part.touched.everything:
            return None
        at = self._last_begun(start)
        found = set[int]()
        for part in takewhile(lambda part: part.start < end, islice(self._parts, at, at + self.foreseen)):
            found.update(part.touched.pages.physical)
        return found

    def part_at(self, position: Position) -> Part | None:
        """The one that has what happens from there on; None: that is not known."""
        at = self._last_begun(position)
        return self._parts[at] if at >= 0 and position < self._parts[at].end else None

    def _last_begun(self, position: Position) -> int:
        """The number of the last part that begins there or before it; -1 if none does."""
        return bisect_right(self._parts, position, key=_start) - 1

    def note_mapped(self, mapped: Mappings) -> None:
        """Somebody asks about linear pages that are mapped so."""
        if not mapped <= self._mapped:
            self._mapped |= mapped
            self._aliases = None

    def next_chance(
        self, position: Position, stops: Stops, start: Position, end: Position
    ) -> tuple[Position, Position]:
        """The first instant from `position` on from which a run with `stops` could be stopped, `end` at the latest.

        And up to where that is known. `start` and `end` are those of the history. What is not worth a way round counts
        as if it could be stopped there.
        """
        aliases = self._known_aliases(start, end)
        chance, until = self._next_chance(position, stops, aliases, end)
        if chance.tick - position.tick < self.worth_a_way_round:
            chance = position
        while until < end and until.tick - chance.tick < self.worth_a_way_round:
            another, its_end = self._next_chance(until, stops, aliases, end)
            if another.tick - until.tick >= self.worth_a_way_round:
                break
            until = its_end
        return chance, until

    def _next_chance(
        self, position: Position, stops: Stops, aliases: Aliases, end: Position
    ) -> tuple[Position, Position]:
        at = self._last_begun(position)
        while position < end:
            if at < 0 or not self._parts[at].start <= position < self._parts[at].end:
                return position, self._parts[at + 1].start if at + 1 < len(self._parts) else end
            until = self._chances_until(at, stops, aliases)
            if until is not None and position < until:
                return position, until
            position = self._parts[at].end
            at += at + 1 < len(self._parts) and self._parts[at + 1].start <= position
        return end, end

    def last_chance(
        self, position: Position, stops: Stops, start: Position, end: Position
    ) -> tuple[Position, Position] | None:
        """The last stretch before `position` in which a run with `stops` could be stopped: from where to where.

        None if there is none. `start` and `end` are those of the history.
        """
        aliases = self._known_aliases(start, end)
        at = bisect_left(self._parts, position, key=_start) - 1
        while at >= 0:
            part = self._parts[at]
            if part.end < position:
                return part.end, position
            until = self._chances_until(at, stops, aliases)
            if until is not None:
                return part.start, min(until, position)
            position = part.start
            at -= 1
        return (start, position) if position > start else None

    def _chances_until(self, at: int, stops: Stops, aliases: Aliases) -> Position | None:
        """Up to where in that part a run could meet one of `stops`, or comes by what matters to one in a later part."""
        part = self._parts[at]
        leading = [one for one in stops.catches.devices if isinstance(one, DiskCatch) and one.lead]
        if any(self._leads_to(at, catch) for catch in leading):
            return part.end
        if not part.touched.may_stop(stops, aliases):
            return None
        done = part.touched.done_by(stops)
        until = part.end if done is None else min(part.end, Position(Tick(done + SETTLED)))
        return until if until > part.start else None

    def _leads_to(self, at: int, catch: DiskCatch) -> bool:
        if not self._parts[at].touched.pages.has_code(catch.asked_at):
            return False
        until = self._parts[at].end.tick
        later = takewhile(lambda part: part.start.tick <= until + 2 * catch.lead, islice(self._parts, at + 1, None))
        return any(part.touched.leads_to(catch, until) for part in later)

    def _known_aliases(self, start: Position, end: Position) -> Aliases:
        if self._aliases is None or self._aliases[0] != (start, end):
            parts = self._parts
            whole = bool(parts) and parts[0].start <= start and end <= parts[-1].end
            complete = whole and all(one.end == other.start for one, other in pairwise(parts))
            known = Aliases([part.touched for part in parts], complete=complete, mapped=self._mapped)
            self._aliases = (start, end), known
        return self._aliases[1]


def _start(part: Part) -> Position:
    return part.start
