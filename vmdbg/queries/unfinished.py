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


@runtime_checkable
class Following(Protocol):
    """A scan that can look for the ends of rows that another has begun, and for nothing else."""

    rows: list[Row]

    def follow(self, unfinished: Unfinished) -> None:
        """From here on, look for its end too: its row comes last in `rows`."""
        ...


def finished(timeline: Timeline, rows: Sequence[Row], on_progress: Progress | None = None) -> list[Row]:
    """The same rows with their ends, in one pass through what their parts left out. The timeline stays where it is.

    So they are what one scan through everything has, however the history was parted.
    """
    left = [index for index, row in enumerate(rows) if isinstance(row, Unfinished)]
    result = [row.row if isinstance(row, Unfinished) else row for row in rows]
    left = sorted((index for index in left if rows[index].until < timeline.end), key=lambda index: rows[index].until)
    if left:
        origin = timeline.position
        with timeline.undisturbed():
            try:
                timeline.go(rows[left[0]].until, to_stay=False)
                ends = _ends(timeline, [rows[index] for index in left], on_progress)
            finally:
                arm(timeline.machine.engine, Stops())
                timeline.go(origin)
        for index, row in zip(left, ends, strict=True):
            result[index] = row
    return result


def _ends(timeline: Timeline, left: Sequence[Unfinished], on_progress: Progress | None) -> list[Row]:
    """Their rows, from where the first of them was left."""
    pass_ = left[0].query.begin(timeline)
    assert isinstance(pass_, Following), "it has left some"

    def checked(_: Position) -> None:
        if on_progress is not None:
            on_progress(1.0)

    for one, after in zip(left, [*left[1:], None], strict=True):
        pass_.follow(one)
        until = after.until if after is not None else timeline.end
        run_through(timeline, cast("Scan", pass_), until, checked, while_wanted=after is None)
    return pass_.rows
