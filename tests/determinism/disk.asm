; Reads and writes a disk at IDE: a sector by PIO, polled, or eight by bus-master DMA, asleep or busy until the
; interrupt comes. What is written depends on all that was read.
bits 16
org 7c00h
%include "boot_sector.inc"

ATA equ 1f0h
MASTER equ 0c000h
IDE equ 80000900h               ; 00:01.1 in CONFIG_ADDRESS
BUFFER equ 10000h
TABLE equ 9000h
SECTORS equ 1000
PIC2 equ 0a0h
IRQ14 equ 2eh                   ; its vector

    boot_sector
    mov word [4 * IRQ14], on_interrupt
    mov word [4 * IRQ14 + 2], 0
    remap_pics 0fbh
    mov al, 0bfh
    out 0a1h, al                ; IRQ 14
    mov eax, IDE + 20h
    mov ecx, MASTER | 1
    call configure
    mov eax, IDE + 4
    mov ecx, 5
    call configure
    mov dword [TABLE], BUFFER
    mov dword [TABLE + 4], 80001000h
    push word BUFFER >> 4
    pop es
    mov cx, 150
next:
    push cx
    call random
    xor edx, edx
    mov ecx, SECTORS - 8
    div ecx
    mov [lba], edx
    call random
    test al, 1
    jz by_dma

    mov cl, 1
    test al, 2
    jz .write
    mov al, 20h                 ; READ SECTORS
    call command
    call ready
    mov dx, ATA
    xor di, di
    mov cx, 256
    rep insw
    jmp mix
.write:
    mov al, 30h                 ; WRITE SECTORS
    call command
    call ready
    mov dx, ATA
    push ds
    push es
    pop ds
    xor si, si
    mov cx, 256
    rep outsw
    pop ds
    call ready
    jmp mix

by_dma:
    mov ah, al
    mov dx, MASTER + 4
    push eax
    mov eax, TABLE
    out dx, eax
    pop eax
    mov al, 0c8h                ; READ DMA
    test ah, 2
    jz .go
    mov al, 0cah                ; WRITE DMA
.go:
    mov cl, 8
    mov byte [done], 0
    call command
    mov dx, MASTER
    mov al, 9
    test ah, 2
    jz .start
    mov al, 1
.start:
    out dx, al
    test ah, 4
    jz .busy
.sleep:
    cli
    cmp byte [done], 0
    jne .over
    sti
    hlt
    jmp .sleep
.busy:
    sti
    inc dword [es:77h]
    cmp byte [done], 0
    je .busy
.over:
    cli
    mov dx, MASTER
    xor al, al
    out dx, al
    mov dx, MASTER + 2
    mov al, 6
    out dx, al

mix:
    xor si, si
    mov cx, 256
.word:
    mov ax, [es:si]
    add [total], ax
    rol word [total], 1
    mov ax, [total]
    add [es:si + 512], ax
    add si, 2
    loop .word
    pop cx
    dec cx
    jnz next
    mov al, [total]
    out DEBUG_CONSOLE, al
    finish 0

; AL to the command register, for CL sectors from [lba]
command:
    push ax
    mov dx, ATA + 2
    mov al, cl
    out dx, al
    inc dx
    mov ecx, [lba]
    mov al, cl
    out dx, al
    inc dx
    mov al, ch
    out dx, al
    inc dx
    xor al, al
    out dx, al
    inc dx
    mov al, 0e0h
    out dx, al
    inc dx
    pop ax
    out dx, al
    ret

ready:                          ; not busy
    mov dx, ATA + 7
    in al, dx
    test al, al
    js ready
    ret

configure:                      ; ECX into the register EAX
    mov dx, 0cf8h
    out dx, eax
    mov dx, 0cfch
    mov eax, ecx
    out dx, eax
    ret

%include "random.inc"

on_interrupt:
    push ax
    push dx
    mov dx, ATA + 7
    in al, dx
    mov al, 20h
    out PIC2, al
    out 20h, al
    inc byte [done]
    pop dx
    pop ax
    iret

done db 0
total dw 0
lba dd 0
    end_boot_sector
