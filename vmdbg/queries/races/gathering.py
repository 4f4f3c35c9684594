"""Gathering events: first who accesses what, then, of the time in which several CPUs do, what puts them in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from vmdbg.engine.exits import Access
from vmdbg.errors import UserError
from vmdbg.machine.snapshot import Position
from vmdbg.queries.linux.known import KnownLinux
from vmdbg.queries.parallel import scan_here
from vmdbg.queries.races.events import Event
from vmdbg.queries.races.operands import Data, OperandQuery
from vmdbg.queries.races.scan import MOST_EVENTS, EventQuery, Place, PlacesQuery, too_many
from vmdbg.queries.rows import AccessRow
from vmdbg.queries.scan import Query, Row
from vmdbg.timeline.outcomes import Progress
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Linear, Tick
from vmdbg.x86.instruction import MAX_LENGTH

MOST_ACCESSES = 200_000
"""That are looked at in one question."""
MOST_PLACES = 512
"""Ranges that the data of a function may be in."""
MOST_OF_A_PLACE = 20_000
"""Accesses to one place of a function's data: what is polled has more, and hides the rest."""
AROUND = 10_000_000
"""Ticks before and after a function runs in which others' accesses to its data are looked at: what its memory is for
at other times may be something else."""
MOST_OF_EVERYTHING = 20_000_000
"""Ticks in which all accesses to all memory may be looked at, some quarter of a million a second."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Races of which data: some bytes, or what the instructions of a `function` access; neither: all that is in RAM.

    Between two instants. `synchronizing`: words that are no data, for CPUs are in step by them. `mixed`: races of
    locked accesses with others too.
    """

    places: tuple[Place, ...] = ()
    instructions: tuple[Linear, ...] = ()
    function: range | None = None
    between: tuple[Position, Position] | None = None
    synchronizing: tuple[Place, ...] = ()
    mixed: bool = False


