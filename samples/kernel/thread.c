// SPDX-License-Identifier: GPL-2.0-or-later
/* Preemptive round-robin threads; a turn lasts one timer tick. */
#include "thread.h"

#include <stddef.h>

#include "thread_cpu.h"
#include "gdt.h"
#include "layout.h"
#include "pages.h"
#include "pit.h"
#include "printk.h"
#include "syscall.h"

#define MAX_THREADS (12 + IDLE_THREADS)

/* switch.S */
extern void switch_stack(uint64_t *save_rsp, uint64_t load_rsp);
extern void thread_start(void);

static struct thread threads[MAX_THREADS];
static PER_CPU(struct thread *, current) = OF_CPU_0(&threads[0]);
static PER_CPU(struct thread *, idle_thread);
static PER_CPU(bool, preempt);

struct thread *thread_current(void) { return STABLE(current); }

static struct thread *next_ready(void)
{
    for (unsigned i = 1; i <= MAX_THREADS; i++) {
        struct thread *thread = &threads[(current->id + i) % MAX_THREADS];
        if (thread->state == THREAD_READY && may_run_here(thread))
            return thread;
    }
    return idle_thread;
}

/* With scheduler_lock. Returns when it is this thread's turn again. */
static void schedule(void)
{
    struct thread *previous = current;
    struct thread *next = next_ready();
    preempt = false;
    if (next == previous)
        return;
    current = hand_over(previous, next);
    gdt_set_kernel_stack(next->stack_top);
    syscall_set_kernel_stack(next->stack_top);
    if (next->space->cr3 != previous->space->cr3)
        write_cr3(next->space->cr3);
    switch_stack(&previous->rsp, next->rsp);
}

/* The first thing a new thread does (thread_start calls it). */
void thread_main(void)
{
    spin_unlock(&scheduler_lock, RFLAGS_IF);
    STABLE(current)->entry(STABLE(current)->argument);
    thread_exit();
}

static void map_stack(struct thread *thread)
{
    thread->stack_top = STACK_AREA + (thread->id + 1ul) * STACK_SLOT;
    for (uint64_t p = thread->stack_top - STACK_SIZE; p < thread->stack_top; p += PAGE_SIZE)
        if (!page_entry(&kernel_space, p))
            page_map(&kernel_space, p, page_alloc(), PTE_W | PTE_NX);
}

/* What switch_stack pops: rbp, rbx, r12 to r15, and the address to return to. */
static void prepare_stack(struct thread *thread)
{
    uint64_t *rsp = (uint64_t *)thread->stack_top;
    *--rsp = 0;
    *--rsp = (uint64_t)thread_start;
    for (unsigned i = 0; i < 6; i++)
        *--rsp = 0;
    thread->rsp = (uint64_t)rsp;
}

static struct thread *free_slot(void)
{
    for (unsigned i = 0; i < MAX_THREADS; i++)
        if (threads[i].state == THREAD_FREE)
            return &threads[i];
    panic("thread_create: all %d slots are taken", MAX_THREADS);
}

#ifdef SMP
static void idle(void *argument);
#endif

struct thread *thread_create(const char *name, void (*entry)(void *), void *argument,
                             const struct address_space *space)
{
    uint64_t rflags = spin_lock(&scheduler_lock);
    struct thread *thread = free_slot();
    *thread = (struct thread){
        .id = (unsigned)(thread - threads), .state = THREAD_READY, .name = name, .entry = entry, .argument = argument};
#ifdef SMP
    thread->idle = entry == idle;
#endif
    if (space)
        thread->own_space = *space;
    thread->space = space ? &thread->own_space : &kernel_space;
    map_stack(thread);
    prepare_stack(thread);
    smp_wake_one();
    spin_unlock(&scheduler_lock, rflags);
    return thread;
}

static void idle([[maybe_unused]] void *argument)
{
    for (;;)
        wait_for_interrupt();
}

