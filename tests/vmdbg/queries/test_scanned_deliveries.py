"""Deliveries that a scan takes without leaving the engine are those, at the instants, that leaving it shows."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

import vmdbg
from tests.guests.build import sample_kernel
from tests.vmdbg.recording.guests import new_timeline
from vmdbg.engine.exits import ExceptionDelivered
from vmdbg.machine.digest import Digest, digest
from vmdbg.machine.snapshot import Position
from vmdbg.queries.calls import SystemCallQuery
from vmdbg.queries.events import ExceptionQuery, InterruptQuery
from vmdbg.queries.scan import Conditioned, Query, scan
from vmdbg.queries.survey import SurveyQuery
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Tick

QUERIES = (InterruptQuery(), ExceptionQuery(), SystemCallQuery(), SurveyQuery(1 << 14, each=True))


@pytest.fixture(scope="module", params=["one CPU", "round-robin:3000", "random:7,most=40000"])
def timeline(request: pytest.FixtureRequest) -> Iterator[Timeline]:
    """Of the sample kernel, and of the one for several CPUs by two schedules: the engine's own, and one in Python."""
    if request.param == "one CPU":
        made = new_timeline()
        made.run(Tick(6_000_000))
        yield made
        made.machine.close()
        return
    with vmdbg.launch(sample_kernel("sample-smp.elf"), cpus=3, append="autostop", schedule=request.param) as guest:
        guest.run(ticks=45_000_000)
        yield guest.session.debugger.timeline


def leaving(timeline: Timeline, query: Query, start: Position, end: Position) -> Sequence[Any]:
    """scan() where each delivery ends a run."""

    def passes_none(passes: Callable[[ExceptionDelivered], bool] | None) -> None:
        pass

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timeline.machine.engine, "set_delivery_filter", passes_none)
        return scan(timeline, query, start, end)


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: type(query).__name__)
def test_rows_are_the_same_whatever_part_is_asked_about(timeline: Timeline, query: Query) -> None:
    rng = random.Random(3)
    deliveries = [*scan(timeline, ExceptionQuery(), timeline.start, timeline.end)]
    deliveries += scan(timeline, InterruptQuery(), timeline.start, timeline.end)
    edges = [row.position for row in deliveries] + [Position(row.position.tick) for row in deliveries]
    for _ in range(4):
        anywhere = [Position(Tick(rng.randrange(timeline.end.tick))) for _ in range(2)]
        start, end = sorted(rng.sample([*anywhere, *rng.sample(edges, 4), timeline.start, timeline.end], 2))
        expected = leaving(timeline, query, start, end)
        stands = timeline.position, digest(timeline.machine)
        assert scan(timeline, query, start, end) == expected
        assert (timeline.position, digest(timeline.machine)) == stands


def test_a_condition_sees_the_instant_as_one_who_goes_there(timeline: Timeline) -> None:
    for query in (InterruptQuery(), ExceptionQuery()):
        seen: list[tuple[Position, Digest]] = []

        def look(seen: list[tuple[Position, Digest]] = seen) -> bool:
            seen.append((timeline.position, digest(timeline.machine)))
            return True

        rows = scan(timeline, Conditioned(query, look), timeline.start, timeline.end)
        assert [row.position for row in rows] == [position for position, _ in seen]
        assert seen or isinstance(query, ExceptionQuery)
        for position, found in random.Random(1).sample(seen, min(len(seen), 8)):
            timeline.seek(position)
            assert digest(timeline.machine) == found


def test_they_are_taken_without_leaving_the_engine(timeline: Timeline, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[Tick] = []
    engine = timeline.machine.engine
    run = engine.run

    def counted(limit: Tick, *, over_breakpoint: bool = False) -> Any:
        runs.append(limit)
        return run(limit, over_breakpoint=over_breakpoint)

    monkeypatch.setattr(engine, "run", counted)
    expected = leaving(timeline, InterruptQuery(), timeline.start, timeline.end)
    all_left, runs[:] = len(runs), []
    assert scan(timeline, InterruptQuery(), timeline.start, timeline.end) == expected
    assert len(runs) <= all_left - len(expected) // 2
