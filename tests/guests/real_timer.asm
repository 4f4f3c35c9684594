; Real mode: 8259s at 20h, counter 0 of the 8254 at 1 kHz, eight interrupts waited for with HLT.
; Ends: test exit, 0.
%include "boot_sector.inc"
    boot_sector
    mov word [4 * 20h], timer
    mov word [4 * 20h + 2], 0
    remap_pics 0feh
    pit_counter_0 2, 1193
.wait:
    sti
    hlt
    cli
    cmp byte [ticks], 8
    jb .wait
    putc 10
    finish 0
timer:
    push ax
    putc '.'
    inc byte [ticks]
    end_of_interrupt
    pop ax
    iret
ticks: db 0
    end_boot_sector
