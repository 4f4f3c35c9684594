; Does to its disk at IDE what comes on COM1, and says ~ when it is ready for more: 4 bytes, what, sector, count, value.
; w writes sectors whose words are value and sector, r reads, t trims, x resets the machine. In the disk's first sector.
bits 16
org 7c00h
%include "boot_sector.inc"

ATA equ 1f0h
TABLE equ 9000h
BUFFER equ 10000h
COM1 equ 3f8h
IDE equ 80000900h               ; 00:01.1 in CONFIG_ADDRESS

    boot_sector
    mov eax, IDE + 4
    call config
    or al, 5
    out dx, eax
    mov eax, IDE + 20h
    call config
    and al, 0f0h
    mov [master], ax
    mov dword [TABLE], BUFFER
    mov dword [TABLE + 4], 80000200h
    mov ax, BUFFER >> 4
    mov es, ax
next:
    mov al, '~'
    call put
    mov di, what
    mov cx, 4
.byte:
    call get
    mov [di], al
    inc di
    loop .byte
    mov al, [what]
    cmp al, 'x'
    je reset
    cmp al, 't'
    je trim
.sector:
    cmp byte [number], 0
    je next
    cmp byte [what], 'w'
    je .write
    mov bl, 20h                 ; READ SECTORS
    call command
    mov dx, ATA
    mov cx, 256
    xor di, di
    rep insw
    jmp .after
.write:
    mov al, [value]
    mov ah, [sector]
    mov cx, 256
    xor di, di
    rep stosw
    mov bl, 30h                 ; WRITE SECTORS
    call command
    mov dx, ATA
    mov cx, 256
    xor si, si
    push ds
    push es
    pop ds
    rep outsw
    pop ds
    call ready
.after:
    inc byte [sector]
    dec byte [number]
    jmp .sector

trim:
    xor ax, ax
    xor di, di
    mov cx, 256
    rep stosw
    mov al, [sector]
    mov [es:0], al
    mov al, [number]
    mov [es:6], al
    mov dx, [master]
    add dx, 4
    mov eax, TABLE
    out dx, eax
    sub dx, 2
    mov al, 6
    out dx, al
    mov bl, 6                   ; DATA SET MANAGEMENT
    call command
    mov dx, [master]
    mov al, 1
    out dx, al
    call ready
    mov dx, [master]
    mov al, 0
    out dx, al
    jmp next

reset:
    mov al, 1
    out 92h, al
    jmp $

; BL to the command register, for one sector at [sector], or one block of ranges to trim
command:
    mov dx, ATA + 1
    mov al, 1
    out dx, al
    inc dx
    dec ax                      ; the upper half of the count first
    out dx, al
    inc ax
    out dx, al
    inc dx
    mov al, [sector]
    out dx, al
    inc dx
    mov al, 0
    out dx, al
    inc dx
    out dx, al
    inc dx
    mov al, 0e0h
    out dx, al
    inc dx
    mov al, bl
    out dx, al
    cmp bl, 6
    je get.end
ready:                          ; not busy
    mov dx, ATA + 7
    in al, dx
    test al, al
    js ready
    ret

get:
    mov dx, COM1 + 5
    in al, dx
    test al, 1
    jz get
    mov dx, COM1
    in al, dx
.end:
    ret

put:
    push ax
    mov dx, COM1 + 5
.wait:
    in al, dx
    test al, 20h
    jz .wait
    pop ax
    mov dx, COM1
    out dx, al
    ret

config:                         ; EAX: a register, and then what is in it; DX: its data port
    mov dx, 0cf8h
    out dx, eax
    mov dx, 0cfch
    in eax, dx
    ret

what db 0
sector db 0
number db 0
value db 0
master dw 0
    end_boot_sector
