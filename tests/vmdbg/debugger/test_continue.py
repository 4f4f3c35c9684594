"""Running to breakpoints, watchpoints and catches."""

from __future__ import annotations

import pytest

from tests.vmdbg.debugger.programs import go, program, run_to
from vmdbg.debugger.actions import Continue, Seek
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.points import Space
from vmdbg.debugger.stops import (
    BreakpointStop,
    Ended,
    EventStop,
    ExceptionStop,
    Interrupted,
    RunFailed,
    StepDone,
    WatchpointStop,
)
from vmdbg.engine.exits import Access, EventKind
from vmdbg.errors import UserError
from vmdbg.machine.machine import Machine
from vmdbg.machine.outcome import HaltedForever, TestExited
from vmdbg.units import Tick

LOOP = """
    xor ebx, ebx
again:
    inc rbx
middle:
    nop
next:
    nop
    mov [counter], rbx
after:
    cmp rbx, 100
    jb again
    finish 0
    align 8
counter: dq 0
"""


def test_two_on_consecutive_one_byte_instructions_both_hit() -> None:
    with program(LOOP, "middle", "next") as (debugger, at, _):
        points = [debugger.points.add_breakpoint(at[name]) for name in ("middle", "next")]
        hits = [go(debugger) for _ in range(6)]
        assert [stop.breakpoints[0] for stop in hits if isinstance(stop, BreakpointStop)] == points * 3


def test_every_round_is_hit_once() -> None:
    with program(LOOP, "middle") as (debugger, at, _):
        point = debugger.points.add_breakpoint(at["middle"])
        counts = []
        while isinstance(go(debugger), BreakpointStop):
            counts.append(debugger.engine.read_register("rbx"))
        assert counts == list(range(1, 101))
        assert len(point.hits) == 100
        assert isinstance(debugger.last_stop, Ended)
        assert isinstance(debugger.last_stop.outcome, TestExited)


def test_condition_ignore_count_and_temporary() -> None:
    with program(LOOP, "middle", "next") as (debugger, at, _):
        read = debugger.engine.register_reader("rbx")
        even = debugger.points.add_breakpoint(at["middle"], condition=lambda _: read() % 2 == 0)
        even.ignore = 3
        go(debugger)
        assert read() == 8
        assert len(even.hits) == 4
        debugger.points.remove(even)
        debugger.points.add_breakpoint(at["next"], temporary=True)
        go(debugger)
        assert not debugger.points.breakpoints
        assert isinstance(go(debugger), Ended)


def test_condition_is_asked_once_for_each_time() -> None:
    with program(LOOP, "middle") as (debugger, at, _):
        asked = []
        debugger.points.add_breakpoint(
            at["middle"], condition=lambda d: asked.append(d.engine.read_register("rbx")) is not None
        )
        assert isinstance(go(debugger), Ended)
        assert asked == list(range(1, 101))


def test_action_runs_instead_of_a_stop() -> None:
    with program(LOOP, "middle") as (debugger, at, _):
        seen = []

        def note(d: Debugger) -> None:
            seen.append(d.engine.read_register("rbx"))
            if len(seen) == 5:
                d.points.remove(point)

        point = debugger.points.add_breakpoint(at["middle"], action=note)
        assert isinstance(go(debugger), Ended)
        assert seen == [1, 2, 3, 4, 5]


def test_condition_that_fails_leaves_the_guest_standing() -> None:
    with program(LOOP, "middle") as (debugger, at, _):

        def broken(_: Debugger) -> bool:
            raise UserError("no such symbol")

        debugger.points.add_breakpoint(at["middle"], condition=broken)
        debugger.resume(Continue())
        stop = debugger.wait()
        assert isinstance(stop, RunFailed)
        assert stop.words == "no such symbol"
        assert not debugger.running
        assert debugger.pc == at["middle"]


def test_physical_breakpoint() -> None:
    with program(LOOP, "middle") as (debugger, at, _):
        point = debugger.points.add_breakpoint(at["middle"], space=Space.PHYSICAL)
        stop = go(debugger)
        assert stop == BreakpointStop((point,))


@pytest.mark.parametrize("space", Space)
def test_watchpoint_stops_after_the_write(space: Space) -> None:
    with program(LOOP, "counter", "after") as (debugger, at, _):
        point = debugger.points.add_watchpoint(at["counter"], 8, {Access.WRITE}, space=space)
        stop = go(debugger)
        assert isinstance(stop, WatchpointStop)
        ((hit_point, hit),) = stop.hits
        assert hit_point is point
        assert (hit.linear, hit.size, hit.old) == (at["counter"], 8, bytes(8))
        assert debugger.pc == at["after"]
        assert debugger.linear().read(at["counter"], 1) == b"\x01"


