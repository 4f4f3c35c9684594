// SPDX-License-Identifier: GPL-2.0-or-later
/* Demand paging: a task's heap and stack get their pages when they are first touched. */
#include "interrupts.h"
#include "layout.h"
#include "pages.h"
#include "percpu.h"
#include "paging.h"
#include "task.h"
#include "thread.h"

static unsigned long demand_pages;

bool page_fault(const struct frame *frame, uint64_t address)
{
    struct address_space *space = thread_current()->space;
    if (frame->error_code & (PF_P | PF_I) || space == &kernel_space || !is_demand_region(address))
        return false;
    page_map(space, address & -PAGE_SIZE, page_alloc(), PTE_W | PTE_U | PTE_NX | PTE_OWNED);
    count(&demand_pages);
    return true;
}

unsigned long demand_page_count(void) { return demand_pages; }
