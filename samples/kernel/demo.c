// SPDX-License-Identifier: GPL-2.0-or-later
#include "demo.h"

#include "interrupts.h"
#include "pages.h"
#include "pit.h"
#include "printk.h"
#include "syscall.h"
#include "task.h"
#include "thread.h"

void demo_run(void)
{
    guestbook_run();
    struct thread *user = task_create("user");
    bank_run();
    thread_join(user);
    mail_run();
#ifdef SMP
    ledger_run();
#endif
    printk("demo: done: %lu ticks, %lu system calls, %lu pages on demand, %lu pages in use\n", timer_ticks(),
           syscall_count(), demand_page_count(), pages_in_use());
}
