; Real mode: prints a line and leaves.
; Ends: test exit, 0.
%include "boot_sector.inc"
    boot_sector
    mov si, text
.next:
    lodsb
    test al, al
    jz .done
    out DEBUG_CONSOLE, al
    jmp .next
.done:
    finish 0
text:
    db "hello from real mode", 10, 0
    end_boot_sector
