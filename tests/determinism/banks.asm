; Code and data in the memory of a device, at a window of 16 KiB that moves while it is used. Part of that code moves the
; window away under itself: what comes next is the other bank's.
bits 16
org 7c00h
%include "boot_sector.inc"

BANKED equ 2c0h

    boot_sector
    cld
    mov cx, 300
    mov dword [place], 0a0000h
    push word 0b000h
    pop fs
next:
    push cx
    call random
    mov eax, 0a0000h            ; at A0000h, at A8000h, at an odd place
    test bl, 30h
    jnz .there
    mov eax, 0a8000h
    test bl, 40h
    jnz .there
    mov eax, 0a0100h
.there:
    mov [place], eax
    mov dx, BANKED
    out dx, eax
    shr eax, 4
    mov es, ax
    call random
    and eax, 01f000h            ; a bank
    test bl, 8
    jz .whole
    or eax, 800h
.whole:
    add dx, 4
    mov [bank], eax
    out dx, eax
    mov di, 100h                ; fill some of it
    mov ax, bx
    stosw
    add [es:200h], bl
    test word [bank], 800h      ; such pages, and those at an odd place, are for loads and stores only
    jnz .data
    test word [place], 100h
    jnz .data
    call code_here              ; code in this bank adds 1 to total, in the one 8000h on 16
    mov eax, [bank]
    add eax, 8000h
    out dx, eax
    call code_there
    mov eax, [bank]
    out dx, eax
    mov eax, [bank]             ; go there: it changes to the other bank and goes on there
    add eax, 8000h
    call far_away
    jmp .device
.data:
    call code_here
.device:
    add dx, 4
    mov al, bl
    out dx, al                  ; the device writes
    sub dx, 4
    mov al, [es:3000h]
    add [total], al
    pop cx
    dec cx
    jnz next
    mov al, [wrong]
    add al, '0'
    out DEBUG_CONSOLE, al
    finish 0

code_here:
    mov si, here
    jmp copy
code_there:
    mov si, there
copy:
    mov di, 400h
    mov cx, there - here
    rep movsb
    ret

far_away:
    push cs
    push word .back
    push es
    push word 400h
    mov byte [seen], 0
    retf
.back:
    cmp byte [seen], 16
    je .good
    inc byte [wrong]
.good:
    ret

here:
    mov [fs:4], eax             ; BANK, as memory
    mov byte [seen], 1
    retf
there:
    mov [fs:4], eax             ; BANK, as memory
    mov byte [seen], 16
    retf

random:
    imul ebx, ebx, 1664525
    add ebx, 1013904223
    mov eax, ebx
    shr eax, 4
    ret

place dd 0
bank dd 0
seen db 0
total db 0
wrong db 0
    end_boot_sector
