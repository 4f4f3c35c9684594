/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sections in which nothing else happens. With one CPU (sample.elf) it is enough that interrupts are off; the kernel for
 * several (sample-smp.elf, -DSMP) takes a lock besides. Where two are held: scheduler, heap, pages, console, serial. */
#pragma once

#include "cpu.h"

#ifdef SMP

/* A ticket lock: who asks first is served first. */
struct spinlock {
    volatile uint16_t next, serving;
    volatile int holder; /* the CPU that has it, -1 */
    const char *name;
};

extern struct spinlock scheduler_lock, heap_lock, pages_lock, console_lock, serial_lock;

/* Nobody waits any more: the machine is about to stop. */
extern volatile bool spinlocks_off;

/* With interrupts off. */
void spin_acquire(struct spinlock *lock);
void spin_release(struct spinlock *lock);

static inline uint64_t spin_lock(struct spinlock *lock)
{
    uint64_t rflags = interrupts_save();
    spin_acquire(lock);
    return rflags;
}

static inline void spin_unlock(struct spinlock *lock, uint64_t rflags)
{
    spin_release(lock);
    interrupts_restore(rflags);
}

#else

#define spin_acquire(lock) ((void)0)
#define spin_release(lock) ((void)0)
#define spin_lock(lock) interrupts_save()
#define spin_unlock(lock, rflags) interrupts_restore(rflags)

#endif
