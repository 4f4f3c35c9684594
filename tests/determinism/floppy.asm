; Reads and writes a floppy disk: resets the controller, seeks, and moves sectors by DMA or byte by byte, asleep or busy
; until the interrupt comes. What is written depends on all that was read.
bits 16
org 7c00h
%include "boot_sector.inc"

DOR equ 3f2h
MSR equ 3f4h
FIFO equ 3f5h
IRQ6 equ 26h                    ; its vector
BUFFER equ 1000h                ; in page 1
PAGE2 equ 81h                   ; page register of channel 2

    boot_sector
    mov word [4 * IRQ6], on_interrupt
    mov word [4 * IRQ6 + 2], 0
    remap_pics 0bfh
    push word 1000h
    pop es
    mov al, 1
    out PAGE2, al
    mov dx, DOR
    xor al, al
    out dx, al
    mov al, 1ch
    out dx, al
    call wait_for_it
    mov cx, 4
.sense:
    call sense
    loop .sense
    mov cx, 60
next:
    push cx
    call random
    mov si, ax
    and si, 7
    mov al, 3
    call put
    mov al, 0ffh
    call put
    xor ax, ax
    test si, 4
    setz al                     ; without DMA, three times of four not
    test si, 3
    jz .mode
    xor al, al
.mode:
    mov [by_host], al
    or al, 2
    call put
    call random
    xor dx, dx
    mov bp, 12
    div bp
    mov [cylinder], dl
    mov al, 0fh
    call put
    xor al, al
    call put
    mov al, [cylinder]
    call put
    call wait_for_it
    call sense

    test si, 2
    mov al, 46h                 ; into memory
    jnz .channel
    mov al, 4ah
.channel:
    out 0bh, al
    out 0ch, al
    xor al, al
    out 4, al
    mov al, BUFFER >> 8
    out 4, al
    mov ax, 2 * 512 - 1
    out 5, al
    mov al, ah
    out 5, al
    mov al, 2
    out 0ah, al

    test si, 2
    mov al, 66h
    jnz .code
    mov al, 45h
.code:
    call put
    xor al, al
    call put
    mov al, [cylinder]
    call put
    xor al, al
    call put
    mov ax, si
    inc ax
    call put                    ; from sector 1 to 8
    mov al, 2
    call put
    mov ax, si
    add al, 2
    call put
    mov al, 1bh
    call put
    mov al, 0ffh
    call put
    cmp byte [by_host], 0
    je .moved
    mov di, BUFFER
    mov cx, 1024
    mov dx, MSR
.byte:
    in al, dx
    cmp al, 80h
    jb .byte
    test al, 20h
    jz .moved
    inc dx
    test al, 40h
    jz .out
    insb
    jmp .went
.out:
    mov al, [es:di]
    out dx, al
    inc di
.went:
    dec dx
    loop .byte
.moved:
    call wait_for_it
    mov byte [done], 0
    call results
    mov di, BUFFER
    mov cx, 512
.word:
    mov ax, [es:di]
    add [total], ax
    rol word [total], 1
    mov ax, [total]
    add [es:di + 8], ax
    add di, 2
    loop .word
    pop cx
    dec cx
    jnz next
    finish 0

put:                            ; AL to the controller
    push ax
    mov dx, MSR
.wait:
    in al, dx
    and al, 0c0h
    cmp al, 80h
    jne .wait
    pop ax
    inc dx
    out dx, al
    ret

sense:
    mov al, 8
    call put
results:
    mov dx, MSR
.next:
    in al, dx
    and al, 0d0h
    cmp al, 0d0h
    jne .over
    inc dx
    in al, dx
    add [total], al
    dec dx
    jmp .next
.over:
    ret

wait_for_it:
    call random
    test al, 1
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
    cmp byte [done], 0
    je .busy
.over:
    cli
    mov byte [done], 0
    ret

%include "random.inc"

on_interrupt:
    push ax
    mov al, 20h
    out 20h, al
    inc byte [done]
    pop ax
    iret

done db 0
by_host db 0
cylinder db 0
total dw 0
    end_boot_sector
