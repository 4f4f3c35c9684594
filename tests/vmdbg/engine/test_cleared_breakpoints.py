"""Breakpoints that were cleared stay in translations until they are met: wherever that is, the guest goes on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.guests.build import assemble
from vmdbg.engine.exits import BreakpointHit, Halted
from vmdbg.engine.stops import Breakpoints
from vmdbg.engine.unicorn.bare import CODE, BareCpu
from vmdbg.units import Linear, Tick

BEFORE = {"nothing": "", "mov ss": "mov ss, eax", "sti": "sti", "repeated": "rep stosb"}
DEBUGGED = "mov rbx, there\nmov dr0, rbx\nmov rbx, 1\nmov dr7, rbx\n"


@pytest.fixture
def cpu() -> Iterator[BareCpu]:
    cpu = BareCpu()
    yield cpu
    cpu.close()


@pytest.mark.parametrize("debugged", [False, True])
@pytest.mark.parametrize("before", BEFORE)
def test_the_guest_goes_on_as_if_it_had_never_been_there(cpu: BareCpu, before: str, debugged: bool) -> None:
    source = f"""bits 64
        mov eax, ss
        mov rcx, 3
        mov rdi, rsp
        {DEBUGGED if debugged else ""}
        jmp again
    again:
        {BEFORE[before]}
    there:
        inc rdx
        hlt
    """
    ended = []
    for planted in (False, True):
        cpu.reset()
        cpu.load(assemble(source, origin=CODE))
        there = CODE + assemble(source, origin=CODE).index(b"\x48\xff\xc2")
        if planted:
            cpu.engine.set_breakpoints(Breakpoints((Linear(there),)))
            assert cpu.engine.run(Tick(cpu.engine.clock + 1000)) == BreakpointHit()
            cpu.reset()
            cpu.load(assemble(source, origin=CODE))
            cpu.engine.set_breakpoints(Breakpoints())
        began, count = cpu.engine.clock, cpu.engine.delivery_count
        assert cpu.engine.run(Tick(began + 1000)) == Halted()
        ended.append((cpu.engine.clock - began, cpu.engine.delivery_count - count, cpu.engine.read_register("rdx")))
    assert ended[0] == ended[1]
