; Copies by DMA, with any bytes to any of 64 KiB that change all the time: also over code that runs in between, and
; sometimes asleep until the interrupt comes.
bits 16
org 7c00h
%include "boot_sector.inc"

COPIER equ 2b0h
ROUTINE equ 9000h
BUFFER equ 10000h
PIC1 equ 20h
IRQ5 equ 25h                    ; its vector

    boot_sector
    mov word [4 * IRQ5], on_interrupt
    mov word [4 * IRQ5 + 2], 0
    remap_pics 0dfh
    mov byte [ROUTINE], 0c3h     ; RET
    mov cx, 400
next:
    push cx
    call random
    and eax, 0ffffh
    add eax, BUFFER
    mov dx, COPIER
    out dx, eax                 ; from
    call random
    and eax, 0ffffh
    add eax, BUFFER
    add dx, 4
    out dx, eax                 ; to
    call random
    and eax, 1fffh
    add dx, 4
    out dx, eax                 ; so many
    add dx, 4
    out dx, al
    call random
    test al, 3
    jz sleep
spin:
    in al, dx
    push es
    push word BUFFER >> 4
    pop es
    add [es:2345h], al
    and si, 0fffeh              ; a word at FFFFh would be beyond the limit: #GP
    inc word [es:si]
    add si, 77
    pop es
    test al, al
    jnz spin
    jmp run
sleep:
    sti
    hlt
    cli
run:
    mov eax, routine_a          ; either routine, by DMA over the one that ran last
    test cl, 1
    jz .even
    mov eax, routine_b
.even:
    mov dx, COPIER
    out dx, eax
    mov eax, ROUTINE
    add dx, 4
    out dx, eax
    mov eax, routine_b - routine_a
    add dx, 4
    out dx, eax
    add dx, 4
    out dx, al
.busy:
    call ROUTINE
    in al, dx
    test al, al
    jnz .busy
    call ROUTINE
    pop cx
    dec cx
    jnz next
    mov al, [total]
    out DEBUG_CONSOLE, al
    finish 0

%include "random.inc"

on_interrupt:
    push ax
    push dx
    mov dx, COPIER + 12
    in al, dx
    mov al, 20h
    out PIC1, al
    pop dx
    pop ax
    iret

routine_a:
    add word [total], 3
    add al, 1
    ret
routine_b:
    add word [total], 5
    xor al, 5ah
    ret

total dw 0
    end_boot_sector
