; What several CPUs do to each other: racy, locked and lock-protected counts, with PAUSE and without; interrupts from one to
; the next and to all; HLT until one comes; a timer each; code that another CPU rewrites; TSCs. Each CPU takes what it sees
; into a hash of its own at HASHES. Ends: test exit 0, after printing counts and hashes. At org 100000h, as long.inc says.
; CPUS and ROUNDS are given.
%include "long.inc"
%include "smp.inc"

RACY equ TEST_PAGES             ; a counter without a lock
LOCKED equ TEST_PAGES + 40h
GUARDED equ TEST_PAGES + 80h
LOCK_WORD equ TEST_PAGES + 0c0h
FINISHED equ TEST_PAGES + 100h
HASHES equ TEST_PAGES + 200h    ; 64 bytes a CPU: hash, interrupts, timers
CODE_PAGE equ TEST_PAGES + 1000h
MESSAGE equ 40h                 ; vectors
TICK equ 41h

    mov edi, TEST_PAGES
    mov ecx, 2000h / 8
    xor eax, eax
    rep stosq
    mov dword [CODE_PAGE], 0c3c0ffh     ; INC EAX; RET
    set_handler MESSAGE, on_message
    set_handler TICK, on_tick
    call start_others
    xor r15d, r15d
    call work
.wait:
    pause
    cmp dword [FINISHED], CPUS
    jb .wait
    say_hex [RACY], 8
    say " "
    say_hex [LOCKED], 8
    say " "
    say_hex [GUARDED], 8
    xor r14d, r14d
.next:
    say " "
    mov eax, r14d
    shl eax, 6
    say_hex [HASHES + rax], 16
    inc r14d
    cmp r14d, CPUS
    jb .next
    finish 0

ap_main:
    call work
.sleep:
    sti
    hlt
    jmp .sleep

; rax into the CPU's hash
mix:
    rol qword [r13], 7
    add [r13], rax
    ret

work:
    mov r13d, r15d
    shl r13d, 6
    add r13d, HASHES
    mov dword [TIMER_DIVIDE], 0bh       ; by 1
    mov dword [LVT_TIMER], 20000h | TICK
    mov eax, r15d
    imul eax, eax, 1777
    add eax, 30011
    mov [TIMER_COUNT], eax
    sti
    mov r12d, ROUNDS
.round:
    mov eax, [RACY]             ; lost where a turn ends in between
    call mix
    mov ecx, r12d
    and ecx, 15
.between:
    dec ecx
    jns .between
    mov eax, [RACY]
    call .nothing
    inc eax
    mov [RACY], eax
    lock inc dword [LOCKED]
.take:
    mov eax, 1
    xchg [LOCK_WORD], eax
    test eax, eax
    jz .taken
    test r12d, 1
    jz .take                    ; a spin that ends with its turn
    pause
    jmp .take
.taken:
    mov eax, [GUARDED]
    call .nothing
    inc eax
    mov [GUARDED], eax
    mov dword [LOCK_WORD], 0
    rdtsc
    call mix
    mov eax, r12d
    call CODE_PAGE
    call mix
    test r12d, 7
    jnz .no_message
    lea eax, [r15 + 1]          ; to the next CPU, as flat logical destinations are not set: by APIC ID
    cmp eax, CPUS
    jb .to
    xor eax, eax
.to:
    shl eax, 24
    mov [ICR_HIGH], eax
    send 4000h | MESSAGE
.no_message:
    test r12d, 31
    jnz .no_broadcast
    send ALL_BUT_SELF | MESSAGE
    xor byte [CODE_PAGE + 1], 8         ; INC EAX or DEC EAX
.no_broadcast:
    test r12d, 15
    jnz .no_sleep
    hlt                         ; the timer comes
.no_sleep:
    dec r12d
    jnz .round
    cli
    mov dword [LVT_TIMER], 10000h
    lock inc dword [FINISHED]
.nothing:
    ret

on_message:
    mov eax, [LAPIC_ID]
    shr eax, 24
    shl eax, 6
    add eax, HASHES
    inc qword [rax + 8]
    rol qword [rax], 3
    mov rcx, [rbp + FRAME_RIP]
    add [rax], rcx
    mov dword [LAPIC_EOI], 0
    ret

on_tick:
    mov eax, [LAPIC_ID]
    shr eax, 24
    shl eax, 6
    add eax, HASHES
    inc qword [rax + 16]
    rol qword [rax], 5
    mov rcx, [rbp + FRAME_RIP]
    add [rax], rcx
    mov dword [LAPIC_EOI], 0
    ret
