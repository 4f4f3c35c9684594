; Guest debug registers: execute breakpoint with RF, write and access watchpoints of several lengths, and DR6.
; Ends: test exit, 0.
%include "long.inc"
    set_handler 1, debug_exception
    mov rax, 0ffff0ff0h
    mov dr6, rax
    mov rax, .here
    mov dr0, rax
    mov rax, variable
    mov dr1, rax
    mov rax, variable + 8
    mov dr2, rax
    mov rax, variable + 16
    mov dr3, rax
    ; L0 execute, L1 write 4 bytes, L2 access 4 bytes, L3 access 8 bytes
    mov eax, 055h | 400h | (0000b << 16) | (1101b << 20) | (1111b << 24) | (1011b << 28)
    mov dr7, rax
    mov r12d, 3
.here:
    dec r12d
    jnz .here
    mov dword [variable], 1
    mov eax, [variable]         ; a read does not trigger a write watchpoint
    mov byte [variable + 3], 2
    mov byte [variable + 4], 2  ; outside
    mov eax, [variable + 8]
    mov rax, [variable + 16]
    mov byte [variable + 23], 1
    lea rdi, [variable]
    mov ecx, 3
    xor eax, eax
    rep stosq
    mov eax, 400h
    mov dr7, rax
    mov dword [variable], 1
    mov rax, dr7
    say "dr7="
    say_hex rax, 8
    say 10
    finish 0
debug_exception:
    say "#01 dr6="
    mov rax, dr6
    say_hex rax, 8
    mov rbx, dr6
    test bl, 1
    jz .trap
    say " fault"
    bts qword [rbp + FRAME_RFLAGS], 16  ; RF
    jmp .done
.trap:
    say " trap rcx="
    say_hex [rbp + FRAME_RCX], 4
.done:
    say 10
    mov eax, 0ffff0ff0h
    mov dr6, rax
    ret
    align 8
variable: dq 0, 0, 0
