/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

.macro function name
    .globl \name
    .type \name, @function
    \name:
.endm

.macro end_function name
    .size \name, . - \name
.endm

/* The .cfi lines let a debugger unwind from anywhere in an entry to what was interrupted. */

.macro push_saved register
    push %\register
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset \register, 0
.endm

.macro pop_saved register
    pop %\register
    .cfi_adjust_cfa_offset -8
    .cfi_restore \register
.endm

.macro push_constant value
    push $\value
    .cfi_adjust_cfa_offset 8
.endm

/* What the CPU pushed (SDM 3A, figure 6-9): SIZE bytes from rsp to the end of its frame. */
.macro describe_cpu_frame size
    .cfi_def_cfa rsp, \size
    .cfi_offset rip, -40
    .cfi_offset rsp, -16
.endm

/* The general registers of struct frame (interrupts.h), above which are vector and error code. */
.macro push_registers
    .irp register, rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
    push_saved \register
    .endr
.endm

.macro pop_registers
    .irp register, r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax
    pop_saved \register
    .endr
    add $16, %rsp
    .cfi_adjust_cfa_offset -16
.endm
