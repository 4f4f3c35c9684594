// SPDX-License-Identifier: GPL-2.0-or-later
/* Physical pages: first those that were given back, then the usable memory from low to high, so that
 * memory nobody asked for is never touched. */
#include "pages.h"

#include <stddef.h>

#include "boot_info.h"
#include "printk.h"
#include "spinlock.h"

struct free_page {
    struct free_page *next;
};

extern char kernel_end[];

static struct free_page *free_pages;
static uint64_t frontier;
static unsigned long in_use;

static uint64_t round_up(uint64_t address) { return (address + PAGE_SIZE - 1) & -PAGE_SIZE; }

static uint64_t lower(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* The lowest usable page at or above ADDRESS that the kernel can reach. */
static uint64_t usable_from(uint64_t address)
{
    uint64_t best = KERNEL_WINDOW_SIZE;
    for (unsigned i = 0; i < boot_info.region_count; i++) {
        const struct memory_region *region = &boot_info.regions[i];
        if (region->type != MEMORY_USABLE)
            continue;
        uint64_t start = round_up(region->start > address ? region->start : address);
        if (start + PAGE_SIZE <= region->start + region->size)
            best = lower(best, start);
    }
    if (best == KERNEL_WINDOW_SIZE)
        panic("out of memory: %lu pages in use", in_use);
    return best;
}

static void zero(void *page)
{
    uint64_t count = PAGE_SIZE / sizeof(uint64_t);
    asm volatile("rep stosq" : "+D"(page), "+c"(count) : "a"(0ul) : "memory");
}

uint64_t page_alloc(void)
{
#ifdef SMP
    uint64_t rflags = spin_lock(&pages_lock);
#endif
    struct free_page *page = free_pages;
    if (page) {
        free_pages = page->next;
    } else {
        if (!frontier)
            frontier = linear_to_physical(kernel_end);
        frontier = usable_from(frontier);
        page = physical_to_linear(frontier);
        frontier += PAGE_SIZE;
    }
    zero(page);
    in_use++;
#ifdef SMP
    spin_unlock(&pages_lock, rflags);
#endif
    return linear_to_physical(page);
}

void page_free(uint64_t physical)
{
    struct free_page *page = physical_to_linear(physical);
#ifdef SMP
    uint64_t rflags = spin_lock(&pages_lock);
#endif
    page->next = free_pages;
    free_pages = page;
    in_use--;
#ifdef SMP
    spin_unlock(&pages_lock, rflags);
#endif
}

unsigned long pages_in_use(void) { return in_use; }
