; Interrupts that a CPU raises itself, each looked for right behind the instruction that does: by a store to its local
; APIC, within a block of code and as the last of two stores of one instruction, by a line that it drives, by an NMI, and
; in x2APIC mode by WRMSR. Prints one digit each: 1 if it had come.
; At org 100000h, as long.inc says.
%include "long.inc"
%include "smp.inc"

SEEN equ TEST_PAGES
TO_SELF equ 51h
SELF equ 40000h                 ; of the ICR: shorthand
LINE_5 equ 2005h
MSR_APIC_BASE equ 1bh
X2_SVR equ 80fh
X2_EOI equ 80bh
X2_SELF_IPI equ 83fh

%macro had_come 0
    mov ebx, [SEEN]
    times 4 nop
    mov dword [SEEN], 0
    lea eax, [rbx + '0']
    putc al
    delay 2000
    mov dword [SEEN], 0
%endmacro

    mov dword [SEEN], 0
    mov dword [SEEN + 8], ICR_LOW
    set_handler TO_SELF, on_message
    set_handler 2, on_line
    set_handler 25h, on_line
    map_window 511, 0fee00000h | P | W
    mov dword [LAPIC_SVR], 1ffh
    remap_pics 0dfh
    sti

    nop
    send SELF | TO_SELF
    had_come
    mov dword [SEEN + 16], SELF | TO_SELF
    mov esi, SEEN + 16
    mov edi, ICR_LOW
    movsd
    had_come
    mov edx, LINE_5
    mov al, 1
    out dx, al
    had_come
    send SELF | 400h
    had_come
    cli
    send SELF | TO_SELF
    sti
    nop
    had_come

    mov ecx, MSR_APIC_BASE
    rdmsr
    or eax, 400h
    wrmsr
    write_msr X2_SVR, 1ffh
    write_msr X2_SELF_IPI, TO_SELF
    had_come
    finish 0

ap_main:
    hlt

on_message:
    inc dword [SEEN]
    mov ecx, MSR_APIC_BASE
    rdmsr
    test ah, 4
    jz .in_memory
    write_msr X2_EOI, 0
    ret
.in_memory:
    mov dword [LAPIC_EOI], 0
    ret

on_line:
    inc dword [SEEN]
    mov edx, LINE_5
    xor al, al
    out dx, al
    end_of_interrupt
    ret
