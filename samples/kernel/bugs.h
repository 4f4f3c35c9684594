/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Three bugs for a debugger to hunt, and one that needs several CPUs. Without one of them planted the same code is right. */
#pragma once

#include <stdbool.h>

enum bug { BUG_NONE, BUG_SMASH, BUG_RACE, BUG_STALE, BUG_CLI };

/* Plants the bug of that name; false if there is none. */
bool bug_plant(const char *name);
bool bug_planted(enum bug bug);
/* Runs the part of the demonstration that the planted bug is in. */
void bug_run(void);
void bugs_print(void);
