"""Conditions on the way back: the same stops as on the way forth, at the same cost."""

from __future__ import annotations

import time

import pytest

from tests.vmdbg.debugger.programs import go, program
from vmdbg.debugger.actions import Continue, Direction, Seek
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.stops import BreakpointStop, WatchpointStop
from vmdbg.engine.exits import Access, WatchHit
from vmdbg.machine.snapshot import Position
from vmdbg.timeline import reverse

LOOP = """
    xor ebx, ebx
again:
    inc rbx
middle:
    nop
    mov ecx, {inner}
inner:
    loop inner
    cmp rbx, {rounds}
    jb again
    finish 0
"""
BACK = Continue(Direction.BACKWARD)


def stops(debugger: Debugger, action: Continue) -> list[tuple[Position, int]]:
    found = []
    while isinstance(go(debugger, action), BreakpointStop):
        found.append((debugger.position, debugger.engine.read_register("rbx")))
    return found


@pytest.mark.parametrize("many", [2, 7, 4000])
@pytest.mark.parametrize("every", [1, 5, 97])
def test_conditions_hold_backwards_where_they_hold_forwards(
    many: int, every: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reverse, "MANY_HITS", many)
    monkeypatch.setattr(reverse, "LEAST_TAIL", 50)
    with program(LOOP.format(inner=3, rounds=150), "middle") as (debugger, at, _):
        debugger.points.add_breakpoint(at["middle"], condition=lambda d: d.engine.read_register("rbx") % every == 0)
        forwards = stops(debugger, Continue())
        assert len(forwards) == 150 // every
        assert stops(debugger, BACK) == forwards[::-1]


def test_a_condition_that_never_holds_costs_backwards_what_it_costs_forwards() -> None:
    """In CPU time; it was eight times as much."""
    with program(LOOP.format(inner=20, rounds=30_000), "middle") as (debugger, at, _):
        debugger.points.add_breakpoint(at["middle"], condition=lambda d: d.engine.read_register("rbx") == 0)
        go(debugger)
        end = debugger.position
        took = {}
        for action in (Continue(), BACK, Continue(), BACK):
            go(debugger, Seek(debugger.timeline.start if action is not BACK else end))
            began = time.process_time()
            go(debugger, action)
            took[action] = min(time.process_time() - began, took.get(action, 1e9))
        assert took[BACK] < 2 * took[Continue()]


WRITES = """
    mov edi, value
    mov ecx, 9
again:
    mov [rdi], ecx
    mov [rdi], ecx          ; changes nothing
    add dword [rdi], 3      ; reads before it writes
    mov eax, [rdi]
    xchg eax, [rdi + 4]
    lea esi, [other]
    movsb                   ; a byte of it
    mov edi, value
    loop again
    finish 0
    align 8
value: dq 0
other: dq 0x55
"""


@pytest.mark.parametrize("on_change", [False, True])
def test_values_of_an_access_are_the_same_on_the_way_back(on_change: bool) -> None:
    """There one stands before it, and what it changes is still to come."""
    with program(WRITES, "value") as (debugger, at, _):
        kinds = (Access.WRITE,) if on_change else (Access.READ, Access.WRITE)
        debugger.points.add_watchpoint(at["value"], 8, kinds, on_change=on_change)
        found: dict[Direction, list[WatchHit]] = {}
        for direction in (Direction.FORWARD, Direction.BACKWARD):
            hits = found[direction] = []
            while isinstance(stop := go(debugger, Continue(direction)), WatchpointStop):
                hits += [hit for _, hit in stop.hits][:: 1 if direction is Direction.FORWARD else -1]
        assert found[Direction.BACKWARD] == found[Direction.FORWARD][::-1]
        written = [hit for hit in found[Direction.FORWARD] if hit.access is Access.WRITE]
        assert all(hit.new != hit.old for hit in written) == on_change
        assert [hit.new[0] for hit in written if hit.size == 4][:1] == [9]
