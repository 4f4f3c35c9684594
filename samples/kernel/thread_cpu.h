/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the scheduler asks of a CPU: thread.c alone includes it, whose variables these are. */
#pragma once

#include "percpu.h"
#include "smp.h"

#ifdef SMP

#define IDLE_THREADS MAX_CPUS

#define current MINE(current)
#define idle_thread MINE(idle_thread)
#define preempt MINE(preempt)

#define may_run_here(thread) (!(thread)->idle && (!(thread)->running || (thread) == current))
#define is_running(thread) ((thread)->running)

static inline struct thread *hand_over(struct thread *previous, struct thread *next)
{
    previous->running = false;
    next->running = true;
    return next;
}

#else

#define IDLE_THREADS 0
#define may_run_here(thread) ((thread) != idle_thread)
#define is_running(thread) ((thread) == current)
#define hand_over(previous, next) (next)

#endif
