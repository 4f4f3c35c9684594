; Code that changes code: before it first runs, after it ran, through an alias mapping, across a page boundary, by a string
; instruction, and by remapping the page.
; Ends: test exit, 0.
%include "long.inc"
FUNCTION equ TEST_PAGES         ; mov eax, N; ret
ALIAS equ WINDOW
%macro run 1                    ; ADDRESS: prints what the function there returns
    mov ebx, %1
    call rbx
    say " "
    say_hex rax, 2
%endmacro
    mov byte [FUNCTION], 0b8h
    mov dword [FUNCTION + 1], 1
    mov byte [FUNCTION + 5], 0c3h
    run FUNCTION
    mov byte [FUNCTION + 1], 2
    run FUNCTION
    map_window 0, TEST_PAGES | P | W
    mov byte [ALIAS + 1], 3
    run FUNCTION
    run ALIAS
    mov byte [FUNCTION + 1], 4
    run ALIAS
    map_window 1, TEST_PAGES | P | W | NX
    mov byte [ALIAS + 1000h + 1], 5
    run FUNCTION
    run ALIAS
    say 10

    mov ecx, 200                ; hot: write, run, write, run
    xor r12d, r12d
.hot:
    mov [ALIAS + 1000h + 1], cl
    mov ebx, FUNCTION
    call rbx
    add r12d, eax
    dec ecx
    jnz .hot
    say_hex r12, 8
    say 10

    mov dword [TEST_PAGES + 1ffeh], 0b8h << 8   ; across a page boundary
    mov dword [TEST_PAGES + 2000h], 0
    mov byte [TEST_PAGES + 2000h], 6
    mov byte [TEST_PAGES + 1fffh], 0b8h
    mov byte [TEST_PAGES + 2004h], 0c3h
    run TEST_PAGES + 1fffh
    mov byte [TEST_PAGES + 2000h], 7
    run TEST_PAGES + 1fffh
    mov edi, TEST_PAGES + 1fffh ; the whole function by REP MOVSB
    mov esi, template
    mov ecx, 6
    rep movsb
    run TEST_PAGES + 1fffh
    say 10

    mov esi, template           ; another physical page under the same linear address
    mov edi, TEST_PAGES + 3000h
    mov ecx, 6
    rep movsb
    mov byte [TEST_PAGES + 3001h], 9
    map_window 0, (TEST_PAGES + 3000h) | P | W
    run ALIAS
    map_window 0, TEST_PAGES | P | W
    run ALIAS
    say 10

    lea rdi, [.next + 1]        ; the very next instruction, then the one after a jump
    mov byte [rdi], 0ah
    jmp .next
.next:
    mov al, 0ffh
    say_hex rax, 2
    say 10
    finish 0
template:
    mov eax, 8
    ret
