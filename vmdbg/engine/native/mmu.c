/* Paging: 32-bit, PAE and 4-level (SDM 3A 4.3 to 4.7), and what Unicorn's TLB is granted.
 *
 * Grants keep stores fast and translated code never stale: a page that holds translated code is writable in Unicorn's
 * TLB only through entries that are executable too (Unicorn checks each store there) or after its code was dropped; the
 * first translation made from a page that may be writable flushes.
 */
#include <string.h>

#include "vm.h"
#include "unicorn_tlb.h"

enum { PTE_P = 1, PTE_W = 2, PTE_U = 4, PTE_A = 0x20, PTE_D = 0x40, PTE_PS = 0x80 };
#define PTE_NX (1ull << 63)
#define PTE_ADDRESS 0x000ffffffffff000ull
#define PAE_PDPTE_RESERVED (PTE_NX | 0x1e6)
enum { ERROR_P = 1, ERROR_W = 2, ERROR_U = 4, ERROR_RESERVED = 8, ERROR_I = 16, ERROR_PK = 32 };
enum { NOT_CANONICAL = -2, GRANTED = -1 };
#define OPEN_BUS UINT64_MAX

typedef struct {
    Vm *vm;
    Env *env;
    uint64_t linear;
    int access, mmu_idx;
    uint64_t path[4];
    uint64_t entry[4];                      /* as the walk found them */
    unsigned levels, shift;
    bool wide;                              /* 8-byte entries */
    uintptr_t host_pc;                      /* of the access that needs the translation */
} Walk;

static uint64_t entry_at(Walk *walk, uint64_t physical)
{
    uint64_t value = OPEN_BUS, at = physical_read_at(walk->vm, physical);

    if (at != NOT_MEMORY) {
        owed_see_to(walk->vm, at, 1);
        value = 0;
        if (walk->wide)
            memcpy(&value, walk->vm->memory + at, 8);
        else
            memcpy(&value, walk->vm->memory + at, 4);
    }
    walk->path[walk->levels] = physical;
    walk->entry[walk->levels++] = value;
    return value;
}

static void set_bits(Walk *walk, uint64_t physical, uint32_t bits)
{
    Vm *vm = walk->vm;
    const VmRange *range = physical_range(vm, physical);

    if (!range || range->reads != range->writes)
        return;                             /* ROM takes no bits */
    uint64_t at = range->reads + (physical - range->start);
    uint32_t *entry = (uint32_t *)(vm->memory + at);
    if ((*entry & bits) == bits)
        return;
    if (vm->watchpoint_count)
        watch_table_write(vm, physical, walk->wide ? 8 : 4, walk->access == MMU_FETCH, walk->host_pc);
    *entry |= bits;
    physical_mark_dirty(vm, at >> PAGE_SHIFT);
    touched_beside(vm, physical, 4, TOUCHED_WRITE);
}

/* Where there is nothing to execute. */
static bool is_void(const Vm *vm, uint64_t physical)
{
    return physical_read_at(vm, physical) == NOT_MEMORY;
}

static bool permitted(Env *env, uint32_t flags, int access, int mmu_idx)
{
    bool user = mmu_idx == MMU_USER;

    if (!(env->cr[0] & CR0_PG))
        return true;
    if ((user && !(flags & T_USER)) || key_refuses(env, flags, access, mmu_idx))
        return false;
    if (access == MMU_FETCH)
        return !(flags & T_NX) && (user || !(flags & T_USER) || !(env->cr[4] & CR4_SMEP));
    if (mmu_idx == MMU_KERNEL_SMAP && flags & T_USER)
        return false;
    return access == MMU_LOAD || flags & T_WRITE || (!user && !(env->cr[0] & CR0_WP));
}

static int fault_code(Walk *walk, int code)
{
    Env *env = walk->env;
    bool names_fetches = (env->efer & EFER_NXE && env->cr[4] & CR4_PAE) || env->cr[4] & CR4_SMEP;

    return code | (walk->access == MMU_STORE ? ERROR_W : 0) | (walk->mmu_idx == MMU_USER ? ERROR_U : 0) |
           (walk->access == MMU_FETCH && names_fetches ? ERROR_I : 0);
}

