// SPDX-License-Identifier: GPL-2.0-or-later
#include "task.h"

#include "layout.h"
#include "pages.h"
#include "paging.h"
#include "text.h"
#include "thread.h"

extern char user_text_start[], user_rodata_start[], user_data_start[], user_end[], data_start[];
extern void user_start(void);
extern void enter_user_mode(uint64_t rip, uint64_t rsp);

/* The program's image lies in the kernel's, just before the kernel's data. */
static uint64_t image_physical(const char *linear)
{
    return linear_to_physical(data_start) - (uint64_t)(user_end - linear);
}

static void map_shared(struct address_space *space, const char *start, const char *end, uint64_t flags)
{
    for (const char *p = start; p < end; p += PAGE_SIZE)
        page_map(space, (uint64_t)p, image_physical(p), flags | PTE_U);
}

static void map_copy(struct address_space *space, const char *start, const char *end)
{
    for (const char *p = start; p < end; p += PAGE_SIZE) {
        uint64_t copy = page_alloc();
        memcpy(physical_to_linear(copy), physical_to_linear(image_physical(p)), PAGE_SIZE);
        page_map(space, (uint64_t)p, copy, PTE_U | PTE_W | PTE_NX | PTE_OWNED);
    }
}

static void task_main([[maybe_unused]] void *argument)
{
    enter_user_mode((uint64_t)user_start, USER_STACK_TOP);
}

struct thread *task_create(const char *name)
{
    struct address_space space = address_space_create();
    map_shared(&space, user_text_start, user_rodata_start, 0);
    map_shared(&space, user_rodata_start, user_data_start, PTE_NX);
    map_copy(&space, user_data_start, user_end);
    return thread_create(name, task_main, 0, &space);
}

bool is_demand_region(uint64_t linear)
{
    return linear - USER_HEAP < USER_HEAP_SIZE || USER_STACK_TOP - 1 - linear < USER_STACK_SIZE;
}

bool is_user_memory(uint64_t linear, uint64_t length)
{
    if (linear >= USER_END || length > USER_END - linear)
        return false;
    for (uint64_t p = linear & -PAGE_SIZE; p < linear + length; p += PAGE_SIZE)
        if (!is_demand_region(p) && !page_entry(thread_current()->space, p))
            return false;
    return true;
}
