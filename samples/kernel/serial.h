/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Sets 115200 8N1; output is polled until serial_use_interrupts. */
void serial_init(void);
void serial_use_interrupts(void);
void serial_put(char c);
/* Sends what is queued by polling, interrupts or not: before a power-off and in a panic. */
void serial_flush(void);
/* Waits for the next character typed. */
char serial_get(void);
