// SPDX-License-Identifier: GPL-2.0-or-later
/* Four-level paging (SDM 3A 4.5). */
#include "paging.h"

#include "cpu.h"
#include "pages.h"
#include "printk.h"

#define LARGE_PAGE 0x200000ul
#define ENTRIES 512
#define KERNEL_PML4_ENTRY 511

extern char text_start[], text_end[], rodata_start[], rodata_end[];

struct address_space kernel_space;

static uint64_t *table_at(uint64_t entry) { return physical_to_linear(entry & PTE_ADDRESS); }

static unsigned index_at(uint64_t linear, unsigned level) { return linear >> (12 + 9 * level) & (ENTRIES - 1); }

/* The table that ENTRY points to, made if there is none. Rights are the leaf's business. */
static uint64_t *next_table(uint64_t *entry, uint64_t linear)
{
    if (!(*entry & PTE_P))
        *entry = page_alloc() | PTE_P | PTE_W | (linear < USER_END ? PTE_U : 0);
    return table_at(*entry);
}

/* The entry for LINEAR in the table of LEVEL (0: page table, 1: page directory). */
static uint64_t *make_entry(struct address_space *space, uint64_t linear, unsigned level)
{
    uint64_t *table = table_at(space->cr3);
    for (unsigned l = 3; l > level; l--)
        table = next_table(&table[index_at(linear, l)], linear);
    return &table[index_at(linear, level)];
}

void page_map(struct address_space *space, uint64_t linear, uint64_t physical, uint64_t flags)
{
    uint64_t *entry = make_entry(space, linear, 0);
    if (*entry & PTE_P)
        panic("page_map: %lx is mapped already", linear);
    *entry = physical | flags | PTE_P;
}

uint64_t page_entry(const struct address_space *space, uint64_t linear)
{
    uint64_t entry = space->cr3 | PTE_P;
    for (unsigned level = 4; level-- > 0;) {
        entry = table_at(entry)[index_at(linear, level)];
        if (!(entry & PTE_P))
            return 0;
        if (entry & PTE_PS && level > 0)
            break;
    }
    return entry;
}

static uint64_t kernel_page_flags(const char *page)
{
    if (page >= text_start && page < text_end)
        return 0;
    if (page >= rodata_start && page < rodata_end)
        return PTE_NX;
    return PTE_NX | PTE_W;
}

void paging_init(void)
{
    kernel_space.cr3 = page_alloc();
    for (uint64_t p = 0; p < LARGE_PAGE; p += PAGE_SIZE)
        page_map(&kernel_space, KERNEL_BASE + p, p, kernel_page_flags(physical_to_linear(p)));
    for (uint64_t p = LARGE_PAGE; p < KERNEL_WINDOW_SIZE; p += LARGE_PAGE)
        *make_entry(&kernel_space, KERNEL_BASE + p, 1) = p | PTE_P | PTE_W | PTE_PS | PTE_NX;
    write_cr3(kernel_space.cr3);
}

struct address_space address_space_create(void)
{
    struct address_space space = {.cr3 = page_alloc()};
    table_at(space.cr3)[KERNEL_PML4_ENTRY] = table_at(kernel_space.cr3)[KERNEL_PML4_ENTRY];
    return space;
}

static void free_table(uint64_t table, unsigned level)
{
    for (unsigned i = 0; i < ENTRIES; i++) {
        uint64_t entry = table_at(table)[i];
        if (!(entry & PTE_P) || (level == 3 && i == KERNEL_PML4_ENTRY))
            continue;
        if (level > 0)
            free_table(entry & PTE_ADDRESS, level - 1);
        else if (entry & PTE_OWNED)
            page_free(entry & PTE_ADDRESS);
    }
    page_free(table);
}

void address_space_free(struct address_space *space)
{
    free_table(space->cr3, 3);
    space->cr3 = 0;
}
