; When a pending interrupt is taken: after the instruction that follows STI, not between STI and CLI, at once after POPF,
; and after the HLT of STI HLT. Prints the offset of the pushed RIP from the enabling instruction, ff for none.
; Ends: test exit, 0.
%include "long.inc"
    set_handler 20h, timer
    remap_pics 0feh

    call wait_for_request
    mov rbx, .sti
.sti:
    sti
    inc ecx
    inc edx
    inc ecx
    cli
    say "sti: "
    call report_offset

    call wait_for_request
    mov rbx, .sti_cli
.sti_cli:
    sti
    cli
    nop
    nop
    say "sti cli: "
    call report_offset
    mov rbx, .drain
.drain:
    sti
    nop
    nop
    cli
    say "then: "
    call report_offset

    call wait_for_request
    pushfq
    or qword [rsp], 200h
    mov rbx, .popf
.popf:
    popfq
    nop
    nop
    cli
    say "popf: "
    call report_offset

    call wait_for_request
    mov rbx, .sti_hlt
.sti_hlt:
    sti
    hlt
    cli
    say "sti hlt: "
    call report_offset

    finish 0

; Returns with IRQ 0 requested and IF = 0, long enough for the CPU to have seen it.
wait_for_request:
    pit_counter_0 0, 100
.poll:
    mov al, 0ah                 ; OCW3: read IRR
    out 20h, al
    in al, 20h
    test al, 1
    jz .poll
    mov ecx, 10000
.settle:
    pause
    dec ecx
    jnz .settle
    mov qword [offset], -1
    ret
timer:
    mov rax, [rbp + FRAME_RIP]
    sub rax, rbx
    mov [offset], rax
    end_of_interrupt
    ret
report_offset:
    say_hex [offset], 2
    say 10
    mov qword [offset], -1
    ret
    align 8
offset: dq 0
