; A page fault whose gate is not present becomes a double fault, which has a stack of its own (IST1); it is survived.
; Ends: test exit, 0.
%include "long.inc"
    mov byte [IDT + 16 * 14 + 5], 0eh
    set_handler 8, double_fault
    mov rbx, rsp
    mov rax, [WINDOW]
survived:
    say "survived", 10
    mov rsp, WINDOW + 800h      ; a fault with nowhere to push its frame
    mov byte [IDT + 16 * 14 + 5], 8eh
    mov qword [next], finished
    push rax
finished:
    say "finished", 10
    finish 0
double_fault:
    say "#08 e="
    say_hex [rbp + FRAME_ERROR], 4
    say " frame at "
    say_hex rbp, 16
    mov rax, cr2
    say " cr2="
    say_hex rax, 16
    say 10
    mov rax, [next]
    mov [rbp + FRAME_RIP], rax
    mov [rbp + FRAME_RSP], rbx
    ret
    align 8
next: dq survived
