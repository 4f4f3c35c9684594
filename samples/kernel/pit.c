// SPDX-License-Identifier: GPL-2.0-or-later
/* 8254 counter 0 as the scheduler's clock. */
#include "pit.h"

#include "cpu.h"
#include "interrupts.h"
#include "thread.h"

#define COUNTER_0 0x40
#define CONTROL_WORD 0x43
#define COUNTER_0_WORD_MODE_2 0x34
#define CLOCK_HZ 1193182u
#define IRQ_TIMER 0

static volatile unsigned long ticks;

static void timer_interrupt(void)
{
    ticks++;
    thread_tick();
}

void pit_init(void)
{
    const unsigned count = (CLOCK_HZ + TIMER_HZ / 2) / TIMER_HZ;
    outb(CONTROL_WORD, COUNTER_0_WORD_MODE_2);
    outb(COUNTER_0, count & 0xff);
    outb(COUNTER_0, count >> 8);
    irq_install(IRQ_TIMER, timer_interrupt);
}

unsigned long timer_ticks(void) { return ticks; }
