"""Requests to drives by the history index: the same answers, and parts that have none are not gone through."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.determinism.test_disks import Source, disk_origin
from vmdbg.commands import catalog
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.stops import DeviceStop
from vmdbg.engine.stops import Catches, DiskCatch, Stops
from vmdbg.machine.snapshot import Position
from vmdbg.queries.disk import DiskQuery
from vmdbg.queries.parallel import scan_here
from vmdbg.recording.replay import replay_file
from vmdbg.recording.save import save_recording
from vmdbg.session.registry import Effect
from vmdbg.session.session import Session
from vmdbg.timeline.history_index import SETTLED, HistoryIndex
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Tick

END = 6_000_000
PARTS = 40


@pytest.fixture(scope="module")
def timeline() -> Iterator[Timeline]:
    origin = disk_origin(Source())
    made = Timeline(origin.machine(), origin=origin)
    made.index.worth_a_way_round = 0
    for part in range(1, PARTS + 1):
        made.run(Tick(END * part // PARTS))
        made.take_checkpoint()
    yield made
    made.machine.close()


def naive(timeline: Timeline, query: DiskQuery) -> list[object]:
    """Without an index."""
    known, timeline.index = timeline.index, HistoryIndex(timeline.machine.engine)
    try:
        return list(scan_here(timeline, query, timeline.start, timeline.end))
    finally:
        timeline.index.stop()
        timeline.index = known
        known.moved_to(timeline.position)


def test_each_sector_has_the_rows_that_it_has_without_an_index(timeline: Timeline) -> None:
    rows = naive(timeline, DiskQuery())
    assert len(rows) > 20
    assert list(scan_here(timeline, DiskQuery(), timeline.start, timeline.end)) == rows
    for row in rows[::5]:
        query = DiskQuery(sector=row.sector)  # type: ignore[attr-defined]  # they are DiskRows
        assert list(scan_here(timeline, query, timeline.start, timeline.end)) == naive(timeline, query)
    assert list(scan_here(timeline, DiskQuery(sector=1 << 40), timeline.start, timeline.end)) == []


def test_parts_without_such_a_request_are_passed_over(timeline: Timeline) -> None:
    everything = frozenset({"read", "write", "flush", "discard"})
    parts = list(timeline.index)
    assert len(parts) >= PARTS - 1
    requests = [one for part in parts for one in part.touched.requests or ()]
    one = requests[len(requests) // 2]
    catch = DiskCatch(0, everything, one.sector, one.sector + 1)
    having = [part for part in parts if part.touched.may_stop(Stops(catches=Catches(devices=(catch,))), None)]  # type: ignore[arg-type]  # no linear watchpoint asks
    assert 0 < len(having) < len(parts) / 2
    assert any(part.start.tick <= one.completed <= part.end.tick for part in having)
    chance, until = timeline.index.next_chance(
        timeline.start, Stops(catches=Catches(devices=(catch,))), timeline.start, timeline.end
    )
    assert until.tick in {other.completed + SETTLED for other in requests} | {part.end.tick for part in having}
    assert chance in {part.start for part in having}
    nowhere = Stops(catches=Catches(devices=(DiskCatch(0, everything, 1 << 40, 1 << 41),)))
    assert timeline.index.next_chance(timeline.start, nowhere, timeline.start, timeline.end)[0] == timeline.end
    assert timeline.index.last_chance(timeline.end, nowhere, timeline.start, timeline.end) is None


def test_the_time_before_a_request_matters_to_who_looks_for_its_asker(timeline: Timeline) -> None:
    one = [one for part in timeline.index for one in part.touched.requests or ()][-1]
    stops = Stops(catches=Catches(devices=(DiskCatch(0, frozenset({one.operation}), one.sector, one.sector + 1),)))
    (catch,) = stops.catches.devices
    assert isinstance(catch, DiskCatch)
    pc = timeline.machine.engine.linear_pc
    leading, elsewhere = (
        Stops(catches=Catches(devices=(replace(catch, lead=400_000, asked_at=at),))) for at in (pc, 0x123456789000)
    )
    near = Position(Tick(one.submitted - 200_000))
    without, _ = timeline.index.next_chance(near, stops, timeline.start, timeline.end)
    with_lead, _ = timeline.index.next_chance(near, leading, timeline.start, timeline.end)
    assert with_lead == near < without <= Position(Tick(one.completed))
    assert timeline.index.next_chance(near, elsewhere, timeline.start, timeline.end)[0] == without


def test_a_recording_keeps_them_and_catches_go_back_by_them(timeline: Timeline, tmp_path: Path) -> None:
    save_recording(timeline, tmp_path / "whole")
    again = replay_file(tmp_path / "whole")
    assert [part.touched.requests for part in again.index] == [part.touched.requests for part in timeline.index]
    session = Session(Debugger(again), catalog.commands(), allowed=~Effect.NONE)
    rows = session.run("query disk").data
    session.run("goto end")
    session.run("catch disk write")
    for row in [row for row in reversed(rows) if row["operation"] == "write"][:5]:  # type: ignore[index]  # of tables these are dicts
        session.run("reverse-continue")
        assert isinstance(session.debugger.last_stop, DeviceStop)
        assert str(again.position) == row["position"]
    session.debugger.close()
