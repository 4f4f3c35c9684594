/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#define TIMER_HZ 100

void pit_init(void);
/* Timer interrupts since pit_init. */
unsigned long timer_ticks(void);
