; 32-bit protected mode without paging: each exception that it can provoke, with its error code and pushed EIP.
; Ends: test exit, 0.
%include "protected.inc"
    xor ebx, ebx
    provoke div ebx
    provoke int3
    mov al, 7fh
    add al, 1
    provoke into
    mov eax, 9
    provoke bound eax, [limits]
    provoke ud2
    mov eax, cr0
    or eax, 8
    mov cr0, eax                ; TS
    provoke fnop
    clts
    mov eax, NOT_PRESENT
    provoke mov ds, eax         ; #NP
    provoke mov ss, eax         ; #SS
    mov eax, 5678h
    provoke mov es, eax         ; #GP, selector beyond the limit
    xor eax, eax
    provoke mov ss, eax         ; #GP(0), null SS
    provoke jmp DATA:0          ; #GP, no code segment
    provoke int 33h             ; a gate like any other in ring 0
    mov byte [IDT + 8 * 34h + 5], 0eh
    provoke int 34h             ; #NP, gate not present, IDT bit set
    mov eax, TASK_STATE
    provoke ltr ax              ; #GP, busy
    fninit
    push dword 37bh             ; zero divide unmasked
    fldcw [esp]
    pop eax
    mov eax, cr0
    or eax, 20h                 ; NE
    mov cr0, eax
    fldz
    fld1
    fdiv st0, st1
    provoke fwait
    fnclex
    say "done", 10
    finish 0
limits: dd 1, 8
