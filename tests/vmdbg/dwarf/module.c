/* A module whose functions are called by writing to its parameter. */
#include <linux/module.h>

struct order {
	int number;
	const char *name;
	struct order *next;
	unsigned int urgent : 1, weight : 9;
};

static struct order orders[3];
static int handled;

noinline int vmdbg_price(struct order *order, int rebate);
noinline int vmdbg_price(struct order *order, int rebate)
{
	int full = order->number * 10 + order->weight;

	handled += full;
	return full - rebate;
}

static inline __attribute__((always_inline)) int total(int count, int rebate)
{
	int sum = 0;
	int i;

	for (i = 0; i < count; i++)
		sum += vmdbg_price(&orders[i], rebate + i);
	return sum;
}

static int set(const char *text, const struct kernel_param *param)
{
	int count = text[0] - '0';
	int sum = total(count, 5);

	pr_info("vmdbg_orders %d %d\n", sum, handled);
	return 0;
}

static const struct kernel_param_ops ops = { .set = set };
module_param_cb(run, &ops, NULL, 0200);

static int __init orders_init(void)
{
	int i;

	for (i = 0; i < 3; i++)
		orders[i] = (struct order){ i + 1, "order", &orders[(i + 1) % 3], i & 1, 100 + i };
	return 0;
}

static void __exit orders_exit(void)
{
}

module_init(orders_init);
module_exit(orders_exit);
MODULE_LICENSE("GPL");
