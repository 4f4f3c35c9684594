# SPDX-License-Identifier: GPL-2.0-or-later
#include "asm.h"
#include "layout.h"
#include "syscall.h"

/* struct cpu_local of syscall.c, reached through GS */
#define KERNEL_RSP 0
#define USER_RSP 8
#define NO_VECTOR 256

    .cfi_sections .debug_frame
    .text

# From ring 3 by SYSCALL: rip is in rcx, rflags in r11, rsp is still the task's, interrupts are off (FMASK).
# Builds the frame that int 80h would have left.
function syscall_entry
    .cfi_startproc simple
    .cfi_signal_frame
    .cfi_def_cfa rsp, 0
    .cfi_register rip, rcx
    swapgs
    mov %rsp, %gs:USER_RSP
    mov %gs:KERNEL_RSP, %rsp
    .cfi_undefined rip
    push $USER_DATA
    push %gs:USER_RSP
    swapgs
    push %r11
    push $USER_CODE
    push %rcx
    push $0
    push $NO_VECTOR
    describe_cpu_frame 56
    push_registers
    cld
    mov %rsp, %rdi
    call syscall
    pop_registers
    mov 24(%rsp), %rsp
    .cfi_def_cfa rsp, 0
    .cfi_register rip, rcx
    sysretq
    .cfi_endproc
end_function syscall_entry
