"""What began in one part of the history and ends in none that was looked at with it: followed when all are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, cast, runtime_checkable

from vmdbg.engine.stops import Stops
from vmdbg.machine.snapshot import Position
from vmdbg.queries.scan import Query, Row, Scan, run_through
from vmdbg.timeline.outcomes import Progress
from vmdbg.timeline.stops import arm
from vmdbg.timeline.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A row of `query` whose end had not come at `until`; `known_by` tells it when it comes."""

    row: Row
    query: Query
    until: Position
    known_by: object
    stands: bool = True
    """Whether it is a row even if its end never comes."""


@dataclass(frozen=True, slots=True)
class Repeated:
    """What another part has a row for, there, is a part of something of this one's."""

    position: Position


@runtime_checkable
class Following(Protocol):
    """A scan that can look for the ends of rows that another has begun, and for nothing else."""

    def follow(self, unfinished: Unfinished) -> None:
        """From here on, look for its end too."""
        ...

    def ended(self) -> Sequence[Sequence[Row]]:
        """What the rows that were followed have come to, in the order in which they were given."""
        ...

    @property
    def repeated(self) -> Sequence[Position]:
        """Where others have made rows for what is a part of these."""
        ...


def finished(timeline: Timeline, rows: Sequence[Row], on_progress: Progress | None = None) -> list[Row]:
    """The same rows with their ends, in one pass through what their parts left out. The timeline stays where it is.

    So they are what one scan through everything has, however the history was parted.
    """
    repeated = {row.position for row in rows if isinstance(row, Repeated)}
    rows = [row for row in rows if not isinstance(row, Repeated)]
    result: list[Sequence[Row]] = [_as_it_stands(row) for row in rows]
    left = [index for index, row in enumerate(rows) if isinstance(row, Unfinished) and row.until < timeline.end]
    left.sort(key=lambda index: rows[index].until)
    if left:
        origin = timeline.position
        with timeline.undisturbed():
            try:
                timeline.go(rows[left[0]].until, to_stay=False)
                pass_ = _followed(timeline, [rows[index] for index in left], on_progress)
            finally:
                arm(timeline.machine.engine, Stops())
                timeline.go(origin)
        repeated.update(pass_.repeated)
        for index, ended in zip(left, pass_.ended(), strict=True):
            result[index] = ended
    return [row for some in result for row in some if not repeated or row.position not in repeated]


def _as_it_stands(row: Row) -> Sequence[Row]:
    if not isinstance(row, Unfinished):
        return (row,)
    return (row.row,) if row.stands else ()


def _followed(timeline: Timeline, left: Sequence[Unfinished], on_progress: Progress | None) -> Following:
    """Who has followed them, from where the first of them was left."""
    pass_ = left[0].query.begin(timeline)
    assert isinstance(pass_, Following), "it has left some"

    def checked(_: Position) -> None:
        if on_progress is not None:
            on_progress(1.0)

    for one, after in zip(left, [*left[1:], None], strict=True):
        pass_.follow(one)
        until = after.until if after is not None else timeline.end
        run_through(timeline, cast("Scan", pass_), until, checked, while_wanted=after is None)
    return pass_
