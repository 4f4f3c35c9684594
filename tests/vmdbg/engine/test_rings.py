"""Changes of ring and XCHG BX,BX, caught where they are."""

from __future__ import annotations

import pytest

from tests.guests.build import assemble_file
from tests.vmdbg.debugger.programs import go, program, run_to
from tests.vmdbg.gdb.guests import guest
from vmdbg.debugger.actions import Continue, Direction
from vmdbg.debugger.stops import Ended, EventStop, ExceptionStop
from vmdbg.engine.exits import EventKind

FAR = frozenset({EventKind.RING})


@pytest.mark.parametrize("name", ["long_ring3", "protected_ring3", "virtual_8086", "compatibility", "task_switch"])
def test_every_change_of_ring_is_met(name: str) -> None:
    """Held to stepping: a ring that differs from the one before was either caught there or is a delivery's."""
    with guest(assemble_file(name)) as made:
        debugger = made.debugger
        expected = []
        ring, machine = debugger.cpu.ring, debugger.machine
        while machine.ending is None and machine.clock < 60_000:
            machine.step()
            if debugger.cpu.ring != ring:
                ring = debugger.cpu.ring
                expected.append(ring)
        debugger.restart()
        debugger.points.update_catches(events=FAR)
        caught = []
        while not isinstance(stop := go(debugger, Continue(limit=machine.clock + 60_000)), Ended):  # type: ignore[arg-type]  # int
            if machine.clock >= 60_000:
                break
            caught.append(stop.value if isinstance(stop, EventStop) else debugger.cpu.ring)
        assert caught == expected
        assert expected or name == "task_switch"


def _magic_stops(source: str, labels: tuple[str, ...]) -> None:
    with program(source, *labels) as (debugger, at, _):
        run_to(debugger, at["begin"])
        start = debugger.position
        point = debugger.points.add_breakpoint(at["after"])
        assert go(debugger) is debugger.last_stop
        assert debugger.pc == at["after"], "off by default"
        debugger.points.remove(point)
        debugger.timeline.seek(start)
        debugger.points.update_catches(events=frozenset({EventKind.MAGIC}))
        for _ in range(3):
            assert go(debugger) == EventStop(EventKind.MAGIC, 0, 0)
            assert debugger.pc == at["magic"]
        assert go(debugger, Continue(Direction.BACKWARD)) == EventStop(EventKind.MAGIC, 0, 0)
        assert debugger.engine.read_register("rcx") == 2
        debugger.points.update_catches(events=frozenset())
        assert isinstance(go(debugger), Ended)


def test_a_magic_breakpoint_stops_where_it_is_wanted() -> None:
    source = """
begin_here:
    mov ecx, 3
magic:
    xchg bx, bx
    dec ecx
    jnz magic
after:
    xchg bl, bl
    finish 0
"""
    _magic_stops(source, ("begin", "magic", "after"))


def test_locked_accesses_stop_where_they_are_wanted() -> None:
    source = """
begin_here:
    mov ecx, 2
one:
    lock inc dword [counter]
    inc dword [counter]
other:
    xchg eax, [counter]
    xchg eax, ebx
    dec ecx
    jnz one
after:
    finish 0
    align 4
counter: dd 0
"""
    with program(source, "begin", "one", "other", "after") as (debugger, at, _):
        run_to(debugger, at["begin"])
        debugger.points.update_catches(events=frozenset({EventKind.LOCKED}))
        seen = []
        while go(debugger) == EventStop(EventKind.LOCKED, 0, 0):
            seen.append(debugger.pc)
        assert seen == [at["one"], at["other"]] * 2
        assert isinstance(debugger.last_stop, Ended)
        assert go(debugger, Continue(Direction.BACKWARD)) == EventStop(EventKind.LOCKED, 0, 0)
        assert debugger.pc == at["other"]


def test_a_delivery_that_changes_the_ring_stops_at_its_handler() -> None:
    with guest(assemble_file("long_ring3")) as made:
        debugger = made.debugger
        debugger.points.update_catches(events=FAR)
        seen = set()
        while not isinstance(stop := go(debugger), Ended):
            if isinstance(stop, ExceptionStop):
                assert debugger.pc == stop.delivery.handler
                assert (stop.delivery.cpl, debugger.cpu.ring) == (3, 0)
                seen.add(stop.delivery.vector)
            else:
                assert isinstance(stop, EventStop)
                seen.add((stop.subject, stop.value))
        assert {(3, 0), (0, 3), 0x80, 13} <= seen
