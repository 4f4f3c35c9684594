/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Variables that every CPU has one of. */
#pragma once

#include "spinlock.h"

#ifdef SMP

#include "layout.h"

/* From its task register, which is each CPU's own; CPU 0 has none when it begins. */
static inline unsigned cpu_number(void)
{
    uint16_t selector;
    asm volatile("str %0" : "=r"(selector));
    return selector ? (selector - TASK_STATE) / 16u : 0;
}

#define PER_CPU(type, name) type name##_of[MAX_CPUS]
/* For the CPU that this runs on: with interrupts off, or it is another's in the next moment. */
#define MINE(name) name##_of[cpu_number()]
#define OF_CPU_0(value) {value}

/* An expression of one CPU's variables, from anywhere. */
#define STABLE(expression) \
    ({ \
        uint64_t stable_rflags = interrupts_save(); \
        typeof(expression) stable_value = (expression); \
        interrupts_restore(stable_rflags); \
        stable_value; \
    })

/* One more, whoever counts at the same time. */
static inline void count(unsigned long *number) { asm volatile("lock incq %0" : "+m"(*number) : : "cc"); }

#else

#define cpu_number() 0u
#define PER_CPU(type, name) type name
#define OF_CPU_0(value) value
#define STABLE(expression) (expression)
#define count(number) (++*(number))

#endif
