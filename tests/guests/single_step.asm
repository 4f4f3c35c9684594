; 64-bit mode, TF. Prints the offset of the pushed RIP from the first traced instruction, in hex, after every trap.
; Ends: test exit, 0.
%include "long.inc"
    set_handler 1, trap
    set_handler 40h, nothing
    mov edi, TEST_PAGES
    pushfq
    or qword [rsp], 100h
    popfq
traced:
    nop                         ; 00
    mov eax, 12345678h          ; 01
    jmp short .over             ; 06
    ud2
.over:
    mov ecx, 4                  ; 0A
    rep stosb                   ; 0F: a trap for every iteration
    call .function              ; 11
    int 40h                     ; 16: no trap before the one after IRETQ
    cpuid                       ; 18
    mov eax, ss                 ; 1A
    mov ss, eax                 ; 1C: no trap
    nop                         ; 1E
    pushfq                      ; 1F
    btr qword [rsp], 8          ; 20
    popfq                       ; 26: the trap after it is still taken
    nop
    say 10
    finish 0
.function:
    ret
trap:
    mov rax, [rbp + FRAME_RIP]
    sub rax, traced
    say_hex rax, 2
    mov rax, dr6
    bt eax, 14
    jc .bs
    say "?"
.bs:
    mov eax, 0ffff0ff0h
    mov dr6, rax
    say " "
nothing:
    ret
