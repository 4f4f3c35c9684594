; A jump, with paging off, to physical addresses where there is no memory. The bus reads as ones: FFh FFh is no
; instruction, and there is no handler for the #UD.
; Ends: triple fault (shutdown). QEMU gives up instead: it runs no code outside RAM and ROM.
%include "protected.inc"
    say "leaving memory", 10
    lidt [.empty]
    mov eax, 0d0000000h
    jmp eax
.empty:
    dw 0
    dd 0
