/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdint.h>

#define VECTOR_SPURIOUS 0xff

/* Makes the registers reachable: once, before any CPU asks for anything below. */
void lapic_map(void);
/* On each CPU: takes interrupts from other CPUs; CPU 0 also what the 8259 pair sends through LINT0. */
void lapic_enable(unsigned cpu);
uint8_t lapic_id(void);
void lapic_end_of_interrupt(void);
/* With interrupts off. */
void lapic_send(uint8_t apic_id, uint8_t vector);
void lapic_send_others(uint8_t vector);
void lapic_send_init(uint8_t apic_id);
/* The CPU starts in real mode at PAGE << 12. */
void lapic_send_startup(uint8_t apic_id, uint8_t page);
