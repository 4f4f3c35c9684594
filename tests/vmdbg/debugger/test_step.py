"""Three ways of stepping, forwards and backwards."""

from __future__ import annotations

import pytest

from tests.vmdbg.debugger.programs import go, program, run_to, step
from vmdbg.debugger.actions import Continue, Direction, Step, StepMode
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.stops import BreakpointStop, HistoryStart, StepDone
from vmdbg.units import Linear, Tick

FAULTS = """
    set_handler 14, on_fault
before:
    nop
faults:
    mov rax, [WINDOW]
after:
    nop
    finish 0
on_fault:
    map_window 0, TEST_PAGES + P + W
    ret
"""
TIMER = """
    set_handler 20h, timer
    remap_pics 0feh
    pit_counter_0 2, 4
    sti
loop_start:
    nop
    nop
    nop
    nop
    jmp loop_start
loop_end:
timer:
    inc qword [ticks]
    end_of_interrupt
    ret
    align 8
ticks: dq 0
"""
BOTH = [StepMode.SAME_CONTEXT, StepMode.ARCHITECTURAL]


@pytest.mark.parametrize("mode", BOTH)
def test_plain_step_is_one_instruction(mode: StepMode) -> None:
    with program(FAULTS, "before", "faults") as (debugger, at, _):
        run_to(debugger, at["before"])
        assert isinstance(step(debugger, mode), StepDone)
        assert debugger.pc == at["faults"]


def test_same_context_runs_a_fault_to_its_return() -> None:
    with program(FAULTS, "faults", "after") as (debugger, at, _):
        run_to(debugger, at["faults"])
        assert isinstance(step(debugger, StepMode.SAME_CONTEXT), StepDone)
        assert debugger.pc == at["after"]
        assert not debugger.points.breakpoints
        assert not debugger.points.watchpoints


def test_architectural_step_shows_the_handler() -> None:
    with program(FAULTS, "faults") as (debugger, at, _):
        run_to(debugger, at["faults"])
        step(debugger, StepMode.ARCHITECTURAL)
        delivery = debugger.engine.deliveries()[-1]
        assert (delivery.vector, debugger.pc) == (14, delivery.handler)


def test_breakpoint_in_the_handler_ends_a_step() -> None:
    with program(FAULTS, "faults", "on_fault") as (debugger, at, _):
        run_to(debugger, at["faults"])
        point = debugger.points.add_breakpoint(at["on_fault"])
        assert step(debugger, StepMode.SAME_CONTEXT) == BreakpointStop((point,))
        assert list(debugger.points.breakpoints.values()) == [point]


def test_many_steps_in_the_same_context_never_enter_the_handler() -> None:
    with program(TIMER, "loop_start", "loop_end", "ticks") as (debugger, at, _):
        run_to(debugger, at["loop_start"])
        for _ in range(100):
            step(debugger, StepMode.SAME_CONTEXT, count=101)
            assert at["loop_start"] <= debugger.pc < at["loop_end"]
        assert int.from_bytes(debugger.linear().read(Linear(at["ticks"]), 8), "little") >= 3


def test_architectural_steps_enter_the_handler_sometime() -> None:
    with program(TIMER, "loop_start", "loop_end") as (debugger, at, _):
        run_to(debugger, at["loop_start"])
        places = set()
        for _ in range(3000):
            step(debugger, StepMode.ARCHITECTURAL, count=3)
            places.add(at["loop_start"] <= debugger.pc < at["loop_end"])
        assert places == {True, False}


def test_stepping_changes_nothing() -> None:
    """The ticks at which interrupts come are those of a run that was left alone."""

    def interrupts(steps: int) -> list[int]:
        with program(TIMER, "loop_start") as (debugger, at, _):
            run_to(debugger, at["loop_start"])
            end = Tick(debugger.machine.clock + 40_000)
            for number in range(steps):
                step(debugger, BOTH[number % 2], count=15)
            go(debugger, Continue(limit=end))
            return [delivery.tick for delivery in debugger.engine.deliveries()]

    assert interrupts(200) == interrupts(0) != []


