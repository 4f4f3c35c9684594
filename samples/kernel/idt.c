// SPDX-License-Identifier: GPL-2.0-or-later
/* Interrupt descriptor table (SDM 3A 6.14.1) and the way from a vector to its handler. */
#include "gdt.h"
#include "layout.h"
#include "pic.h"
#include "smp.h"
#include "syscall.h"
#include "thread.h"

#define VECTORS_USED 48
#define GATE_INTERRUPT 0x8e
#define GATE_INTERRUPT_DPL3 0xee

struct [[gnu::packed]] gate {
    uint16_t offset_low;
    uint16_t selector;
    uint8_t ist;
    uint8_t attributes;
    uint16_t offset_middle;
    uint32_t offset_high;
    uint32_t reserved;
};

static struct gate idt[256];
static void (*irq_handlers[16])(void);

extern const uint64_t interrupt_entries[VECTORS_USED];
extern void interrupt_entry_128(void);

static void set_gate(unsigned vector, uint64_t entry, uint8_t ist, uint8_t attributes)
{
    idt[vector] = (struct gate){
        .offset_low = (uint16_t)entry,
        .selector = KERNEL_CODE,
        .ist = ist,
        .attributes = attributes,
        .offset_middle = (uint16_t)(entry >> 16),
        .offset_high = (uint32_t)(entry >> 32),
    };
}

void idt_init(void)
{
    for (unsigned vector = 0; vector < VECTORS_USED; vector++)
        set_gate(vector, interrupt_entries[vector], 0, GATE_INTERRUPT);
    set_gate(VECTOR_DF, interrupt_entries[VECTOR_DF], IST_DOUBLE_FAULT, GATE_INTERRUPT);
    set_gate(VECTOR_NMI, interrupt_entries[VECTOR_NMI], IST_NMI, GATE_INTERRUPT);
    set_gate(VECTOR_BP, interrupt_entries[VECTOR_BP], 0, GATE_INTERRUPT_DPL3);
    set_gate(VECTOR_SYSCALL, (uint64_t)interrupt_entry_128, 0, GATE_INTERRUPT_DPL3);

    struct [[gnu::packed]] {
        uint16_t limit;
        uint64_t base;
    } idtr = {.limit = sizeof idt - 1, .base = (uint64_t)idt};
    asm volatile("lidt %0" : : "m"(idtr));
}

void irq_install(unsigned irq, void (*handler)(void))
{
    irq_handlers[irq] = handler;
    pic_unmask(irq);
}

static void irq(unsigned line)
{
    if (smp_interrupt(VECTOR_IRQ0 + line) || pic_is_spurious(line))
        return;
    /* First the EOI: the timer's handler may switch threads and come back much later. */
    pic_end_of_interrupt(line);
    if (irq_handlers[line])
        irq_handlers[line]();
    thread_preempt();
}

/* Called by interrupts.S with interrupts off. */
void interrupt(struct frame *frame)
{
    if (frame->vector == VECTOR_SYSCALL)
        syscall(frame);
    else if (frame->vector >= VECTOR_IRQ0)
        irq((unsigned)frame->vector - VECTOR_IRQ0);
    else
        exception(frame);
}

#ifdef SMP

void idt_set_gate(unsigned vector, void (*entry)(void)) { set_gate(vector, (uint64_t)entry, 0, GATE_INTERRUPT); }

void idt_load(void)
{
    struct [[gnu::packed]] {
        uint16_t limit;
        uint64_t base;
    } idtr = {.limit = sizeof idt - 1, .base = (uint64_t)idt};
    asm volatile("lidt %0" : : "m"(idtr));
}

#endif
