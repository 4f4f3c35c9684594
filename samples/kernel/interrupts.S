# SPDX-License-Identifier: GPL-2.0-or-later
# One entry a vector, then one common path that saves a struct frame (interrupts.h).
# The kernel uses GS only in syscall_entry.S, so nothing here needs SWAPGS.
#include "asm.h"

    .cfi_sections .debug_frame
    .text

.macro entry vector
function interrupt_entry_\vector
    .cfi_startproc simple
    .cfi_signal_frame
    # These push an error code themselves (SDM 3A 6.15); the others get a zero in its place.
    .if \vector == 8 || (\vector >= 10 && \vector <= 14) || \vector == 17 || \vector == 21
    describe_cpu_frame 48
    .else
    describe_cpu_frame 40
    push_constant 0
    .endif
    push_constant \vector
    jmp interrupt_common
    .cfi_endproc
end_function interrupt_entry_\vector
.endm

    .altmacro
    .set vector_number, 0
    .rept 48
    entry %vector_number
    .set vector_number, vector_number + 1
    .endr
    entry 128

function interrupt_common
    .cfi_startproc simple
    .cfi_signal_frame
    describe_cpu_frame 56
    push_registers
    cld
    mov %rsp, %rdi
    call interrupt
    pop_registers
    iretq
    .cfi_endproc
end_function interrupt_common

#ifdef SMP
    .irp vector, 240, 241, 242, 255
    entry \vector
    .endr
#endif

    .section .rodata
    .balign 8
    .globl interrupt_entries
interrupt_entries:
.macro entry_address vector
    .quad interrupt_entry_\vector
.endm
    .set vector_number, 0
    .rept 48
    entry_address %vector_number
    .set vector_number, vector_number + 1
    .endr
