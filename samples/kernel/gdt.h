/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdint.h>

#define IST_DOUBLE_FAULT 1
#define IST_NMI 2

#ifdef SMP
void gdt_init_cpu(unsigned cpu);
#define gdt_init() gdt_init_cpu(0)
#else
void gdt_init(void);
#endif
/* The stack that an interrupt or exception from ring 3 starts on. */
void gdt_set_kernel_stack(uint64_t rsp0);
