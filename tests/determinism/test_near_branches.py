"""The theorem where a near branch that leads to no address is taken back, in whatever block it is."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.determinism.stepped import stepped
from tests.guests.build import assemble
from vmdbg.engine.exits import Access, WatchpointHit
from vmdbg.engine.stops import Watchpoint
from vmdbg.engine.unicorn.bare import CODE, HANDLERS, IDT, STACK, BareCpu
from vmdbg.units import Tick

END, PAGE = 4000, 0x1000
LOOP = """
again:
    mov rax, 800000000000h
    lea rbx, [rel one]
    add edx, esi
    call rax
one:
    lea rbx, [rel two]
    push rax
    ret 10h
two:
    add rsp, 8
    lea rbx, [rel three]
    cmp eax, ebx
    jmp rax
three:
    lea rbx, [rel four]
    mov [rsp - 8], rax
    call [rsp - 8]                      ; which it overwrites
four:
    lea rbx, [rel five]
    pushfq
    or dword [rsp], 100h
    popfq                               ; TF: no trap comes before the fault, and the handler clears it
    call rax
five:
    lea rbx, [rel six]
    mov rdi, 7fffffffffffh
    push rdi                            ; canonical, and nothing is there: #PF there
    ret
six:
    call seven
seven:
    lea rdx, [rel eight]
    mov [rsp], rdx
    ret
eight:
    inc rcx
    jmp again
"""
HANDLER = """
    add rsp, 8
    mov [rsp], rbx
    and dword [rsp + 16], ~100h
    iretq
"""
GP, PF = 13, 14


@pytest.fixture
def cpu() -> Iterator[BareCpu]:
    made = BareCpu()
    at = HANDLERS + 0x400
    made.write(at, assemble(HANDLER, origin=at))
    for vector in (GP, PF):
        made.write(IDT + 16 * vector, (at & 0xFFFF).to_bytes(2, "little"))
    made.load(assemble(LOOP, origin=CODE))
    yield made
    made.close()


def _seen(cpu: BareCpu) -> tuple[bytes, bytes]:
    return cpu.engine.snapshot().state, bytes(cpu.engine.ram[STACK - PAGE : STACK])


def test_the_loop_goes_round(cpu: BareCpu) -> None:
    cpu.engine.run(Tick(END))
    assert cpu["rcx"] >= 10
    assert cpu["rsp"] > STACK - 0x100
    assert {one.vector for one in cpu.engine.deliveries()} == {GP, PF}


def test_runs_steps_and_slices_come_to_the_same(cpu: BareCpu) -> None:
    start, memory = cpu.engine.snapshot(), bytes(cpu.engine.ram)
    steps = stepped(cpu, END, _seen)
    rng = random.Random(7)
    for sample in (1, 3, 40):
        cpu.write(0, memory)
        cpu.engine.restore(start)
        for tick in sorted(rng.sample(sorted(steps), len(steps) // sample)):
            cpu.engine.run(Tick(tick))
            assert _seen(cpu) == steps[tick][0], tick


def test_breakpoints_and_watchpoints_do_not_show(cpu: BareCpu) -> None:
    start, memory = cpu.engine.snapshot(), bytes(cpu.engine.ram)
    steps = stepped(cpu, END, _seen)
    cpu.write(0, memory)
    cpu.engine.restore(start)
    both = frozenset({Access.READ, Access.WRITE})
    cpu.engine.set_watchpoints([Watchpoint(1, STACK - 0x20, 0x20, both)])
    hits = 0
    while cpu.engine.clock < END:
        ended = cpu.engine.run(Tick(END))
        hits += isinstance(ended, WatchpointHit)
        assert cpu.engine.clock not in steps or _seen(cpu) in steps[cpu.engine.clock], cpu.engine.clock
    assert hits > 100
