/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

struct account {
    char name[16];
    long balance;
    unsigned long transactions;
};

struct account *account_open(const char *name, long balance);
/* Also ends the standing order, if it is for this account. */
void account_close(struct account *account);

/* One account earns interest whenever pay_interest is called. */
void standing_order_set(struct account *account);
void pay_interest(void);
