; Frames by virtio, one after the other of a table, and buffers anywhere in 64 KiB for what comes, over a page that code
; runs in; sometimes asleep meanwhile.
bits 32
org 100000h
%include "virtio.inc"

DESCRIPTORS2 equ 113000h
DRIVER2 equ 114000h
DEVICE2 equ 115000h

    mov word [ebp + 16h], 1
    mov word [ebp + 18h], SIZE
    mov dword [ebp + 20h], DESCRIPTORS2
    mov dword [ebp + 28h], DRIVER2
    mov dword [ebp + 30h], DEVICE2
    mov word [ebp + 1ch], 1

offer:                          ; a buffer for each that has come back: as many are there as the ring takes
    mov ax, [DEVICE + 2]
    add ax, SIZE
    sub ax, di
    jz send
    call random
    movzx ecx, di
    and ecx, SIZE - 1
    mov [DRIVER + 4 + 2 * ecx], cx
    shl ecx, 4
    and eax, 0ffffh
    add eax, BUFFER
    mov [DESCRIPTORS + ecx], eax
    mov dword [DESCRIPTORS + ecx + 8], 1600
    mov dword [DESCRIPTORS + ecx + 12], 2
    inc edi
    mov [DRIVER + 2], di
    mov [DRIVER + 4 + 2 * SIZE], di ; an interrupt, but not for each
    mov word [ebp + 3000h], 0
    jmp offer

send:
    mov esi, [frame]
    cmp dword [esi], 0
    jne .is_there
    mov esi, frames
.is_there:
    mov eax, [esi]
    add esi, 4
    mov [DESCRIPTORS2], esi
    mov [DESCRIPTORS2 + 8], eax
    mov dword [DESCRIPTORS2 + 12], 0
    add esi, eax
    mov [frame], esi
    inc dword [sent]
    mov eax, [sent]
    mov [DRIVER2 + 2], ax
    dec eax
    mov [DRIVER2 + 4 + 2 * SIZE], ax
    mov word [ebp + 3004h], 1
    call random
    mov ecx, eax
    test ecx, 70000h
    jz sleep
    shr ecx, 12
    inc ecx
spin:
    call routine
    mov [BUFFER + 4 * ecx], eax
    loop spin
    mov ax, [sent]
    cmp [DEVICE2 + 2], ax
    je offer
    inc ecx
    jmp spin
sleep:
    sti
    hlt
    cli
    mov ax, [sent]
    cmp [DEVICE2 + 2], ax
    jne sleep
    jmp offer

%include "virtio_interrupts.inc"
sent dd 0
frame dd frames
idt_register dw 8 * 64 - 1
    dd idt
align 8
idt times 64 dq 0
frames:
; put there by the test
end:
