/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdint.h>

/* What interrupts.S and syscall_entry.S leave on the kernel stack; the CPU pushed rip and above. */
struct frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector, error_code;
    uint64_t rip, cs, rflags, rsp, ss;
};

enum vector {
    VECTOR_DB = 1,
    VECTOR_NMI = 2,
    VECTOR_BP = 3,
    VECTOR_UD = 6,
    VECTOR_DF = 8,
    VECTOR_PF = 14,
    VECTOR_IRQ0 = 32,
    VECTOR_SYSCALL = 0x80,
};

void idt_init(void);
#ifdef SMP
void idt_set_gate(unsigned vector, void (*entry)(void));
/* What idt_init has made, on another CPU. */
void idt_load(void);
#endif
void irq_install(unsigned irq, void (*handler)(void));

/* exceptions.c */
void exception(struct frame *frame);
void print_registers(const struct frame *frame);

/* fault.c: true if the page was supplied and the instruction can be tried again. */
_Bool page_fault(const struct frame *frame, uint64_t address);
unsigned long demand_page_count(void);
