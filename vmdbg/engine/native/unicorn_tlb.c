/* Unicorn's TLB: filled and emptied here, in place of Unicorn, which searches its memory map at every fill and at every
 * access that is not plain, and empties all entries where a few are in use.
 *
 * Beside each table is a list of the entries that were filled since it was emptied. Only RAM is put into it here; devices
 * and what is good for one access only are put there by Unicorn.
 */
#include <stdlib.h>
#include <string.h>

#include "vm.h"
#include "unicorn_tlb.h"

#define PAGE_OF(linear) ((linear) & ~0xfffull)
enum { TLB_MASK = (TLB_ENTRIES - 1) * sizeof(TlbEntry) };

typedef struct {                            /* which entries may be in use; behind the table's TlbIo */
    uint32_t count;                         /* TLB_ENTRIES: all */
    uint16_t entries[TLB_ENTRIES];
} Used;

static Used *used_of(const TlbSide *side)
{
    return (Used *)(side->io + TLB_ENTRIES);
}

static void note_used(Env *env, unsigned mode, const TlbEntry *entry)
{
    Used *used = used_of(ENV_TLB_SIDE(env, mode));

    if (used->count < TLB_ENTRIES)
        used->entries[used->count++] = entry - ENV_TLB_FAST(env, mode)->table;
}

static bool is_empty(const TlbEntry *entry)
{
    return (entry->read & entry->write & entry->fetch) == NO_ENTRY;
}

/* Of a CPU that Unicorn does not free. */
void unicorn_tlb_free(Cpu *cpu)
{
    for (unsigned mode = 0; mode < MMU_MODES; mode++) {
        free(ENV_TLB_SIDE(CPU_ENV(cpu), mode)->io);
        free(ENV_TLB_FAST(CPU_ENV(cpu), mode)->table);
    }
}

/* Whether an entry's member is of the page, whatever else is to be done at an access. */
static bool grants(uint64_t member, uint64_t page)
{
    return (member & (~0xfffull | ENTRY_INVALID)) == page;
}

/* Whether any kind of access is granted to the page. */
static bool is_of(const TlbEntry *entry, uint64_t page)
{
    return grants(entry->read, page) || grants(entry->write, page) || grants(entry->fetch, page);
}

/* The table becomes one of ours. */
static void take(TlbSide *side, TlbFast *fast)
{
    free(fast->table);
    free(side->io);
    fast->mask = TLB_MASK;
    fast->table = aligned_alloc(sizeof(TlbEntry), TLB_ENTRIES * sizeof(TlbEntry));
    side->io = calloc(1, TLB_ENTRIES * sizeof *side->io + sizeof(Used));
    if (!fast->table || !side->io)
        abort();
    used_of(side)->count = TLB_ENTRIES;
}

static void flush_mode(TlbSide *side, TlbFast *fast)
{
    if (fast->mask != TLB_MASK)
        take(side, fast);
    Used *used = used_of(side);
    if (used->count == TLB_ENTRIES)
        memset(fast->table, 0xff, TLB_ENTRIES * sizeof *fast->table);
    for (uint32_t i = 0; i < used->count && used->count < TLB_ENTRIES; i++)
        memset(&fast->table[used->entries[i]], 0xff, sizeof *fast->table);
    if (side->evicted || used->count == TLB_ENTRIES)
        memset(side->victims, 0xff, sizeof side->victims);
    used->count = 0;
    side->evicted = side->used = 0;
    side->large_page = side->large_page_mask = UINT64_MAX;
}

void unicorn_tlb_flush(Cpu *cpu)
{
    Env *env = CPU_ENV(cpu);

    for (unsigned mode = 0; mode < MMU_MODES; mode++)
        flush_mode(ENV_TLB_SIDE(env, mode), ENV_TLB_FAST(env, mode));
}

/* The entry of the page, brought back after it was evicted; NULL if none was that grants accesses of the kind, which is a
 * member's offset. */
