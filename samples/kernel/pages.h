/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdint.h>

#include "layout.h"

#define PAGE_SIZE 4096ul

static inline void *physical_to_linear(uint64_t physical) { return (void *)(KERNEL_BASE + physical); }

static inline uint64_t linear_to_physical(const void *linear) { return (uint64_t)linear - KERNEL_BASE; }

/* Physical address of a page of zeros; panics when there is none left. */
uint64_t page_alloc(void);
void page_free(uint64_t physical);
unsigned long pages_in_use(void);
