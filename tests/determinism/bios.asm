; A boot sector that never stops asking the BIOS: disk, screen, clock, keys and waits, with the timer's interrupt between.

        bits 16
        org 0x7c00
start:  xor ax, ax
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov sp, 0x7c00
        mov [drive], dl
again:  mov bx, 0x1000
        mov ax, 0x0201
        mov cx, 2
        mov dh, 0
        mov dl, [drive]
        int 0x13
        inc dword [0x1000]
        mov ax, 0x0301
        mov dl, [drive]
        int 0x13
        mov al, [0x1000]
        and al, 15
        add al, 'a'
        mov bx, 7
        mov ah, 0x0e
        int 0x10
        mov ah, 1
        int 0x16
        mov ah, 0
        int 0x1a
        test byte [0x1000], 7
        jnz again
        mov cx, 0
        mov dx, 900
        mov ah, 0x86
        int 0x15
        jmp again
drive:  db 0
        times 510 - ($ - $$) db 0
        dw 0xaa55
        times 512 db 0
