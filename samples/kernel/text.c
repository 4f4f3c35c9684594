// SPDX-License-Identifier: GPL-2.0-or-later
#include "text.h"

#include <stdint.h>

size_t text_length(const char *s)
{
    size_t length = 0;
    while (s[length])
        length++;
    return length;
}

bool text_equal(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

bool text_starts_with(const char *s, const char *prefix)
{
    while (*prefix && *s == *prefix)
        s++, prefix++;
    return !*prefix;
}

void text_copy(char *to, const char *from, size_t size)
{
    size_t i = 0;
    for (; i + 1 < size && from[i]; i++)
        to[i] = from[i];
    to[i] = 0;
}

void text_copy_unchecked(char *to, const char *from)
{
    while ((*to++ = *from++))
        ;
}

void *memcpy(void *to, const void *from, size_t size)
{
    void *destination = to;
    asm volatile("rep movsb" : "+D"(destination), "+S"(from), "+c"(size) : : "memory");
    return to;
}

void *memset(void *to, int value, size_t size)
{
    void *destination = to;
    asm volatile("rep stosb" : "+D"(destination), "+c"(size) : "a"(value) : "memory");
    return to;
}
