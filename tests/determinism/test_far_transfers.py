"""The theorem where far transfers are looked at twice: how soon that is told depends on what the engine's TLB has."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from tests.determinism.stepped import stepped
from tests.guests.build import assemble
from vmdbg.engine.exits import Access, WatchpointHit
from vmdbg.engine.stops import Watchpoint
from vmdbg.engine.unicorn.bare import CODE, CODE64, DATA64, GDT, HANDLERS, PDPT, BareCpu
from vmdbg.units import Tick

TABLES, FAR_STACK, END = (0xB000, 0xC000), 0xD000, 2500
CODE32, BASED, BOTH, LIMITED = 0x18, 0x20, 0x28, 0x30
TOP = (4 << 30) + 0x9F00
"""Of a stack that has no address of 32 bits."""
LOOP = f"""
again:
    push qword {BASED}
    push qword one
    o64 retf                        ; its base is no base
one:
    sub rsp, 8
    mov dword [rsp], two
    mov dword [rsp + 4], {CODE64}
    retf                            ; of 32 bits
two:
    sub rsp, 4
    mov word [rsp], three
    mov word [rsp + 2], {CODE64}
    o16 retf
three:
    push qword {BOTH}
    push qword one
    o64 retf                        ; #GP: HANDLER drops the frame, and goes on behind it
    add rsp, 16
    push qword {CODE64}
    mov rax, 800000000000h
    push rax
    o64 retf                        ; #GP
    add rsp, 16
    mov rbx, rsp
    push qword {DATA64}
    push rbx
    pushfq
    push qword {LIMITED}
    push qword below
    iretq                           ; to 32-bit code within its limit
bits 32
below:
    jmp {CODE64}:back
bits 64
back:
    mov rsp, rbx                    ; whose upper half 32-bit code may lose
    push qword {LIMITED}
    push qword beyond
    o64 retf                        ; #GP
    add rsp, 16
    inc rcx
    jmp again
    times 700h - ($ - $$) nop
beyond:
"""
HANDLER = b"\x58\x48\x83\x04\x24\x02\x48\xcf"
"""POP RAX; ADD QWORD [RSP], 2; IRETQ: behind a RETFQ."""


@pytest.fixture
def cpu() -> Iterator[BareCpu]:
    made = BareCpu()
    made.write(PDPT + 8 * 4, struct.pack("<Q", TABLES[0] | 7))
    made.write(TABLES[0], struct.pack("<Q", TABLES[1] | 7))
    made.write(TABLES[1] + 8 * 9, struct.pack("<Q", FAR_STACK | 7))
    for at, descriptor in (
        (BASED, 0x12AF9B345678FFFF),
        (BOTH, 0x00EF9B000000FFFF),
        (LIMITED, 0x00409B0000000000 | CODE + 0x6FF),
    ):
        made.write(GDT + at, struct.pack("<Q", descriptor))
    made.write(HANDLERS + 13, b"\xeb" + bytes([0x80 - 15]))
    made.write(HANDLERS + 0x80, HANDLER)
    made.load(assemble(LOOP, origin=CODE, bits=64))
    made.engine.write_registers({"gdtr_limit": 0x37, "rsp": TOP, "ss": DATA64})
    yield made
    made.close()


def _seen(cpu: BareCpu) -> tuple[bytes, bytes]:
    """All registers, and the memory that is stored to."""
    return cpu.engine.snapshot().state, bytes(cpu.engine.ram[FAR_STACK : FAR_STACK + 0x1000])


def test_the_loop_goes_round(cpu: BareCpu) -> None:
    cpu.engine.run(Tick(END))
    assert cpu["rcx"] >= 10
    assert {one.vector for one in cpu.engine.deliveries()} == {13}
    assert {one.error_code for one in cpu.engine.deliveries()} == {0, BOTH}


def test_runs_steps_and_a_cold_tlb_come_to_the_same(cpu: BareCpu) -> None:
    start, memory = cpu.engine.snapshot(), bytes(cpu.engine.ram)
    steps = stepped(cpu, END, _seen)

    def again() -> None:
        cpu.write(0, memory)
        cpu.engine.restore(start)

    again()
    for tick in sorted(steps)[6::7]:
        cpu.engine.run(Tick(tick))
        assert _seen(cpu) == steps[tick][0], tick
    again()
    for tick in sorted(steps):  # nothing is known from before
        cpu.engine.restore(cpu.engine.snapshot())
        cpu.engine.run(Tick(tick))
        assert _seen(cpu) == steps[tick][0], tick


def test_watchpoints_on_the_stack_do_not_show(cpu: BareCpu) -> None:
    start, memory = cpu.engine.snapshot(), bytes(cpu.engine.ram)
    steps = stepped(cpu, END, _seen)
    cpu.write(0, memory)
    cpu.engine.restore(start)
    both = frozenset({Access.READ, Access.WRITE})
    cpu.engine.set_watchpoints([Watchpoint(1, TOP - 0x100, 0x100, both), Watchpoint(2, GDT, 0x38, both)])
    hits = 0
    while cpu.engine.clock < END:
        ended = cpu.engine.run(Tick(END))
        hits += isinstance(ended, WatchpointHit)
        assert cpu.engine.clock not in steps or _seen(cpu) in steps[cpu.engine.clock], cpu.engine.clock
    assert hits > 100
