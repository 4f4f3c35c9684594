; Real mode: exceptions and INT through the interrupt vector table. Prints for each its letter, then F if the pushed IP
; is that of the instruction and T if it is that of the next one, then TF + 2 IF as they are in the handler.
; Ends: test exit, 0.
%include "boot_sector.inc"
%macro vector 3                 ; NUMBER, LETTER, LABEL
    mov word [4 * (%1)], %3
    mov word [4 * (%1) + 2], 0
%endmacro
%macro provoke 1+
    mov word [fault_ip], %%here
    mov word [trap_ip], %%after
%%here:
    %1
%%after:
%endmacro
%macro handler 2                ; LABEL, LETTER
%1:
    mov byte [letter], %2
    jmp report
%endmacro

    boot_sector
    vector 0, 'D', divide
    vector 3, 'B', breakpoint
    vector 4, 'O', overflow
    vector 5, 'R', bound_range
    vector 6, 'U', undefined
    vector 40h, 'I', int40
    mov al, 0ffh                ; IF = 1, but nothing to interrupt
    out 21h, al
    out 0a1h, al
    sti
    xor bx, bx
    provoke div bl
    provoke int3
    mov al, 7fh
    add al, 1
    provoke into
    mov ax, 9
    provoke bound ax, [limits]
    provoke ud2
    provoke int 40h
    mov ax, -128
    mov bl, -1
    provoke idiv bl
    putc 10
    finish 0

    handler divide, 'D'
    handler breakpoint, 'B'
    handler overflow, 'O'
    handler bound_range, 'R'
    handler undefined, 'U'
    handler int40, 'I'
report:
    mov bp, sp
    putc [letter]
    mov dx, [bp]
    mov al, 'F'
    cmp dx, [fault_ip]
    je .known
    mov al, 'T'
    cmp dx, [trap_ip]
    je .known
    mov al, '?'
.known:
    out DEBUG_CONSOLE, al
    pushf
    pop ax
    shr ax, 8
    and al, 3
    add al, '0'
    out DEBUG_CONSOLE, al
    mov dx, [trap_ip]
    mov [bp], dx
    iret
limits: dw 1, 8
fault_ip: dw 0
trap_ip: dw 0
letter: db 0
    end_boot_sector
