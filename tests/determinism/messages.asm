; Has a device send messages, by all kinds of stores and in long blocks, with interrupts off.
bits 32
org 100000h
    dd 1badb002h, 10000h, -(1badb002h + 10000h)
    dd 100000h, 100000h, 0, 0, start
MESSENGER equ 0fd000000h
LATER equ MESSENGER + 4
PORT equ 2c0h

start:
    mov esp, 200000h
    mov edi, MESSENGER
    mov esi, 40
next:
    mov eax, 31h
    inc ecx
    mov [edi], eax
    add ebx, eax
    mov dword [edi], 32h
    lea edx, [eax + ebx]
    mov [edi], al
    xor ebx, edx
    push dword [number]
    pop dword [edi]
    rol ebx, 3
    mov dword [edi + 4], 34h
    mov dx, PORT
    mov al, 35h
    out dx, al
    inc ebx
    mov ecx, 5
    push edi
    mov eax, 36h
.each:                          ; REP STOSD to one place, an element a time
    stosd
    sub edi, 4
    loop .each
    pop edi
    push esi
    push edi
    mov esi, several
    mov ecx, 2
    rep movsd                   ; the second is for later
    pop edi
    pop esi
    mov ecx, 700
.busy:
    imul ebx, ebx, 33
    loop .busy
    dec esi
    jnz next
    mov ecx, 20000
.wait:
    loop .wait
    mov al, 0
    out 0f4h, al
    hlt
number dd 33h
several dd 37h, 38h
