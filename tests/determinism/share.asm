; Messages of 9P by virtio, answers into any of 64 KiB, over a page that code runs in; sometimes asleep meanwhile.
bits 32
org 100000h
%include "virtio.inc"

next:
    call random
    mov ecx, eax
    and eax, 0ffffh
    add eax, BUFFER
    mov [DESCRIPTORS + 16], eax ; where the answer goes
    mov dword [DESCRIPTORS + 16 + 8], 7ffh
    mov dword [DESCRIPTORS + 16 + 12], 2
    mov esi, [message]
    cmp dword [esi], 0
    jne .is_there
    mov esi, again
.is_there:
    mov [DESCRIPTORS], esi
    mov eax, [esi]              ; its size, which it begins with
    mov [DESCRIPTORS + 8], eax
    mov dword [DESCRIPTORS + 12], 10001h
    add esi, eax
    mov [message], esi
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
message dd messages
idt_register dw 8 * 64 - 1
    dd idt
align 8
idt times 64 dq 0
messages:
; put there by the test
end:
