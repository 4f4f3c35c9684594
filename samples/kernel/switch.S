# SPDX-License-Identifier: GPL-2.0-or-later
#include "asm.h"
#include "layout.h"

    .cfi_sections .debug_frame
    .text

# void switch_stack(uint64_t *save_rsp, uint64_t load_rsp)
# Leaves one thread inside this function and returns from it in another.
function switch_stack
    .cfi_startproc
    .irp register, rbp, rbx, r12, r13, r14, r15
    push_saved \register
    .endr
    mov %rsp, (%rdi)
    mov %rsi, %rsp
    .irp register, r15, r14, r13, r12, rbx, rbp
    pop_saved \register
    .endr
    ret
    .cfi_endproc
end_function switch_stack

# Where a new thread's first switch_stack returns to.
function thread_start
    .cfi_startproc
    .cfi_undefined rip
    call thread_main
    ud2
    .cfi_endproc
end_function thread_start

# void enter_user_mode(uint64_t rip, uint64_t rsp)
# Leaves ring 0 for a task's first instruction, with nothing of the kernel's in its registers.
function enter_user_mode
    .cfi_startproc
    .cfi_undefined rip
    push $USER_DATA
    push %rsi
    push $0x202
    push $USER_CODE
    push %rdi
    .irp register, rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
    xor %\register, %\register
    .endr
    iretq
    .cfi_endproc
end_function enter_user_mode
