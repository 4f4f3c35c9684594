; A boot sector that does COUNT times what KIND says: fill a screen, 0 in VBE's linear memory, 1 in mode 13h, 2 in planes,
; 3 in text; draw 80 lines down a screen of planes, dot by dot, 4; set 256 colours, 5, or where the cursor is, 6; wait for
; the next retrace, 7.
bits 16
org 0x7c00
    cli
    xor ax, ax
    mov ds, ax
    mov ss, ax
    mov sp, 0x7c00
%if KIND == 1
    mov ax, 0x13
    int 0x10
%elif KIND == 2 || KIND == 4
    mov ax, 0x12
    int 0x10
%endif
    mov ax, 0x2401      ; A20
    int 0x15
    cli
    lgdt [descriptors]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp 8:protected

bits 32
protected:
    mov ax, 16
    mov ds, ax
    mov es, ax
    mov ss, ax
    cld
%if KIND == 0
    mov dx, 0xcf8
    mov eax, 0x80001010
    out dx, eax
    mov dx, 0xcfc
    in eax, dx
    and eax, ~15
    mov ebx, eax
    mov esi, vbe
    mov ecx, 4
.register:
    mov dx, 0x1ce
    lodsw
    out dx, ax
    inc dx
    lodsw
    out dx, ax
    loop .register
    mov esi, 1024 * 768
%elif KIND == 1
    mov ebx, 0xa0000
    mov esi, 320 * 200 / 4
%elif KIND == 2
    mov ebx, 0xa0000
    mov esi, 640 * 480 / 8 / 4
%else
    mov ebx, 0xb8000
    mov esi, 80 * 25 / 2
%endif
    mov ebp, COUNT
.screen:
    test ebp, ebp
    jz .done
%if KIND == 4
    mov edi, 0xa0000
.dot:
    mov ecx, edi                ; one of the eight dots, by the bit mask
    and ecx, 7
    mov ah, 0x80
    shr ah, cl
    mov al, 8
    mov dx, 0x3ce
    out dx, ax
    mov al, [edi]
    mov [edi], dl
    inc edi
    cmp edi, 0xa0000 + 480 * 80
    jb .dot
%elif KIND == 5
    mov dx, 0x3c8
    xor eax, eax
    out dx, al
    inc dx
    mov ecx, 768
.component:
    mov eax, ecx
    out dx, al
    dec ecx
    jnz .component
%elif KIND == 6
    mov dx, 0x3d4
    mov al, 0x0e
    mov ah, cl
    out dx, ax
    inc al
    out dx, ax
%elif KIND == 7
    mov dx, 0x3da
.shown:
    in al, dx
    test al, 8
    jnz .shown
.retrace:
    in al, dx
    test al, 8
    jz .retrace
%else
    mov edi, ebx
    mov ecx, esi
    mov eax, ebp
    rep stosd
%endif
    dec ebp
    jmp .screen
.done:
    mov dx, 0xf4
    mov al, 0x10
    out dx, al
    hlt

vbe: dw 1, 1024, 2, 768, 3, 32, 4, 0x41
align 8
table:
    dq 0, 0x00cf9a000000ffff, 0x00cf92000000ffff
descriptors:
    dw 23
    dd table
    times 510 - ($ - $$) db 0
    dw 0xaa55
