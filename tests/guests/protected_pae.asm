; PAE paging with 4 KiB and 2 MiB pages, and NX.
; Ends: test exit, 0.
%include "protected.inc"
PDPT equ PAGE_DIRECTORY
PD0 equ PAGE_DIRECTORY + 1000h
PD1 equ PAGE_DIRECTORY + 2000h
PAGE_TABLE equ PAGE_DIRECTORY + 3000h
WINDOW equ 40000000h
%macro map_window 3             ; PAGE, LOW, HIGH
    mov dword [PAGE_TABLE + 8 * (%1)], %2
    mov dword [PAGE_TABLE + 8 * (%1) + 4], %3
    invlpg [WINDOW + 4096 * (%1)]
%endmacro
%macro show_entry 1
    say "pte "
    say_hex [PAGE_TABLE + 8 * (%1) + 4], 8
    say_hex [PAGE_TABLE + 8 * (%1)], 8
    say 10
%endmacro
    mov edi, PAGE_DIRECTORY
    mov ecx, 1000h
    xor eax, eax
    rep stosd
    mov dword [PDPT], PD0 + 1
    mov dword [PDPT + 8], PD1 + 1
    mov dword [PD0], 87h
    mov dword [PD0 + 8], 200087h
    mov dword [PD1], PAGE_TABLE + 7
    mov eax, cr4
    or eax, 20h                 ; PAE
    mov cr4, eax
    mov ecx, 0c0000080h
    rdmsr
    or eax, 800h                ; NXE
    wrmsr
    mov eax, PDPT
    mov cr3, eax
    mov eax, cr0
    or eax, 80010000h           ; PG, WP
    mov cr0, eax
    say "paging on", 10

    provoke mov eax, [WINDOW + 0abch]
    map_window 0, TEST_PAGES + 3, 0
    mov byte [WINDOW], 0c3h
    call WINDOW
    show_entry 0
    map_window 0, TEST_PAGES + 3, 80000000h
    mov eax, WINDOW
    provoke call eax
    show_entry 0
    map_window 1, TEST_PAGES + 1, 0
    provoke mov [WINDOW + 1000h], eax
    map_window 1, TEST_PAGES + 3, 80000000h
    mov [WINDOW + 1000h], eax
    show_entry 1
    provoke mov eax, [80000000h]        ; no entry in the page-directory-pointer table
    say "done", 10
    finish 0
