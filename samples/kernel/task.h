/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct thread;

/* Starts the ring 3 program of user.c in an address space of its own. */
struct thread *task_create(const char *name);
/* Heap and stack of a task, paged in on demand. */
bool is_demand_region(uint64_t linear);
/* Can the current task read these bytes? */
bool is_user_memory(uint64_t linear, uint64_t length);
