; Does to the machine's devices what the script at SCRIPT says, in records of four dwords: what, address, value, count. What
; is read is taken into [seen]. Exceptions, NMIs among them, go on with the next record; interrupts are ended as `ending`
; says: bit 0 at the 8259As, bit 1 at the local APIC. A storm of them is sat out with interrupts off.
; At org 100000h, as protected.inc says.
%include "protected.inc"

SCRIPT equ 400000h
CURSOR equ 2f0000h
LAPIC_EOI equ 0fee000b0h
STORM equ 60
IF equ 200h

    mov dword [CURSOR], SCRIPT
    xor ecx, ecx
.exceptions:
    mov dword [handlers + 4 * ecx], on_exception
    inc ecx
    cmp ecx, 32
    jb .exceptions
.interrupts:
    mov dword [handlers + 4 * ecx], on_interrupt
    inc ecx
    cmp ecx, 256
    jb .interrupts
    jmp next

done:
    add dword [CURSOR], 16
next:
    mov esp, STACK
    cld
    mov dword [storm], 0
    mov ebx, [CURSOR]
    mov eax, [ebx]
    cmp eax, LAST
    jae end
    mov edx, [ebx + 4]
    mov ecx, [ebx + 12]
    jmp [steps + 4 * eax]

    align 4
steps:
    dd end, out8, out16, out32, in8, in16, in32, store8, store16, store32, load8, load16, load32
    dd ins8, ins16, ins32, outs8, outs16, outs32, spin, halt, enable, disable, endings, copy
    dd get_msr, set_msr
LAST equ ($ - steps) / 4
end:
    finish 0

%macro note 0
    rol dword [seen], 5
    add [seen], eax
    jmp done
%endmacro

out8:
    mov eax, [ebx + 8]
    out dx, al
    jmp done
out16:
    mov eax, [ebx + 8]
    out dx, ax
    jmp done
out32:
    mov eax, [ebx + 8]
    out dx, eax
    jmp done
in8:
    xor eax, eax
    in al, dx
    note
in16:
    xor eax, eax
    in ax, dx
    note
in32:
    in eax, dx
    note
store8:
    mov eax, [ebx + 8]
    mov [edx], al
    jmp done
store16:
    mov eax, [ebx + 8]
    mov [edx], ax
    jmp done
store32:
    mov eax, [ebx + 8]
    mov [edx], eax
    jmp done
load8:
    movzx eax, byte [edx]
    note
load16:
    movzx eax, word [edx]
    note
load32:
    mov eax, [edx]
    note
ins8:
    mov edi, [ebx + 8]
    rep insb
    jmp done
ins16:
    mov edi, [ebx + 8]
    rep insw
    jmp done
ins32:
    mov edi, [ebx + 8]
    rep insd
    jmp done
outs8:
    mov esi, [ebx + 8]
    rep outsb
    jmp done
outs16:
    mov esi, [ebx + 8]
    rep outsw
    jmp done
outs32:
    mov esi, [ebx + 8]
    rep outsd
    jmp done
spin:
    dec ecx
    jns spin
    jmp done
halt:
    add dword [CURSOR], 16
    sti
    hlt
    cli
    jmp next
enable:
    sti
    jmp done
disable:
    cli
    jmp done
endings:
    mov [ending], ecx
    jmp done
get_msr:
    mov ecx, edx
    rdmsr
    note
set_msr:
    xchg ecx, edx
    mov eax, [ebx + 8]
    wrmsr
    jmp done
copy:
    mov edi, edx
    mov esi, [ebx + 8]
    rep movsd
    jmp done

on_exception:
    mov dword [ebp + FRAME_EIP], done
    jmp sit_out

on_interrupt:
    call sit_out
    mov al, 20h
    test byte [ending], 1
    jz .not_pic
    out 0a0h, al
    out 20h, al
.not_pic:
    test byte [ending], 2
    jz .not_apic
    mov [LAPIC_EOI], eax
.not_apic:
    ret

; An interrupt with a vector of an exception storms too, before `done` has moved on.
sit_out:
    inc dword [storm]
    cmp dword [storm], STORM
    jb .bearable
    and dword [ebp + FRAME_EFLAGS], ~IF
.bearable:
    ret

    align 4
seen: dd 0
storm: dd 0
ending: dd 3
