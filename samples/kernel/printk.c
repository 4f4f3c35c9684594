// SPDX-License-Identifier: GPL-2.0-or-later
#include "printk.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "spinlock.h"
#include "serial.h"
#include "text.h"
#include "vga.h"

struct directive {
    bool zero, left, is_long;
    unsigned width;
};

void console_put(char c)
{
    if (c == '\n')
        serial_put('\r');
    serial_put(c);
    vga_put(c);
}

static void put_padding(unsigned width, size_t length, char fill)
{
    for (; length < width; length++)
        console_put(fill);
}

static void put_string(const char *s, const struct directive *directive)
{
    size_t length = text_length(s);
    if (!directive->left)
        put_padding(directive->width, length, ' ');
    for (const char *p = s; *p; p++)
        console_put(*p);
    if (directive->left)
        put_padding(directive->width, length, ' ');
}

static void put_number(uint64_t value, unsigned base, bool negative, const struct directive *directive)
{
    char digits[20];
    size_t length = 0;
    do {
        digits[length++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    if (negative && directive->zero)
        console_put('-');
    put_padding(directive->width, length + negative, directive->zero ? '0' : ' ');
    if (negative && !directive->zero)
        console_put('-');
    while (length)
        console_put(digits[--length]);
}

static const char *parse_directive(const char *p, struct directive *directive)
{
    *directive = (struct directive){0};
    for (; *p == '0' || *p == '-'; p++)
        *(*p == '0' ? &directive->zero : &directive->left) = true;
    for (; *p >= '0' && *p <= '9'; p++)
        directive->width = directive->width * 10 + (unsigned)(*p - '0');
    for (; *p == 'l'; p++)
        directive->is_long = true;
    return p;
}

static void vprintk(const char *format, va_list arguments)
{
    struct directive directive;
    for (const char *p = format; *p; p++) {
        if (*p != '%') {
            console_put(*p);
            continue;
        }
        p = parse_directive(p + 1, &directive);
        if (*p == 's') {
            put_string(va_arg(arguments, const char *), &directive);
        } else if (*p == 'c') {
            console_put((char)va_arg(arguments, int));
        } else if (*p == 'd') {
            int64_t value = directive.is_long ? va_arg(arguments, long) : va_arg(arguments, int);
            put_number(value < 0 ? -(uint64_t)value : (uint64_t)value, 10, value < 0, &directive);
        } else if (*p == 'u' || *p == 'x') {
            uint64_t value = directive.is_long ? va_arg(arguments, unsigned long) : va_arg(arguments, unsigned);
            put_number(value, *p == 'u' ? 10 : 16, false, &directive);
        } else {
            console_put(*p);
        }
    }
}

void printk(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    /* A line is never cut by another thread's. */
    uint64_t rflags = spin_lock(&console_lock);
    vprintk(format, arguments);
    spin_unlock(&console_lock, rflags);
    va_end(arguments);
}
