; Local APICs in x2APIC mode: what raises #GP, self-IPIs, messages by logical and physical ID, to all others and to the one
; of lowest priority; INIT and start-up of a CPU that is in this mode. Ends: test exit 0, after printing what each CPU saw.
; At org 100000h, as long.inc says. CPUS is given.
%include "long.inc"
%include "smp.inc"

SEEN equ TEST_PAGES             ; 64 bytes a CPU: messages, self-IPIs
READY equ TEST_PAGES + 800h
FAULTS equ TEST_PAGES + 840h
MESSAGES equ TEST_PAGES + 880h
MESSAGE equ 40h
TO_SELF equ 51h
MSR_APIC_BASE equ 1bh
X2_ID equ 802h
X2_VERSION equ 803h
X2_TPR equ 808h
X2_EOI equ 80bh
X2_SVR equ 80fh
X2_ICR equ 830h
X2_SELF_IPI equ 83fh

%macro icr 2                    ; DESTINATION, LOW
    mov ecx, X2_ICR
    mov edx, %1
    mov eax, %2
    wrmsr
%endmacro

%macro to_x2apic 0
    mov ecx, MSR_APIC_BASE
    rdmsr
    or eax, 400h
    wrmsr
    write_msr X2_SVR, 1ffh
%endmacro

%macro wait_for 2               ; MEMORY, NUMBER
%%again:
    pause
    cmp dword [%1], %2
    jb %%again
%endmacro

    mov edi, TEST_PAGES
    mov ecx, 1000h / 8
    xor eax, eax
    rep stosq
    set_handler 13, on_fault
    set_handler MESSAGE, on_message
    set_handler TO_SELF, on_self
    mov ecx, X2_ID                      ; the MSRs are not there yet
    rdmsr
    call start_others
    wait_for READY, CPUS - 1
    write_msr MSR_APIC_BASE, 0fee00d01h ; reserved
    write_msr MSR_APIC_BASE, 0fee00500h ; EXTD without EN
    to_x2apic
    write_msr MSR_APIC_BASE, 0fee00900h ; back, but through off
    write_msr X2_VERSION, 0
    write_msr X2_EOI, 1
    write_msr X2_TPR, 100h
    mov ecx, X2_EOI
    rdmsr
    icr 0, 2000h
    say "faults "
    say_hex [FAULTS], 2

    sti
    write_msr X2_SELF_IPI, TO_SELF
    wait_for SEEN + 8, 1
    mov r14d, 1
.one:
    mov ecx, r14d                       ; cluster 0, by its bit
    mov edx, 1
    shl edx, cl
    mov ecx, X2_ICR
    mov eax, 4800h | MESSAGE
    wrmsr
    mov ebx, r14d
    shl ebx, 6
    wait_for rbx + SEEN, 1
    icr r14d, 4000h | MESSAGE           ; by its ID
    wait_for rbx + SEEN, 2
    inc r14d
    cmp r14d, CPUS
    jb .one
    icr 0, ALL_BUT_SELF | MESSAGE
    wait_for MESSAGES, 3 * (CPUS - 1)
    write_msr X2_TPR, 80h
    icr -1, 4900h | MESSAGE             ; lowest priority among all: not this one
    wait_for MESSAGES, 3 * (CPUS - 1) + 1

    icr 1, 4000h | ICR_INIT
    delay 2000
    icr 1, 4000h | ICR_START_UP | TRAMPOLINE >> 12
    wait_for READY, CPUS
    mov ecx, X2_ID
    rdmsr
    say " id "
    say_hex rax, 2
    xor r14d, r14d
.next:
    mov eax, r14d
    shl eax, 6
    say " "
    say_hex [SEEN + rax], 2
    say "+"
    say_hex [SEEN + 8 + rax], 1
    inc r14d
    cmp r14d, CPUS
    jb .next
    finish 0

ap_main:
    to_x2apic
    lock inc dword [READY]
.sleep:
    sti
    hlt
    jmp .sleep

on_fault:
    lock inc dword [FAULTS]
    add qword [rbp + FRAME_RIP], 2      ; RDMSR or WRMSR
    ret

on_message:
    lock inc dword [MESSAGES]
    mov ebx, 0
    jmp count
on_self:
    mov ebx, 8
count:
    mov ecx, X2_ID
    rdmsr
    shl eax, 6
    inc qword [SEEN + rax + rbx]
    write_msr X2_EOI, 0
    ret
