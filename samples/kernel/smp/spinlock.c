// SPDX-License-Identifier: GPL-2.0-or-later
#include "../spinlock.h"

#include "../percpu.h"

#define SPINLOCK(lock) struct spinlock lock##_lock = {.holder = -1, .name = #lock}

SPINLOCK(scheduler);
SPINLOCK(heap);
SPINLOCK(pages);
SPINLOCK(console);
SPINLOCK(serial);

volatile bool spinlocks_off;

static uint16_t take_ticket(struct spinlock *lock)
{
    uint16_t ticket = 1;
    asm volatile("lock xaddw %0, %1" : "+r"(ticket), "+m"(lock->next) : : "memory", "cc");
    return ticket;
}

void spin_acquire(struct spinlock *lock)
{
    uint16_t ticket = take_ticket(lock);
    while (lock->serving != ticket && !spinlocks_off)
        pause();
    lock->holder = (int)cpu_number();
}

void spin_release(struct spinlock *lock)
{
    lock->holder = -1;
    asm volatile("" : : : "memory");
    lock->serving++;
}
