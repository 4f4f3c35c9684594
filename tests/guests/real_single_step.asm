; Real mode: TF. Prints the offset of the pushed IP from the first traced instruction, in hex, after every trap.
; Ends: test exit, 0.
%include "boot_sector.inc"
    boot_sector
    mov word [4 * 1], trap
    mov word [4 * 1 + 2], 0
    mov word [4 * 40h], nothing
    mov word [4 * 40h + 2], 0
    push word 102h
    popf
traced:
    nop                         ; 0
    mov ax, 1234h               ; 1
    jmp .over                   ; 4
    ud2
.over:
    int 40h                     ; 8: TF is clear in the handler, the trap comes after IRET
    mov cx, 3                   ; A
    rep stosb                   ; D: a trap for every iteration
    push word 2                 ; F
    popf                        ; 11
    putc 10
    finish 0
nothing:
    nop
    iret
trap:
    pusha
    mov bp, sp
    mov dx, [bp + 16]
    sub dx, traced
    mov cl, 4
    call nibble
    mov cl, 0
    call nibble
    putc ' '
    popa
    iret
nibble:
    mov al, dl
    shr al, cl
    and al, 15
    cmp al, 10
    sbb al, 69h
    das
    out DEBUG_CONSOLE, al
    ret
    end_boot_sector
