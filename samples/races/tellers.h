/* Two threads, each on a CPU of its own, that begin to work when both are there. The module is loaded when both are done. */
#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/module.h>

static struct completion done[2];

static int teller(void *number);

/* Takes some 500 bytes of instructions, which are ticks. */
static noinline void write_receipt(void)
{
	int line;

	for (line = 0; line < 60; line++)
		barrier();
}

static void run_tellers(void)
{
	struct task_struct *tasks[2];
	long number;

	for (number = 0; number < 2; number++) {
		init_completion(&done[number]);
		tasks[number] = kthread_create(teller, (void *)number, "teller/%ld", number);
		kthread_bind(tasks[number], number);
	}
	for (number = 0; number < 2; number++)
		wake_up_process(tasks[number]);
	for (number = 0; number < 2; number++)
		wait_for_completion(&done[number]);
}

static void __exit leave(void)
{
}

module_exit(leave);
MODULE_LICENSE("GPL");
