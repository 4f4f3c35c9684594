; Real mode, CR0.NE clear: an x87 error comes as IRQ 13, port F0h takes it back and has it overlooked while it stands.
; Prints . where control comes by, Z for an interrupt that finds the division's error.
; Ends: test exit, 0.
%include "boot_sector.inc"
%macro divide_by_zero 0
    fldz
    fld1
    fdivrp st1, st0
%endmacro
    boot_sector
    mov word [4 * 2dh], coprocessor
    mov word [4 * 2dh + 2], 0
    remap_pics 0fbh
    mov al, 0dfh
    out 0a1h, al
    mov eax, cr0
    and al, ~2eh                ; NE, TS, EM, MP
    mov cr0, eax
    fninit
    fldcw [unmasked]
    sti
    divide_by_zero
    fnstsw ax                   ; does not wait
    fnstcw [saved]
    putc '.'
    fwait                       ; waits, and here the interrupt comes
    putc '.'
    mov byte [clears], 0
    fld1
    divide_by_zero
    fld1                        ; waits; the handler leaves the error, and it is overlooked
    fwait
    fadd st0
    emms
    putc '.'
    fnclex                      ; FERR# goes, and IGNNE# with it
    mov byte [clears], 1
    fninit
    fldcw [unmasked]
    divide_by_zero
    fld1
    putc '.'
    mov al, 0ffh                ; masked at the 8259s, and no error: nothing waits
    out 0a1h, al
    fwait
    putc 10
    finish 0
coprocessor:
    push ax
    fnstsw ax
    test al, 4
    mov al, 'Z'
    jnz .known
    mov al, '?'
.known:
    out DEBUG_CONSOLE, al
    xor al, al
    out 0f0h, al
    cmp byte [clears], 0
    je .done
    fnclex
.done:
    mov al, 20h
    out 0a0h, al
    out 20h, al
    pop ax
    iret
clears: db 1
unmasked: dw 37bh
saved: dw 0
    end_boot_sector
