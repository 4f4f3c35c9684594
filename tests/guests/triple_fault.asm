; Long mode, an IDT without gates, then UD2.
; Ends: triple fault (shutdown).
%include "long.inc"
    say "going", 10
    lidt [.empty]
    ud2
.empty:
    dw 0
    dq 0
