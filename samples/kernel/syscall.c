// SPDX-License-Identifier: GPL-2.0-or-later
#include "syscall.h"

#include "percpu.h"
#include "interrupts.h"
#include "layout.h"
#include "pit.h"
#include "printk.h"
#include "task.h"
#include "thread.h"

#define LONGEST_WRITE 256
#define RFLAGS_TF_IF_DF_NT_AC 0x44700u

extern void syscall_entry(void);

struct cpu_local {
    uint64_t kernel_rsp;
    uint64_t user_rsp;
};

static PER_CPU(struct cpu_local, cpu_local);
#ifdef SMP
#define cpu_local MINE(cpu_local)
#endif

static unsigned long calls;

void syscall_init(void)
{
    /* SYSCALL loads CS and SS from bits 47:32; SYSRET from bits 63:48, plus 16 and plus 8. */
    wrmsr(MSR_STAR, (uint64_t)(USER_DATA - 8) << 48 | (uint64_t)KERNEL_CODE << 32);
    wrmsr(MSR_LSTAR, (uint64_t)syscall_entry);
    wrmsr(MSR_FMASK, RFLAGS_TF_IF_DF_NT_AC);
    wrmsr(MSR_GS_BASE, 0);
    wrmsr(MSR_KERNEL_GS_BASE, (uint64_t)&cpu_local);
}

void syscall_set_kernel_stack(uint64_t rsp) { cpu_local.kernel_rsp = rsp; }

static uint64_t sys_write(uint64_t text, uint64_t length)
{
    if (!is_user_memory(text, length))
        return (uint64_t)-1;
    if (length > LONGEST_WRITE)
        length = LONGEST_WRITE;
    uint64_t rflags = spin_lock(&console_lock);
    for (uint64_t i = 0; i < length; i++)
        console_put(((const char *)text)[i]);
    spin_unlock(&console_lock, rflags);
    return length;
}

static uint64_t dispatch(const struct frame *frame)
{
    switch (frame->rax) {
    case SYSCALL_EXIT:
        thread_exit();
    case SYSCALL_WRITE:
        return sys_write(frame->rdi, frame->rsi);
    case SYSCALL_SLEEP:
        thread_sleep(frame->rdi);
        return 0;
    case SYSCALL_TICKS:
        return timer_ticks();
    }
    return (uint64_t)-1;
}

void syscall(struct frame *frame)
{
    count(&calls);
    interrupts_on();
    frame->rax = dispatch(frame);
    interrupts_off();
}

unsigned long syscall_count(void) { return calls; }