Part = Callable[[Query, Position, Position], list[Row]]
"""The rows of a question between two instants, perhaps with several processes."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """`data`: the physical addresses that are meant; none: all of RAM. No `events`: nothing there is shared by CPUs.

    `between`: the time that was looked at, where that is less than was asked for. `busy`: data of a function that was
    not looked at, for it is accessed too often.
    """

    events: tuple[Event, ...] = ()
    data: tuple[range, ...] = ()
    between: tuple[Position, Position] | None = None
    busy: tuple[Place, ...] = ()


class Gathering:
    """Of events in a timeline, which stands where it stood afterwards. `most` of them are looked at."""

    def __init__(
        self,
        timeline: Timeline,
        known: KnownLinux | None,
        part: Part,
        on_progress: Progress | None = None,
        most: int = MOST_EVENTS,
    ) -> None:
        self._timeline = timeline
        self._known = known
        self._part = part
        self._on_progress = on_progress
        self._most = most

    def gathered(self, wanted: Wanted) -> Gathered:
        """Raises UserError where that is too much to look at."""
        if len(self._timeline.machine.engine.cpus) == 1:
            return Gathered()
        start, end = wanted.between or (self._timeline.start, self._timeline.end)
        if not wanted.places and not wanted.instructions:
            return self._of_everything(start, end)
        places, between = wanted.places, None
        if not places:
            found = self._data_of(wanted, start, end)
            places = tuple(Place(data.start, data.end - data.start) for data in found)
            if found and wanted.between is None:
                start, end = between = _around(found, start, end)
        rows = self._accesses(places, start, end, each=None if wanted.places else MOST_OF_A_PLACE)
        busy = () if wanted.places else _busy(rows, places)
        places = tuple(place for place in places if place not in busy)
        rows = [row for row in rows if not any(_is_at(row, place) for place in busy)]
        if not _may_race(rows):
            return Gathered(between=between, busy=busy)
        first, last = rows[0].position, rows[-1].position
        begin = Position(Tick(max(start.tick, first.tick - MAX_LENGTH)))
        watched = (*places, *self._locked_words(begin, last), *wanted.synchronizing)
        return Gathered(self._events(watched, begin, last), tuple(_pieces(rows, places)), between, busy)

    def _of_everything(self, start: Position, end: Position) -> Gathered:
        if end.tick - start.tick > MOST_OF_EVERYTHING:
            raise UserError(
                f"all of memory is looked at for at most {MOST_OF_EVERYTHING:,} ticks: "
                "give --address or --function, or a shorter time"
            )
        ram = Place(0, self._timeline.machine.config.memory, physical=True)
        return Gathered(self._events((ram,), start, end))

    def _events(self, watched: tuple[Place, ...], start: Position, end: Position) -> tuple[Event, ...]:
        """They follow from one another, so that one process has to see them all."""
        query = EventQuery(watched, self._known, self._most)
        return tuple(scan_here(self._timeline, query, start, end, self._on_progress))

    def _data_of(self, wanted: Wanted, start: Position, end: Position) -> list[Data]:
        found: list[Data] = self._part(OperandQuery(wanted.instructions), start, end)
        if len(found) > MOST_PLACES:
            many = f"the function accesses {len(found):,} places beyond its stack, more than {MOST_PLACES}"
            raise UserError(f"{many}: give --address, or a shorter time")
        return found

    def _accesses(self, places: Sequence[Place], start: Position, end: Position, each: int | None) -> list[AccessRow]:
        """By CPUs, in order."""
        if not places:
            return []
        rows: list[AccessRow] = self._part(PlacesQuery(tuple(places), MOST_ACCESSES, each), start, end)
        if len(rows) > MOST_ACCESSES:
            raise too_many(MOST_ACCESSES)
        return [row for row in rows if row.cpu is not None]

    def _locked_words(self, start: Position, end: Position) -> tuple[Place, ...]:
        """Words by which CPUs are in step, where no system is known that names its locks."""
        if self._known is not None:
            return ()
        found: list[Data] = self._part(OperandQuery(locked=True), start, end)
        return tuple(Place(data.start, data.end - data.start) for data in found)

    def physical(self, places: Iterable[Place]) -> tuple[range, ...]:
        found = []
        for place in places:
            engine = self._timeline.machine.engine
            start = place.address if place.physical else engine.translate(Linear(place.address))
            if start is not None:
                found.append(range(start, start + place.size))
        return tuple(found)


def _busy(rows: Sequence[AccessRow], places: Sequence[Place]) -> tuple[Place, ...]:
    """Those of a function's places that are accessed too often to be looked at without being asked for."""
    return tuple(place for place in places if sum(_is_at(row, place) for row in rows) > MOST_OF_A_PLACE)


def _is_at(row: AccessRow, place: Place) -> bool:
    return row.linear < place.address + place.size and place.address < row.linear + max(len(row.old), 1)


def _around(found: Sequence[Data], start: Position, end: Position) -> tuple[Position, Position]:
    """The time in which a function accesses its data, and AROUND it."""
    first, last = min(data.first for data in found), max(data.last for data in found)
    return max(start, Position(Tick(first.tick - AROUND))), min(end, Position(Tick(last.tick + AROUND)))


def _may_race(rows: Sequence[AccessRow]) -> bool:
    return len({row.cpu for row in rows}) > 1 and any(row.access is Access.WRITE for row in rows)


def _pieces(rows: Iterable[AccessRow], places: Sequence[Place]) -> set[range]:
    """Where, in physical memory, the bytes of the places lie that were accessed."""
    found = set()
    for linear, physical, size in {(row.linear, row.physical, len(row.old)) for row in rows}:
        for place in places:
            begin = physical if place.physical else linear
            start, end = max(begin, place.address), min(begin + size, place.address + place.size)
            if start < end:
                found.add(range(physical + start - begin, physical + end - begin))
    return found
