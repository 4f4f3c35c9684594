/* Two tellers move money between two accounts, in opposite directions, and lock the one that they take from first. */
#include "tellers.h"
#include <linux/mutex.h>

enum { TRANSFERS = 60 };

struct account {
	struct mutex lock;
	long balance;
};

static struct account savings = { __MUTEX_INITIALIZER(savings.lock), 1000 };
static struct account current_account = { __MUTEX_INITIALIZER(current_account.lock), 1000 };

static noinline void transfer(struct account *from, struct account *to)
{
	mutex_lock(&from->lock);
	write_receipt();
	mutex_lock(&to->lock);
	from->balance--;
	to->balance++;
	mutex_unlock(&to->lock);
	mutex_unlock(&from->lock);
}

static int teller(void *number)
{
	int n;

	for (n = 0; n < TRANSFERS; n++)
		if (number)
			transfer(&savings, &current_account);
		else
			transfer(&current_account, &savings);
	complete(&done[(long)number]);
	return 0;
}

static int __init begin(void)
{
	run_tellers();
	pr_info("abba: %ld and %ld\n", savings.balance, current_account.balance);
	return 0;
}

module_init(begin);
