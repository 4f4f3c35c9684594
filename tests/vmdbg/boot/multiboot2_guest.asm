; A Multiboot 2 kernel that prints EAX and its information structure in hexadecimal on COM1, and then what it finds of
; the state that the specification promises. TAGS are further tags of its header; without ORIGIN it is linked by ld.

bits 32
%ifdef ORIGIN
        org ORIGIN
%else
        section .text
        global enter
%endif
start:
        align 8
header:
        dd 0xe85250d6, 0, header.end - header, -(0xe85250d6 + header.end - header) & 0xffffffff
        TAGS
        align 8
        dw 0, 0
        dd 8
.end:

enter:
        call here
here:   pop ebp
        sub ebp, here                   ; how far from where it is linked
        lea esp, [ebp + stack]
        call hex
        mov al, 10
        call put
        mov esi, ebx
        mov ecx, [ebx]
.byte:  lodsb
        shl eax, 24
        mov edi, 2
        call digits
        loop .byte
        mov al, 10
        call put
        mov eax, cr0
        and eax, 0x80000001
        call hex
        pushfd
        pop eax
        and eax, 0x20200
        call hex
        mov ax, cs
        lar eax, ax
        and eax, 0x409a00               ; 32-bit code; whether it is accessed is not asked for
        call hex
        mov ax, ds
        lar eax, ax
        and eax, 0x409200
        call hex
        mov eax, ebp
        call hex
        mov al, 10
        call put
        mov dx, 0xf4
        mov al, 0
        out dx, al
        cli
        hlt

hex:    mov edi, 8
digits: rol eax, 4
        push eax
        and al, 15
        add al, '0'
        cmp al, '9'
        jbe .put
        add al, 'a' - '9' - 1
.put:   call put
        pop eax
        dec edi
        jnz digits
        ret

put:    push edx
        push eax
        mov dx, 0x3f8 + 5
.wait:  in al, dx
        test al, 0x20
        jz .wait
        pop eax
        mov dx, 0x3f8
        out dx, al
        pop edx
        ret
        times 256 db 0
stack:
end:
