// SPDX-License-Identifier: GPL-2.0-or-later
/* Objects by size class. A page holds cells of one class; the cell freed last is given out first. */
#include "heap.h"

#include <stdint.h>

#include "spinlock.h"
#include "pages.h"
#include "printk.h"

#define SMALLEST 32u
#define CLASSES 6

struct cell {
    struct cell *next;
};

/* In the first cell of every page. */
struct page_header {
    unsigned class;
};

static struct cell *free_cells[CLASSES];

static unsigned class_of(size_t size)
{
    unsigned class = 0;
    while (class < CLASSES && SMALLEST << class < size)
        class++;
    if (class == CLASSES)
        panic("kmalloc: %lu bytes are more than a cell", size);
    return class;
}

static void add_page(unsigned class)
{
    char *page = physical_to_linear(page_alloc());
    const size_t cell_size = SMALLEST << class;
    ((struct page_header *)page)->class = class;
    for (size_t offset = PAGE_SIZE - cell_size; offset > 0; offset -= cell_size) {
        struct cell *cell = (struct cell *)(page + offset);
        cell->next = free_cells[class];
        free_cells[class] = cell;
    }
}

void *kmalloc(size_t size)
{
    unsigned class = class_of(size);
    uint64_t rflags = spin_lock(&heap_lock);
    if (!free_cells[class])
        add_page(class);
    struct cell *cell = free_cells[class];
    free_cells[class] = cell->next;
    spin_unlock(&heap_lock, rflags);
    return cell;
}

void kfree(void *object)
{
    const struct page_header *header = (void *)((uint64_t)object & -PAGE_SIZE);
    struct cell *cell = object;
    uint64_t rflags = spin_lock(&heap_lock);
    cell->next = free_cells[header->class];
    free_cells[header->class] = cell;
    spin_unlock(&heap_lock, rflags);
}
