; A boot sector that goes through a display's modes and draws in each: 256 colours, planes, VBE by banks, text.
bits 16
org 0x7c00
    cld
    xor ax, ax
    mov ds, ax
    mov ss, ax
    mov sp, 0x7c00
again:
    mov ax, 0x13
    int 0x10
    mov ax, 0xa000
    mov es, ax
    xor di, di
    xor dx, dx
.row:
    xor cx, cx
.dot:
    mov ax, cx
    add ax, dx
    add ax, [turn]
    shr ax, 1
    stosb
    inc cx
    cmp cx, 320
    jne .dot
    inc dx
    cmp dx, 200
    jne .row
    call pause

    mov ax, 0x12
    int 0x10
    mov dx, 0x3ce
    mov ax, 0x0205      ; write mode 2
    out dx, ax
    xor di, di
.bar:
    mov ax, di
    mov al, ah
    shr al, 2
    mov ah, [es:di]     ; the latch
    stosb
    cmp di, 480 * 80
    jne .bar
    call pause

    mov si, vbe
    mov cx, 5
.register:
    mov dx, 0x1ce
    lodsw
    out dx, ax
    inc dx
    lodsw
    out dx, ax
    loop .register
    xor bx, bx
.bank:
    mov dx, 0x1ce
    mov ax, 5
    out dx, ax
    inc dx
    mov ax, bx
    out dx, ax
    xor di, di
    mov cx, 0x8000
.word:
    mov ax, di
    xor ax, [turn]
    xor ah, bl
    stosw
    loop .word
    inc bx
    cmp bx, 10
    jne .bank
    call pause

    mov dx, 0x1ce
    mov ax, 4
    out dx, ax
    inc dx
    xor ax, ax
    out dx, ax
    mov ax, 3
    int 0x10
    mov si, words
.letter:
    lodsb
    or al, al
    jz .written
    mov ah, 0x0e
    int 0x10
    jmp .letter
.written:
    call pause
    add word [turn], 40
    jmp again

pause:
    mov ah, 0x86        ; 0x4e20 microseconds
    xor cx, cx
    mov dx, 20000
    int 0x15
    ret

vbe: dw 1, 640, 2, 480, 3, 16, 4, 0x41, 6, 640
words: db "in text again", 13, 10, 0
turn: dw 0
    times 510 - ($ - $$) db 0
    dw 0xaa55