/* The page where the next instruction begins is about to be fetched for the first time: what that will change. */
static void note_fetch(const Walk *walk)
{
    Vm *vm = walk->vm;
    VmFetch *fetch = &vm->cpu->fetch;

    if (walk->linear != env_linear_pc(walk->env))
        return;
    *fetch = (VmFetch){vm->clock, vm->delivery_count, walk->linear, walk->levels, {0}, {0}, {0}};
    for (unsigned i = 0; i < walk->levels; i++) {
        fetch->entry_at[i] = walk->path[i];
        fetch->entry[i] = walk->entry[i];
    }
    tlb_save(vm->cpu, walk->linear, fetch->tlb);
}

/* The instruction turns out to go on where there is nothing, and has not begun: its first page was not fetched. */
static void forget_fetch(Vm *vm)
{
    const VmFetch *fetch = &vm->cpu->fetch;

    if (fetch->tick != vm->clock || fetch->deliveries != vm->delivery_count || fetch->linear != env_linear_pc(vm->cpu->env))
        return;
    for (unsigned i = 0; i < fetch->levels; i++) {
        const VmRange *range = physical_range(vm, fetch->entry_at[i]);
        if (range && range->reads == range->writes)
            memcpy(vm->memory + range->reads + (fetch->entry_at[i] - range->start), &fetch->entry[i], 4);
    }
    tlb_put_back(vm->cpu, fetch->linear, fetch->tlb);
    vm->cpu->fetch.tick = UINT64_MAX;
    cpu_flush_engine_tlb(vm);
}

static int finish(Walk *walk, Translation *result)
{
    if (!permitted(walk->env, result->flags, walk->access, walk->mmu_idx))
        return fault_code(walk, ERROR_P | (key_refuses(walk->env, result->flags, walk->access, walk->mmu_idx) ? ERROR_PK : 0));
    if (walk->access == MMU_FETCH && is_void(walk->vm, result->physical & (int64_t)walk->env->a20_mask))
        return GRANTED;                     /* and leaves no trace: the run ends before it */
    if (walk->access == MMU_FETCH)
        note_fetch(walk);
    bool legacy_pdpte = walk->wide && !(walk->env->efer & EFER_LMA);
    for (unsigned i = legacy_pdpte; i < walk->levels; i++)
        if (!(walk->entry[i] & PTE_A))
            set_bits(walk, walk->path[i], PTE_A);
    unsigned leaf = walk->levels - 1;
    if (walk->access == MMU_STORE)
        set_bits(walk, walk->path[leaf], PTE_D);
    if (walk->access == MMU_STORE || (walk->entry[leaf] & PTE_D && walk->entry[leaf] != OPEN_BUS))
        result->flags |= T_DIRTY;
    tlb_put(walk->vm->cpu, walk->linear, *result, walk->shift);
    return GRANTED;
}

/* Bits that must be zero in every present 8-byte entry. */
static uint64_t reserved_bits(Vm *vm, bool long_mode)
{
    uint64_t top = long_mode ? 1ull << 52 : PTE_NX;

    return (top - (1ull << vm->physical_bits)) | (vm->cpu->env->efer & EFER_NXE ? 0 : PTE_NX);
}

/* Whether one of the four that a load of CR3 takes in legacy PAE paging has a reserved bit (SDM 3A 4.4.1). */
bool mmu_pointers_are_bad(Vm *vm, uint64_t cr3)
{
    uint64_t reserved = PAE_PDPTE_RESERVED | (PTE_NX - (1ull << vm->physical_bits)), entry;

    for (unsigned i = 0; i < 4; i++) {
        uint64_t at = physical_read_at(vm, (cr3 & 0xffffffe0) + 8 * i);
        if (at == NOT_MEMORY)
            continue;
        owed_see_to(vm, at, sizeof entry);
        memcpy(&entry, vm->memory + at, sizeof entry);
        if (entry & PTE_P && entry & reserved)
            return true;
    }
    return false;
}

