// SPDX-License-Identifier: GPL-2.0-or-later
/* Visitors sign a book whose lines are short. Home of the stack smash. */
#include <stdint.h>

#include "bugs.h"
#include "demo.h"
#include "printk.h"
#include "text.h"

#define NAME_SIZE 16

static const char *const visitors[] = {
    "ada",
    "grace",
    "barbara, with three friends and a small dog.",
    "edsger",
};

static uint32_t checksum(const char *text)
{
    uint32_t sum = 1;
    for (; *text; text++)
        sum = sum * 31 + (uint8_t)*text;
    return sum;
}

static uint32_t sign(const char *visitor)
{
    char name[NAME_SIZE];
    if (bug_planted(BUG_SMASH))
        text_copy_unchecked(name, visitor);
    else
        text_copy(name, visitor, sizeof name);
    uint32_t sum = checksum(name);
    printk("guestbook: %s was here (%08x)\n", name, sum);
    return sum;
}

void guestbook_run(void)
{
    uint32_t total = 0;
    for (unsigned i = 0; i < sizeof visitors / sizeof *visitors; i++)
        total ^= sign(visitors[i]);
    printk("guestbook: closed (%08x)\n", total);
}
