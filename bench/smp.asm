; All CPUs are busy for ever in loops over memory of their own, with calls, branches and loads: of code that they share, or
; with OWN_CODE each in its own. At org 100000h, as tests/guests/long.inc says.
%include "long.inc"
%include "smp.inc"

COPIES equ 32
DATA_AREA equ 300000h           ; 64 KiB a CPU

    call start_others
    xor r15d, r15d
ap_main:
    mov ebx, r15d
    shl ebx, 16
    add ebx, DATA_AREA
%ifdef OWN_CODE
    jmp [loops + r15 * 8]
%else
    jmp [loops]
%endif

%macro busy 0
    align 4096
%%again:
    mov ecx, 1000
%%loop:
    mov rax, [rbx + rcx * 8]
    imul rax, rax, 31
    add rax, rdx
    mov [rbx + rcx * 8 + 2000h], rax
    call %%sub
    dec ecx
    jnz %%loop
    jmp %%again
%%sub:
    lea rdx, [rdx + rax * 2 + 7]
    test al, 1
    jz %%even
    ror rdx, 3
%%even:
    ret
%endmacro

    align 8
loops:
%assign copy 0
%rep COPIES
    dq loop %+ copy
%assign copy copy + 1
%endrep
%assign copy 0
%rep COPIES
    align 4096
loop %+ copy:
    busy
%assign copy copy + 1
%endrep