static TlbEntry *recall(Env *env, unsigned mode, uint64_t linear, size_t kind)
{
    TlbSide *side = ENV_TLB_SIDE(env, mode);
    TlbEntry *entry = tlb_entry(env, mode, linear);

    for (uint64_t i = 0; i < VICTIMS && i < side->evicted; i++) {
        TlbEntry *victim = &side->victims[i], other = *entry;
        TlbIo *io = &side->io[entry - ENV_TLB_FAST(env, mode)->table], other_io = *io;
        if (!grants(*(uint64_t *)((char *)victim + kind), PAGE_OF(linear)))
            continue;
        *entry = *victim;
        *victim = other;
        *io = side->victims_io[i];
        side->victims_io[i] = other_io;
        return entry;
    }
    return NULL;
}

/* No entry of the page but the one that is put in place of `entry`. */
static void make_room(Env *env, unsigned mode, uint64_t page, TlbEntry *entry)
{
    TlbSide *side = ENV_TLB_SIDE(env, mode);

    for (uint64_t i = 0; i < VICTIMS && i < side->evicted; i++)
        if (is_of(&side->victims[i], page))
            memset(&side->victims[i], 0xff, sizeof side->victims[i]);
    if (is_empty(entry)) {
        note_used(env, mode, entry);
    } else if (!is_of(entry, page)) {
        unsigned victim = side->evicted++ % VICTIMS;
        side->victims[victim] = *entry;
        side->victims_io[victim] = side->io[entry - ENV_TLB_FAST(env, mode)->table];
    }
}

/* What the page at `linear` is granted. Stores through an entry that is executable, too, are checked. */
void unicorn_tlb_put(Vm *vm, uint64_t linear, uint64_t physical, int prot, unsigned mode, uint64_t granularity)
{
    Env *env = vm->cpu->env;
    TlbEntry *entry = tlb_entry(env, mode, linear);
    uint64_t page = PAGE_OF(linear), at = PAGE_OF(physical) - UNICORNS_MEMORY;

    if (at >= vm->memory_size || granularity < 1 << PAGE_SHIFT || ENV_TLB_FAST(env, mode)->mask != TLB_MASK) {
        if (is_empty(entry) && ENV_TLB_FAST(env, mode)->mask == TLB_MASK)
            note_used(env, mode, entry);
        tlb_set_page_x86_64(vm->cpu->qemu, page, physical, prot, mode, granularity);
        if (prot & PAGE_WRITE && at < vm->memory_size)
            traced_ends(vm, linear, at);
        return;
    }
    make_room(env, mode, page, entry);
    uint64_t checked = prot & PAGE_EXEC ? ENTRY_CHECKED : 0;
    uint64_t read = vm->filling_watched & WATCH_READ ? ENTRY_WATCHED : 0;
    uint64_t written = vm->filling_watched & WATCH_WRITE ? ENTRY_WATCHED : 0;
    uint64_t traced = prot & PAGE_WRITE && traced_begins(vm, linear, at) ? ENTRY_TRACED : 0;
    entry->read = prot & PAGE_READ ? page | read : NO_ENTRY;
    entry->write = prot & PAGE_WRITE ? page | checked | written | traced : NO_ENTRY;
    entry->fetch = prot & PAGE_EXEC ? page : NO_ENTRY;
    entry->physical = PAGE_OF(physical);
    entry->addend = (uintptr_t)vm->memory + at - page;
    ENV_TLB_SIDE(env, mode)->io[entry - ENV_TLB_FAST(env, mode)->table] =
        (TlbIo){.address = at - page, .attributes = ATTRIBUTES_UNSPECIFIED};
}

bool __wrap_x86_cpu_tlb_fill_x86_64(Cpu *cpu, uint64_t linear, int size, int access, int mmu_idx, bool probe,
                                    uintptr_t host_pc);

static TlbEntry *filled(Env *env, uint64_t linear, unsigned size, unsigned mode, int access, uintptr_t host_pc)
{
    __wrap_x86_cpu_tlb_fill_x86_64(ENV_CPU(env), linear, size, access, mode, false, host_pc);
    return tlb_entry(env, mode, linear);
}

