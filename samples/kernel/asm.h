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

/* The general registers of struct frame (interrupts.h), above which are vector and error code. */
.macro push_registers
    .irp register, rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
    push %\register
    .endr
.endm

.macro pop_registers
    .irp register, r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax
    pop %\register
    .endr
    add $16, %rsp
.endm

/* Tells a debugger how to unwind from a struct frame at rsp to what was interrupted. */
.macro describe_frame
    .cfi_def_cfa rsp, 176
    .cfi_offset r15, -176
    .cfi_offset r14, -168
    .cfi_offset r13, -160
    .cfi_offset r12, -152
    .cfi_offset r11, -144
    .cfi_offset r10, -136
    .cfi_offset r9, -128
    .cfi_offset r8, -120
    .cfi_offset rbp, -112
    .cfi_offset rdi, -104
    .cfi_offset rsi, -96
    .cfi_offset rdx, -88
    .cfi_offset rcx, -80
    .cfi_offset rbx, -72
    .cfi_offset rax, -64
    .cfi_offset rip, -40
    .cfi_offset rsp, -16
.endm
