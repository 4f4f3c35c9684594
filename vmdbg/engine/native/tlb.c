/* The architectural TLB: infinite, and emptied only by what the guest does (SDM 3A 4.10.4).
 *
 * Unicorn's own TLB is a cache of this one, so that its evictions, its resizing by host time and the flushes that the
 * debugger causes can be seen neither in the A bits of page tables nor anywhere else. Open addressing; a tag holds the
 * linear page, the generation (a flush begins a new one) and a kind: 0 a translation, else a note that a large page is
 * in use there.
 */
#include <stdlib.h>
#include <string.h>

#include "vm.h"

enum { KIND_PAGE, KIND_2M, KIND_4M, KIND_1G, KIND_MASK = 3, GENERATION_SHIFT = 2, GENERATIONS = 1 << 10 };
#define ABSENT UINT64_MAX
#define PAGE_OF(linear) ((linear) & ~0xfffull)

static const unsigned kind_shift[] = {12, 21, 22, 30};

static uint64_t tag_of(Vm *vm, uint64_t linear, unsigned kind)
{
    return (linear >> kind_shift[kind] << kind_shift[kind]) | vm->tlb_generation << GENERATION_SHIFT | kind;
}

static bool current(Vm *vm, uint64_t tag)
{
    return (tag & 0xffc) == (uint64_t)vm->tlb_generation << GENERATION_SHIFT && vm->tlb_generation;
}

/* The slot that holds the tag, or the free one where it would go. */
static uint64_t *slot_of(Vm *vm, uint64_t tag)
{
    uint64_t at = ((tag >> 12) * 0x9e3779b97f4a7c15ull ^ (tag & KIND_MASK)) >> 20;

    for (;; at++) {
        uint64_t *slot = vm->tlb + 2 * (at & (vm->tlb_capacity - 1));
        if (slot[0] == tag || !current(vm, slot[0]))
            return slot;
    }
}

static uint64_t value_of(Vm *vm, uint64_t tag)
{
    const uint64_t *slot = slot_of(vm, tag);

    return slot[0] == tag ? slot[1] : ABSENT;
}

static void insert(Vm *vm, uint64_t tag, uint64_t value)
{
    uint64_t *slot = slot_of(vm, tag);

    if (slot[0] != tag)
        vm->tlb_used++;
    slot[0] = tag;
    slot[1] = value;
}

static void grow(Vm *vm)
{
    uint64_t *old = vm->tlb, old_capacity = vm->tlb_capacity;

    vm->tlb_capacity = old_capacity ? old_capacity * 2 : 1 << 14;
    vm->tlb = calloc(vm->tlb_capacity, 2 * sizeof *vm->tlb);
    if (!vm->tlb)
        abort();
    vm->tlb_used = 0;
    for (uint64_t i = 0; i < old_capacity; i++)
        if (current(vm, old[2 * i]) && old[2 * i + 1] != ABSENT)
            insert(vm, old[2 * i], old[2 * i + 1]);
    free(old);
}

bool tlb_get(Vm *vm, uint64_t linear, Translation *found)
{
    uint64_t value = value_of(vm, tag_of(vm, linear, KIND_PAGE));

    if (value == ABSENT)
        return false;
    found->physical = PAGE_OF(value);
    found->flags = value & 0xfff;
    return true;
}

/* What is known of the address, for tlb_put_back(). */
void tlb_save(Vm *vm, uint64_t linear, uint64_t saved[TLB_KINDS])
{
    for (unsigned kind = 0; kind < TLB_KINDS; kind++)
        saved[kind] = value_of(vm, tag_of(vm, linear, kind));
}

/* The TLB has not been flushed since tlb_save(). */
void tlb_put_back(Vm *vm, uint64_t linear, const uint64_t saved[TLB_KINDS])
{
    for (unsigned kind = 0; kind < TLB_KINDS; kind++) {
        uint64_t tag = tag_of(vm, linear, kind), *slot = slot_of(vm, tag);
        if (slot[0] == tag)
            slot[1] = saved[kind];
    }
}

