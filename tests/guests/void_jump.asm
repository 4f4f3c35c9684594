; A return to an address that nothing is mapped at, with no handler for the page fault.
; Ends: triple fault (shutdown); the first fault is a #PF on an instruction fetch, cr2 = rip = 5044434241h.
%include "long.inc"
    say "returning to nowhere", 10
    lidt [.empty]
    mov rax, 5044434241h
    push rax
    ret
.empty:
    dw 0
    dq 0
