/* What the guest touches, for an index of its history: pages, ports, vectors, events. For people: no state of the guest.
 * Of code it is known in which lines of a page instructions began: translated code says so itself, if it was translated
 * since something was gathered first.
 *
 * Whatever accesses memory has come through Unicorn's TLB, and every entry there through our fill; so if that TLB, and
 * with it the cache of jumps, was empty when gathering began, the entries filled since name every page that was
 * accessed, and with which rights. A page may be named that was not; none that was accessed is left out. Of pages with
 * few stores it is known which lines were written: see traced.c. What reaches
 * memory in other ways, the CPU's own bits in page tables and devices, is noted by itself.
 */
#include <stdlib.h>
#include <string.h>

#include "vm.h"

enum { LEAST_CAPACITY = 1 << 10, MOST_PAGES = 1 << 17, LATELY = sizeof(((VmTouched *)0)->noted_lately) / sizeof(VmTouchedPage) };
#define FREE 0

static uint64_t hash_of(const VmTouchedPage *page)
{
    return (page->linear * 0x9e3779b97f4a7c15ull ^ page->physical * 0xc2b2ae3d27d4eb4full) >> 20;
}

/* The slot of the pair, or the free one where it would go. */
static VmTouchedPage *slot_of(VmTouched *touched, const VmTouchedPage *page)
{
    for (uint64_t at = hash_of(page);; at++) {
        VmTouchedPage *slot = &touched->pages[at & (touched->capacity - 1)];
        if (slot->kinds == FREE || (slot->linear == page->linear && slot->physical == page->physical))
            return slot;
    }
}

static void grow(VmTouched *touched)
{
    VmTouchedPage *old = touched->pages;
    uint64_t count = touched->capacity;

    touched->capacity = count ? 2 * count : LEAST_CAPACITY;
    touched->pages = calloc(touched->capacity, sizeof *old);
    if (!touched->pages)
        abort();
    for (uint64_t i = 0; i < count; i++)
        if (old[i].kinds != FREE)
            *slot_of(touched, &old[i]) = old[i];
    free(old);
}

static void note(VmTouched *touched, uint64_t linear, uint64_t physical, uint64_t at, uint32_t kinds, uint64_t written)
{
    VmTouchedPage page = {linear, physical, at, written, kinds, 0}, *slot;

    if (touched->overflowed)
        return;
    if (2 * touched->count >= touched->capacity)
        grow(touched);
    slot = slot_of(touched, &page);
    if (slot->kinds == FREE) {
        touched->overflowed = ++touched->count > MOST_PAGES;
        *slot = page;
    } else {
        slot->kinds |= kinds;
        slot->written |= written;
        if (slot->at != at)
            slot->at = NOT_MEMORY;
    }
}

/* Unicorn's TLB is given an entry; `at` is where in Vm.memory, or beyond it. */
void touched_entry(Vm *vm, uint64_t linear, uint64_t physical, uint64_t at, uint32_t kinds)
{
    VmTouched *touched = &vm->touched;

    if (!touched->gathering || !kinds)
        return;
    VmTouchedPage page = {linear >> 12, physical >> 12, at < vm->memory_size ? at & ~0xfffull : NOT_MEMORY, 0, kinds, 0};
    VmTouchedPage *lately = &touched->noted_lately[hash_of(&page) % LATELY];
    bool same = lately->linear == page.linear && lately->physical == page.physical && lately->at == page.at;
    if (same && !(kinds & ~lately->kinds))
        return;
    note(touched, page.linear, page.physical, page.at, kinds, 0);
    page.kinds |= same ? lately->kinds : 0;
    *lately = page;
}

/* An instruction could not be fetched, and has not begun: control came to it, and part of it may be in the page before. */
void touched_fetch_fault(Vm *vm, uint64_t linear)
{
    if (!vm->touched.gathering)
        return;
    note(&vm->touched, linear >> 12, NO_PHYSICAL_PAGE, NOT_MEMORY, TOUCHED_FETCH, 0);
    note(&vm->touched, env_linear_pc(vm->cpu->env) >> 12, NO_PHYSICAL_PAGE, NOT_MEMORY, TOUCHED_FETCH, 0);
}

