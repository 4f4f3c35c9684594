"""Calls have their returns however the history is parted, and none that another call has made."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import pytest

from tests.vmdbg.debugger.programs import go, program
from tests.vmdbg.recording.guests import new_timeline
from vmdbg.engine.exits import Access
from vmdbg.machine.snapshot import Position
from vmdbg.queries import scan as scans
from vmdbg.queries.calls import CallQuery, SystemCallQuery
from vmdbg.queries.copies import can_fork
from vmdbg.queries.events import ALL, Cr3Query, ExceptionQuery, InterruptQuery, PortQuery
from vmdbg.queries.parallel import scan_here
from vmdbg.queries.queries import Queries
from vmdbg.queries.scan import Query, Row, joined, scan
from vmdbg.queries.unfinished import finished
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Tick

BOTH = frozenset({Access.READ, Access.WRITE})
SOURCE = """
    mov ebx, 12345
    mov r12d, {rounds}
again:
    mov rbp, rsp
    call work
    imul ebx, ebx, 1103515245
    add ebx, 12345
abandoned:                      ; where those go that never return
    mov rsp, rbp
    mov ecx, ebx
    and ecx, 7
    jz one_more
    push rcx                    ; called at another depth of the stack
one_more:
    call work
    dec r12d
    jnz again
    finish 0
work:
    imul ebx, ebx, 1103515245
    add ebx, 54321
    mov ecx, ebx
    shr ecx, 16
    and ecx, 63
    or ecx, 1
delay:
    loop delay
    test ebx, 0x3000000
    jz abandoned
    test ebx, 0xc00000
    jz deeper
    mov eax, ebx
    ret
deeper:
    call work
    mov eax, ecx
    ret
"""


def parted(timeline: Timeline, query: Query, cuts: list[int]) -> list[Row]:
    """The rows of parts that end at the first instants from these ticks on, put together."""
    ends = [timeline.start]
    for tick in sorted(set(cuts)):
        timeline.seek(Position(Tick(tick)))
        ends.append(timeline.position)
    ends.append(timeline.end)
    parts = [scan(timeline, query, start, end) for start, end in pairwise(ends) if start < end]
    return finished(timeline, joined(query, parts))


def stepped(timeline: Timeline, work: int) -> list[tuple[Position, Position | None]]:
    """When each call began and returned, by looking at every instant; a call takes the place of one with its stack."""
    engine = timeline.machine.engine
    timeline.seek(timeline.start)
    found: list[tuple[Position, Position | None]] = []
    left: dict[tuple[int, int], int] = {}
    while timeline.position < timeline.end:
        pc, rsp = engine.linear_pc, engine.read_register("rsp")
        if (index := left.pop((pc, rsp), None)) is not None:
            found[index] = found[index][0], timeline.position
        if pc == work:
            back = int.from_bytes(engine.read_linear(rsp, 8), "little")
            left[back, rsp + 8] = len(found)
            found.append((timeline.position, None))
        timeline.step()
    return found


@pytest.mark.parametrize("follow", [0, 300, 20_000])
def test_returns_of_calls_do_not_depend_on_the_parts(follow: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scans, "FOLLOW_TICKS", follow)
    rng = random.Random(follow)
    with program(SOURCE.format(rounds=30), "work") as (debugger, at, _):
        go(debugger)
        timeline = debugger.timeline
        query = CallQuery(at["work"], 1)
        whole = scan_here(timeline, query, timeline.start, timeline.end)
        assert [(row.position, row.returned) for row in whole] == stepped(timeline, at["work"])
        assert {row.returned is None for row in whole} == {True, False}
        for _ in range(12):
            cuts = [rng.randrange(1, timeline.end.tick) for _ in range(rng.randrange(1, 9))]
            assert parted(timeline, query, cuts) == whole


def test_system_calls_of_parts_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In copies of this process, too."""
    monkeypatch.setattr(scans, "FOLLOW_TICKS", 0)
    rng = random.Random(1)
    timeline = new_timeline()
    timeline.run(Tick(30_000_000))
    timeline.close()
    whole = scan_here(timeline, SystemCallQuery(), timeline.start, timeline.end)
    assert whole
    assert any(row.returned is not None for row in whole)
    for _ in range(4):
        edges = [end.tick for row in whole for end in (row.position, row.returned) if end is not None]
        assert parted(timeline, SystemCallQuery(), rng.sample(edges, min(3, len(edges)))) == whole
    if can_fork():
        monkeypatch.setattr("vmdbg.queries.queries.WORTH_PROCESSES", 1)
        assert Queries(timeline, workers=2).system_calls() == whole
    timeline.machine.close()


@pytest.mark.parametrize("query", [ExceptionQuery(ALL), InterruptQuery(ALL), Cr3Query(), PortQuery(frozenset(), BOTH)])
def test_what_happens_where_parts_meet_is_in_one_of_them(query: Query) -> None:
    """Of a delivery one stands after it, of a breakpoint before what it is about."""
    timeline = new_timeline()
    timeline.run(Tick(4_000_000))
    timeline.close()
    whole = scan_here(timeline, query, timeline.start, timeline.end)
    edges = [row.position.tick for row in whole]
    rng = random.Random(2)
    for _ in range(3):
        assert parted(timeline, query, rng.sample(edges, min(12, len(edges)))) == whole
    timeline.machine.close()