def test_watchpoint_for_changes_passes_equal_writes() -> None:
    source = "mov qword [here], 5\nmov qword [here], 5\nmov qword [here], 6\nend: finish 0\nalign 8\nhere: dq 5\n"
    with program(source, "here", "end") as (debugger, at, _):
        debugger.points.add_watchpoint(at["here"], 8, {Access.WRITE}, on_change=True)
        assert isinstance(go(debugger), WatchpointStop)
        assert debugger.pc == at["end"]


def test_reads_and_string_instructions_are_seen() -> None:
    source = """
        mov rsi, here
        mov rdi, there
        mov ecx, 4
        rep movsq
    end:
        finish 0
        align 4096
    here: times 4 dq 7
    there: times 4 dq 0
    """
    with program(source, "here", "there", "end") as (debugger, at, _):
        read = debugger.points.add_watchpoint(at["here"] + 8, 8, {Access.READ})
        written = debugger.points.add_watchpoint(at["there"] + 24, 1, {Access.WRITE})
        first, second = go(debugger), go(debugger)
        assert isinstance(first, WatchpointStop)
        assert isinstance(second, WatchpointStop)
        assert [point for point, _ in first.hits] == [read]
        assert [point for point, _ in second.hits] == [written]


def test_limit_interrupt_and_seek() -> None:
    with program(LOOP, "again") as (debugger, at, _):
        stop = go(debugger, Continue(limit=Tick(debugger.machine.clock + 5000)))
        assert isinstance(stop, StepDone)
        middle = debugger.position
        debugger.resume(Continue())
        debugger.interrupt()
        assert isinstance(debugger.wait(), Interrupted)
        assert debugger.position == middle
        debugger.points.add_breakpoint(at["again"])
        assert isinstance(go(debugger, Seek(debugger.timeline.start)), StepDone)
        assert debugger.position == debugger.timeline.start


def test_running_refuses_another_action() -> None:
    with program(LOOP) as (debugger, _, _guest):
        debugger.resume(Continue())
        with pytest.raises(UserError, match="the guest is running"):
            debugger.resume(Continue())


def test_caught_exception_stops_at_its_handler() -> None:
    with program("ud2\n", "begin") as (debugger, at, _):
        debugger.points.update_catches(vectors=frozenset({6}))
        stop = go(debugger)
        assert isinstance(stop, ExceptionStop)
        assert (stop.delivery.vector, stop.delivery.linear_pc) == (6, at["begin"])
        assert debugger.pc == stop.delivery.handler


def test_caught_event_stops_before_it() -> None:
    source = "mov rax, cr3\nmov cr3, rax\nmov dx, 3ffh\nmov al, 1\nwrites: out dx, al\nfinish 0\n"
    with program(source, "writes") as (debugger, at, _):
        debugger.points.update_catches(events=frozenset({EventKind.PORT_WRITE}), ports=frozenset({0x3FF}))
        stop = go(debugger)
        assert stop == EventStop(EventKind.PORT_WRITE, 0x3FF, 1)
        assert debugger.pc == at["writes"]
        assert isinstance(go(debugger), Ended)


def test_guest_that_halts_for_ever_ends() -> None:
    with program("cli\nhlt\n") as (debugger, _, _guest):
        assert go(debugger) == Ended(HaltedForever(interrupts_enabled=False))


def test_register_and_memory_writes_are_inputs() -> None:
    with program(LOOP, "middle", "counter") as (debugger, at, _):
        run_to(debugger, at["middle"])
        debugger.write_register("rbx", 90)
        debugger.write_linear(at["counter"], b"\xff" * 8)
        assert debugger.linear().read(at["counter"], 8) == b"\xff" * 8
        assert isinstance(go(debugger), Ended)
        assert isinstance(debugger.machine, Machine)
        assert debugger.engine.read_register("rbx") == 100
        with pytest.raises(KeyError):
            debugger.write_register("bogus", 1)


def test_restart_stands_at_the_first_instruction() -> None:
    with program(LOOP, "middle") as (debugger, at, _):
        first = debugger.pc
        run_to(debugger, at["middle"])
        debugger.restart()
        assert (debugger.pc, debugger.position) == (first, debugger.timeline.start)
        run_to(debugger, at["middle"])
        assert debugger.engine.read_register("rbx") == 1


def test_run_that_is_ended_before_anything_ran_still_passes_the_breakpoint_that_it_began_at() -> None:
    """Somebody's interruption of an earlier run may come late."""
    with program(LOOP, "middle") as (debugger, at, _):
        debugger.points.add_breakpoint(at["middle"])
        go(debugger)
        first = debugger.machine.clock
        debugger.engine.interrupt_run()
        debugger.resume(Continue())
        assert isinstance(debugger.wait(), BreakpointStop)
        assert debugger.machine.clock > first
