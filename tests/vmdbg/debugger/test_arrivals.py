"""Breakpoints where nothing can run and at repeated instructions: forwards, backwards, in replays and in queries."""

from __future__ import annotations

from tests.vmdbg.debugger.programs import go, program
from vmdbg.debugger.actions import Continue, Direction, Seek, Step, StepMode
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.stops import BreakpointStop, ExceptionStop, HistoryStart
from vmdbg.machine.digest import digest
from vmdbg.queries.queries import Queries

BACK = Continue(Direction.BACKWARD)
NOWHERE = 0xFFFF_DEAD_0000_0123
LOST = """
    mov rbx, 3
again:
    nop
    dec rbx
    jnz again
    mov rax, 0xffffdead00000123
    call rax
"""
REPEATED = """
    mov ebx, 3
again:
    mov ecx, 6
    lea rdi, [buffer]
place:
    rep stosb
    dec ebx
    jnz again
    finish 0
buffer: times 8 db 0
"""


def _stops(debugger: Debugger, action: Continue) -> list[object]:
    seen = []
    while isinstance(stop := go(debugger, action), BreakpointStop):
        seen.append(debugger.position)
    return [*seen, stop]


def test_a_call_of_nothing_is_waited_for_and_found_again() -> None:
    with program(LOST) as (debugger, _, _):
        point = debugger.points.add_breakpoint(NOWHERE)
        assert go(debugger) == BreakpointStop((point,))
        here, seen = debugger.position, digest(debugger.machine)
        assert (debugger.pc, len(point.hits)) == (NOWHERE, 1)
        debugger.points.update_catches(vectors=frozenset({14}))
        assert isinstance(go(debugger), ExceptionStop)
        debugger.points.update_catches(vectors=frozenset())
        assert go(debugger, BACK) == BreakpointStop((point,))
        assert (debugger.position, digest(debugger.machine)) == (here, seen)
        go(debugger, Step(mode=StepMode.ARCHITECTURAL))
        assert debugger.position > here
        go(debugger, Step(Direction.BACKWARD, mode=StepMode.ARCHITECTURAL))
        assert (debugger.position, digest(debugger.machine)) == (here, seen)
        assert isinstance(go(debugger, BACK), HistoryStart)
        go(debugger, Seek(here))
        assert (debugger.position, digest(debugger.machine)) == (here, seen)


def test_a_repeated_instruction_is_met_as_often_in_both_directions() -> None:
    with program(REPEATED, "place") as (debugger, at, _):
        point = debugger.points.add_breakpoint(at["place"])
        forwards = _stops(debugger, Continue())
        assert (len(forwards), len(point.hits)) == (4, 3)
        backwards = _stops(debugger, BACK)
        assert backwards[:-1] == forwards[-2::-1]
        rows = Queries(debugger.timeline, workers=1).executions(at["place"])
        assert [row.position for row in rows] == forwards[:-1]


def test_conditions_and_counts_at_a_repeated_instruction_see_arrivals_only() -> None:
    with program(REPEATED, "place") as (debugger, at, _):
        asked: list[int] = []

        def condition(d: Debugger) -> bool:
            asked.append(d.engine.read_register("rcx"))
            return d.engine.read_register("rbx") < 3

        point = debugger.points.add_breakpoint(at["place"], condition=condition)
        point.ignore = 1
        assert go(debugger) == BreakpointStop((point,))
        assert debugger.engine.read_register("rbx") == 1
        assert asked == [6, 6, 6]


def test_stepping_goes_through_a_repeated_instruction_a_time_at_a_time() -> None:
    with program(REPEATED, "place") as (debugger, at, _):
        debugger.points.add_breakpoint(at["place"])
        go(debugger)
        counts = []
        while debugger.pc == at["place"]:
            counts.append(debugger.engine.read_register("rcx"))
            go(debugger, Step())
        assert counts == [6, 5, 4, 3, 2, 1, 0]
        go(debugger, Step(Direction.BACKWARD))
        assert debugger.engine.read_register("rcx") == 0
        span = Step(span=(at["place"], at["place"] + 2))
        go(debugger, Step(Direction.BACKWARD, count=4))
        assert not isinstance(go(debugger, span), BreakpointStop)
