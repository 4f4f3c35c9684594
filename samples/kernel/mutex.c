// SPDX-License-Identifier: GPL-2.0-or-later
/* Whoever unlocks hands the mutex to a thread that waits for it, so that nobody starves. */
#include <stddef.h>

#include "spinlock.h"
#include "thread.h"

void mutex_lock(struct mutex *mutex)
{
    uint64_t rflags = spin_lock(&scheduler_lock);
    if (!mutex->owner)
        mutex->owner = thread_current();
    while (mutex->owner != thread_current())
        thread_block(mutex);
    spin_unlock(&scheduler_lock, rflags);
}

void mutex_unlock(struct mutex *mutex)
{
    uint64_t rflags = spin_lock(&scheduler_lock);
    mutex->owner = thread_wake(mutex);
    spin_unlock(&scheduler_lock, rflags);
}