/* Physical memory is read or written in no access of an instruction. */
void touched_beside(Vm *vm, uint64_t physical, uint64_t size, uint32_t kinds)
{
    if (!vm->touched.gathering || !size)
        return;
    for (uint64_t end = physical + size; physical < end && !vm->touched.overflowed;) {
        uint64_t offset = physical & 0xfff, part = end - physical < 4096 - offset ? end - physical : 4096 - offset;
        note(&vm->touched, NO_LINEAR_PAGE, physical >> 12, NOT_MEMORY, kinds, kinds & TOUCHED_WRITE ? lines_between(offset, part) : 0);
        physical += part;
    }
}

/* Nothing is touched yet. What was gathered is forgotten. */
void touched_begin(Vm *vm, bool gathering)
{
    VmTouched *touched = &vm->touched;

    if (gathering && !touched->marked) {
        touched->marked = 1;
        vm_flush_caches(vm);
    }
    for (uint64_t i = 0; i < touched->capacity; i++)
        if (touched->pages[i].kinds & TOUCHED_FETCH && touched->pages[i].at != NOT_MEMORY)
            memset(&touched->lines[touched->pages[i].at >> CODE_LINE_SHIFT], 0, CODE_LINES);
    if (touched->capacity > 16 * LEAST_CAPACITY) {
        free(touched->pages);
        touched->pages = NULL;
        touched->capacity = 0;
    }
    if (touched->capacity)
        memset(touched->pages, 0, touched->capacity * sizeof *touched->pages);
    touched->count = touched->events = touched->overflowed = 0;
    traced_begin(touched);
    memset(touched->noted_lately, 0, sizeof touched->noted_lately);
    memset(touched->ports, 0, sizeof touched->ports);
    memset(touched->exceptions, 0, sizeof touched->exceptions);
    memset(touched->interrupts, 0, sizeof touched->interrupts);
    touched->gathering = gathering;
    vm_flush_engine_tlb(vm);
}

static int by_linear(const void *a, const void *b)
{
    const VmTouchedPage *x = a, *y = b;

    if (x->linear != y->linear)
        return x->linear < y->linear ? -1 : 1;
    return x->physical < y->physical ? -1 : x->physical > y->physical;
}

/* A bit for each line of the page in which an instruction began. */
static uint64_t lines_of(const VmTouched *touched, const VmTouchedPage *page)
{
    uint64_t bits = 0;

    if (!(page->kinds & TOUCHED_FETCH))
        return 0;
    if (page->at == NOT_MEMORY)
        return UINT64_MAX;
    for (unsigned i = 0; i < CODE_LINES; i++)
        bits |= (uint64_t)touched->lines[(page->at >> CODE_LINE_SHIFT) + i] << i;
    return bits;
}

/* The same of those that may have been written; `words`: see traced_lines(). */
static uint64_t written_in(const VmTouched *touched, const VmTouchedPage *page, uint64_t *words)
{
    *words = UINT64_MAX;
    if (!(page->kinds & TOUCHED_WRITE))
        return *words = 0;
    if (page->linear == NO_LINEAR_PAGE)
        return page->written;
    return page->at == NOT_MEMORY ? UINT64_MAX : traced_lines(touched, page->linear, page->at >> 12, words);
}

/* The pairs by linear page, ascending, in columns of touched.count: how far each linear page is from the last, lines of
 * code, lines and words that were written, how much farther the physical page is (nothing, along a mapping without holes), kinds.
 * Nothing can be gathered after that but from touched_begin() on. */
void touched_export(Vm *vm, uint64_t *linear, uint64_t *lines, uint64_t *written, uint64_t *words, uint32_t *physical, uint8_t *kinds)
{
    VmTouched *touched = &vm->touched;
    VmTouchedPage last = {0};
    uint64_t count = 0;

    for (uint64_t i = 0; i < touched->capacity; i++)
        if (touched->pages[i].kinds != FREE)
            touched->pages[count++] = touched->pages[i];
    if (count)
        qsort(touched->pages, count, sizeof *touched->pages, by_linear);
    for (uint64_t i = 0; i < count; i++) {
        const VmTouchedPage *page = &touched->pages[i];
        linear[i] = page->linear - last.linear;
        physical[i] = page->physical - last.physical - linear[i];
        lines[i] = lines_of(touched, page);
        written[i] = written_in(touched, page, &words[i]);
        kinds[i] = page->kinds;
        last = *page;
    }
    touched->gathering = 0;
}
