// SPDX-License-Identifier: GPL-2.0-or-later
/* A courier fills a mailbox, much later it is emptied. Home of the other half of the stale pointer. */
#include <stddef.h>

#include "bank.h"
#include "demo.h"
#include "heap.h"
#include "printk.h"
#include "text.h"
#include "thread.h"

#define LETTERS 6

struct letter {
    char text[24];
    unsigned number;
};

struct mailbox {
    unsigned capacity, posted, taken, lost;
    struct letter *letters;
};

static struct mailbox *mailbox_create(unsigned capacity)
{
    struct mailbox *mailbox = kmalloc(sizeof *mailbox);
    *mailbox = (struct mailbox){.capacity = capacity, .letters = kmalloc(capacity * sizeof(struct letter))};
    return mailbox;
}

static void mailbox_destroy(struct mailbox *mailbox)
{
    kfree(mailbox->letters);
    kfree(mailbox);
}

static void mailbox_post(struct mailbox *mailbox, const char *text)
{
    if (mailbox->posted - mailbox->taken == mailbox->capacity) {
        mailbox->lost++;
        return;
    }
    struct letter *letter = &mailbox->letters[mailbox->posted % mailbox->capacity];
    letter->number = ++mailbox->posted;
    text_copy(letter->text, text, sizeof letter->text);
}

static const struct letter *mailbox_take(struct mailbox *mailbox)
{
    return &mailbox->letters[mailbox->taken++ % mailbox->capacity];
}

static void courier_main(void *argument)
{
    static const char *const texts[LETTERS] = {"hello", "how are you", "all well here", "weather fine", "send news",
                                               "goodbye"};
    for (unsigned i = 0; i < LETTERS; i++) {
        mailbox_post(argument, texts[i]);
        thread_sleep(1);
    }
    printk("courier: %u letters in the mailbox\n", LETTERS);
}

static void clerk_main([[maybe_unused]] void *argument)
{
    thread_sleep(8);
    pay_interest();
    printk("clerk: interest day\n");
}

static void read_all(struct mailbox *mailbox)
{
    unsigned sum = 0;
    while (mailbox->taken < mailbox->posted)
        sum += mailbox_take(mailbox)->number;
    printk("mailbox: %u letters read, %u lost, check %u\n", mailbox->taken, mailbox->lost, sum);
}

void mail_run(void)
{
    struct account *savings = account_open("savings", 4000);
    standing_order_set(savings);
    pay_interest();
    printk("bank: %s holds %ld and is closed\n", savings->name, savings->balance);
    account_close(savings);

    struct mailbox *mailbox = mailbox_create(8);
    struct thread *courier = thread_create("courier", courier_main, mailbox, NULL);
    struct thread *clerk = thread_create("clerk", clerk_main, NULL, NULL);
    thread_join(courier);
    thread_join(clerk);
    thread_sleep(12);
    read_all(mailbox);
    mailbox_destroy(mailbox);
}
