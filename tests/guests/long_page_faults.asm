; Page faults in long mode: not present, write to read-only with WP, NX, user to supervisor, reserved bit, non-canonical (#GP);
; accessed and dirty bits at every level.
; Ends: test exit, 0.
%include "long.inc"
%macro show_entry 1
    say "pte "
    say_hex [WINDOW_PT + 8 * (%1)], 16
    say 10
%endmacro
    provoke mov rax, [WINDOW + 777h]
    provoke mov [WINDOW + 777h], rax
    map_window 0, TEST_PAGES | P
    mov rax, [WINDOW]
    show_entry 0
    provoke mov [WINDOW], rax
    show_entry 0
    map_window 0, TEST_PAGES | P | W | NX
    mov byte [WINDOW], 0c3h
    show_entry 0
    mov rax, WINDOW
    provoke call rax
    map_window 0, TEST_PAGES | P
    mov rax, WINDOW
    call rax
    show_entry 0
    map_window 1, TEST_PAGES | P | W | 1 << 51
    provoke mov rax, [WINDOW + 1008h]
    mov rax, 0000800000000000h
    provoke mov rbx, [rax]
    mov rax, 0ffff800000000000h
    provoke mov rbx, [rax]
    mov rax, [WINDOW_PD]
    say "pde "
    say_hex rax, 16
    mov rax, [PML4]
    say " pml4e "
    say_hex rax, 16
    say 10
    map_window 2, TEST_PAGES | P | W
    map_window 3, TEST_PAGES | P | U
    enter_ring3 user
    say "done", 10
    finish 0
user:
    provoke mov rax, [WINDOW + 2000h]
    provoke mov [WINDOW + 2000h], rax
    provoke mov [WINDOW + 3000h], rax
    provoke mov rax, [WINDOW + 4000h]
    mov rax, WINDOW + 2010h
    provoke call rax
    int 81h
