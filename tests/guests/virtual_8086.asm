; Virtual-8086 mode with IOPL 3: INT 21h through a gate of the IDT, twice, and HLT, which is privileged.
; Ends: test exit, 0.
%include "protected.inc"
    set_handler 13, general_protection
    set_handler 21h, from_v86
    or byte [IDT + 8 * 21h + 5], 60h
    mov esi, v86_code
    mov edi, 9000h
    mov ecx, v86_end - v86_code
    rep movsb
    mov [ring0_esp], esp
    push dword 0                ; gs fs ds es
    push dword 0
    push dword 900h
    push dword 900h
    push dword 800h             ; ss:esp
    push dword 1000h
    push dword 23002h           ; VM, IOPL 3
    push dword 900h             ; cs:eip
    push dword 0
    iretd
from_v86:
    say "int21 cs="
    say_hex [ebp + FRAME_CS], 4
    say " eip="
    say_hex [ebp + FRAME_EIP], 4
    say " vm="
    mov eax, [ebp + FRAME_EFLAGS]
    shr eax, 17
    say_hex eax, 1
    say " ss:sp="
    say_hex [ebp + FRAME_SS], 4
    say_hex [ebp + FRAME_ESP], 8
    say " ds="
    say_hex [ebp + FRAME_SS + 8], 4
    say 10
    ret
general_protection:
    say "#0d eip="
    say_hex [ebp + FRAME_EIP], 4
    say 10
    finish 0
bits 16
v86_code:
    int 21h
    mov ax, 0b800h
    mov ds, ax
    int 21h
    hlt
v86_end:
