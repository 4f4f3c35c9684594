; HLT with IF = 0.
; Ends: halted forever.
%include "long.inc"
    say "good night", 10
    cli
    hlt
