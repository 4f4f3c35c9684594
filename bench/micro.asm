; Loops of COUNT rounds in ring 3 on no-execute data pages, each round with one EVENT: what an event costs is the time of
; such a loop less that of the loop with EVENT_NONE. At org 100000h, as long.inc says.
%include "long.inc"

EVENT_NONE equ 0
EVENT_FAULT equ 1
EVENT_SYSTEM_CALL equ 2
EVENT_TIMER equ 3
EVENT_PORT equ 4
EVENT_APIC_TIMER equ 5
EVENT_DEVICE_PORT equ 6
LAPIC equ WINDOW + 2 * 4096
LINE_STATUS equ 3fdh
INTERRUPT_ENABLE equ 3f9h
UNMAPPED equ WINDOW + 5000h
ARRAY equ WINDOW

    write_msr MSR_STAR, 0018000800000000h
    write_msr MSR_LSTAR, on_system_call
    write_msr MSR_FMASK, 200h
%assign page 0
%rep 2
    map_window page, (TEST_PAGES + page * 4096) | P | W | U | NX
%assign page page + 1
%endrep
    mov dword [IDT + 16 * 14], on_fault - image + 8 * 65536
    mov word [IDT + 16 * 14 + 6], (100000h) >> 16
    mov dword [IDT + 16 * 20h], on_timer - image + 8 * 65536
    mov word [IDT + 16 * 20h + 6], (100000h) >> 16
%if EVENT = EVENT_TIMER
    remap_pics 0feh
    pit_counter_0 2, PERIOD
%endif
%if EVENT = EVENT_APIC_TIMER
    map_window 2, 0fee00000h | P | W
    mov al, 0ffh
    out 21h, al
    mov dword [LAPIC + 0f0h], 1ffh      ; enabled
    mov dword [LAPIC + 3e0h], 0bh       ; divide by 1
    mov dword [LAPIC + 320h], 20020h    ; periodic, vector 20h
    mov dword [LAPIC + 380h], PERIOD * 838
%endif
    push qword USER_DATA
    push qword RING3_STACK
%if EVENT = EVENT_TIMER || EVENT = EVENT_APIC_TIMER
    push qword 3202h
%else
    push qword 3002h            ; a loader may have left timer and interrupt controller running
%endif
    push qword USER_CODE
    push qword user
    iretq

    align 64
user:
    mov r15d, COUNT
    mov ebx, ARRAY
    mov r13d, 1
    align 64
.round:
%if EVENT = EVENT_FAULT
    mov eax, [UNMAPPED]
%elif EVENT = EVENT_SYSTEM_CALL
    syscall
%elif EVENT = EVENT_PORT
    mov edx, LINE_STATUS        ; which the engine answers
    in al, dx
%elif EVENT = EVENT_DEVICE_PORT
    mov edx, INTERRUPT_ENABLE
    in al, dx
%endif
    mov r14d, WORK
.work:
    mov ecx, r14d
    and ecx, 1023
    add r13, [rbx + 8]
    rol r13, 7
    mov [rbx + rcx * 8], r13
    xor r13, r14
    dec r14d
    jnz .work
    dec r15d
    jnz .round
    finish 0

on_fault:                       ; skips the 7 bytes of MOV
    add rsp, 8
    add qword [rsp], 7
    iretq
on_system_call:
    o64 sysret
on_timer:
%if EVENT = EVENT_APIC_TIMER
    mov dword [LAPIC + 0b0h], 0
%else
    push rax
    end_of_interrupt
    pop rax
%endif
    iretq
