"""An interrupt that IF holds back comes at the first boundary at which it may, whatever sets IF."""

from __future__ import annotations

import pytest

from tests.guests.build import assemble
from tests.vmdbg.machine.guest_runs import guest_machine
from vmdbg.engine.exits import Delivery
from vmdbg.engine.unicorn.bare import CODE, CODE64, DATA64, STACK, BareCpu
from vmdbg.engine.unicorn.engine import UnicornEngine
from vmdbg.machine.machine import Machine
from vmdbg.units import Tick

VECTOR = 40
PATIENCE = 200_000
WORK = "mov ecx, 50\n.{0}: add rax, rcx\nxor rbx, rax\ncall .{0}f\nloop .{0}\njmp .{0}over\n.{0}f: ret\n.{0}over:"
"""Blocks that are chained and that are looked up, with IF clear."""
RAISED = {
    "sti": "sti",
    "sti before a return": "call .on\njmp .off\n.on: sti\nret\n.off:",
    "sti before a jump": "sti\njmp .on\n.on:",
    "popf": "pushfq\nor dword [rsp], 200h\npopfq",
    "iret": f"mov rax, rsp\npush {DATA64}\npush rax\npush 202h\npush {CODE64}\npush .on\niretq\n.on:",
    "sti, twice held back": "sti\nmov ss, edx\nmov ss, edx",
}
TASKS = """; org and bits are those of the file included
%include "protected.inc"
TSS2 equ 0a000h
NEXT equ NOT_PRESENT
%macro work 0
    mov ecx, 50
%%again:
    add eax, ecx
    xor ebx, eax
    call %%called
    loop %%again
    jmp %%over
%%called:
    ret
%%over:
%endmacro
    mov edi, TSS2
    mov ecx, 26
    xor eax, eax
    rep stosd
    mov dword [TSS2 + 32], task
    mov dword [TSS2 + 36], 202h
    mov dword [TSS2 + 56], 0b000h
    mov dword [TSS2 + 72], DATA
    mov dword [TSS2 + 76], CODE
    mov dword [TSS2 + 80], DATA
    mov dword [TSS2 + 84], DATA
    mov word [gdt + NEXT], 67h
    mov word [gdt + NEXT + 2], TSS2
    mov dword [gdt + NEXT + 4], 8900h
    mov dword [IDT + 8 * 6], NEXT << 16
    mov dword [IDT + 8 * 6 + 4], 8500h
    mov edx, 1234h
begin:
    work
"""
TASK_SWITCHES = {"far jump": "jmp NEXT:0", "far call": "call NEXT:0", "task gate": "ud2", "task gate by INT": "int 6"}


def _acknowledged(engine: UnicornEngine) -> None:
    def acknowledge(_now: int) -> int:
        engine.cpus[0].set_interrupt(False)
        return VECTOR

    engine.acknowledge = acknowledge
    engine.cpus[0].set_interrupt(True)


def _first_interrupt(engine: UnicornEngine) -> Delivery:
    (found,) = (one for one in engine.deliveries() if one.vector == VECTOR)
    return found


@pytest.mark.parametrize("how", RAISED)
def test_in_long_mode(how: str) -> None:
    source = f"mov edx, {DATA64}\n.begin:\n{WORK.format('a')}\n{RAISED[how]}\n{WORK.format('b')}\n"
    found = []
    for stepped in (False, True):
        cpu = BareCpu()
        cpu.engine.write_register("rsp", STACK - 256)
        cpu.load(assemble(source, origin=CODE))
        _acknowledged(cpu.engine)
        if stepped:
            while not cpu.engine.deliveries():
                cpu.engine.step()
        else:
            cpu.engine.run(Tick(PATIENCE))
        found.append(_first_interrupt(cpu.engine))
        cpu.close()
    assert found[0] == found[1]
    assert found[0].tick > len(WORK)


def _until_task_switch(machine: Machine) -> UnicornEngine:
    while machine.engine.read_register("rdx") != 0x1234:
        machine.step()
    engine = machine.engine
    assert isinstance(engine, UnicornEngine)
    machine.bus.on_interrupt = lambda _vector, _now: None  # so that the engine asks the bus
    _acknowledged(engine)
    return engine


@pytest.mark.parametrize("how", TASK_SWITCHES)
def test_in_a_task_that_begins_with_if_set(how: str) -> None:
    guest = assemble(f"{TASKS}\n{TASK_SWITCHES[how]}\ntask: work\nfinish 0")
    found = []
    for stepped in (False, True):
        with guest_machine(guest) as (machine, _):
            engine = _until_task_switch(machine)
            if stepped:
                while engine.cpus[0].interrupt:
                    machine.step()
            else:
                machine.run(Tick(machine.clock + 5000))  # and into what the first task has left, or nothing
            found.append(_first_interrupt(engine))
    assert found[0] == found[1]