static int walk_wide(Walk *walk, Translation *result)
{
    Env *env = walk->env;
    bool long_mode = env->efer & EFER_LMA, gigabyte_pages = env->features[FEAT_EXTENDED_EDX] >> 26 & 1;
    uint64_t linear = walk->linear, reserved = reserved_bits(walk->vm, long_mode);
    uint64_t table = env->cr[3] & (long_mode ? PTE_ADDRESS : 0xffffffe0);
    uint32_t flags = T_WRITE | T_USER;

    if (long_mode && (uint64_t)((int64_t)(linear << 16) >> 16) != linear)
        return NOT_CANONICAL;
    walk->wide = true;
    for (int level = long_mode ? 3 : 2; level >= 0; level--) {
        unsigned shift = 12 + 9 * level, index = linear >> shift & (level == 2 && !long_mode ? 3 : 511);
        uint64_t entry = entry_at(walk, table + 8 * index);
        bool pdpte = level == 2 && !long_mode;

        if (!(entry & PTE_P))
            return fault_code(walk, 0);
        if (entry & (reserved | (pdpte ? PAE_PDPTE_RESERVED : 0)) ||
            (entry & PTE_PS && (level == 3 || (level == 2 && !gigabyte_pages))))
            return fault_code(walk, ERROR_P | ERROR_RESERVED);
        if (!pdpte) {
            flags &= ~((entry & PTE_W ? 0u : T_WRITE) | (entry & PTE_U ? 0u : T_USER));
            flags |= entry & PTE_NX ? T_NX : 0;
        }
        table = entry & PTE_ADDRESS;
        if (level && (pdpte || !(entry & PTE_PS)))
            continue;
        uint64_t offset = (1ull << shift) - 1;
        if (level && table & offset & ~0x1000ull)   /* bit 12 of a large page is PAT */
            return fault_code(walk, ERROR_P | ERROR_RESERVED);
        walk->shift = shift;
        result->physical = (table & ~offset) | (linear & offset & ~0xfffull);
        result->flags = flags | (long_mode ? key_in_entry(env, entry) : 0);
        return finish(walk, result);
    }
    return fault_code(walk, 0);
}

static int walk_32bit(Walk *walk, Translation *result)
{
    uint32_t linear = walk->linear;
    uint32_t pde = entry_at(walk, (walk->env->cr[3] & 0xfffff000) + 4 * (linear >> 22));
    uint32_t both = pde;

    if (!(pde & PTE_P))
        return fault_code(walk, 0);
    if (pde & PTE_PS && walk->env->cr[4] & CR4_PSE) {
        if (pde & 1u << 21)
            return fault_code(walk, ERROR_P | ERROR_RESERVED);
        walk->shift = 22;
        result->physical = (uint64_t)(pde >> 13 & 0xff) << 32 | (pde & 0xffc00000) | (linear & 0x3ff000);
    } else {
        uint32_t pte = entry_at(walk, (pde & 0xfffff000) + 4 * (linear >> 12 & 0x3ff));
        if (!(pte & PTE_P))
            return fault_code(walk, 0);
        both &= pte;
        walk->shift = 12;
        result->physical = pte & 0xfffff000;
    }
    result->flags = (both & PTE_W ? T_WRITE : 0) | (both & PTE_U ? T_USER : 0);
    return finish(walk, result);
}

/* GRANTED, NOT_CANONICAL or the #PF error code. */
static int translate(Vm *vm, uint64_t linear, int access, int mmu_idx, uintptr_t host_pc, Translation *result)
{
    Env *env = vm->cpu->env;
    Walk walk = {.vm = vm, .env = env, .linear = linear, .access = access, .mmu_idx = mmu_idx, .host_pc = host_pc};

    if (!(env->cr[0] & CR0_PG)) {
        result->physical = linear & 0xfffff000 & (uint32_t)env->a20_mask;
        result->flags = T_WRITE | T_USER | T_DIRTY;
        return GRANTED;
    }
    if (tlb_get(vm->cpu, linear, result) && permitted(env, result->flags, access, mmu_idx) &&
        (access != MMU_STORE || result->flags & T_DIRTY))
        return GRANTED;
    vm->walks++;
    int outcome = env->cr[4] & CR4_PAE ? walk_wide(&walk, result) : walk_32bit(&walk, result);
    result->physical &= (int64_t)env->a20_mask;
    return outcome;
}

