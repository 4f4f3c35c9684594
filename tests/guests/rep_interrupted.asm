; REP MOVSB and STOSQ long enough to be interrupted many times by a 2 kHz timer: RIP stays on the instruction, RCX RSI RDI agree,
; and the copy is right.
; Ends: test exit, 0.
%include "long.inc"
    set_handler 20h, timer
    remap_pics 0feh
    mov edi, 200000h + 80000h
    mov ecx, 80000h / 4
    mov eax, 1
.fill:
    stosd
    imul eax, eax, 1664525
    add eax, 1013904223
    dec ecx
    jnz .fill
    pit_counter_0 2, 597
    mov r15d, 40
again:
    mov esi, 200000h + 80000h
    mov edi, 200000h + 100000h
    mov ecx, 80000h
    sti
    nop                         ; the shadow of STI is not to be that of the first iteration
copy:
    rep movsb
    cli
    mov edi, 200000h + 180000h
    mov ecx, 80000h / 8
    mov rax, 0123456789abcdefh
    sti
    nop
store:
    rep stosq
    cli
    dec r15d
    jnz again
    mov al, 0ffh
    out 21h, al
    mov esi, 200000h + 80000h
    mov edi, 200000h + 100000h
    mov ecx, 80000h
    repe cmpsb
    mov rax, rcx
    say "left to compare: "
    say_hex rax, 8
    mov edi, 200000h + 180000h
    mov ecx, 80000h / 8
    mov rax, 0123456789abcdefh
    repe scasq
    say " to scan: "
    say_hex rcx, 8
    say 10
    cmp dword [inside], 3
    jb .few
    say "interrupted inside", 10
.few:
    cmp dword [wrong], 0
    je .right
    say "registers did not agree", 10
.right:
    finish 0
timer:
    end_of_interrupt
    cmp qword [rbp + FRAME_RIP], copy
    jne .done
    mov rax, [rbp + FRAME_RCX]
    test rax, rax
    jz .done
    inc dword [inside]
    add rax, [rbp + FRAME_RSI]
    cmp rax, 200000h + 80000h + 80000h
    jne .bad
    mov rax, [rbp + FRAME_RCX]
    add rax, [rbp + FRAME_RDI]
    cmp rax, 200000h + 100000h + 80000h
    je .done
.bad:
    inc dword [wrong]
.done:
    ret
    align 8
inside: dd 0
wrong: dd 0
