/* Memory that translated code reaches from the register in which it has its CPU: one instruction stores there, where an
 * address of its own takes another, and ten bytes.
 */
#include <sys/mman.h>

#include "vm.h"

enum { PLACES = 16 };
#define REACH (1ll << 31)

bool is_near(const void *from, const void *to)
{
    intptr_t distance = (intptr_t)to - (intptr_t)from;

    return distance >= -REACH && distance < REACH;
}

static bool all_is_near(const void *from, const uint8_t *memory, size_t size)
{
    return is_near(from, memory) && is_near(from, memory + size);
}

/* Zeros; near `from` if there is room, rather before it: a heap grows upwards. NULL: no memory. */
void *near_new(const void *from, size_t size)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    uintptr_t step = 2 * REACH / PLACES, page = (uintptr_t)from >> PAGE_SHIFT << PAGE_SHIFT;
    void *found;

    for (int i = 1; i < PLACES; i++) {
        void *place = (void *)(page - REACH + i * step);
        found = mmap(place, size, PROT_READ | PROT_WRITE, flags, -1, 0);
        if (found == MAP_FAILED)
            return NULL;
        if (all_is_near(from, found, size))
            return found;
        munmap(found, size);
    }
    found = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, -1, 0);
    return found == MAP_FAILED ? NULL : found;
}

void near_free(void *memory, size_t size)
{
    if (memory)
        munmap(memory, size);
}
