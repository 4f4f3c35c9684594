/* In which lines of a page there were stores, for the history index: of pages that are not written all the time.
 *
 * A store to a page comes here for as long as its entries in Unicorn's TLB say so: in each part of the history afresh, up
 * to a number of stores, or until it turns out that the page is being filled, or written all over. Of a page that was
 * given up for their number nothing is noted for a part more, and for twice as many each time that this comes again.
 */
#include <stdlib.h>
#include <string.h>

#include "vm.h"

enum { LEAST_CAPACITY = 1 << 10, MOST_TRACED = 1 << 16, MOST_STORES = 1 << 11, LONGEST_REST = 8, WORD_SHIFT = 3 };
enum { LATELY = sizeof(((VmTouched *)0)->known_lately) / sizeof(VmTracedPage *) };
enum { FILLING = 32, LOOKED_AT = 64, MOST_LINES = 16 };    /* stores in a row; at a multiple of so many: lines that go on */

static VmTracedPage *slots_of(const VmTouched *touched, uint64_t linear)
{
    return &touched->traced[(linear * 0x9e3779b97f4a7c15ull >> 32) & (touched->traced_capacity - 1)];
}

/* The next slot of a chain, which begins at slots_of(). */
static VmTracedPage *after(const VmTouched *touched, VmTracedPage *slot)
{
    return ++slot == touched->traced + touched->traced_capacity ? touched->traced : slot;
}

/* The slot of the pair, or the free one where it would go. */
static VmTracedPage *slot_of(const VmTouched *touched, uint64_t linear, uint64_t at)
{
    VmTracedPage *slot = slots_of(touched, linear);

    while (slot->used && (slot->linear != linear || slot->at != at))
        slot = after(touched, slot);
    return slot;
}

static void grow(VmTouched *touched)
{
    VmTracedPage *old = touched->traced;
    uint64_t count = touched->traced_capacity;

    touched->traced_capacity = count ? 2 * count : LEAST_CAPACITY;
    touched->traced = calloc(touched->traced_capacity, sizeof *old);
    if (!touched->traced)
        abort();
    for (uint64_t i = 0; i < count; i++)
        if (old[i].used)
            *slot_of(touched, old[i].linear, old[i].at) = old[i];
    free(old);
    memset(touched->known_lately, 0, sizeof touched->known_lately);
}

/* The page's slot; where there is no room for more, one that is not followed. */
static VmTracedPage *known(Vm *vm, uint64_t linear, uint64_t at)
{
    static VmTracedPage none;
    VmTouched *touched = &vm->touched;
    VmTracedPage **lately = &touched->known_lately[((linear ^ at) * 0x9e3779b97f4a7c15ull >> 32) % LATELY];

    if (*lately && (*lately)->linear == linear && (*lately)->at == at)
        return *lately;
    if (2 * touched->traced_count >= touched->traced_capacity && touched->traced_count < MOST_TRACED)
        grow(touched);
    VmTracedPage *page = slot_of(touched, linear, at);
    if (!page->used && touched->traced_count >= MOST_TRACED)
        return &none;
    if (!page->used) {
        *page = (VmTracedPage){.linear = linear, .at = at, .used = 1, .followed = !touched->resting[at]};
        touched->traced_count++;
    }
    return *lately = page;
}

/* Unicorn's TLB is given an entry that grants stores: whether they are to come here. `at` is in Vm.memory. */
bool traced_begins(Vm *vm, uint64_t linear, uint64_t at)
{
    return vm->touched.gathering && known(vm, linear >> 12, at >> 12)->followed;
}

/* The same of an entry through which stores cannot be followed. */
void traced_ends(Vm *vm, uint64_t linear, uint64_t at)
{
    if (vm->touched.gathering)
        known(vm, linear >> 12, at >> 12)->followed = 0;
}

static void note_words(VmTracedPage *page, unsigned offset, unsigned size)
{
    for (unsigned word = offset >> WORD_SHIFT; word <= (offset + size - 1) >> WORD_SHIFT; word++)
        page->words[word >> 3] |= 1 << (word & 7);
}

/* Whether the page is worth to be followed after this store. */
static bool goes_on(VmTracedPage *page, unsigned offset, unsigned size)
{
    bool in_a_row = offset == page->last + page->last_size || offset + size == page->last;

    page->row = in_a_row ? page->row + 1 : 0;
    page->last = offset;
    page->last_size = size;
    if (page->row == FILLING || page->stores == MOST_STORES)
        return false;
    return page->stores % LOOKED_AT || __builtin_popcountll(page->lines) <= MOST_LINES;
}

/* A store, within a page. Returns whether those to come are to be told, too. */
bool traced_store(Vm *vm, uint64_t linear, uint64_t at, unsigned size)
{
    if (!vm->touched.gathering)
        return false;
    VmTracedPage *page = known(vm, linear >> 12, at >> 12);
    if (!page->followed)
        return false;
    page->lines |= lines_between(linear & 0xfff, size);
    note_words(page, linear & 0xfff, size);
    page->stores++;
    return page->followed = goes_on(page, linear & 0xfff, size);
}

/* A store to a page of which nobody can say any more where in memory it was. */
void traced_lost(Vm *vm, uint64_t linear)
{
    VmTouched *touched = &vm->touched;

    if (!touched->gathering || !touched->traced_capacity)
        return;
    for (VmTracedPage *slot = slots_of(touched, linear >> 12); slot->used; slot = after(touched, slot))
        if (slot->linear == linear >> 12)
            slot->followed = 0;
}

/* Where stores may have been made since touched_begin(), a bit for each line; and for each of the eight lowest of these a
 * byte, the lowest first, with a bit for each eighth of the line. Page numbers. */
uint64_t traced_lines(const VmTouched *touched, uint64_t linear, uint64_t at, uint64_t *words)
{
    const VmTracedPage *page = touched->traced_capacity ? slot_of(touched, linear, at) : NULL;

    *words = UINT64_MAX;
    if (!page || !page->used || !page->followed)
        return UINT64_MAX;
    *words = 0;
    unsigned shift = 0;
    for (uint64_t left = page->lines; left && shift < 64; left &= left - 1, shift += 8)
        *words |= (uint64_t)page->words[__builtin_ctzll(left)] << shift;
    return page->lines;
}

/* What becomes of a page's rest as a part of the history is over. */
static void rest(VmTouched *touched, const VmTracedPage *page)
{
    uint8_t *left = &touched->resting[page->at], *length = &touched->rested[page->at];

    if (page->stores == MOST_STORES)
        *left = *length = *length ? (*length < LONGEST_REST ? 2 * *length : LONGEST_REST) : 1;
    else if (page->followed)
        *length = 0;
    else if (*left && !page->stores)
        --*left;
}

void traced_begin(VmTouched *touched)
{
    for (uint64_t i = 0; i < touched->traced_capacity; i++)
        if (touched->traced[i].used)
            rest(touched, &touched->traced[i]);
    if (touched->traced_capacity > 16 * LEAST_CAPACITY) {
        free(touched->traced);
        touched->traced = NULL;
        touched->traced_capacity = 0;
    }
    if (touched->traced_capacity)
        memset(touched->traced, 0, touched->traced_capacity * sizeof *touched->traced);
    touched->traced_count = 0;
    memset(touched->known_lately, 0, sizeof touched->known_lately);
}
