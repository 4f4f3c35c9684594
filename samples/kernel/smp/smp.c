// SPDX-License-Identifier: GPL-2.0-or-later
/* Starting the other CPUs one by one (SDM 3A 9.4.4), and what CPUs tell each other. */
#include "../smp.h"

#include "../gdt.h"
#include "../layout.h"
#include "../pages.h"
#include "../paging.h"
#include "../percpu.h"
#include "../pit.h"
#include "../printk.h"
#include "../syscall.h"
#include "../text.h"
#include "../thread.h"
#include "acpi.h"
#include "lapic.h"

#define VECTOR_TICK 0xf0
#define VECTOR_RESCHEDULE 0xf1
#define VECTOR_STOP 0xf2
#define PATIENCE 5 /* timer ticks */

/* interrupts.S */
extern void interrupt_entry_240(void), interrupt_entry_241(void), interrupt_entry_242(void), interrupt_entry_255(void);

extern const char trampoline_start[], trampoline_end[];

/* trampoline.S */
uint64_t kernel_cr3, starting_stack;

static uint8_t apic_ids[MAX_CPUS];
static volatile unsigned online = 1;
static unsigned starting;
static unsigned long stray_interrupts;

unsigned cpus_online(void) { return online; }

/* smp_entry calls it on the new CPU, with interrupts off. */
[[gnu::noreturn]] void smp_main(void)
{
    unsigned cpu = starting;
    gdt_init_cpu(cpu);
    idt_load();
    syscall_init();
    lapic_enable(cpu);
    thread_begin_idle(cpu);
    online++;
    for (;;)
        wait_for_interrupt();
}

/* Ticks of the timer, without giving the CPU away: only the first thread is there. */
static void wait_ticks(unsigned long ticks)
{
    for (unsigned long end = timer_ticks() + ticks; timer_ticks() < end;)
        pause();
}

static bool start(unsigned cpu)
{
    starting = cpu;
    starting_stack = thread_create_idle(cpu);
    lapic_send_init(apic_ids[cpu]);
    wait_ticks(2);
    for (unsigned attempt = 0; attempt < 2 && online == cpu; attempt++) {
        lapic_send_startup(apic_ids[cpu], TRAMPOLINE >> 12);
        for (unsigned long end = timer_ticks() + PATIENCE; online == cpu && timer_ticks() < end;)
            pause();
    }
    return online > cpu;
}

/* CPU 0 first: it is the one that asks. */
static unsigned find_cpus(void)
{
    unsigned count = acpi_processors(apic_ids, MAX_CPUS);
    for (unsigned i = 0; i < count; i++)
        if (apic_ids[i] == lapic_id()) {
            apic_ids[i] = apic_ids[0];
            apic_ids[0] = lapic_id();
            return count;
        }
    apic_ids[0] = lapic_id();
    return 1;
}

void smp_init(void)
{
    lapic_map();
    idt_set_gate(VECTOR_TICK, interrupt_entry_240);
    idt_set_gate(VECTOR_RESCHEDULE, interrupt_entry_241);
    idt_set_gate(VECTOR_STOP, interrupt_entry_242);
    idt_set_gate(VECTOR_SPURIOUS, interrupt_entry_255);
    lapic_enable(0);
    unsigned count = find_cpus();
    kernel_cr3 = kernel_space.cr3;
    memcpy(physical_to_linear(TRAMPOLINE), trampoline_start, (size_t)(trampoline_end - trampoline_start));
    for (unsigned cpu = 1; cpu < count; cpu++)
        if (!start(cpu)) {
            printk("smp: the CPU with APIC ID %u does not start\n", apic_ids[cpu]);
            break;
        }
    printk("smp: %u CPUs\n", online);
}

void smp_wake_one(void)
{
    for (unsigned cpu = 0; cpu < online; cpu++)
        if (cpu != cpu_number() && thread_is_idle(cpu)) {
            lapic_send(apic_ids[cpu], VECTOR_RESCHEDULE);
            return;
        }
}

void smp_tick(void)
{
    if (online > 1)
        lapic_send_others(VECTOR_TICK);
}

void smp_stop_others(void)
{
    if (online > 1)
        lapic_send_others(VECTOR_STOP);
    spinlocks_off = true;
}

bool smp_interrupt(unsigned vector)
{
    switch (vector) {
    case VECTOR_SPURIOUS:
        stray_interrupts++;
        return true;
    case VECTOR_TICK:
        lapic_end_of_interrupt();
        thread_tick_here();
        break;
    case VECTOR_RESCHEDULE:
        lapic_end_of_interrupt();
        thread_want_preemption();
        break;
    case VECTOR_STOP:
        for (;;)
            asm volatile("cli; hlt");
    default:
        return false;
    }
    thread_preempt();
    return true;
}
