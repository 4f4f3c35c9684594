/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* To COM1 and the screen. Understands %s %c %d %u %x with an optional l, 0 and width, - and width for %s. */
[[gnu::format(printf, 1, 2)]] void printk(const char *format, ...);
void console_put(char c);

/* Reports with the registers of this very place, then stops the machine. */
#define panic(...) \
    do { \
        printk("PANIC: "); \
        printk(__VA_ARGS__); \
        printk("\n"); \
        asm volatile("ud2"); \
        __builtin_unreachable(); \
    } while (0)
