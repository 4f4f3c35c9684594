// SPDX-License-Identifier: GPL-2.0-or-later
/* Two tellers pay into one account. Home of the lost update, and of half of the stale pointer. */
#include "bank.h"

#include <stddef.h>
#include <stdint.h>

#include "bugs.h"
#include "demo.h"
#include "heap.h"
#include "printk.h"
#include "text.h"
#include "thread.h"

#define DEPOSITS 48
#define PROGRESS 16
#define PAPERWORK 60000
#define INTEREST_DIVISOR 20

struct teller {
    const char *name;
    struct account *account;
    uint32_t first_form;
    long paid_in;
};

static struct mutex counter_lock;
static struct account *standing_order;

struct account *account_open(const char *name, long balance)
{
    struct account *account = kmalloc(sizeof *account);
    *account = (struct account){.balance = balance};
    text_copy(account->name, name, sizeof account->name);
    return account;
}

void account_close(struct account *account)
{
    if (standing_order == account && !bug_planted(BUG_STALE))
        standing_order = NULL;
    kfree(account);
}

void standing_order_set(struct account *account) { standing_order = account; }

void pay_interest(void)
{
    if (standing_order)
        standing_order->balance += standing_order->balance / INTEREST_DIVISOR;
}

/* Something slow that gives the amount, 1 to 9, of the deposit. */
static long paperwork(uint32_t form)
{
    for (unsigned i = 0; i < PAPERWORK; i++)
        form = form * 1664525 + 1013904223;
    return 1 + (form >> 16) % 9;
}

static void deposit(struct teller *teller, uint32_t form)
{
    bool locked = !bug_planted(BUG_RACE);
    if (locked)
        mutex_lock(&counter_lock);
    long balance = teller->account->balance;
    long amount = paperwork(form);
    teller->account->balance = balance + amount;
    if (locked)
        mutex_unlock(&counter_lock);
    teller->paid_in += amount;
}

static void teller_main(void *argument)
{
    struct teller *teller = argument;
    for (unsigned i = 1; i <= DEPOSITS; i++) {
        deposit(teller, teller->first_form + i);
        if (i % PROGRESS == 0)
            printk("%s: %u deposits, %ld paid in\n", teller->name, i, teller->paid_in);
    }
}

static void audit(const struct account *account, const struct teller *a, const struct teller *b)
{
    long expected = a->paid_in + b->paid_in;
    if (account->balance != expected)
        panic("bank: the account holds %ld, the tellers paid in %ld", account->balance, expected);
    printk("bank: the account holds %ld, as it should\n", account->balance);
}

void bank_run(void)
{
    struct account *account = account_open("shared", 0);
    struct teller first = {.name = "teller 1", .account = account, .first_form = 100};
    struct teller second = {.name = "teller 2", .account = account, .first_form = 200};
    struct thread *first_thread = thread_create(first.name, teller_main, &first, NULL);
    struct thread *second_thread = thread_create(second.name, teller_main, &second, NULL);
    thread_join(first_thread);
    thread_join(second_thread);
    audit(account, &first, &second);
    account_close(account);
}
