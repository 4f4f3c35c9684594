"""System calls of a system that vmdbg does not know, whose child comes back from a call before its parent does."""

from __future__ import annotations

import vmdbg
from tests.guests.build import assemble

FORK, EXIT, CHILD_PID = 57, 60, 7
GUEST = """
; At org 100000h, as long.inc says.
%include "long.inc"
CHILD equ 3f0000h               ; its page tables
    write_msr MSR_STAR, (USER_CODE32 << 48) | (CODE << 32)
    write_msr MSR_LSTAR, on_syscall
    mov rsi, cr3
    mov [parent], rsi
    mov edi, CHILD
    mov ecx, 512
    rep movsq
    enter_ring3 user
    finish 0
user:
    mov eax, 57
    syscall
    test eax, eax
    jnz .parent
    mov eax, 60
    syscall
.parent:
    int 81h
on_syscall:
    cmp eax, 57
    jne exit
    mov [back], rcx
    mov [flags], r11
    mov eax, CHILD
    mov cr3, rax
    xor eax, eax
    o64 sysret
exit:
    mov rax, [parent]
    mov cr3, rax
    mov rcx, [back]
    mov r11, [flags]
    mov eax, 7
    o64 sysret
    align 8
parent: dq 0
back: dq 0
flags: dq 0
"""


def test_the_childs_return_is_not_the_parents() -> None:
    with vmdbg.launch(assemble(GUEST), memory="16M") as guest:
        guest.run()
        fork, left = guest.queries.system_calls()
    assert (fork.number, fork.value, fork.cr3 != left.cr3) == (FORK, CHILD_PID, True)
    assert fork.returned is not None
    assert fork.returned > left.position, "the child ran first"
    assert (left.number, left.returned) == (EXIT, None)
