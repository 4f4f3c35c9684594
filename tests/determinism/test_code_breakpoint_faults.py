"""The theorem where the guest's own code breakpoints are at addresses whose fetch faults, or are about to."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from tests.guests.build import assemble
from vmdbg.engine.exits import BreakpointHit, LimitReached
from vmdbg.engine.stops import Breakpoints
from vmdbg.engine.unicorn.bare import CODE, CODE64, DATA, HANDLERS, IDT, PAGE_TABLE, BareCpu
from vmdbg.units import Linear, Tick

DB, PF, RF, END = 1, 14, 0x10000, 3000
PAGE, ENTRY = 11 << 12, PAGE_TABLE + 8 * 11
LOOP = f"""
    mov ebp, {PAGE}
    mov dr0, rbp
    mov eax, 401h
    mov dr7, rax
again:
    mov qword [{ENTRY}], 0
    invlpg [rbp]
    test ecx, 3                     ; of four times one without RF, which #DB takes
    jz plain
    mov rbx, rsp
    push 10h
    push rbx
    push {RF | 2}
    push {CODE64}
    push rbp
    iretq
plain:
    jmp rbp
back:
    inc ecx
    jmp again
"""
TRAP = f"inc dword [{DATA}]\nor dword [rsp + 16], {RF}\niretq"
"""Goes on, over the breakpoint."""
FAULT = f"inc dword [{DATA + 4}]\nadd rsp, 8\nmov qword [{ENTRY}], {PAGE | 3}\niretq"
"""Maps the page, and has the instruction run."""


@pytest.fixture
def cpu() -> Iterator[BareCpu]:
    made = BareCpu()
    for vector, place, source in ((DB, HANDLERS + 0x800, TRAP), (PF, HANDLERS + 0x900, FAULT)):
        made.write(place, assemble(f"bits 64\n{source}"))
        made.write(IDT + 16 * vector, struct.pack("<Q", place | CODE64 << 16 | 0x8E00 << 32))
    code = assemble(LOOP, origin=CODE, bits=64)
    back = CODE + code.index(b"\xff\xc1")
    made.write(PAGE, b"\xe9" + struct.pack("<i", back - PAGE - 5))
    made.load(code)
    yield made
    made.close()


def _seen(cpu: BareCpu) -> tuple[bytes, bytes, bytes]:
    ram = cpu.engine.ram
    return cpu.engine.snapshot().state, bytes(ram[DATA : DATA + 8]), bytes(ram[ENTRY : ENTRY + 8])


def _begin_again(cpu: BareCpu, start: object, memory: bytes) -> None:
    cpu.write(0, memory)
    cpu.engine.restore(start)  # type: ignore[arg-type]  # its own snapshot


def test_both_come_in_every_round_that_has_them(cpu: BareCpu) -> None:
    cpu.engine.run(Tick(END))
    traps, faults = cpu.read(DATA, 4), cpu.read(DATA + 4, 4)
    assert traps > 5
    assert faults in (cpu["rcx"], cpu["rcx"] + 1)
    assert faults // 4 <= traps <= faults // 4 + 1


def test_runs_steps_a_cold_tlb_and_a_debugger_s_breakpoints_come_to_the_same(cpu: BareCpu) -> None:
    start, memory = cpu.engine.snapshot(), bytes(cpu.engine.ram)
    seen: dict[int, tuple[bytes, bytes, bytes]] = {}
    while cpu.engine.clock < END:
        seen.setdefault(cpu.engine.clock, _seen(cpu))
        cpu.engine.step()
    for cold in (False, True):
        _begin_again(cpu, start, memory)
        for tick in sorted(seen)[3 :: 1 if cold else 7]:
            if cold:
                cpu.engine.restore(cpu.engine.snapshot())
            cpu.engine.run(Tick(tick))
            assert _seen(cpu) == seen[tick], (cold, tick)
    _begin_again(cpu, start, memory)
    cpu.engine.set_breakpoints(Breakpoints((Linear(PAGE), Linear(HANDLERS + 0x800))))
    stops = 0
    while (ended := cpu.engine.run(Tick(max(seen)), over_breakpoint=True)) == BreakpointHit():
        stops += 1
    assert ended == LimitReached()
    assert _seen(cpu) == seen[max(seen)]
    assert stops > 20
