; Hardware task switches: #UD through a task gate, back by IRET with NT, and a far jump to a TSS.
; Ends: test exit, 0.
%include "protected.inc"
TSS2 equ 0a000h
    mov edi, TSS2
    mov ecx, 26
    xor eax, eax
    rep stosd
    mov dword [TSS2 + 28], 0
    mov dword [TSS2 + 32], task
    mov dword [TSS2 + 36], 2
    mov dword [TSS2 + 56], 0b000h
    mov dword [TSS2 + 72], DATA
    mov dword [TSS2 + 76], CODE
    mov dword [TSS2 + 80], DATA
    mov dword [TSS2 + 84], DATA
    mov dword [TSS2 + 88], DATA
    mov dword [TSS2 + 92], DATA
    mov word [gdt + NOT_PRESENT], 67h
    mov word [gdt + NOT_PRESENT + 2], TSS2
    mov dword [gdt + NOT_PRESENT + 4], 8900h
    mov dword [IDT + 8 * 6], NOT_PRESENT << 16
    mov dword [IDT + 8 * 6 + 4], 8500h
    mov ebx, 1234h
    ud2
after:
    say "back ebx="
    say_hex ebx, 4
    say 10
    mov dword [TSS2 + 32], jumped
    and byte [gdt + NOT_PRESENT + 5], ~2
    jmp NOT_PRESENT:0
task:
    say "task ts="
    mov eax, cr0
    shr eax, 3
    and eax, 1
    say_hex eax, 1
    pushfd
    pop eax
    shr eax, 14
    and eax, 1
    say " nt="
    say_hex eax, 1
    say " link="
    movzx eax, word [TSS2]
    say_hex eax, 4
    say " old eip-after="
    mov eax, [TSS + 32]
    sub eax, after
    say_hex eax, 8
    add dword [TSS + 32], 2
    say 10
    iretd
    jmp task
jumped:
    str eax
    say "jumped tr="
    say_hex eax, 4
    say 10
    finish 0
