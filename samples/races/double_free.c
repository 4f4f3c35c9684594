/* Two tellers tear up the same receipts: each looks whether one is there, and then frees it. */
#include "tellers.h"
#include <linux/slab.h>

enum { RECEIPTS = 60 };

static void *receipts[RECEIPTS];
static atomic_t torn;

static noinline void tear_up(void *paper)
{
	kfree(paper);
	atomic_inc(&torn);
}

static noinline void give_back(void **receipt)
{
	void *mine = READ_ONCE(*receipt);

	if (mine) {
		write_receipt();
		WRITE_ONCE(*receipt, NULL);
		tear_up(mine);
	}
}

static int teller(void *number)
{
	int n;

	for (n = 0; n < RECEIPTS; n++)
		give_back(&receipts[n]);
	complete(&done[(long)number]);
	return 0;
}

static int __init begin(void)
{
	int n;

	for (n = 0; n < RECEIPTS; n++)
		receipts[n] = kmalloc(64, GFP_KERNEL);
	run_tellers();
	pr_info("double_free: %d of %d receipts\n", atomic_read(&torn), RECEIPTS);
	return 0;
}

module_init(begin);
