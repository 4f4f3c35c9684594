; Random numbers by virtio into any of 64 KiB, over a page that code runs in; sometimes asleep until the interrupt comes.
bits 32
org 100000h
%include "virtio.inc"

next:
    call random
    mov ecx, eax
    and eax, 0ffffh
    add eax, BUFFER
    mov [DESCRIPTORS], eax
    call random
    and eax, 7ffh
    inc eax
    mov [DESCRIPTORS + 8], eax
    mov dword [DESCRIPTORS + 12], 2
    mov [DRIVER + 4 + 2 * SIZE], di ; an interrupt for this one
    inc edi
    mov [DRIVER + 2], di
    mov word [ebp + 3000h], 0
    test ecx, 30000h
    jz sleep
spin:
    mov eax, [BUFFER + 4 * ecx]
    and ecx, 0fffh
    inc ecx
    add [BUFFER + 4 * ecx], eax
    call routine
    cmp [DEVICE + 2], di
    jne spin
    jmp next
sleep:
    sti
    hlt
    cli
    cmp [DEVICE + 2], di
    jne sleep
    call routine
    jmp next

%include "virtio_interrupts.inc"
idt_register dw 8 * 64 - 1
    dd idt
align 8
idt times 64 dq 0
end:
