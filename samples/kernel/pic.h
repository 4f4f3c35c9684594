/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>

void pic_init(void);
void pic_unmask(unsigned irq);
void pic_end_of_interrupt(unsigned irq);
/* IRQ 7 and 15 also stand for a request that went away before it was acknowledged. */
bool pic_is_spurious(unsigned irq);
