# SPDX-License-Identifier: GPL-2.0-or-later
# Ring 3: the program's first instruction and its two ways into the kernel.
#include "asm.h"
#include "syscall.h"

    .cfi_sections .debug_frame
    .text
function user_start
    .cfi_startproc
    .cfi_undefined rip
    call user_main
    mov $SYSCALL_EXIT, %eax
    syscall
    ud2
    .cfi_endproc
end_function user_start

# long call_kernel(long number, long first, long second)
function call_kernel
    .cfi_startproc
    mov %rdi, %rax
    mov %rsi, %rdi
    mov %rdx, %rsi
    syscall
    ret
    .cfi_endproc
end_function call_kernel

# long call_kernel_int80(long number, long first, long second)
function call_kernel_int80
    .cfi_startproc
    mov %rdi, %rax
    mov %rsi, %rdi
    mov %rdx, %rsi
    int $0x80
    ret
    .cfi_endproc
end_function call_kernel_int80
