// SPDX-License-Identifier: GPL-2.0-or-later
/* The ring 3 program: a few system calls, a deep stack, a large sparse heap. */
#include "layout.h"
#include "syscall.h"

#define LIMIT 20000
#define DEPTH 24

extern long call_kernel(long number, long first, long second);
extern long call_kernel_int80(long number, long first, long second);

static int lines;

static long length(const char *s)
{
    long n = 0;
    while (s[n])
        n++;
    return n;
}

static void say(const char *text)
{
    lines++;
    call_kernel(SYSCALL_WRITE, (long)text, length(text));
}

/* Appends VALUE in decimal at END; returns the new end. */
static char *append_number(char *end, unsigned long value)
{
    if (value >= 10)
        end = append_number(end, value / 10);
    *end = (char)('0' + value % 10);
    return end + 1;
}

static char *append_text(char *end, const char *text)
{
    while (*text)
        *end++ = *text++;
    return end;
}

static void say_number(const char *before, unsigned long value, const char *after)
{
    char line[80];
    char *end = append_text(append_number(append_text(line, before), value), after);
    *end = 0;
    say(line);
}

/* Every level takes a new page of stack or half of one. */
static unsigned long descend(unsigned depth)
{
    volatile char page[2048];
    page[0] = (char)depth;
    return depth ? page[0] + descend(depth - 1) : 0;
}

/* Sieve of Eratosthenes in heap that nobody allocated. */
static unsigned long count_primes(void)
{
    char *composite = (char *)USER_HEAP;
    unsigned long primes = 0;
    for (unsigned long n = 2; n < LIMIT; n++) {
        if (composite[n])
            continue;
        primes++;
        for (unsigned long multiple = n * n; multiple < LIMIT; multiple += n)
            composite[multiple] = 1;
    }
    return primes;
}

void user_main(void)
{
    static const char by_int80[] = "user: hello by int 80h\n";
    say("user: hello from ring 3 by SYSCALL\n");
    call_kernel_int80(SYSCALL_WRITE, (long)by_int80, sizeof by_int80 - 1);
    say_number("user: the stack went down and up again: ", descend(DEPTH), "\n");
    call_kernel(SYSCALL_SLEEP, 2, 0);
    say_number("user: ", count_primes(), " primes below 20000\n");
    if (call_kernel(SYSCALL_WRITE, (long)KERNEL_BASE, 8) == -1)
        say("user: the kernel does not print its own memory for me\n");
    call_kernel_int80(SYSCALL_SLEEP, 1, 0);
    say_number("user: ", (unsigned long)lines, " lines said; done\n");
}
