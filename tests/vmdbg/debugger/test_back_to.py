"""The call behind a return, and that of a function: whatever the instruction was, held to every instant before."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest

from tests.vmdbg.debugger.programs import program, run_to, step
from vmdbg.commands import catalog
from vmdbg.debugger.actions import StepMode
from vmdbg.debugger.back_to import calls_to
from vmdbg.debugger.debugger import Debugger
from vmdbg.machine.snapshot import Position
from vmdbg.session.registry import Effect
from vmdbg.session.session import Session

CALLS = (
    "call {f}",
    "cs\n call {f}",
    "call rax",
    "call r15",
    "call [rbx]",
    "call [r13]",
    "call [r12 + {f}_at - table]",
    "call [r14 + 8 * rcx]",
    "call [rel {f}_at]",
    "call [{f}_at]",
    "call [dword r12 + {f}_at - table]",
    "gs\n call [dword r12 + {f}_at - table]",
    "push 1\n push 2\n call pops",
    "call at_the_beginning_of_a_page",
)
PROGRAM = """
    mov esi, stub
    mov edi, TEST_PAGES
    mov ecx, stub_end - stub
    rep movsb
    map_window 0, TEST_PAGES | P | W
    mov r12, table
    %s
end:
    hlt
small:
    push rbp
    mov rbp, rsp
    nop
in_small:
    pop rbp
    ret
outer:
    push rbp
    mov rbp, rsp
    call small
    nop
in_outer:
    leave
    ret
pops:
    push rbp
    mov rbp, rsp
in_pops:
    nop
    pop rbp
    ret 16
at_the_beginning_of_a_page:
    push rbp
    mov rbp, rsp
    mov eax, small
    mov edx, .back
    mov r8d, WINDOW
    jmp r8
.back:
    pop rbp
    ret
stub:
    call rax
    jmp rdx
stub_end:
    align 8
table:
small_at:
    dq small
outer_at:
    dq outer
"""
BEGIN = """
    mov eax, {f}
    mov ebx, {f}_at
    mov r13d, {f}_at
    mov r14d, {f}_at - 8
    mov ecx, 1
    mov r12d, table
    mov r15d, {f}
"""
WORD = 8
MOST = 2000


@dataclass(frozen=True)
class Instant:
    position: Position
    pc: int
    rsp: int


def history(debugger: Debugger, end: int) -> list[Instant]:
    found: list[Instant] = []
    while len(found) < MOST:
        rsp = debugger.engine.read_register("rsp")
        found.append(Instant(debugger.position, debugger.pc, rsp))
        if debugger.pc == end:
            return found
        step(debugger, StepMode.ARCHITECTURAL)
    raise AssertionError("the program has not come to its end")


def random_calls(seed: int) -> str:
    chosen = random.Random(seed)
    calls = [(BEGIN + one).format(f=chosen.choice(("small", "outer"))) for one in chosen.sample(CALLS, len(CALLS))]
    return "\n nop\n".join(calls)


@pytest.mark.parametrize("seed", range(2))
def test_the_way_back_leads_to_the_call_that_was_made(seed: int) -> None:
    inside = ("in_small", "in_outer", "in_pops")
    with program(PROGRAM % random_calls(seed), "begin", "end", *inside) as (debugger, at, _):
        run_to(debugger, at["begin"])
        instants = history(debugger, at["end"])
        session = Session(debugger, catalog.commands(), allowed=~Effect.NONE)
        functions = [n for n, one in enumerate(instants) if one.pc in {at[name] for name in inside}]
        assert len(functions) > len(CALLS)
        for number in functions:
            before_call = instants[number].rsp + 2 * WORD  # the saved rbp and the return address
            call = max(n for n in range(number) if instants[n].rsp == before_call)
            after = next(n for n in range(number, len(instants)) if instants[n].rsp >= before_call)
            debugger.timeline.seek(instants[number].position)
            session.run("reverse-finish")
            assert debugger.position == instants[call].position
            debugger.timeline.seek(instants[after].position)
            assert instants[call].pc in calls_to(debugger, debugger.pc)
            session.run("reverse-nexti")
            assert debugger.position == instants[call].position


OF_TWO_SPACES = """
    %macro switch 1                 ; to the other space, where WINDOW is another page
    mov rax, [WINDOW_PT]
    xchg rax, [elsewhere]
    mov [WINDOW_PT], rax
    mov rax, cr3
    mov cr3, rax
    xchg rsp, [other]
    %endmacro
    mov qword [elsewhere], TEST_PAGES | P | W
    mov qword [WINDOW_PT], (TEST_PAGES + 1000h) | P | W
    mov qword [other], WINDOW + 800h
    mov rsp, WINDOW + 800h
    call first
end:
    hlt
first:
    push rbp
    mov rbp, rsp
    call f
    pop rbp
    ret
f:
    push rbp
    mov rbp, rsp
    switch 0
    inc dword [depth]
    cmp dword [depth], 1
    jne .over
    mov rsp, WINDOW + 800h
    call first                      ; the same calls at the same stack addresses
.over:
    switch 0
inside:
    nop
    pop rbp
    ret
    align 8
elsewhere: dq 0
other: dq 0
depth: dd 0
"""


def test_the_call_is_that_of_this_stack_and_not_one_at_the_same_addresses_in_another_space() -> None:
    with program(OF_TWO_SPACES, "begin", "inside", "first", "f") as (debugger, at, _):
        run_to(debugger, at["f"])
        own = debugger.position
        run_to(debugger, at["f"])
        others = debugger.position
        rsp = debugger.engine.read_register("rsp")
        run_to(debugger, at["inside"])
        inner = debugger.position
        run_to(debugger, at["inside"])
        assert debugger.engine.read_register("rsp") == rsp - WORD
        assert own < others < inner < debugger.position
        session = Session(debugger, catalog.commands(), allowed=~Effect.NONE)
        session.run("reverse-finish")
        assert debugger.position < own
        step(debugger, StepMode.ARCHITECTURAL)
        assert debugger.position == own
