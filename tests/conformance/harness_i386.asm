; Runs one case after the other in a program of 32 bits: what harness.asm does in 64-bit code.
; Where things are, and what a case and its states look like, is in batch.py; of 8-byte words the upper half is 0.
        org HARNESS
        bits 32

NEXT_CASE       equ CONTROL
END_OF_CASES    equ NEXT_CASE + 8
CALLER          equ NEXT_CASE + 16
TARGET          equ NEXT_CASE + 24
AFTER_ESP       equ NEXT_CASE + 32

        dq entry, advance

entry:
        pushad
        mov [CALLER], esp

next:
        mov ebx, [NEXT_CASE]
        cmp ebx, [END_OF_CASES]
        jae done
        mov edx, [ebx + 8]
        lea esi, [edx + DATA_AT]
        cld
        mov edi, ACROSS
        mov ecx, ACROSS_SIZE / 4
        rep movsd
        mov edi, AT_END
        mov ecx, AT_END_SIZE / 4
        rep movsd
        mov esp, SCRATCH_TOP
        call clear_rest
        fxrstor [edx + FX_AT]
%ifdef AVX
%assign number 0
%rep 8
        vinsertf128 ymm%[number], ymm%[number], [edx + HIGH_AT + 16 * number], 1
%assign number number + 1
%endrep
%endif
        mov eax, [ebx]
        mov [TARGET], eax
        push dword [edx + RFLAGS_AT]
        popfd
        mov eax, [edx]
        mov ecx, [edx + 8]
        mov ebx, [edx + 24]
        mov esp, [edx + 32]
        mov ebp, [edx + 40]
        mov esi, [edx + 48]
        mov edi, [edx + 56]
        mov edx, [edx + 16]
        jmp [TARGET]

; What earlier cases have stored into the pages of the data, beside it.
clear_rest:
        xor eax, eax
        mov edi, ACROSS & -4096
        mov ecx, (ACROSS & 4095) / 4
        rep stosd
        mov edi, ACROSS + ACROSS_SIZE
        mov ecx, (-(ACROSS + ACROSS_SIZE) & 4095) / 4
        rep stosd
        mov edi, AT_END & -4096
        mov ecx, (AT_END & 4095) / 4
        rep stosd
        ret

        align 16
        times EXIT - HARNESS - ($ - $$) nop
; Where an instruction that went well goes on.
        mov [AFTER_ESP], esp
        mov esp, SCRATCH_TOP
        pushfd
        push ebx
        mov ebx, [NEXT_CASE]
        mov ebx, [ebx + 16]
        mov [ebx], eax
        mov [ebx + 8], ecx
        mov [ebx + 16], edx
        mov [ebx + 40], ebp
        mov [ebx + 48], esi
        mov [ebx + 56], edi
        pop dword [ebx + 24]
        pop dword [ebx + RFLAGS_AT]
        mov eax, [AFTER_ESP]
        mov [ebx + 32], eax
        fxsave [ebx + FX_AT]
%ifdef AVX
%assign number 0
%rep 8
        vextractf128 [ebx + HIGH_AT + 16 * number], ymm%[number], 1
%assign number number + 1
%endrep
%endif
        mov dword [ebx + VECTOR_AT], -1
        mov dword [ebx + VECTOR_AT + 4], -1
        cld
        lea edi, [ebx + DATA_AT]
        mov esi, ACROSS
        mov ecx, ACROSS_SIZE / 4
        rep movsd
        mov esi, AT_END
        mov ecx, AT_END_SIZE / 4
        rep movsd
advance:
        add dword [NEXT_CASE], 24
        jmp next

done:
        mov esp, [CALLER]
        popad
        ret