_Static_assert((int)PAGE_READ == (int)TOUCHED_READ && (int)PAGE_WRITE == (int)TOUCHED_WRITE && (int)PAGE_EXEC == (int)TOUCHED_FETCH, "rights");

typedef struct {                            /* what Unicorn's TLB is to have */
    uint64_t physical;                      /* in Unicorn's address space */
    uint64_t granularity;                   /* 1: for this access only */
    int prot;
} Grant;

/* A store where loads find something else: ROM, a shadow. The entry is good for it alone. */
static Grant grant_store_elsewhere(Vm *vm, const VmRange *range, uint64_t physical)
{
    Grant grant = {.granularity = 1, .prot = PAGE_READ | PAGE_WRITE};

    if (range->writes == NOT_MEMORY) {
        grant.physical = physical;
    } else if (range->writes == NOWHERE) {
        memset(vm->sink, 0xff, 1 << PAGE_SHIFT);    /* a locked instruction reads it too */
        grant.physical = ADDRESS_SPACE;
    } else {
        uint64_t at = range->writes + (physical - range->start);
        owed_see_to(vm, at, 1);
        if (vm->is_code[at >> PAGE_SHIFT])
            vm_code_changed(vm, at, 1 << PAGE_SHIFT);
        physical_mark_dirty(vm, at >> PAGE_SHIFT);
        grant.physical = UNICORNS_MEMORY + at;
    }
    return grant;
}

static Grant grant(Vm *vm, const Translation *t, int access, int mmu_idx)
{
    Env *env = vm->cpu->env;
    const VmRange *range = physical_range(vm, t->physical);
    bool read = permitted(env, t->flags, MMU_LOAD, mmu_idx);
    bool write = t->flags & T_DIRTY && permitted(env, t->flags, MMU_STORE, mmu_idx);
    bool execute = permitted(env, t->flags, MMU_FETCH, mmu_idx);
    Grant grant = {.physical = t->physical, .granularity = 1 << PAGE_SHIFT, .prot = read ? PAGE_READ : 0};

    if (range && range->reads != range->writes) {
        if (access == MMU_STORE)
            return grant_store_elsewhere(vm, range, t->physical);
        write = false;
    }
    if (!range || range->reads == NOT_MEMORY) {
        grant.prot |= write ? PAGE_WRITE : 0;
        return grant;
    }
    uint64_t at = range->reads + (t->physical - range->start), page = at >> PAGE_SHIFT;
    owed_see_to(vm, at, 1);
    grant.physical = UNICORNS_MEMORY + at;
    if (access == MMU_FETCH)
        grant.prot |= PAGE_EXEC;
    else if (write && vm->is_code[page]) {
        if (execute)
            grant.prot |= PAGE_EXEC;
        else if (access == MMU_STORE)
            vm_code_changed(vm, at, 1 << PAGE_SHIFT);
        else
            write = false;
    }
    if (access != MMU_STORE && !vm->dirty[page])
        write = false;                      /* the first store asks again: what is only read stays clean */
    if (write) {
        physical_mark_dirty(vm, page);
        if (!(grant.prot & PAGE_EXEC))
            vm_stores_unseen(vm, page);
        grant.prot |= PAGE_WRITE;
    }
    return grant;
}

/* The page has no translated code any more. */
static void forget_code(Vm *vm, uint64_t page)
{
    vm->is_code[page] = 0;
    memset(&vm->code_grains[page * GRAIN_WORDS], 0, GRAIN_WORDS * sizeof *vm->code_grains);
}

/* Drops the translations made from a part of memory. */
void vm_code_changed(Vm *vm, uint64_t at, uint64_t size)
{
    Vm *outer = vm_current;

    vm_current = vm;                        /* whose jumps hear of it */
    tb_invalidate_phys_range_x86_64(vm->uc, at, at + size);
    vm_current = outer;
    if (size >= 1 << PAGE_SHIFT)
        forget_code(vm, at >> PAGE_SHIFT);
    vm->code_drops++;
}

