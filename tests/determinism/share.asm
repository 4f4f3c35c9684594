; Messages of 9P by virtio, answers into any of 64 KiB, over a page that code runs in; sometimes asleep meanwhile.
bits 32
org 100000h

DESCRIPTORS equ 110000h
DRIVER equ 111000h              ; the available ring
DEVICE equ 112000h              ; the used ring
BUFFER equ 120000h
ROUTINE equ 130800h
SIZE equ 8
LINE equ 11
VECTOR equ 28h + LINE - 8

header:
    dd 1badb002h, 10000h, -(1badb002h + 10000h)
    dd header, header, end, end, start

start:
    mov esp, 180000h
    mov dword [idt + 8 * VECTOR], (on_interrupt - header) + 80000h
    mov dword [idt + 8 * VECTOR + 4], 108e00h
    mov [idt + 8 * VECTOR + 2], cs
    lidt [idt_register]
    mov esi, pics
    mov ecx, 10
.pic:
    movzx edx, byte [esi]
    mov al, [esi + 1]
    out dx, al
    add esi, 2
    loop .pic
    mov dword [ROUTINE], 0c3c003h   ; ADD EAX, EAX; RET

    mov eax, 80001804h          ; 00:03.0, command: let it master the bus
    mov dx, 0cf8h
    out dx, eax
    mov dx, 0cfch
    in eax, dx
    or al, 6
    out dx, eax
    mov eax, 80001820h          ; its BAR 4
    mov dx, 0cf8h
    out dx, eax
    mov dx, 0cfch
    in eax, dx
    and al, 0f0h
    mov ebp, eax

    mov byte [ebp + 14h], 1
    mov byte [ebp + 14h], 3
    mov dword [ebp + 8], 0
    mov dword [ebp + 0ch], 30000000h
    mov dword [ebp + 8], 1
    mov dword [ebp + 0ch], 1
    mov byte [ebp + 14h], 0bh
    mov word [ebp + 16h], 0
    mov word [ebp + 18h], SIZE
    mov dword [ebp + 20h], DESCRIPTORS
    mov dword [ebp + 28h], DRIVER
    mov dword [ebp + 30h], DEVICE
    mov word [ebp + 1ch], 1
    mov byte [ebp + 14h], 0fh
    xor edi, edi                ; how many requests there were

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

routine:
    mov eax, ROUTINE
    jmp eax

%include "random.inc"

on_interrupt:
    push eax
    mov al, [ebp + 1000h]
    inc dword [interrupts]
    mov al, 20h
    out 0a0h, al
    out 20h, al
    pop eax
    iret

pics db 20h, 11h, 21h, 20h, 21h, 4, 21h, 1, 0a0h, 11h, 0a1h, 28h, 0a1h, 2, 0a1h, 1, 21h, 0fbh, 0a1h, 0f7h
interrupts dd 0
message dd messages
idt_register dw 8 * 64 - 1
    dd idt
align 8
idt times 64 dq 0
messages:
; put there by the test
end:
