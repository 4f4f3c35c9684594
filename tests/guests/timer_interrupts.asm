; 8254 counter 0 through the 8259s: ten periodic interrupts with HLT, five while computing, one one-shot, none when masked.
; Ends: test exit, 0.
%include "long.inc"
    set_handler 20h, timer
    remap_pics 0feh
    pit_counter_0 2, 1193
    mov r12d, 10
.idle:
    sti
    hlt
    cli
    putc '.'
    dec r12d
    jnz .idle
    say 10
    mov dword [ticks], 0
    sti
.compute:
    cmp dword [ticks], 5
    jb .compute
    cli
    say "computed", 10
    pit_counter_0 0, 2000
    mov dword [ticks], 0
    sti
    hlt
    cli
    say "one-shot: "
    mov ecx, 200000
    sti
.wait:
    dec ecx
    jnz .wait
    cli
    say_hex [ticks], 4
    say 10
    pit_counter_0 2, 1193
    mov al, 0ffh
    out 21h, al
    mov dword [ticks], 0
    mov ecx, 200000
    sti
.masked:
    dec ecx
    jnz .masked
    cli
    say "masked: "
    say_hex [ticks], 4
    say 10
    finish 0
timer:
    inc dword [ticks]
    end_of_interrupt
    ret
    align 8
ticks: dq 0
