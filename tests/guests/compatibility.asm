; Compatibility mode under a 64-bit kernel: a 32-bit segment in ring 0 and in ring 3, INT from there to 64-bit handlers and back.
; Ends: test exit, 0.
%include "long.inc"
    set_handler 80h, int80
    mov rbx, -1
    push qword CODE32
    push qword .ring0_32
    retfq
bits 32
.ring0_32:
    inc ebx                     ; clears the upper half as well
    mov eax, 12345678h
    db 40h                      ; INC EAX here, a REX prefix in 64-bit mode
    int 80h
    jmp CODE:.back
bits 64
.back:
    say "rbx="
    say_hex rbx, 16
    say 10
    mov [ring0_rsp], rsp
    mov qword [ring0_continue], .after
    push qword USER_DATA
    push qword RING3_STACK
    push qword 2
    push qword USER_CODE32
    push qword .ring3_32
    iretq
bits 32
.ring3_32:
    push dword 0cafebabeh
    pop eax
    int 80h
    push dword USER_DATA
    pop ds  ; the return to ring 3 has emptied it (SDM 3A 6.8.2.1): DPL 0
    mov dword [expect_fault], .fault
    mov dword [expect_trap], .trap
.fault:
    hlt
.trap:
    int 81h
bits 64
.after:
    say "done", 10
    finish 0
int80:
    say "int80 cs="
    say_hex [rbp + FRAME_CS], 4
    say " ss="
    say_hex [rbp + FRAME_SS], 4
    say " rax="
    say_hex [rbp + FRAME_RAX], 16
    mov rax, [rbp + FRAME_RSP]
    test byte [rbp + FRAME_CS], 3
    jz .ring0
    say " rsp="
    say_hex rax, 16
.ring0:
    say 10
    ret
