; Runs one case after the other in ring 3: the same bytes on this machine's own CPU and in a guest.
; Where things are, and what a case and its states look like, is in batch.py.
        org HARNESS
        bits 64

; Of this program's section, so that [rel] reaches them: nasm takes plain numbers for absolute addresses.
NEXT_CASE       equ $$ + CONTROL - HARNESS
END_OF_CASES    equ NEXT_CASE + 8
CALLER          equ NEXT_CASE + 16
TARGET          equ NEXT_CASE + 24
AFTER_RSP       equ NEXT_CASE + 32
SCRATCH         equ $$ + SCRATCH_TOP - HARNESS

; What the host's handler and the guest's loader look for.
        dq entry, advance

entry:
        push rbx
        push rbp
        push r12
        push r13
        push r14
        push r15
        mov [rel CALLER], rsp
%ifdef CODE32                           ; null in a 64-bit process
        mov eax, DATA_32
        mov ds, eax
        mov es, eax
%endif

next:
        mov rbx, [rel NEXT_CASE]
        cmp rbx, [rel END_OF_CASES]
        jae done
        mov rdx, [rbx + 8]
        lea rsi, [rdx + DATA_AT]
        cld
        mov edi, ACROSS
        mov ecx, ACROSS_SIZE / 8
        rep movsq
        mov edi, AT_END
        mov ecx, AT_END_SIZE / 8
        rep movsq
        lea rsp, [rel SCRATCH]
        call clear_rest
        fxrstor [rdx + FX_AT]
%ifdef AVX
%assign number 0
%rep 16
        vinsertf128 ymm%[number], ymm%[number], [rdx + HIGH_AT + 16 * number], 1
%assign number number + 1
%endrep
%endif
        mov rax, [rbx]
        mov [rel TARGET], rax
%ifdef CODE32
        mov word [rel TARGET + 4], CODE_32
%endif
        lea rsp, [rel SCRATCH]
        push qword [rdx + RFLAGS_AT]
        popfq
        mov rax, [rdx]
        mov rcx, [rdx + 8]
        mov rbx, [rdx + 24]
        mov rsp, [rdx + 32]
        mov rbp, [rdx + 40]
        mov rsi, [rdx + 48]
        mov rdi, [rdx + 56]
        mov r8, [rdx + 64]
        mov r9, [rdx + 72]
        mov r10, [rdx + 80]
        mov r11, [rdx + 88]
        mov r12, [rdx + 96]
        mov r13, [rdx + 104]
        mov r14, [rdx + 112]
        mov r15, [rdx + 120]
        mov rdx, [rdx + 16]
%ifdef CODE32
        jmp dword far [rel TARGET]
%else
        jmp [rel TARGET]
%endif

; What earlier cases have stored into the pages of the data, beside it.
clear_rest:
        xor eax, eax
        mov edi, ACROSS & -4096
        mov ecx, (ACROSS & 4095) / 8
        rep stosq
        mov edi, ACROSS + ACROSS_SIZE
        mov ecx, (-(ACROSS + ACROSS_SIZE) & 4095) / 8
        rep stosq
        mov edi, AT_END & -4096
        mov ecx, (AT_END & 4095) / 8
        rep stosq
        ret

%macro save 0
        mov [rbx], rax
        mov [rbx + 8], rcx
        mov [rbx + 16], rdx
        mov [rbx + 40], rbp
        mov [rbx + 48], rsi
        mov [rbx + 56], rdi
        mov [rbx + 64], r8
        mov [rbx + 72], r9
        mov [rbx + 80], r10
        mov [rbx + 88], r11
        mov [rbx + 96], r12
        mov [rbx + 104], r13
        mov [rbx + 112], r14
        mov [rbx + 120], r15
        pop qword [rbx + 24]
        fxsave [rbx + FX_AT]
%ifdef AVX
%assign number 0
%rep 16
        vextractf128 [rbx + HIGH_AT + 16 * number], ymm%[number], 1
%assign number number + 1
%endrep
%endif
%endmacro

%macro save_data 0
        cld
        lea rdi, [rbx + DATA_AT]
        mov esi, ACROSS
        mov ecx, ACROSS_SIZE / 8
        rep movsq
        mov esi, AT_END
        mov ecx, AT_END_SIZE / 8
        rep movsq
%endmacro

        align 16
        times EXIT - HARNESS - ($ - $$) nop
; Where an instruction that went well goes on.
        mov [rel AFTER_RSP], rsp
        lea rsp, [rel SCRATCH]
        pushfq
        push rbx
        mov rbx, [rel NEXT_CASE]
        mov rbx, [rbx + 16]
        save
        pop qword [rbx + RFLAGS_AT]
        mov rax, [rel AFTER_RSP]
        mov [rbx + 32], rax
        mov qword [rbx + VECTOR_AT], -1
        save_data
advance:
        add qword [rel NEXT_CASE], 24
        jmp next

done:
        mov rsp, [rel CALLER]
        pop r15
        pop r14
        pop r13
        pop r12
        pop rbp
        pop rbx
        ret

; The guest's ring 0: what the host's kernel tells its handler of a signal.
        align 16
        times HANDLERS - HARNESS - ($ - $$) nop
%assign vector 0
%rep 32
        align 16
        times HANDLERS + 16 * vector - HARNESS - ($ - $$) nop
%if vector = 8 || (vector >= 10 && vector <= 14) || vector = 17 || vector = 21
%else
        push 0
%endif
        push vector
        jmp fault
%assign vector vector + 1
%endrep

fault:
        push rbx
        mov rbx, [rel NEXT_CASE]
        mov rbx, [rbx + 16]
        save
        mov rax, [rsp]
        mov [rbx + VECTOR_AT], rax
        mov rcx, [rsp + 8]
        mov [rbx + ERROR_AT], rcx
        mov rcx, [rsp + 16]
        mov [rbx + RIP_AT], rcx
        mov rcx, [rsp + 32]
        mov [rbx + RFLAGS_AT], rcx
        mov rcx, [rsp + 40]
        mov [rbx + 32], rcx
        mov rcx, cr2
        mov [rbx + CR2_AT], rcx
        save_data
        mov rax, advance
        mov [rsp + 16], rax
        mov qword [rsp + 24], CODE_64
        mov qword [rsp + 32], 202h
        add rsp, 16
        iretq

        align 16
        times GUEST_END - HARNESS - ($ - $$) nop
        int 80h
        align 16
        times HALT - HARNESS - ($ - $$) nop
        hlt