void threads_init(void)
{
    threads[0] = (struct thread){.state = THREAD_READY, .name = "main", .space = &kernel_space};
#ifdef SMP
    threads[0].running = true;
#endif
    map_stack(&threads[0]);
    idle_thread = thread_create("idle", idle, NULL, NULL);
}

void thread_yield(void)
{
    uint64_t rflags = spin_lock(&scheduler_lock);
    schedule();
    spin_unlock(&scheduler_lock, rflags);
}

void thread_sleep(unsigned long ticks)
{
    uint64_t rflags = spin_lock(&scheduler_lock);
    current->wake_tick = timer_ticks() + ticks;
    current->state = THREAD_SLEEPING;
    schedule();
    spin_unlock(&scheduler_lock, rflags);
}

void thread_block(const void *channel)
{
    current->blocked_on = channel;
    current->state = THREAD_BLOCKED;
    schedule();
}

struct thread *thread_wake(const void *channel)
{
    if (current == idle_thread)
        preempt = true;
    for (unsigned i = 1; i <= MAX_THREADS; i++) {
        struct thread *thread = &threads[(current->id + i) % MAX_THREADS];
        if (thread->state == THREAD_BLOCKED && thread->blocked_on == channel) {
            thread->state = THREAD_READY;
            smp_wake_one();
            return thread;
        }
    }
    return NULL;
}

void thread_exit(void)
{
    interrupts_off();
    spin_acquire(&scheduler_lock);
    current->state = THREAD_DEAD;
    thread_wake(current);
    schedule();
    panic("a dead thread was given a turn");
}

void thread_join(struct thread *thread)
{
    uint64_t rflags = spin_lock(&scheduler_lock);
    while (thread->state != THREAD_DEAD)
        thread_block(thread);
    if (thread->space != &kernel_space)
        address_space_free(thread->space);
    thread->state = THREAD_FREE;
    spin_unlock(&scheduler_lock, rflags);
}

void thread_tick(void)
{
    spin_acquire(&scheduler_lock);
    current->ticks++;
    for (unsigned i = 0; i < MAX_THREADS; i++)
        if (threads[i].state == THREAD_SLEEPING && threads[i].wake_tick <= timer_ticks())
            threads[i].state = THREAD_READY;
    preempt = true;
    spin_release(&scheduler_lock);
    smp_tick();
}

void thread_preempt(void)
{
    spin_acquire(&scheduler_lock);
    if (preempt)
        schedule();
    spin_release(&scheduler_lock);
}

void threads_print(void)
{
    static const char *const states[] = {"free", "ready", "blocked", "sleeping", "dead"};
    printk("  id name       state    ticks  address space\n");
    for (unsigned i = 0; i < MAX_THREADS; i++) {
        const struct thread *thread = &threads[i];
        if (thread->state != THREAD_FREE)
            printk("  %2u %-10s %-8s %5lu  %s\n", thread->id, thread->name,
                   is_running(thread) ? "running" : states[thread->state], thread->ticks,
                   thread->space == &kernel_space ? "kernel" : "own");
    }
}

#ifdef SMP

uint64_t thread_create_idle(unsigned cpu)
{
    static const char *const names[] = {"idle 1", "idle 2", "idle 3", "idle 4", "idle 5", "idle 6", "idle 7"};
    const char *name = cpu <= sizeof names / sizeof *names ? names[cpu - 1] : "idle";
    struct thread *thread = thread_create(name, idle, NULL, NULL);
    idle_thread_of[cpu] = thread;
    return thread->stack_top;
}

void thread_begin_idle(unsigned cpu)
{
    spin_acquire(&scheduler_lock);
    current_of[cpu] = hand_over(idle_thread_of[cpu], idle_thread_of[cpu]);
    gdt_set_kernel_stack(current_of[cpu]->stack_top);
    spin_release(&scheduler_lock);
}

bool thread_is_idle(unsigned cpu) { return current_of[cpu] == idle_thread_of[cpu]; }

void thread_want_preemption(void) { preempt = true; }

void thread_tick_here(void)
{
    current->ticks++;
    preempt = true;
}

#endif
