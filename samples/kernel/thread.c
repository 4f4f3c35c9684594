// SPDX-License-Identifier: GPL-2.0-or-later
/* Preemptive round-robin threads; a turn lasts one timer tick. */
#include "thread.h"

#include <stddef.h>

#include "cpu.h"
#include "gdt.h"
#include "layout.h"
#include "pages.h"
#include "pit.h"
#include "printk.h"
#include "syscall.h"

#define MAX_THREADS 12

/* switch.S */
extern void switch_stack(uint64_t *save_rsp, uint64_t load_rsp);
extern void thread_start(void);

static struct thread threads[MAX_THREADS];
static struct thread *current = &threads[0];
static struct thread *idle_thread;
static bool preempt;

struct thread *thread_current(void) { return current; }

static struct thread *next_ready(void)
{
    for (unsigned i = 1; i <= MAX_THREADS; i++) {
        struct thread *thread = &threads[(current->id + i) % MAX_THREADS];
        if (thread->state == THREAD_READY && thread != idle_thread)
            return thread;
    }
    return idle_thread;
}

/* With interrupts off. Returns when it is this thread's turn again. */
static void schedule(void)
{
    struct thread *previous = current;
    struct thread *next = next_ready();
    preempt = false;
    if (next == previous)
        return;
    current = next;
    gdt_set_kernel_stack(next->stack_top);
    syscall_set_kernel_stack(next->stack_top);
    if (next->space->cr3 != previous->space->cr3)
        write_cr3(next->space->cr3);
    switch_stack(&previous->rsp, next->rsp);
}

/* The first thing a new thread does (thread_start calls it). */
void thread_main(void)
{
    interrupts_on();
    current->entry(current->argument);
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

struct thread *thread_create(const char *name, void (*entry)(void *), void *argument,
                             const struct address_space *space)
{
    uint64_t rflags = interrupts_save();
    struct thread *thread = free_slot();
    *thread = (struct thread){
        .id = (unsigned)(thread - threads), .state = THREAD_READY, .name = name, .entry = entry, .argument = argument};
    if (space)
        thread->own_space = *space;
    thread->space = space ? &thread->own_space : &kernel_space;
    map_stack(thread);
    prepare_stack(thread);
    interrupts_restore(rflags);
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
    map_stack(&threads[0]);
    idle_thread = thread_create("idle", idle, NULL, NULL);
}

void thread_yield(void)
{
    uint64_t rflags = interrupts_save();
    schedule();
    interrupts_restore(rflags);
}

void thread_sleep(unsigned long ticks)
{
    uint64_t rflags = interrupts_save();
    current->wake_tick = timer_ticks() + ticks;
    current->state = THREAD_SLEEPING;
    schedule();
    interrupts_restore(rflags);
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
            return thread;
        }
    }
    return NULL;
}

void thread_exit(void)
{
    interrupts_off();
    current->state = THREAD_DEAD;
    thread_wake(current);
    schedule();
    panic("a dead thread was given a turn");
}

void thread_join(struct thread *thread)
{
    uint64_t rflags = interrupts_save();
    while (thread->state != THREAD_DEAD)
        thread_block(thread);
    if (thread->space != &kernel_space)
        address_space_free(thread->space);
    thread->state = THREAD_FREE;
    interrupts_restore(rflags);
}

void thread_tick(void)
{
    current->ticks++;
    for (unsigned i = 0; i < MAX_THREADS; i++)
        if (threads[i].state == THREAD_SLEEPING && threads[i].wake_tick <= timer_ticks())
            threads[i].state = THREAD_READY;
    preempt = true;
}

void thread_preempt(void)
{
    if (preempt)
        schedule();
}

void threads_print(void)
{
    static const char *const states[] = {"free", "ready", "blocked", "sleeping", "dead"};
    printk("  id name       state    ticks  address space\n");
    for (unsigned i = 0; i < MAX_THREADS; i++) {
        const struct thread *thread = &threads[i];
        if (thread->state != THREAD_FREE)
            printk("  %2u %-10s %-8s %5lu  %s\n", thread->id, thread->name,
                   thread == current ? "running" : states[thread->state], thread->ticks,
                   thread->space == &kernel_space ? "kernel" : "own");
    }
}