/* Where in the host's memory a load of translated code finds its data, brought into the TLB; NULL if that is not plain,
 * or not in one page. May raise the guest's exception. */
void *unicorn_tlb_load(Env *env, uint64_t linear, unsigned size, unsigned mode, uintptr_t host_pc)
{
    TlbEntry *entry = tlb_entry(env, mode, linear);

    if ((linear & 0xfff) + size > 4096)
        return NULL;
    if (!grants(entry->read, PAGE_OF(linear))) {
        TlbEntry *recalled = recall(env, mode, linear, offsetof(TlbEntry, read));
        entry = recalled ? recalled : filled(env, linear, size, mode, MMU_LOAD, host_pc);
    }
    return entry->read == PAGE_OF(linear) ? (void *)(linear + entry->addend) : NULL;
}

/* A store is made through an entry that is traced. */
static void trace(Vm *vm, TlbEntry *entry, uint64_t linear, unsigned size)
{
    if (!traced_store(vm, linear, linear + entry->addend - (uintptr_t)vm->memory, size))
        entry->write &= ~(uint64_t)ENTRY_TRACED;
}

/* The same of a store. NULL, too, where it may change translated code. */
void *unicorn_tlb_store(Env *env, uint64_t linear, const void *value, unsigned size, unsigned mode, uintptr_t host_pc)
{
    TlbEntry *entry = tlb_entry(env, mode, linear);
    uint64_t page = PAGE_OF(linear);

    if ((linear & 0xfff) + size > 4096)
        return NULL;
    if (!grants(entry->write, page)) {
        TlbEntry *recalled = recall(env, mode, linear, offsetof(TlbEntry, write));
        entry = recalled ? recalled : filled(env, linear, size, mode, MMU_STORE, host_pc);
    }
    uint8_t *host = (uint8_t *)(linear + entry->addend);
    uint64_t member = entry->write & ~(uint64_t)ENTRY_TRACED;
    bool changes_code = member == (page | ENTRY_CHECKED) && code_is_at(vm_current, host, size) && memcmp(host, value, size);
    if ((member != page && member != (page | ENTRY_CHECKED)) || changes_code)
        return NULL;
    if (member != entry->write)
        trace(vm_current, entry, linear, size);
    return host;
}

/* Raises what a store there, in one page, would raise; nothing is stored, and no watchpoint is met. */
void unicorn_tlb_probe_store(Env *env, uint64_t linear, unsigned size, unsigned mode, uintptr_t host_pc)
{
    const TlbEntry *entry = tlb_entry(env, mode, linear);

    if (!grants(entry->write, PAGE_OF(linear)) && !recall(env, mode, linear, offsetof(TlbEntry, write)))
        filled(env, linear, size, mode, MMU_STORE, host_pc);
}

/* The same of a load of a byte. */
void unicorn_tlb_probe_load(Env *env, uint64_t linear, unsigned mode, uintptr_t host_pc)
{
    const TlbEntry *entry = tlb_entry(env, mode, linear);

    if (!grants(entry->read, PAGE_OF(linear)) && !recall(env, mode, linear, offsetof(TlbEntry, read)))
        filled(env, linear, 1, mode, MMU_LOAD, host_pc);
}

/* Unicorn has made a store, for it was not plain. */
void unicorn_tlb_stored(Env *env, uint64_t linear, unsigned size, unsigned mode)
{
    while (size) {
        unsigned in_page = 4096 - (linear & 0xfff), part = size < in_page ? size : in_page;
        TlbEntry *entry = tlb_entry(env, mode, linear);
        if (!grants(entry->write, PAGE_OF(linear)))
            traced_lost(vm_current, linear);
        else if (entry->write & ENTRY_TRACED)
            trace(vm_current, entry, linear, part);
        linear += part;
        size -= part;
    }
}
