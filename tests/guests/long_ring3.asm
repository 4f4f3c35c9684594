; 64-bit ring 3: SYSCALL and SYSRET with FMASK and SWAPGS, int 80h with a stack switch, what privilege forbids.
; Ends: test exit, 0.
%include "long.inc"
    set_handler 80h, int80
    write_msr MSR_STAR, (USER_CODE32 << 48) | (CODE << 32)
    write_msr MSR_LSTAR, syscall_entry
    write_msr MSR_FMASK, 3f7fd5h & ~2
    write_msr MSR_GS_BASE, 1111222233334444h >> 17
    write_msr MSR_KERNEL_GS_BASE, kernel_gs
    enter_ring3 user
    say "done", 10
    finish 0
user:
    mov rax, 0123456789abcdefh
    stc
    syscall
.after:
    pushfq
    pop rbx
    lea rdx, [.after]
    sub rdx, rcx
    say "back rax="
    say_hex rax, 16
    say " rcx-rip="
    say_hex rdx, 4
    say " rflags="
    say_hex rbx, 8
    say " r11="
    say_hex r11, 8
    mov eax, cs
    say " cs="
    say_hex rax, 4
    mov eax, ss
    say " ss="
    say_hex rax, 4
    say 10
    int 80h
    provoke mov rax, cr3
    provoke swapgs
    provoke rdmsr
    provoke hlt
    provoke int 20h
    mov eax, DATA
    provoke mov ds, eax
    int 81h
syscall_entry:
    swapgs
    mov [gs:8], rsp
    mov rsp, [gs:0]
    push r11
    push rcx
    pushfq
    pop rbx
    say "syscall rax="
    say_hex rax, 16
    say " rflags="
    say_hex rbx, 8
    say " r11="
    say_hex r11, 8
    mov ebx, cs
    say " cs="
    say_hex rbx, 4
    mov ebx, ss
    say " ss="
    say_hex rbx, 4
    say 10
    mov rax, 0fedcba9876543210h
    pop rcx
    pop r11
    mov rsp, [gs:8]
    swapgs
    o64 sysret
int80:
    say "int80 cs="
    say_hex [rbp + FRAME_CS], 4
    say " ss:rsp="
    say_hex [rbp + FRAME_SS], 4
    say ":"
    say_hex [rbp + FRAME_RSP], 16
    say " rflags="
    mov rax, [rbp + FRAME_RFLAGS]
    and eax, 3f7700h            ; the six arithmetic flags are whatever they are
    say_hex rax, 8
    say " handler's frame at "
    say_hex rbp, 16
    mov eax, ss
    say " ss="
    say_hex rax, 4
    say 10
    ret
    align 8
kernel_gs:
    dq STACK - 800h, 0
