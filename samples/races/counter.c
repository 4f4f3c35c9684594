/* Two tellers pay into one account. One of the two counts is kept without a lock. */
#include "tellers.h"

enum { DEPOSITS = 100 };

static unsigned long balance, audited;
static DEFINE_SPINLOCK(audit_lock);

static noinline void deposit(void)
{
	unsigned long before = READ_ONCE(balance);

	write_receipt();
	WRITE_ONCE(balance, before + 1);
}

static noinline void audit(void)
{
	spin_lock(&audit_lock);
	audited++;
	spin_unlock(&audit_lock);
}

static int teller(void *number)
{
	int n;

	for (n = 0; n < DEPOSITS; n++) {
		deposit();
		audit();
	}
	complete(&done[(long)number]);
	return 0;
}

static int __init begin(void)
{
	run_tellers();
	pr_info("counter: %lu of %lu deposits\n", balance, audited);
	return 0;
}

module_init(begin);
