; 32-bit paging with 4 KiB and 4 MiB pages: error codes, CR2, WP, accessed and dirty bits, INVLPG, ring 3.
; Ends: test exit, 0.
%include "protected.inc"
PAGE_TABLE equ PAGE_DIRECTORY + 1000h
WINDOW equ 40000000h
%macro map_window 2
    mov dword [PAGE_TABLE + 4 * (%1)], %2
    invlpg [WINDOW + 4096 * (%1)]
%endmacro
%macro show_entry 1
    say "pte "
    say_hex [PAGE_TABLE + 4 * (%1)], 8
    say 10
%endmacro
    mov edi, PAGE_DIRECTORY
    mov ecx, 800h
    xor eax, eax
    rep stosd
    mov dword [PAGE_DIRECTORY], 87h
    mov dword [PAGE_DIRECTORY + 4 * (WINDOW >> 22)], PAGE_TABLE + 7
    mov eax, cr4
    or eax, 10h                 ; PSE
    mov cr4, eax
    mov eax, PAGE_DIRECTORY
    mov cr3, eax
    mov eax, cr0
    or eax, 80010000h           ; PG, WP
    mov cr0, eax
    say "paging on", 10

    provoke mov eax, [WINDOW + 123h]
    provoke mov [WINDOW + 124h], eax
    map_window 0, TEST_PAGES + 1
    mov eax, [WINDOW]
    show_entry 0
    provoke mov [WINDOW + 8], eax
    show_entry 0
    map_window 0, TEST_PAGES + 3
    provoke mov [WINDOW + 0ffeh], eax   ; the second half is in the page after
    map_window 1, TEST_PAGES + 1003h
    mov dword [WINDOW + 0ffeh], 55667788h
    show_entry 0
    show_entry 1
    mov eax, [TEST_PAGES + 0ffch]
    shr eax, 16
    say_hex eax, 4
    mov eax, [TEST_PAGES + 1000h]
    say_hex eax, 4
    say 10
    mov eax, cr0
    and eax, ~10000h            ; without WP ring 0 writes where it likes
    mov cr0, eax
    map_window 2, TEST_PAGES + 2001h
    mov [WINDOW + 2000h], eax
    show_entry 2
    mov eax, cr0
    or eax, 10000h
    mov cr0, eax
    enter_ring3 user
    say "pde "
    say_hex [PAGE_DIRECTORY], 8
    say 10
    provoke call WINDOW + 3000h ; the report goes on after the call, so the pushed address stays
    say "done", 10
    finish 0
user:
    provoke mov eax, [WINDOW]
    provoke mov [WINDOW], eax
    provoke mov eax, [WINDOW + 5000h]
    provoke cli
    provoke out DEBUG_CONSOLE, al
    provoke hlt
    provoke int 20h             ; #GP: the gate's DPL is 0
    int 81h
