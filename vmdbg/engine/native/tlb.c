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
#include "unicorn_tlb.h"

enum { KIND_PAGE, KIND_2M, KIND_4M, KIND_1G, KIND_MASK = 3, GENERATION_SHIFT = 2, GENERATIONS = 1 << 10 };
#define ABSENT UINT64_MAX
#define PAGE_OF(linear) ((linear) & ~0xfffull)

static const unsigned kind_shift[] = {12, 21, 22, 30};

static uint64_t tag_of(VmCpu *cpu, uint64_t linear, unsigned kind)
{
    return (linear >> kind_shift[kind] << kind_shift[kind]) | cpu->tlb_generation << GENERATION_SHIFT | kind;
}

static bool current(VmCpu *cpu, uint64_t tag)
{
    return (tag & 0xffc) == (uint64_t)cpu->tlb_generation << GENERATION_SHIFT && cpu->tlb_generation;
}

/* The slot that holds the tag, or the free one where it would go. Four pages that follow one another share a line of the
 * host's cache. */
static uint64_t *slot_of(VmCpu *cpu, uint64_t tag)
{
    uint64_t at = (tag >> 14) * 0x9e3779b97f4a7c15ull >> 20 << 2 | ((tag >> 12 ^ tag) & 3);

    for (;; at++) {
        uint64_t *slot = cpu->tlb + 2 * (at & (cpu->tlb_capacity - 1));
        if (slot[0] == tag || !current(cpu, slot[0]))
            return slot;
    }
}

static uint64_t value_of(VmCpu *cpu, uint64_t tag)
{
    const uint64_t *slot = slot_of(cpu, tag);

    return slot[0] == tag ? slot[1] : ABSENT;
}

static void insert(VmCpu *cpu, uint64_t tag, uint64_t value)
{
    uint64_t *slot = slot_of(cpu, tag);

    if (slot[0] != tag)
        cpu->tlb_used++;
    slot[0] = tag;
    slot[1] = value;
}

static void grow(VmCpu *cpu)
{
    uint64_t *old = cpu->tlb, old_capacity = cpu->tlb_capacity;

    cpu->tlb_capacity = old_capacity ? old_capacity * 2 : 1 << 14;
    cpu->tlb = calloc(cpu->tlb_capacity, 2 * sizeof *cpu->tlb);
    if (!cpu->tlb)
        abort();
    cpu->tlb_used = 0;
    for (uint64_t i = 0; i < old_capacity; i++)
        if (current(cpu, old[2 * i]) && old[2 * i + 1] != ABSENT)
            insert(cpu, old[2 * i], old[2 * i + 1]);
    free(old);
}

bool tlb_get(VmCpu *cpu, uint64_t linear, Translation *found)
{
    uint64_t value = value_of(cpu, tag_of(cpu, linear, KIND_PAGE));

    if (value == ABSENT)
        return false;
    found->physical = PAGE_OF(value);
    found->flags = value & 0xfff;
    return true;
}

static bool may_have(const VmCpu *cpu, unsigned kind)
{
    return kind == KIND_PAGE || cpu->tlb_large >> kind & 1;
}

/* What is known of the address, for tlb_put_back(). */
void tlb_save(VmCpu *cpu, uint64_t linear, uint64_t saved[TLB_KINDS])
{
    for (unsigned kind = 0; kind < TLB_KINDS; kind++)
        saved[kind] = may_have(cpu, kind) ? value_of(cpu, tag_of(cpu, linear, kind)) : ABSENT;
}

/* The TLB has not been flushed since tlb_save(). */
void tlb_put_back(VmCpu *cpu, uint64_t linear, const uint64_t saved[TLB_KINDS])
{
    for (unsigned kind = 0; kind < TLB_KINDS; kind++) {
        uint64_t tag = tag_of(cpu, linear, kind), *slot = slot_of(cpu, tag);
        if (slot[0] == tag)
            slot[1] = saved[kind];
    }
}

void tlb_put(VmCpu *cpu, uint64_t linear, Translation entry, unsigned page_shift)
{
    if (4 * (cpu->tlb_used + 2) > 3 * cpu->tlb_capacity)
        grow(cpu);
    insert(cpu, tag_of(cpu, linear, KIND_PAGE), PAGE_OF(entry.physical) | (entry.flags & 0xff));
    for (unsigned kind = KIND_2M; kind <= KIND_1G; kind++)
        if (page_shift == kind_shift[kind]) {
            cpu->tlb_large |= 1u << kind;
            insert(cpu, tag_of(cpu, linear, kind), 0);
        }
}

void tlb_drop_all(VmCpu *cpu)
{
    cpu->tlb_used = 0;
    cpu->tlb_large = 0;
    if (++cpu->tlb_generation == GENERATIONS) {
        memset(cpu->tlb, 0, cpu->tlb_capacity * 2 * sizeof *cpu->tlb);
        cpu->tlb_generation = 1;
    }
}

