/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Several CPUs. With one, nothing of this is there. */
#pragma once

#include "cpu.h"
#include "interrupts.h"

#ifdef SMP

/* Starts the other CPUs that the firmware's tables name; each idles until a thread is ready. */
void smp_init(void);
unsigned cpus_online(void);
/* With interrupts off: has another CPU look for a thread to run, if one idles. */
void smp_wake_one(void);
/* From CPU 0's timer interrupt: the others' ticks. */
void smp_tick(void);
/* An interrupt that a CPU sent. False if it is none. */
bool smp_interrupt(unsigned vector);
/* Stops all the others, for good; from then on a lock keeps nobody out. */
void smp_stop_others(void);

/* Before a report of what nothing can be done about. */
#define smp_alone(statement) \
    do { \
        smp_stop_others(); \
        statement; \
    } while (0)

#else

#define smp_init() ((void)0)
#define smp_wake_one() ((void)0)
#define smp_tick() ((void)0)
#define smp_interrupt(vector) false
#define smp_alone(statement) statement

#endif