void tlb_put(Vm *vm, uint64_t linear, Translation entry, unsigned page_shift)
{
    if (4 * (vm->tlb_used + 2) > 3 * vm->tlb_capacity)
        grow(vm);
    insert(vm, tag_of(vm, linear, KIND_PAGE), PAGE_OF(entry.physical) | (entry.flags & 0xff));
    for (unsigned kind = KIND_2M; kind <= KIND_1G; kind++)
        if (page_shift == kind_shift[kind]) {
            vm->tlb_large |= 1u << kind;
            insert(vm, tag_of(vm, linear, kind), 0);
        }
}

void tlb_drop_all(Vm *vm)
{
    vm->tlb_used = 0;
    vm->tlb_large = 0;
    if (++vm->tlb_generation == GENERATIONS) {
        memset(vm->tlb, 0, vm->tlb_capacity * 2 * sizeof *vm->tlb);
        vm->tlb_generation = 1;
    }
}

/* INVLPG drops the whole large page that holds the address; we keep its 4 KiB pieces, so then everything goes. */
void tlb_drop_page(Vm *vm, uint64_t linear)
{
    for (unsigned kind = KIND_2M; kind <= KIND_1G; kind++) {
        uint64_t tag = tag_of(vm, linear, kind);
        if (vm->tlb_large >> kind & 1 && value_of(vm, tag) != ABSENT) {
            tlb_drop_all(vm);
            return;
        }
    }
    uint64_t tag = tag_of(vm, linear, KIND_PAGE), *slot = slot_of(vm, tag);
    if (slot[0] == tag)
        slot[1] = ABSENT;
}

static int by_tag(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Pairs of tag (generation removed) and translation in ascending order; returns how many there are. */
uint64_t tlb_export(Vm *vm, uint64_t *pairs, uint64_t capacity)
{
    uint64_t count = 0;

    for (uint64_t i = 0; i < vm->tlb_capacity; i++) {
        const uint64_t *slot = vm->tlb + 2 * i;
        if (!current(vm, slot[0]) || slot[1] == ABSENT)
            continue;
        if (count < capacity) {
            pairs[2 * count] = slot[0] & ~0xffcull;
            pairs[2 * count + 1] = slot[1];
        }
        count++;
    }
    if (count <= capacity)
        qsort(pairs, count, 2 * sizeof *pairs, by_tag);
    return count;
}

void tlb_import(Vm *vm, const uint64_t *pairs, uint64_t count)
{
    tlb_drop_all(vm);
    for (uint64_t i = 0; i < count; i++) {
        unsigned kind = pairs[2 * i] & KIND_MASK;
        if (4 * (vm->tlb_used + 2) > 3 * vm->tlb_capacity)
            grow(vm);
        if (kind != KIND_PAGE)
            vm->tlb_large |= 1u << kind;
        insert(vm, tag_of(vm, pairs[2 * i], kind), pairs[2 * i + 1]);
    }
}

void __real_tlb_flush_x86_64(Cpu *cpu);
void __real_tlb_flush_page_x86_64(Cpu *cpu, uint64_t linear);

/* CR0, CR3, CR4 and task switches come here: the guest's own flushes. */
void __wrap_tlb_flush_x86_64(Cpu *cpu)
{
    Vm *vm = vm_current;

    if (vm && vm->cpu == cpu) {
        tlb_drop_all(vm);
        memset(vm->maybe_writable, 0, vm->ram_size >> 12);
        vm->flushes++;
    }
    __real_tlb_flush_x86_64(cpu);
}

/* INVLPG. */
void __wrap_tlb_flush_page_x86_64(Cpu *cpu, uint64_t linear)
{
    Vm *vm = vm_current;
    uint32_t generation;

    if (!vm || vm->cpu != cpu) {
        __real_tlb_flush_page_x86_64(cpu, linear);
        return;
    }
    generation = vm->tlb_generation;
    tlb_drop_page(vm, linear);
    if (vm->tlb_generation != generation)
        vm_flush_engine_tlb(vm);
    else
        __real_tlb_flush_page_x86_64(cpu, PAGE_OF(linear));
}

/* Empties Unicorn's TLB and leaves the architectural one alone: the guest cannot tell. */
void vm_flush_engine_tlb(Vm *vm)
{
    memset(vm->maybe_writable, 0, vm->ram_size >> 12);
    __real_tlb_flush_x86_64(vm->cpu);
}
