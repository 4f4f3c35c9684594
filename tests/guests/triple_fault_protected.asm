; 32-bit protected mode, an IDT without gates, then INT 3.
; Ends: triple fault (shutdown).
%include "protected.inc"
    say "going", 10
    lidt [.empty]
    int3
.empty:
    dw 0
    dd 0
