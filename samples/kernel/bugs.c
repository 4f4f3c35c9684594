// SPDX-License-Identifier: GPL-2.0-or-later
#include "bugs.h"

#include <stddef.h>

#include "demo.h"
#include "printk.h"
#include "text.h"

static const struct {
    const char *name, *symptom;
    void (*run)(void);
} bugs[] = {
    [BUG_SMASH] = {"smash", "a function returns to nowhere", guestbook_run},
    [BUG_RACE] = {"race", "money goes missing between two tellers", bank_run},
    [BUG_STALE] = {"stale", "a mailbox goes bad while nobody uses it", mail_run},
#ifdef SMP
    [BUG_CLI] = {"cli", "a ledger lacks entries, on several CPUs alone", ledger_run},
#endif
};

static enum bug planted;

bool bug_plant(const char *name)
{
    for (unsigned i = BUG_SMASH; i < sizeof bugs / sizeof *bugs; i++)
        if (text_equal(bugs[i].name, name)) {
            planted = (enum bug)i;
            return true;
        }
    return false;
}

bool bug_planted(enum bug bug) { return planted == bug; }

void bug_run(void)
{
    if (planted != BUG_NONE)
        bugs[planted].run();
}

void bugs_print(void)
{
    for (unsigned i = BUG_SMASH; i < sizeof bugs / sizeof *bugs; i++)
        printk("  bug %-6s %s\n", bugs[i].name, bugs[i].symptom);
}
