"""One view of the CPU: what it says of mode and ring holds wherever code goes."""

from __future__ import annotations

import pytest

from tests.guests.build import assemble, assemble_file
from tests.vmdbg.debugger.programs import go
from tests.vmdbg.gdb.guests import guest
from tests.vmdbg.machine.guest_runs import guest_machine
from vmdbg.commands import catalog
from vmdbg.debugger.actions import Step, StepMode
from vmdbg.debugger.cpu import Cpu
from vmdbg.session.session import Session
from vmdbg.x86.mode import CpuMode

GUESTS = ["long_ring3", "protected_ring3", "virtual_8086", "real_exceptions", "compatibility", "task_switch"]
MOST_STEPS = 200_000
BEFORE_THE_JUMP = """
; org 7c00h
%include "boot_sector.inc"
    jmp 7bfh:here - 7bf0h
here:
    cli
    lgdt [cs:gdtr - 7bf0h]
    mov eax, cr0
    or al, 1
    mov cr0, eax
protected:
    nop
    nop
    jmp 8h:flat
bits 32
flat:
    hlt
gdt:
    dq 0
    dq 00cf9b000000ffffh
gdtr:
    dw gdtr - gdt - 1
    dd gdt
    end_boot_sector
"""
CONFORMING = """
; org 100000h
%include "protected.inc"
    mov dword [gdt + NOT_PRESENT], 0000ffffh
    mov dword [gdt + NOT_PRESENT + 4], 00cf9f00h
    set_handler 13, done
    enter_ring3 user
user:
    jmp NOT_PRESENT:in_conforming
in_conforming:
    nop
    cli
done:
    finish 0
"""


@pytest.mark.parametrize("name", GUESTS)
def test_the_ring_is_what_the_cpu_says_where_something_strikes(name: str) -> None:
    """The engine notes its own CPL with each exception and interrupt."""
    struck = 0
    with guest_machine(assemble_file(name)) as (machine, _):
        engine, cpu = machine.engine, Cpu(machine)
        for _ in range(MOST_STEPS):
            before, ring = engine.delivery_count, cpu.ring
            outcome = machine.step()
            if engine.delivery_count == before + 1:
                delivery = engine.delivery(1)
                assert delivery is not None
                assert delivery.cpl == ring, f"at {delivery.rip:#x}"
                struck += 1
            if outcome is machine.ending:
                break
    assert struck


def test_conforming_code_keeps_the_ring_of_who_went_there() -> None:
    with guest(assemble(CONFORMING)) as made:
        debugger = made.debugger
        while debugger.cpu.read("cs") | 3 != 0x33 and debugger.position.tick < 100_000:
            go(debugger, Step(mode=StepMode.ARCHITECTURAL))
        assert debugger.cpu.ring == 3
        assert debugger.cpu.read("cs_flags") >> 13 & 3 == 0, "the segment's DPL is 0"


def test_the_ring_is_0_from_mov_to_cr0_to_the_far_jump() -> None:
    with guest(assemble(BEFORE_THE_JUMP)) as made:
        debugger = made.debugger
        session = Session(debugger, catalog.commands())
        selectors = set()
        for _ in range(20):
            assert debugger.cpu.ring == session.integer("cpl") == 0
            if debugger.cpu.mode is CpuMode.PROTECTED16:
                selectors.add(debugger.cpu.read("cs"))
                assert "ring 0" in session.execute("context")
            go(debugger, Step())
        assert selectors == {0x7BF}


def test_a_breakpoint_of_ring_3_is_passed_between_mov_to_cr0_and_the_far_jump() -> None:
    with guest(assemble(BEFORE_THE_JUMP)) as made:
        session = Session(made.debugger, catalog.commands())
        at = assemble(BEFORE_THE_JUMP).index(bytes.fromhex("9090ea")) + 0x7C00
        session.run(f"break {at + 1:#x} --ring 3")
        session.run(f"break {at:#x} --ring 0")
        go(made.debugger)
        assert made.debugger.pc == at
        go(made.debugger)
        assert made.debugger.machine.halted
