; REP MOVSB that runs into a page that is not there: RCX, RSI and RDI at the fault say how far it got; mapped, it goes on.
; Ends: test exit, 0.
%include "long.inc"
    set_handler 14, fault
    mov edi, TEST_PAGES
    mov ecx, 3000h
.fill:
    mov eax, ecx
    stosb
    dec ecx
    jnz .fill
    mov esi, TEST_PAGES
    mov edi, WINDOW + 0f00h
    mov ecx, 2345h
    rep movsb
    say "end rcx="
    say_hex rcx, 8
    say " rsi="
    say_hex rsi, 8
    say " rdi="
    say_hex rdi, 8
    say 10
    mov esi, TEST_PAGES
    mov edi, WINDOW + 0f00h
    mov ecx, 2345h
    repe cmpsb
    say "left: "
    say_hex rcx, 8
    say 10
    std
    mov qword [WINDOW_PT + 8], 0
    mov rax, WINDOW + 1000h
    invlpg [rax]
    mov esi, TEST_PAGES + 20h
    mov edi, WINDOW + 2000h + 10h
    mov ecx, 20h
    rep movsb
    cld
    say "end rcx="
    say_hex rcx, 8
    say " rsi="
    say_hex rsi, 8
    say " rdi="
    say_hex rdi, 8
    say 10
    finish 0
fault:
    say "#0e e="
    say_hex [rbp + FRAME_ERROR], 4
    mov rax, cr2
    say " cr2="
    say_hex rax, 8
    say " rcx="
    say_hex [rbp + FRAME_RCX], 8
    say " rsi="
    say_hex [rbp + FRAME_RSI], 8
    say " rdi="
    say_hex [rbp + FRAME_RDI], 8
    say 10
    mov rbx, rax
    shr rbx, 12
    and ebx, 1ffh
    shl ebx, 12
    lea rax, [rbx + 300000h + P + W]
    shr ebx, 12
    mov [WINDOW_PT + 8 * rbx], rax
    ret