/* Drops every translation and Unicorn's TLB: caches all, so that the guest cannot tell. */
void vm_flush_caches(Vm *vm)
{
    tb_flush_x86_64(vm->cpu->qemu);
    jumps_forget(vm);
    for (uint64_t page = 0; page < vm->memory_size >> PAGE_SHIFT; page++)
        if (vm->is_code[page])
            forget_code(vm, page);
    vm_flush_engine_tlb(vm);
}

void vm_dirty_reset(Vm *vm)
{
    vm_flush_engine_tlb(vm);
    for (uint64_t i = 0; i < vm->dirty_count; i++)
        vm->dirty[vm->dirty_pages[i]] = 0;
    vm->dirty_count = 0;
}

static bool code_is_between(const Vm *vm, uint64_t first, uint64_t last)
{
    for (uint64_t grain = first >> CODE_GRAIN_SHIFT; grain <= last >> CODE_GRAIN_SHIFT; grain++)
        if (vm->code_grains[grain >> 6] >> (grain & 63) & 1)
            return true;
    return false;
}

/* Those translations that the bytes there are of. */
static void drop_code(Vm *vm, uint64_t at, uint64_t size)
{
    while (size) {
        uint64_t in_page = 4096 - (at & 0xfff), part = size < in_page ? size : in_page;
        if (vm->is_code[at >> PAGE_SHIFT] && code_is_between(vm, at, at + part - 1))
            vm_code_changed(vm, at, part);
        at += part;
        size -= part;
    }
}

/* A write from outside the CPU: the debugger, a device. The caller has checked the range. */
void vm_write_memory(Vm *vm, uint64_t at, const uint8_t *bytes, uint64_t size)
{
    owed_see_to(vm, at, size);
    memcpy(vm->memory + at, bytes, size);
    for (uint64_t page = at >> PAGE_SHIFT; size && page <= (at + size - 1) >> PAGE_SHIFT; page++)
        physical_mark_dirty(vm, page);
    drop_code(vm, at, size);
}

/* Whole pages were put back as a snapshot had them, by their numbers; nothing is marked dirty. */
void vm_pages_restored(Vm *vm, const uint32_t *pages, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        drop_code(vm, (uint64_t)pages[i] << PAGE_SHIFT, 1 << PAGE_SHIFT);
        owed_paid(vm, pages[i]);
    }
}

static void void_fetch(Vm *vm, uint64_t linear, uint64_t physical)
{
    if (linear != env_linear_pc(vm->cpu->env))
        forget_fetch(vm);
    vm->exit_linear = linear;
    vm->exit_physical = physical;
    vm_leave_at_fetch(vm, EXIT_VOID_FETCH);
}

/* Code is fetched between blocks only: of the last one nothing is left to run. What the fetch may do to page tables,
 * TLB and CPU comes after a breakpoint there (SDM 3B 18.3.1.1, 3A 6.9). */
static void before_fetch(Vm *vm, uint64_t linear)
{
    repeat_notice(vm);
    vm->block_size = 0;
    if (linear == env_linear_pc(vm->cpu->env) && !vm->expect_single && vm_stops_at(vm, linear))
        vm_leave_at_fetch(vm, EXIT_BREAKPOINT);
}

/* What comes before the fault of a page, or a void: a breakpoint, which is at no address that is not canonical (SDM 3B 18.2.6),
 * and the limit of CS. */
static void before_fetch_fault(Vm *vm, uint64_t linear)
{
    const Env *env = vm->cpu->env;
    const Segment *cs = &env->segs[R_CS];

    breakpoint_before_fault(vm, linear);
    if (!(env->hflags & HF_CS64) && (uint32_t)(linear - cs->base) > cs->limit)
        raise_exception_err_ra_x86_64(vm->cpu->env, 13, 0, 0);
}

bool __real_x86_cpu_tlb_fill_x86_64(Cpu *, uint64_t, int, int, int, bool, uintptr_t);

