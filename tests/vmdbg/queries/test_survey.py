"""What is counted is what questions tell one by one, however the history is parted and however long stretches are."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from tests.vmdbg.recording.guests import new_timeline
from vmdbg.machine.snapshot import Position
from vmdbg.queries.calls import INT80, SystemCallQuery
from vmdbg.queries.events import ExceptionQuery, InterruptQuery
from vmdbg.queries.parallel import scan_here
from vmdbg.queries.scan import Query, scan
from vmdbg.queries.survey import Kind, SurveyQuery, SurveyRow
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import CpuId, Tick
from vmdbg.web.survey_store import SurveyStore, length_for


@pytest.fixture(scope="module")
def timeline() -> Iterator[Timeline]:
    made = new_timeline()
    made.run(Tick(40_000_000))
    yield made
    made.machine.close()


def ticks(rows: Sequence[Any]) -> list[int]:
    return [row.position.tick for row in rows]


def asked(timeline: Timeline, query: Query) -> list[int]:
    return ticks(scan_here(timeline, query, timeline.start, timeline.end))


@pytest.mark.parametrize("seed", range(3))
def test_counts_are_those_of_the_questions(timeline: Timeline, seed: int) -> None:
    rng = random.Random(seed)
    length = 1 << rng.randrange(8, 20)
    cuts = sorted(rng.randrange(timeline.end.tick) for _ in range(rng.randrange(5)))
    ends = [*(Position(Tick(cut)) for cut in cuts), timeline.end]
    store, at = SurveyStore(length), timeline.start
    for end in ends:
        (row,) = scan(timeline, SurveyQuery(length), at, end)
        store.add(row, end.tick)
        at = end
    exceptions = scan(timeline, ExceptionQuery(), timeline.start, timeline.end)
    expected = {
        Kind.EXCEPTION: [row.position.tick for row in exceptions if row.vector != INT80],
        Kind.INTERRUPT: asked(timeline, InterruptQuery()),
        Kind.SYSTEM_CALL: asked(timeline, SystemCallQuery()),
    }
    counted = store.window(0, timeline.end.tick, 1 << 30)
    for kind, found in expected.items():
        assert found
        wanted = Counter(tick // counted.length for tick in found)
        assert counted.counts[kind] == [wanted[n] for n in range(len(counted.counts[kind]))], kind
        assert sum(store.window(0, timeline.end.tick, 100).counts[kind]) == len(found)
    assert sum(one.ticks for one in counted.processes) <= timeline.end.tick


def test_each_is_told_where_that_is_asked_for(timeline: Timeline) -> None:
    (row,) = scan(timeline, SurveyQuery(1024, each=True), timeline.start, timeline.end)
    exceptions = [one for one in row.moments if one.kind is Kind.EXCEPTION]
    rows = [one for one in scan(timeline, ExceptionQuery(), timeline.start, timeline.end) if one.vector != INT80]
    assert [one.position for one in exceptions] == [one.position for one in rows]
    assert row.moments == sorted(row.moments, key=lambda one: one.position)


def test_a_history_that_grows_is_counted_in_longer_stretches() -> None:
    store = SurveyStore(1)
    rng = random.Random(5)
    counts = Counter(rng.randrange(100_000) for _ in range(3000))
    for start in range(0, 100_000, 10_000):
        part = SurveyRow(1)
        for tick, many in counts.items():
            if start <= tick < start + 10_000:
                part.counts[Kind.DISK][tick] += many
        store.add(part, start + 10_000)
    assert store.length > 1
    assert sum(store.window(0, 100_000, 50).counts[Kind.DISK]) == 3000
    assert length_for(100_000, 50) == 2048


def test_a_window_far_beyond_what_is_counted_is_answered_from_what_is() -> None:
    """Else a page would have the guest's thread for hours: a stretch of such a window is made of millions."""
    store, row = SurveyStore(4), SurveyRow(4)
    for stretch in (0, 7, 8, 90):
        row.counts[Kind.DISK][stretch] += 3
        row.ran[CpuId(0), stretch][5, "init"] += 4
    store.add(row, 400)
    far = store.window(0, 1 << 50, 2000)
    assert far.counts[Kind.DISK][0] == 12
    assert not any(far.counts[Kind.DISK][1:])
    assert [one.count for one in far.lanes[CpuId(0)]] == [1]
    assert [one.ticks for one in far.processes] == [16]
    assert sum(store.window(0, 400, 13).counts[Kind.DISK]) == 12