def test_range_step_leaves_the_range() -> None:
    source = "first: mov ecx, 10\n.l: nop\nloop .l\nlast: nop\nfinish 0\n"
    with program(source, "first", "last") as (debugger, at, _):
        run_to(debugger, at["first"])
        span = (Linear(at["first"]), Linear(at["last"]))
        assert isinstance(go(debugger, Step(span=span)), StepDone)
        assert debugger.pc == at["last"]


def test_range_step_stops_at_a_breakpoint() -> None:
    source = "first: nop\nhere: nop\nlast: nop\nfinish 0\n"
    with program(source, "first", "here", "last") as (debugger, at, _):
        run_to(debugger, at["first"])
        point = debugger.points.add_breakpoint(at["here"])
        stop = go(debugger, Step(span=(Linear(at["first"]), Linear(at["last"]))))
        assert stop == BreakpointStop((point,))


def test_back_and_forth() -> None:
    with program(FAULTS, "before", "faults", "after") as (debugger, at, _):
        run_to(debugger, at["after"])
        there = debugger.position
        go(debugger, Step(Direction.BACKWARD))
        assert debugger.pc == at["faults"]
        go(debugger, Step(Direction.BACKWARD, mode=StepMode.SAME_CONTEXT))
        while debugger.pc != at["before"]:
            go(debugger, Step(Direction.BACKWARD))
        run_to(debugger, at["after"])
        assert debugger.position == there


def test_backward_continue_finds_the_last_hit() -> None:
    with program(TIMER, "loop_start", "ticks") as (debugger, at, _):
        run_to(debugger, at["loop_start"])
        first = debugger.position
        point = debugger.points.add_breakpoint(at["loop_start"])
        last = [first]
        for _ in range(5):
            go(debugger)
            last.append(debugger.position)
        for expected in reversed(last[:-1]):
            assert go(debugger, Continue(Direction.BACKWARD)) == BreakpointStop((point,))
            assert debugger.position == expected
        debugger.points.remove(point)
        assert isinstance(go(debugger, Continue(Direction.BACKWARD)), HistoryStart)
        assert debugger.position == debugger.timeline.start


def test_inputs_are_no_steps_of_the_same_context_but_instants_of_their_own() -> None:
    """Going back is the way forth reversed, in either mode."""

    def pcs(debugger: Debugger, direction: Direction, mode: StepMode, count: int) -> list[Linear]:
        found = []
        for _ in range(count):
            go(debugger, Step(direction, mode=mode))
            found.append(debugger.pc)
        return found

    with program("nop\nfirst: nop\nsecond: nop\nthird: nop\nfinish 0\n", "first", "second", "third") as (
        debugger,
        at,
        _,
    ):
        run_to(debugger, at["second"])
        at_second = debugger.position
        for value in (1, 2):
            debugger.write_register("rbp", value)
        debugger.timeline.seek(at_second)
        first, second, third = (Linear(at[name]) for name in ("first", "second", "third"))
        go(debugger, Step(Direction.BACKWARD))
        assert debugger.pc == first
        assert pcs(debugger, Direction.FORWARD, StepMode.SAME_CONTEXT, 2) == [second, third]
        assert debugger.engine.read_register("rbp") == 2
        assert pcs(debugger, Direction.BACKWARD, StepMode.SAME_CONTEXT, 2) == [second, first]
        assert pcs(debugger, Direction.FORWARD, StepMode.ARCHITECTURAL, 4) == [second, second, second, third]
        assert pcs(debugger, Direction.BACKWARD, StepMode.ARCHITECTURAL, 4) == [second, second, second, first]


@pytest.mark.parametrize("mode", BOTH)
def test_back_over_an_instruction_is_where_the_user_stood_after_changing_registers(mode: StepMode) -> None:
    with program(FAULTS, "before", "faults") as (debugger, at, _):
        run_to(debugger, at["before"])
        debugger.write_register("rbx", 5)
        debugger.write_register("rcx", 7)
        stood = debugger.position
        step(debugger, mode)
        go(debugger, Step(direction=Direction.BACKWARD, mode=mode))
        assert debugger.position == stood
        assert (debugger.cpu.read("rbx"), debugger.cpu.read("rcx")) == (5, 7)
        assert debugger.pc == at["before"]
