"""Which exception an address that is not canonical raises: #SS on the stack, #GP elsewhere (SDM 2; 3A 6.15)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from tests.guests.build import assemble
from vmdbg.engine.unicorn.bare import CODE, CODE64, DATA, IDT, BareCpu
from vmdbg.units import PAGE_SIZE

GP, SS = 13, 12
TASK_STATE = 11 * PAGE_SIZE
BAD = 1 << 47
ON_STACK = (
    *(
        "push rax",
        "pop rax",
        "push 1",
        "pushfq",
        "popfq",
        "push fs",
        "pop gs",
        "leave",
        "enter 8, 0",
        "call CODE",
        "ret",
        "ret 8",
    ),
    *("push qword [rbx]", "push word [rbx]", "pop qword [rbx]", "pop word [rbx]", "call [rbx]", "call rbx"),
    *("iretq", "iretd", "o64 retf", "retf", "retf 16", "o64 call far [rbx]", "call far [rbx]"),
    *("mov rax, [rsp]", "mov [rsp + 8], eax", "mov rax, [rbp]", "add [rsp], eax", "push qword [rbp]", "call [rsp]"),
)
ELSEWHERE = (
    *("push qword [rcx]", "push word [rcx]", "pop qword [rcx]", "call [rcx]", "jmp [rcx]", "o64 call far [rcx]"),
    *(
        "mov rax, [rcx]",
        "mov [rcx], al",
        "add [rcx], eax",
        "jmp far [rcx]",
        "lodsb",
        "stosb",
        "inc byte [rcx]",
    ),
)


@pytest.fixture
def cpu() -> Iterator[BareCpu]:
    bare = BareCpu()
    bare.write(TASK_STATE + 0x24, struct.pack("<Q", TASK_STATE + PAGE_SIZE))
    for vector in (GP, SS):  # their handlers have a stack of their own
        bare.write(IDT + 16 * vector + 4, b"\1")
    bare.write(DATA, struct.pack("<QHQH", CODE + 0x100, CODE64, CODE64, 0))
    yield bare
    bare.close()


def _fault(cpu: BareCpu, source: str, **registers: int) -> tuple[int, int, int]:
    """Vector, error code, and how far rip is in what faults."""
    cpu.reset()
    there = {"tr": 0x18, "tr_base": TASK_STATE, "tr_limit": 0x67, "rbx": DATA}
    cpu.engine.write_registers(there | registers)
    cpu.run(assemble(f"CODE equ {CODE}\n{source}", origin=CODE))
    (fault,) = cpu.engine.deliveries()[-1:]
    return fault.vector, fault.error_code, fault.rip - CODE


@pytest.mark.parametrize("beyond", [0, 8])
@pytest.mark.parametrize("source", ON_STACK)
def test_on_the_stack_it_is_ss(cpu: BareCpu, source: str, beyond: int) -> None:
    assert _fault(cpu, source, rsp=BAD + 64 + beyond, rbp=BAD + 64) == (SS, 0, 0)


@pytest.mark.parametrize("source", ELSEWHERE)
def test_elsewhere_it_is_gp(cpu: BareCpu, source: str) -> None:
    assert _fault(cpu, source, rcx=BAD, rsi=BAD, rdi=BAD, rax=0) == (GP, 0, 0)


@pytest.mark.parametrize("source", ["int 40h", "int3", "ud2"])
def test_a_frame_that_goes_there_is_ss(cpu: BareCpu, source: str) -> None:
    """Of what faults the first is what is to be delivered (SDM 3A 6.15, interrupt 12)."""
    vector, error, _ = _fault(cpu, source, rsp=BAD + 64)
    assert (vector, error & ~1) == (SS, 0)
