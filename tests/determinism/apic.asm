; Does with the local APIC what the script at SCRIPT says, in records of four dwords: what, two operands, rounds to spend.
; Vectors from 30h on are the APIC's. What its handler does is for the script to say, too. At org 100000h, as long.inc says.
%include "long.inc"

SCRIPT equ 300000h
LAPIC equ WINDOW
EOI equ LAPIC + 0b0h
INITIAL_COUNT equ LAPIC + 380h
CURRENT_COUNT equ LAPIC + 390h

%macro note 0                   ; takes rax into what the digest sees
    rol qword [seen], 7
    add [seen], rax
%endmacro

    map_window 0, 0fee00000h | P | W
    remap_pics 0feh
    set_handler 20h, on_counter_0
    mov ecx, 30h
.handler:
    mov qword [handlers + rcx * 8], on_interrupt
    inc ecx
    cmp ecx, 100h
    jb .handler
    mov r12d, SCRIPT
next:
    mov eax, [r12]
    mov ecx, [r12 + 4]
    mov edx, [r12 + 8]
    jmp [steps + rax * 8]
done:
    mov ecx, [r12 + 12]
.spend:
    dec ecx
    jns .spend
    add r12, 16
    jmp next

    align 8
steps: dq end, write, read, handle, enable, disable, halt, count, priority
end:
    finish 0
write:
    mov [LAPIC + rcx], edx
    jmp done
read:
    mov eax, [LAPIC + rcx]
    note
    jmp done
handle:                         ; ECX: EOI before 1, EOI after 2, initial count 4 of EDX, look 8, nested 10h
    mov [handling], ecx
    mov [again], edx
    jmp done
enable:
    sti
    jmp done
disable:
    cli
    jmp done
halt:
    sti
    hlt
    jmp done
count:
    mov al, 34h
    out 43h, al
    mov al, cl
    out 40h, al
    mov al, ch
    out 40h, al
    jmp done
priority:
    mov cr8, rdx
    mov rax, cr8
    note
    jmp done

on_interrupt:
    note
    rdtsc
    note
    mov ecx, [handling]
    mov edx, [again]
    test cl, 1
    jz .not_yet
    mov dword [EOI], 0
.not_yet:
    test cl, 4
    jz .no_count
    mov [INITIAL_COUNT], edx
.no_count:
    test cl, 8
    jz .no_look
    mov eax, [CURRENT_COUNT]
    note
.no_look:
    test cl, 10h
    jz .alone
    sti
    mov eax, 50
.nested:
    dec eax
    jnz .nested
    cli
.alone:
    test cl, 2
    jz .no_end
    mov dword [EOI], 0
.no_end:
    ret

on_counter_0:
    rdtsc
    note
    end_of_interrupt
    ret

    align 8
seen: dq 0
handling: dd 0
again: dd 0