/* INVLPG drops the whole large page that holds the address; we keep its 4 KiB pieces, so then everything goes. */
void tlb_drop_page(VmCpu *cpu, uint64_t linear)
{
    for (unsigned kind = KIND_2M; kind <= KIND_1G; kind++) {
        uint64_t tag = tag_of(cpu, linear, kind);
        if (may_have(cpu, kind) && value_of(cpu, tag) != ABSENT) {
            tlb_drop_all(cpu);
            return;
        }
    }
    uint64_t tag = tag_of(cpu, linear, KIND_PAGE), *slot = slot_of(cpu, tag);
    if (slot[0] == tag)
        slot[1] = ABSENT;
}

static int by_tag(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Pairs of tag (generation removed) and translation in ascending order; returns how many there are. */
uint64_t tlb_export(VmCpu *cpu, uint64_t *pairs, uint64_t capacity)
{
    uint64_t count = 0;

    for (uint64_t i = 0; i < cpu->tlb_capacity; i++) {
        const uint64_t *slot = cpu->tlb + 2 * i;
        if (!current(cpu, slot[0]) || slot[1] == ABSENT)
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

void tlb_import(VmCpu *cpu, const uint64_t *pairs, uint64_t count)
{
    tlb_drop_all(cpu);
    for (uint64_t i = 0; i < count; i++) {
        unsigned kind = pairs[2 * i] & KIND_MASK;
        if (4 * (cpu->tlb_used + 2) > 3 * cpu->tlb_capacity)
            grow(cpu);
        if (kind != KIND_PAGE)
            cpu->tlb_large |= 1u << kind;
        insert(cpu, tag_of(cpu, pairs[2 * i], kind), pairs[2 * i + 1]);
    }
}

/* When a page has last been granted for storing unseen is known for all CPUs together; when each CPU's TLB of Unicorn's was
 * empty, for each. So a page that was granted before all of them were emptied cannot be stored to unseen. */
static void emptied(Vm *vm, VmCpu *cpu)
{
    if (!++vm->flushes_made) {
        memset(vm->writable_in, 0, (vm->memory_size >> PAGE_SHIFT) * sizeof *vm->writable_in);
        vm->flushes_made = 1;
        vm_flush_engine_tlb(vm);
    }
    cpu->flushed_at = vm->flushes_made;
    jumps_check_again(vm, cpu);
}

/* Whether one of Unicorn's TLBs may let a store to the page of memory through of which nothing would be heard. */
bool vm_may_store_unseen(const Vm *vm, uint64_t page)
{
    for (uint32_t i = 0; i < vm->cpu_count; i++)
        if (vm->writable_in[page] >= vm->cpus[i]->flushed_at)
            return true;
    return false;
}

void vm_stores_unseen(Vm *vm, uint64_t page)
{
    vm->writable_in[page] = vm->flushes_made;
}

void __real_tlb_flush_x86_64(Cpu *cpu);
void __real_tlb_flush_page_x86_64(Cpu *cpu, uint64_t linear);

/* CR0, CR3, CR4 and task switches come here: the guest's own flushes. */
void __wrap_tlb_flush_x86_64(Cpu *cpu)
{
    Vm *vm = vm_current;

    if (!vm || vm->cpu->qemu != cpu) {
        __real_tlb_flush_x86_64(cpu);
        return;
    }
    tlb_drop_all(vm->cpu);
    vm->flushes++;
    if (!vm->unpaged)
        cpu_flush_engine_tlb(vm);
}

/* INVLPG. */
void __wrap_tlb_flush_page_x86_64(Cpu *cpu, uint64_t linear)
{
    Vm *vm = vm_current;
    uint32_t generation;

    if (!vm || vm->cpu->qemu != cpu) {
        __real_tlb_flush_page_x86_64(cpu, linear);
        return;
    }
    generation = vm->cpu->tlb_generation;
    tlb_drop_page(vm->cpu, linear);
    if (vm->cpu->tlb_generation != generation)
        cpu_flush_engine_tlb(vm);
    else
        __real_tlb_flush_page_x86_64(cpu, PAGE_OF(linear));
    jumps_check_page_again(vm, vm->cpu, linear);
}

/* Empties Unicorn's TLB of the CPU and leaves the architectural one alone: the guest cannot tell. */
void cpu_flush_engine_tlb(Vm *vm)
{
    emptied(vm, vm->cpu);
    vm->cpu->keys_used = 0;
    unicorn_tlb_flush(vm->cpu->qemu);
}

/* The same of all CPUs: of those that do not run, before they do. */
void vm_flush_engine_tlb(Vm *vm)
{
    for (uint32_t i = 0; i < vm->cpu_count; i++)
        if (vm->cpus[i] != vm->cpu) {
            vm->cpus[i]->stale = 1;
            emptied(vm, vm->cpus[i]);
        }
    cpu_flush_engine_tlb(vm);
}

void cpu_flush_if_stale(VmCpu *cpu)
{
    if (cpu->stale)
        unicorn_tlb_flush(cpu->qemu);
    cpu->stale = 0;
}
