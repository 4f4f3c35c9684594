"""Same-context steps backwards are the steps forwards, reversed, however the kernel is entered and left."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest

from tests.vmdbg.debugger.programs import go, program, run_to
from vmdbg.debugger.actions import Direction, Step
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.stops import StepDone
from vmdbg.machine.snapshot import Position

KERNEL = """
    set_handler 0, signal
    set_handler 6, skip_two
    set_handler 14, fault_in
    set_handler 20h, timer
    set_handler 80h, int80
    set_handler 82h, sigreturn
    set_handler 83h, exec
    set_handler 84h, forget
    mov eax, 84h
.open:
    mov edx, eax
    shl edx, 4
    or byte [rdx + IDT + 5], 60h
    dec eax
    cmp eax, 80h
    jae .open
    write_msr MSR_STAR, (USER_CODE32 << 48) | (CODE << 32)
    write_msr MSR_LSTAR, syscall_entry
    write_msr MSR_FMASK, 3f7fd5h & ~2
    mov esi, PML4
    mov edi, OTHER_PML4
    mov ecx, 512
    rep movsq
    mov rsp, SECOND_STACK
    push qword USER_DATA
    push qword SECOND_USER_STACK
    push qword 3202h
    push qword USER_CODE
    push qword second
    push qword first_return
    mov [stacks + 8], rsp
    mov rsp, RING0_STACK
    remap_pics 0feh
    pit_counter_0 2, {rate}
    push qword USER_DATA
    push qword RING3_STACK
    push qword 3202h
    push qword USER_CODE
    push qword first
first_return:
    iretq

timer:
    end_of_interrupt
    mov rax, [current]
    mov [stacks + 8 * rax], rsp
    xor rax, 1
    mov [current], rax
    mov rsp, [stacks + 8 * rax]
    mov rbx, [tops + 8 * rax]
    mov [TSS + 4], rbx
    mov rbx, [spaces + 8 * rax]
    mov cr3, rbx
    ret
fault_in:
    mov rax, cr2
    shr eax, 12
    and eax, 511
    lea rdx, [WINDOW_PT + 8 * rax]
    mov qword [rdx], TEST_PAGES + P + W + U
    ret
forget:
    mov rdx, [rbp + FRAME_RDX]
    and edx, 7
    mov qword [WINDOW_PT + 8 * rdx], 0
    mov rax, cr3
    mov cr3, rax
    ret
skip_two:
    add qword [rbp + FRAME_RIP], 2
    ret
signal:
    mov rax, [rbp + FRAME_RSP]
    sub rax, 144
    mov rdx, [rbp + FRAME_RIP]
    add rdx, 2
    mov [rax], rdx
    mov [rbp + FRAME_RSP], rax
    mov qword [rbp + FRAME_RIP], on_signal
    ret
sigreturn:
    mov rax, [rbp + FRAME_RSP]
    mov rdx, [rax]
    add rax, 144
    mov [rbp + FRAME_RSP], rax
    mov [rbp + FRAME_RIP], rdx
    ret
exec:
    mov rax, [current]
    mov rdx, [entries + 8 * rax]
    mov [rbp + FRAME_RIP], rdx
    mov rdx, [user_tops + 8 * rax]
    mov [rbp + FRAME_RSP], rdx
    ret
int80:
    mov rax, ss
    push rax
    push rsp
    add qword [rsp], 8
    pushfq
    push qword CODE
    push qword .serialized
    iretq
.serialized:
    sti
    nop
    mov rdx, [WINDOW + 4096 * 9]
    nop
    cli
    ret
syscall_entry:
    mov [user_rsp], rsp
    mov rax, [current]
    mov rsp, [tops + 8 * rax]
    push qword [user_rsp]
    push r11
    push rcx
    sti
    nop
    nop
    cli
    pop rcx
    pop r11
    pop rsp
    o64 sysret
on_signal:
    nop
    push rax
    pop rax
    int 82h
first:
{first}
    jmp first
second:
{second}
    jmp second
    align 8
current: dq 0
user_rsp: dq 0
stacks: dq 0, 0
tops: dq RING0_STACK, SECOND_STACK
spaces: dq PML4, OTHER_PML4
entries: dq first, second
user_tops: dq RING3_STACK, SECOND_USER_STACK
OTHER_PML4 equ 208000h
SECOND_STACK equ 224000h
SECOND_USER_STACK equ 23c000h
"""
PIECES = (
    "nop",
    "push rax\n pop rbx",
    "call {label}\n jmp {label}_over\n{label}:\n nop\n ret\n{label}_over:",
    "int 80h",
    "syscall",
    "push rax\n syscall\n pop rax",
    "mov rax, [WINDOW + {page}]",
    "mov edx, {number}\n int 84h",
    "ud2",
    "push rax\n ud2\n pop rax",
    "xor ecx, ecx\n div ecx",
    "mov ecx, {number}\n{label}:\n loop {label}",
    "mov ecx, 40\n mov esi, RING3_STACK - 4096\n mov edi, esi\n rep movsb",
    "dec r15\n jnz {label}\n mov r15d, 2\n int 83h\n{label}:",
    "push rax\n int 83h",
)


def _user_code(rng: random.Random, thread: str) -> str:
    lines = []
    for number in range(rng.randrange(4, 14)):
        piece = rng.choice(PIECES)
        label = f"{thread}_{number}"
        lines.append(piece.format(label=label, page=4096 * rng.randrange(8), number=rng.randrange(1, 9)))
    return "\n".join(lines)


@dataclass(frozen=True)
class Place:
    """Where a step ended. The position says all; the rest is for whoever reads a failure."""

    position: Position
    pc: int
    ring: int


def _place(debugger: Debugger) -> Place:
    return Place(debugger.position, debugger.pc, debugger.cpu.ring)


def _mirrored(seed: int, steps: int) -> tuple[list[Place], list[Place]]:
    """The places of `steps` steps forwards, and those of as many back, in the order of time."""
    rng = random.Random(seed)
    code = {thread: _user_code(rng, thread) for thread in ("first", "second")}
    source = KERNEL.format(rate=rng.choice((2, 3, 5, 9)), **code)
    with program(source, "first") as (debugger, at, _):
        run_to(debugger, at["first"])
        go(debugger, Step(count=rng.randrange(1, 400)))
        forth = [_place(debugger)]
        for _ in range(steps):
            assert isinstance(go(debugger, Step()), StepDone)
            forth.append(_place(debugger))
        back = [_place(debugger)]
        for _ in range(steps):
            assert isinstance(go(debugger, Step(Direction.BACKWARD)), StepDone)
            back.append(_place(debugger))
        return forth, back[::-1]


@pytest.mark.parametrize("seed", range(6))
def test_steps_back_are_the_steps_forth(seed: int) -> None:
    forth, back = _mirrored(seed, 60)
    assert back == forth


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 300))
def test_steps_back_are_the_steps_forth_in_many_programs(seed: int) -> None:
    forth, back = _mirrored(seed, 150)
    assert back == forth
