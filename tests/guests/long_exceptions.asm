; 64-bit mode: each exception that it can provoke, with its error code and pushed RIP.
; Ends: test exit, 0.
%include "long.inc"
    xor ebx, ebx
    provoke div rbx
    mov rax, 8000000000000000h
    cqo
    mov rbx, -1
    provoke idiv rbx
    provoke int3
    provoke int 3
    provoke ud2
    provoke db 06h              ; PUSH ES: not in 64-bit mode
    mov rax, cr0
    or eax, 8
    mov cr0, rax                ; TS
    provoke fnop
    provoke movaps xmm0, xmm1
    clts
    mov eax, NOT_PRESENT
    provoke mov ds, eax         ; #NP
    provoke mov ss, eax         ; #SS
    mov eax, 5678h
    provoke mov es, eax         ; #GP
    mov eax, TASK_STATE
    provoke ltr ax              ; #GP, busy
    mov byte [IDT + 16 * 34h + 5], 0eh
    provoke int 34h             ; #NP, IDT bit
    provoke movaps xmm0, [limits + 1]   ; #GP, alignment
    fninit
    push qword 37bh             ; zero divide unmasked
    fldcw [rsp]
    pop rax
    fldz
    fld1
    fdiv st0, st1
    provoke fwait
    fnclex
    provoke int 2               ; NMI's vector, by software
    say "done", 10
    finish 0
    align 16
limits: dq 0, 0, 0, 0
