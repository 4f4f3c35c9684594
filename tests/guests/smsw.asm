; Real mode: SMSW of registers of 16 and 32 bits, and of memory; CD and NW are in CR0's upper half.
; Ends: test exit, 0.
%include "boot_sector.inc"
    boot_sector
    mov ebp, cr0
    mov ebx, ebp
    or ebx, 60000000h
    mov cr0, ebx
    mov eax, 12345678h
    smsw eax
    mov ecx, 12345678h
    smsw cx
    mov dword [word_at], 12345678h
    smsw [word_at]
    mov cr0, ebp
    call print
    mov eax, ecx
    call print
    mov eax, [word_at]
    call print
    finish 0

print:                          ; eax, in hex
    mov edx, eax
    mov bl, 8
.digit:
    rol edx, 4
    mov al, dl
    and al, 0fh
    add al, '0'
    cmp al, '9'
    jbe .put
    add al, 'a' - '9' - 1
.put:
    out DEBUG_CONSOLE, al
    dec bl
    jnz .digit
    putc 10
    ret
    align 4
word_at:
    dd 0
    end_boot_sector
