# SPDX-License-Identifier: GPL-2.0-or-later
# From the low identity mapping to the kernel's own addresses.
#include "asm.h"
#include "layout.h"

    .cfi_sections .debug_frame
    .section .boot, "ax"
    .code64
function long_mode_entry
    movabs $kernel_entry, %rax
    jmp *%rax
end_function long_mode_entry

    .text
function kernel_entry
    .cfi_startproc
    .cfi_undefined rip
    mov $KERNEL_DATA, %eax
    mov %eax, %ss
    mov %eax, %ds
    mov %eax, %es
    xor %eax, %eax
    mov %eax, %fs
    mov %eax, %gs
    mov $boot_stack_top, %rsp
    xor %ebp, %ebp
    mov %edi, %edi
    mov %esi, %esi
    call kernel_main
1:  cli
    hlt
    jmp 1b
    .cfi_endproc
end_function kernel_entry