bool __wrap_x86_cpu_tlb_fill_x86_64(Cpu *cpu, uint64_t linear, int size, int access, int mmu_idx, bool probe,
                                    uintptr_t host_pc)
{
    Vm *vm = vm_current;
    Translation t;

    if (!vm || vm->cpu->qemu != cpu)
        return __real_x86_cpu_tlb_fill_x86_64(cpu, linear, size, access, mmu_idx, probe, host_pc);
    if (access == MMU_FETCH && !probe)
        before_fetch(vm, linear);
    vm->fills++;
    int outcome = translate(vm, linear, access, mmu_idx, host_pc, &t);
    if (outcome != GRANTED) {
        if (access == MMU_FETCH)
            touched_fetch_fault(vm, linear);
        if (probe)
            return false;
        if (host_pc)
            cpu_restore_state_x86_64(cpu, host_pc, true);
        if (access == MMU_FETCH && outcome != NOT_CANONICAL)
            before_fetch_fault(vm, linear);
        if (outcome == NOT_CANONICAL)
            raise_exception_err_ra_x86_64(vm->cpu->env, access == MMU_FETCH ? 13 : operand_vector(vm, linear, host_pc), 0, 0);
        if (host_pc && access == MMU_LOAD && (outcome & (ERROR_P | ERROR_PK)) != ERROR_P && operand_is_modified(vm))
            outcome |= ERROR_W;
        vm->cpu->env->cr[2] = linear;
        raise_exception_err_ra_x86_64(vm->cpu->env, 14, outcome, 0);
    }
    if (access == MMU_FETCH && is_void(vm, t.physical)) {
        touched_fetch_fault(vm, linear);
        if (probe)
            return false;
        before_fetch_fault(vm, linear);
        void_fetch(vm, linear, t.physical | (linear & 0xfff));
    }
    key_is_used(vm->cpu, t.flags);
    Grant granted = grant(vm, &t, access, mmu_idx);
    touched_entry(vm, linear, t.physical, granted.physical - UNICORNS_MEMORY, granted.prot | (access == MMU_STORE ? TOUCHED_WRITE : 0));
    if (vm->watchpoint_count || vm->cpu->data_breakpoint_set)
        vm->filling_watched = watch_page(vm, linear, t.physical);
    unicorn_tlb_put(vm, linear, granted.physical, granted.prot, mmu_idx, granted.granularity);
    vm->filling_watched = 0;
    return true;
}

/* `at` as Unicorn has RAM addresses, which are those in vm->memory; beyond it is the sink. The bytes are of one page. */
static void code_in(Vm *vm, uint64_t at, uint64_t size)
{
    if (at >= vm->memory_size)
        return;
    for (uint64_t grain = at >> CODE_GRAIN_SHIFT; grain <= (at + size - 1) >> CODE_GRAIN_SHIFT; grain++)
        vm->code_grains[grain >> 6] |= 1ull << (grain & 63);
    if (vm->is_code[at >> PAGE_SHIFT])
        return;
    vm->is_code[at >> PAGE_SHIFT] = 1;
    if (vm_may_store_unseen(vm, at >> PAGE_SHIFT))
        vm_flush_engine_tlb(vm);
}

/* A translation was just made: from now on, stores there must be noticed. Unicorn would search its whole TLB for writable
 * entries of that linear page only. */
void __wrap_tlb_reset_dirty_by_vaddr_x86_64(Cpu *cpu, uint64_t linear, uint64_t length)
{
    Vm *vm = vm_current;

    if (!vm || vm->cpu->qemu != cpu)
        return;
    (void)linear;
    (void)length;
    const Block *block = translation_last();
    uint64_t size = block->size ? block->size : 1, in_page = 4096 - (block->pc & 0xfff);
    code_in(vm, get_page_addr_code_x86_64(vm->cpu->env, block->pc), size < in_page ? size : in_page);
    if (size > in_page)
        code_in(vm, get_page_addr_code_x86_64(vm->cpu->env, block->pc + in_page), size - in_page);
}
