; org 100000h
; RAM above 4 GiB, of a guest with 8 GiB: its first and last page, the hole below it and what is beyond; code there.
; Ends: test exit, 0.
%include "long.inc"
FIRST equ 100000000h
LAST equ 23ffff000h
%macro show 1                   ; OFFSET in the window
    say_hex [WINDOW + (%1)], 16
    say 10
%endmacro
    map_window 0, FIRST | P | W
    map_window 1, LAST | P | W
    map_window 2, 0bffff000h | P | W
    map_window 3, 0c0000000h | P | W
    map_window 4, 240000000h | P | W
    mov rax, 1122334455667788h
    mov [WINDOW], rax
    inc rax
    mov [WINDOW + 1ff8h], rax
    inc rax
    mov [WINDOW + 2ff8h], rax
    mov [WINDOW + 3000h], rax
    mov [WINDOW + 4000h], rax
    show 0
    show 1ff8h
    show 2ff8h
    show 3000h
    show 4000h
    mov dword [WINDOW + 1010h], 0c3c0ff48h      ; INC RAX; RET
    mov rbx, WINDOW + 1010h
    mov rax, 41h
    call rbx
    say_hex rax, 2
    say 10
    mov byte [WINDOW + 1012h], 0c8h             ; DEC RAX, over what has run
    call rbx
    say_hex rax, 2
    say 10
    map_window 5, FIRST + 5000h | P | W         ; page tables up there
    mov rax, TEST_PAGES | P | W
    mov [WINDOW + 5000h], rax
    mov rax, FIRST + 5000h | P | W
    mov [WINDOW_PD + 8], rax
    mov qword [TEST_PAGES], 77h
    mov rax, [WINDOW + 200000h]
    say_hex rax, 2
    say_hex [WINDOW + 5000h], 8
    say 10
    finish 0
