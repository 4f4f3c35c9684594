/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdint.h>

#include "paging.h"

enum thread_state { THREAD_FREE, THREAD_READY, THREAD_BLOCKED, THREAD_SLEEPING, THREAD_DEAD };

struct thread {
    uint64_t rsp; /* while it is not running: where switch_stack left it */
    uint64_t stack_top;
    unsigned id;
    enum thread_state state;
    const char *name;
    void (*entry)(void *);
    void *argument;
    struct address_space *space;
    struct address_space own_space; /* of a task; unused by kernel threads */
    const void *blocked_on;
    unsigned long wake_tick;
#ifdef SMP
    bool idle, running; /* with scheduler_lock */
#endif
    unsigned long ticks; /* timer interrupts that found it running */
};

/* The caller becomes the first thread. */
void threads_init(void);
struct thread *thread_current(void);
/* SPACE null: a kernel thread. Otherwise the thread takes the space over and frees it at its end. */
struct thread *thread_create(const char *name, void (*entry)(void *), void *argument,
                             const struct address_space *space);
void thread_yield(void);
void thread_sleep(unsigned long ticks);
/* Waits for the thread's end and gives its slot back. */
void thread_join(struct thread *thread);
[[gnu::noreturn]] void thread_exit(void);

/* With scheduler_lock: wait until thread_wake of the same address picks this thread. */
void thread_block(const void *channel);
/* Wakes one thread; null if none waits. */
struct thread *thread_wake(const void *channel);

/* From the timer's interrupt, and at the end of any. */
void thread_tick(void);
void thread_preempt(void);

#ifdef SMP
/* The thread that CPU runs when there is no other; the end of its stack. */
uint64_t thread_create_idle(unsigned cpu);
/* On the CPU itself, with interrupts off: what runs is its idle thread. */
void thread_begin_idle(unsigned cpu);
bool thread_is_idle(unsigned cpu);
/* From another CPU's interrupts. */
void thread_want_preemption(void);
void thread_tick_here(void);
#endif

void threads_print(void);

struct mutex {
    struct thread *owner;
};

void mutex_lock(struct mutex *mutex);
void mutex_unlock(struct mutex *mutex);
