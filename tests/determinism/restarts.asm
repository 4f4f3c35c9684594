; Firmware that counts in RAM how often it was started, keeps the old timer running with interrupts, and resets the
; machine in one way after the other: port 92h, the keyboard controller, CF9h; then it ends the run by port F4h.
bits 16
org 0
STARTS equ 0x500
TICKS equ 0x504

entry:
    cli
    xor ax, ax
    mov ds, ax
    mov ss, ax
    mov sp, 0x7000
    in al, 0x92                 ; what a start finds, told to the debug console
    out 0xe9, al
    in al, 0x21
    out 0xe9, al
    mov eax, cr0
    out 0xe9, al
    mov word [8 * 4], tick
    mov word [8 * 4 + 2], 0xf000
    mov al, 0x11                ; both 8259A: vectors from 8, only the timer let through
    out 0x20, al
    out 0xa0, al
    mov al, 8
    out 0x21, al
    mov al, 0x70
    out 0xa1, al
    mov al, 4
    out 0x21, al
    mov al, 2
    out 0xa1, al
    mov al, 1
    out 0x21, al
    out 0xa1, al
    mov al, 0xfe
    out 0x21, al
    mov al, 0x34                ; counter 0, rate generator, every 100 pulses
    out 0x43, al
    mov al, 100
    out 0x40, al
    mov al, 0
    out 0x40, al
    mov eax, 0x80000b40         ; power management at 600h
    mov dx, 0xcf8
    out dx, eax
    mov eax, 0x601
    mov dl, 0xfc
    out dx, eax
    mov word [TICKS], 0
    sti
wait_ticks:
    mov ax, [STARTS]
    shl ax, 1
    add ax, 3
    cmp [TICKS], ax
    jb wait_ticks
    inc word [STARTS]
    mov ax, [STARTS]
    cmp ax, 1
    je by_port_92
    cmp ax, 2
    je by_keyboard
    cmp ax, 3
    je by_cf9
    mov al, 0
    out 0xf4, al
    hlt
by_port_92:
    in al, 0x92
    and al, 0xfc
    out 0x92, al
    or al, 1
    out 0x92, al
    jmp wait_ticks
by_keyboard:
    mov al, 0xfe
    out 0x64, al
    jmp wait_ticks
by_cf9:
    mov dx, 0xcf9
    mov al, 2
    out dx, al
    mov al, 6
    out dx, al
    jmp wait_ticks

tick:
    push ax
    inc word [TICKS]
    mov al, 0x20
    out 0x20, al
    pop ax
    iret

    times 0xfff0 - ($ - $$) db 0
    jmp 0xf000:entry
    times 0x10000 - ($ - $$) db 0
