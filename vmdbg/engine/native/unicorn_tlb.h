/* Unicorn's TLB as translated code reads it, and the accesses that translated code leaves to functions. */
#ifndef VMDBG_UNICORN_TLB_H
#define VMDBG_UNICORN_TLB_H

enum { MMU_MODES = 3, VICTIMS = 8, TLB_ENTRIES = 1 << 12 };
enum { ENTRY_TRACED = 1, ENTRY_WATCHED = 0x100, ENTRY_MMIO = 0x200, ENTRY_CHECKED = 0x400, ENTRY_INVALID = 0x800 };   /* beside the page */
#define NO_ENTRY UINT64_MAX

typedef struct {                            /* CPUTLBEntry: pages, or NO_ENTRY for accesses that are not granted */
    uint64_t read, write, fetch;
    uint64_t physical;                      /* in Unicorn's address space */
    uintptr_t addend;                       /* from linear to host addresses */
    uint64_t pad[3];
} TlbEntry;
typedef struct { uint64_t address; uint32_t attributes, pad; } TlbIo;           /* CPUIOTLBEntry */
typedef struct {                            /* CPUTLBDesc, of a mode */
    uint64_t large_page, large_page_mask;
    int64_t window_begin;
    uint64_t window_most, used, evicted;
    TlbEntry victims[VICTIMS];
    TlbIo victims_io[VICTIMS];
    TlbIo *io;
} TlbSide;
typedef struct {                            /* CPUTLBDescFast */
    uintptr_t mask;                         /* of an entry's offset in the table */
    TlbEntry *table;
} TlbFast;
_Static_assert(sizeof(TlbEntry) == 64 && sizeof(TlbSide) == 0x2b8, "layout");

#define ENV_TLB_SIDE(env, mode) ((TlbSide *)((char *)(env) - 0x870) + (mode))
#define ENV_TLB_FAST(env, mode) ((TlbFast *)((char *)(env) - 0x40) + (mode))

static inline TlbEntry *tlb_entry(Env *env, unsigned mode, uint64_t linear)
{
    const TlbFast *fast = ENV_TLB_FAST(env, mode);

    return (TlbEntry *)((char *)fast->table + (linear >> 6 & fast->mask));
}

/* unicorn_tlb.c */
void *unicorn_tlb_load(Env *env, uint64_t linear, unsigned size, unsigned mode, uintptr_t host_pc);
void *unicorn_tlb_store(Env *env, uint64_t linear, const void *value, unsigned size, unsigned mode, uintptr_t host_pc);
void unicorn_tlb_probe_store(Env *env, uint64_t linear, unsigned size, unsigned mode, uintptr_t host_pc);
void unicorn_tlb_probe_load(Env *env, uint64_t linear, unsigned mode, uintptr_t host_pc);
void unicorn_tlb_stored(Env *env, uint64_t linear, unsigned size, unsigned mode);
void unicorn_tlb_put(Vm *vm, uint64_t linear, uint64_t physical, int prot, unsigned mode, uint64_t granularity);
void unicorn_tlb_flush(Cpu *cpu);
void unicorn_tlb_free(Cpu *cpu);

static inline unsigned env_mmu_mode(const Env *env)
{
    if ((env->hflags & HF_CPL) == 3)
        return MMU_USER;
    return env->hflags & HF_SMAP && !(env->eflags & FLAG_AC) ? MMU_KERNEL_SMAP : MMU_KERNEL;
}

#endif
