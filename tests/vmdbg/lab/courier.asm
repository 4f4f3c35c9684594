; Real mode: a letter that comes at COM2 goes to COM1, and its successor back; "z" ends the guest.
; STARTS: the one who sends the first. It works for a while on each, which depends on the letter.
; (boot_sector.inc has the org of all boot sectors.)
%include "boot_sector.inc"
COM2 equ 2f8h
    boot_sector
    mov word [4 * 23h], received
    mov word [4 * 23h + 2], 0
    remap_pics 0f7h
    mov dx, COM2 + 1
    mov al, 1
    out dx, al              ; IER: received data
    mov dx, COM2 + 4
    mov al, 0bh
    out dx, al              ; DTR, RTS, OUT2
%if STARTS
    mov al, 'a'
    mov dx, COM2
    out dx, al
%endif
.wait:
    sti
    hlt
    jmp .wait
received:
    push ax
    push cx
    push dx
    mov dx, COM2
    in al, dx
    mov ah, al
    putc ah
    end_of_interrupt
    mov cl, ah
    and cl, 7
    mov ch, cl
.work:
    loop .work
    cmp ah, 'z'
    je .over
    inc ah
    mov al, ah
    mov dx, COM2
    out dx, al
    cmp ah, 'z'
    je .over
    pop dx
    pop cx
    pop ax
    iret
.over:
    finish 0
    end_boot_sector
