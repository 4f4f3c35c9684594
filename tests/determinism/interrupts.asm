; Does with interrupt controllers and timers what the script at SCRIPT says, in records of four dwords: what, two
; operands, rounds to spend. Vectors from 30h on are the local APIC's, whose handler does what the script says, those
; below the 8259A pair's, whose handlers end the interrupt if `ending` is 1. At org 100000h, as long.inc says.
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
    mov ecx, 21h
.lines:
    mov qword [handlers + rcx * 8], on_line
    inc ecx
    cmp ecx, 30h
    jb .lines
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
steps: dq end, write, read, handle, enable, disable, halt, count, priority, output, input, end_lines, input_dword
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

output:                         ; EDX to port CX
    mov eax, edx
    mov edx, ecx
    out dx, al
    jmp done
input:
    mov edx, ecx
    xor eax, eax
    in al, dx
    note
    jmp done
input_dword:
    mov edx, ecx
    in eax, dx
    note
    jmp done
end_lines:
    mov [ending], ecx
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
    cmp dword [ending], 1
    jne .not_yet
    end_of_interrupt
.not_yet:
    ret
on_line:
    rdtsc
    note
    mov rax, [rbp + FRAME_VECTOR]
    note
    cmp dword [ending], 1
    jne .not_yet
    cmp byte [rbp + FRAME_VECTOR], 28h
    mov al, 20h
    jb .of_master
    out 0a0h, al
.of_master:
    out 20h, al
.not_yet:
    ret

    align 8
seen: dq 0
handling: dd 0
again: dd 0
ending: dd 1
