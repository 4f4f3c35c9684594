/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PTE_P 0x001ul
#define PTE_W 0x002ul
#define PTE_U 0x004ul
#define PTE_PS 0x080ul
#define PTE_NX (1ul << 63)
#define PTE_ADDRESS 0x000ffffffffff000ul

/* Bits of a page fault's error code (SDM 3A 4.7). */
#define PF_P 0x01
#define PF_W 0x02
#define PF_U 0x04
#define PF_I 0x10

struct address_space {
    uint64_t cr3;
};

extern struct address_space kernel_space;

/* Leaves the boot tables: text read-only, data never executable, nothing below KERNEL_BASE. */
void paging_init(void);

/* A space with the kernel's half and nothing below. */
struct address_space address_space_create(void);
/* Gives back the tables and the pages of the lower half that PTE_OWNED marks. */
void address_space_free(struct address_space *space);

/* A bit that paging ignores: the page goes when its address space goes. */
#define PTE_OWNED (1ul << 9)

/* Maps one 4 KiB page; flags are PTE bits. The page must not be mapped yet. */
void page_map(struct address_space *space, uint64_t linear, uint64_t physical, uint64_t flags);
/* The entry that maps LINEAR in the space (PTE or large PDE), 0 if none does. */
uint64_t page_entry(const struct address_space *space, uint64_t linear);
