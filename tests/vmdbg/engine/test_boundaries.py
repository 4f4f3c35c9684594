"""A run that ends at a boundary has done nothing of the next instruction: not even fetched it."""

import pytest

from tests.guests.build import assemble
from vmdbg.engine.exits import LimitReached, Stepped
from vmdbg.engine.unicorn.bare import CODE, PAGE_TABLE, BareCpu
from vmdbg.units import PAGE_SIZE, Tick

TARGET = 12 * PAGE_SIZE
ENTRY = PAGE_TABLE + 8 * 12
ACCESSED = 0x20
JUMPS = {
    "direct": f"jmp {TARGET}",
    "indirect": f"mov ebx, {TARGET}\njmp rbx",
    "return": f"push {TARGET}\nret",
    "conditional": f"cmp eax, eax\nje {TARGET}",
}


def _cpu(source: str, present: bool = True) -> tuple[BareCpu, bytes]:
    cpu = BareCpu()
    if not present:
        cpu.write(ENTRY, bytes(8))
    cpu.write(TARGET, b"\x90\x90\xf4")
    code = assemble(source, origin=CODE)
    cpu.load(code)
    return cpu, code


@pytest.mark.parametrize("jump", JUMPS)
@pytest.mark.parametrize("warm", [False, True])
def test_a_jump_to_another_page_does_not_touch_it_before_the_limit(jump: str, warm: bool) -> None:
    cpu, code = _cpu(JUMPS[jump])
    if warm:  # the block is translated already, from a run elsewhere in the page
        cpu.engine.run(Tick(len(code) - 1))
        cpu.reset()
    assert cpu.engine.run(Tick(cpu.engine.clock + len(code))) == LimitReached()
    assert cpu["rip"] == TARGET
    assert not cpu.read(ENTRY, 1) & ACCESSED
    cpu.engine.step()
    assert cpu.read(ENTRY, 1) & ACCESSED


@pytest.mark.parametrize("jump", JUMPS)
def test_a_jump_to_a_missing_page_stops_there_before_the_fault(jump: str) -> None:
    cpu, code = _cpu(JUMPS[jump], present=False)
    while cpu["rip"] != TARGET:
        assert cpu.engine.step() == Stepped()
    assert cpu.engine.delivery_count == 0
    cpu.engine.step()
    (fault,) = cpu.engine.deliveries()
    assert (fault.vector, fault.rip, fault.tick) == (14, TARGET, len(code))


def test_code_that_runs_into_the_next_page_stops_at_its_edge() -> None:
    cpu, _ = _cpu("nop")
    start = TARGET - 4
    cpu.write(start, b"\x90" * 4)
    cpu.engine.write_register("rip", start)
    assert cpu.engine.run(Tick(4)) == LimitReached()
    assert cpu["rip"] == TARGET
    assert not cpu.read(ENTRY, 1) & ACCESSED
