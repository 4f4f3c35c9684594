// SPDX-License-Identifier: GPL-2.0-or-later
/* Exceptions: what can be repaired is, a task that did wrong ends, a kernel that did wrong stops. */
#include "smp.h"
#include "interrupts.h"
#include "pages.h"
#include "paging.h"
#include "power.h"
#include "printk.h"
#include "thread.h"

#define BACKTRACE_DEPTH 12

static const char *const names[32] = {
    "divide error",         "debug exception",
    "NMI",                  "breakpoint",
    "overflow",             "BOUND range exceeded",
    "invalid opcode",       "device not available",
    "double fault",         "coprocessor segment overrun",
    "invalid TSS",          "segment not present",
    "stack-segment fault",  "general protection",
    "page fault",           "reserved",
    "x87 FPU error",        "alignment check",
    "machine check",        "SIMD exception",
    "virtualization",       "control protection",
};

static const char *name(uint64_t vector) { return vector < 32 && names[vector] ? names[vector] : "reserved"; }

void print_registers(const struct frame *f)
{
    printk("  rax=%016lx rbx=%016lx rcx=%016lx\n", f->rax, f->rbx, f->rcx);
    printk("  rdx=%016lx rsi=%016lx rdi=%016lx\n", f->rdx, f->rsi, f->rdi);
    printk("  rbp=%016lx rsp=%016lx r8 =%016lx\n", f->rbp, f->rsp, f->r8);
    printk("  r9 =%016lx r10=%016lx r11=%016lx\n", f->r9, f->r10, f->r11);
    printk("  r12=%016lx r13=%016lx r14=%016lx\n", f->r12, f->r13, f->r14);
    printk("  r15=%016lx cr2=%016lx cr3=%016lx\n", f->r15, read_cr2(), read_cr3());
    printk("  cs=%04lx ss=%04lx rflags=%08lx\n", f->cs, f->ss, f->rflags);
}

static bool readable(uint64_t linear) { return linear >= KERNEL_BASE && page_entry(&kernel_space, linear); }

static void print_backtrace(const struct frame *frame)
{
    uint64_t rbp = frame->rbp;
    for (unsigned depth = 0; depth < BACKTRACE_DEPTH; depth++) {
        if (rbp & 7 || !readable(rbp) || !readable(rbp + 15))
            return;
        const uint64_t *saved = (const uint64_t *)rbp;
        printk("  called from %016lx\n", saved[1]);
        if (saved[0] <= rbp)
            return;
        rbp = saved[0];
    }
}

static void print_place(const char *what, const struct frame *frame)
{
    printk("%s: vector %lu (%s), error code %lx, rip %016lx, thread \"%s\"\n", what, frame->vector,
           name(frame->vector), frame->error_code, frame->rip, thread_current()->name);
}

static void end_task(const struct frame *frame)
{
    print_place("KILLED", frame);
    print_registers(frame);
    thread_exit();
}

void exception(struct frame *frame)
{
    bool from_user = frame->cs & 3;
    switch (frame->vector) {
    case VECTOR_PF:
        if (page_fault(frame, read_cr2()))
            return;
        break;
    case VECTOR_DB:
    case VECTOR_BP:
    case VECTOR_NMI:
        print_place("trap", frame);
        return;
    }
    if (from_user && frame->vector != VECTOR_DF)
        end_task(frame);
    smp_alone(print_place("PANIC", frame));
    print_registers(frame);
    print_backtrace(frame);
    machine_fail();
}
