"""Conditions on the way back: the same stops as on the way forth, at the same cost."""

from __future__ import annotations

import time

import pytest

from tests.vmdbg.debugger.programs import go, program
from vmdbg.debugger.actions import Continue, Direction, Seek
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.stops import BreakpointStop
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
