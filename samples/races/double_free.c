/* Two tellers tear up the same receipt: each looks whether it is there, and then frees it. */
#include "tellers.h"
#include <linux/slab.h>

static void *receipt;

static noinline void tear_up(void *paper)
{
	kfree(paper);
}

static noinline void give_back(void)
{
	void *mine = READ_ONCE(receipt);

	if (mine) {
		tear_up(mine);
		WRITE_ONCE(receipt, NULL);
	}
}

static int teller(void *number)
{
	give_back();
	complete(&done[(long)number]);
	return 0;
}

static int __init begin(void)
{
	receipt = kmalloc(64, GFP_KERNEL);
	run_tellers();
	pr_info("double_free: the receipt is gone\n");
	return 0;
}

module_init(begin);
