; From the boot sector through every mode: real, 16-bit protected, 32-bit protected, compatibility, 64-bit, and back to real.
; Prints a letter in each.
; Ends: test exit, 0.
%include "boot_sector.inc"
PML4 equ 10000h
    boot_sector
    putc 'R'
    lgdt [gdtr]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp 18h:protected16
protected16:
    putc 'P'
    mov ax, 10h
    mov ds, ax
    mov es, ax
    mov ss, ax
    jmp 8h:protected32
bits 32
protected32:
    putc 'Q'
    mov esp, 7c00h
    mov edi, PML4
    mov ecx, 3 * 4096 / 4
    xor eax, eax
    rep stosd
    mov dword [PML4], PML4 + 1003h
    mov dword [PML4 + 1000h], PML4 + 2003h
    mov dword [PML4 + 2000h], 83h
    mov eax, 20h
    mov cr4, eax
    mov eax, PML4
    mov cr3, eax
    mov ecx, 0c0000080h
    rdmsr
    or eax, 100h
    wrmsr
    mov eax, cr0
    or eax, 80000000h
    mov cr0, eax
    putc 'C'                    ; paging with EFER.LMA and a 32-bit code segment: compatibility mode
    jmp 20h:long64
bits 64
long64:
    putc 'L'
    mov rax, 123456789abcdef0h  ; no such thing outside 64-bit mode
    shr rax, 60
    add al, '0'
    out DEBUG_CONSOLE, al
    push 8
    push back32
    retfq
bits 32
back32:
    putc 'c'
    mov eax, cr0
    and eax, 7fffffffh
    mov cr0, eax
    mov ecx, 0c0000080h
    rdmsr
    and eax, ~100h
    wrmsr
    putc 'q'
    jmp 18h:back16
bits 16
back16:
    putc 'p'
    mov ax, 28h
    mov ds, ax
    mov ss, ax
    mov eax, cr0
    and al, 0feh
    mov cr0, eax
    jmp 0:real
real:
    xor ax, ax
    mov ds, ax
    mov ss, ax
    putc 'r'
    putc 10
    finish 0
    align 8
gdt:
    dq 0
    dq 00cf9b000000ffffh        ; 08h: 32-bit code
    dq 00cf93000000ffffh        ; 10h: data
    dq 00009b000000ffffh        ; 18h: 16-bit code
    dq 00af9b000000ffffh        ; 20h: 64-bit code
    dq 000093000000ffffh        ; 28h: 16-bit data
gdtr:
    dw gdtr - gdt - 1
    dd gdt
    end_boot_sector
