// SPDX-License-Identifier: GPL-2.0-or-later
/* Clerks count what they enter into one ledger. Home of the update that only several CPUs lose: the bug's clerks switch
 * interrupts off, which keeps every other thread of their own CPU away, and nobody on another. */
#include <stddef.h>
#include <stdint.h>

#include "../bugs.h"
#include "../demo.h"
#include "../printk.h"
#include "../spinlock.h"
#include "../thread.h"

#define CLERKS 3
#define ENTRIES 50
#define READING 2600

struct ledger {
    volatile unsigned long entries;
    uint32_t check;
};

struct clerk {
    struct thread *thread;
    uint32_t seed;
};

static struct spinlock ledger_lock = {.holder = -1, .name = "ledger"};
static struct ledger ledger;

static uint32_t digest(uint32_t check, uint32_t entry)
{
    for (unsigned bit = 0; bit < 8; bit++)
        check = check >> 1 ^ (entry >> bit & 1 ? 0xedb88320 : 0);
    return check;
}

static void enter(uint32_t entry)
{
    unsigned long entries = ledger.entries;
    ledger.check ^= digest((uint32_t)entries, entry);
    ledger.entries = entries + 1;
}

static void enter_guarded(uint32_t entry)
{
    if (bug_planted(BUG_CLI)) {
        uint64_t rflags = interrupts_save();
        enter(entry);
        interrupts_restore(rflags);
    } else {
        uint64_t rflags = spin_lock(&ledger_lock);
        enter(entry);
        spin_unlock(&ledger_lock, rflags);
    }
}

static uint32_t read_a_receipt(uint32_t seed)
{
    for (unsigned i = 0; i < READING; i++)
        seed = seed * 1664525 + 1013904223;
    return seed;
}

static void clerk_main(void *argument)
{
    struct clerk *clerk = argument;
    for (unsigned i = 0; i < ENTRIES; i++)
        enter_guarded(clerk->seed = read_a_receipt(clerk->seed));
}

void ledger_run(void)
{
    static const char *const names[CLERKS] = {"clerk 1", "clerk 2", "clerk 3"};
    struct clerk clerks[CLERKS];
    ledger = (struct ledger){0};
    for (unsigned i = 0; i < CLERKS; i++) {
        clerks[i] = (struct clerk){.seed = i + 1};
        clerks[i].thread = thread_create(names[i], clerk_main, &clerks[i], NULL);
    }
    for (unsigned i = 0; i < CLERKS; i++)
        thread_join(clerks[i].thread);
    if (ledger.entries != CLERKS * ENTRIES)
        panic("ledger: %lu entries of %d are there", ledger.entries, CLERKS * ENTRIES);
    printk("ledger: %lu entries, as it should have\n", ledger.entries);
}
