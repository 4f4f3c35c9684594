/* What a debugger reads at every hit of a breakpoint, without the price of a whole state and without any trace. */
#include <string.h>

#include "vm.h"
#include "unicorn_tlb.h"

enum { PTE_P = 1, PTE_PS = 0x80, PHYSICAL_BITS = 40 };
#define PTE_NX (1ull << 63)
#define PTE_ADDRESS 0x000ffffffffff000ull
#define PTE_RESERVED (PTE_ADDRESS & ~((1ull << PHYSICAL_BITS) - 1))
#define UNMAPPED UINT64_MAX

/* RAX to R15 in the order of their encoding; valid for as long as the CPU is. */
const uint64_t *vm_general(Vm *vm)
{
    return vm->cpu->env->regs;
}

uint64_t vm_linear_pc(Vm *vm)
{
    return env_linear_pc(vm->cpu->env);
}

static bool load(Vm *vm, uint64_t physical, unsigned size, uint64_t *entry)
{
    uint64_t at = physical_read_at(vm, physical);

    *entry = 0;
    if (at == NOT_MEMORY || !owed_see_to(vm, at, 1))
        return false;
    memcpy(entry, vm->memory + at, size);
    return *entry & PTE_P;
}

/* PAE and 4-level paging (SDM 3A 4.4.2, 4.5). */
static uint64_t walk_wide(Vm *vm, uint64_t linear)
{
    Env *env = vm->cpu->env;
    bool long_mode = env->efer & EFER_LMA;
    uint64_t table = env->cr[3] & (long_mode ? PTE_ADDRESS : 0xffffffe0), entry;
    uint64_t reserved = PTE_RESERVED | (env->efer & EFER_NXE ? 0 : PTE_NX);

    if (long_mode && (uint64_t)((int64_t)(linear << 16) >> 16) != linear)
        return UNMAPPED;
    for (int level = long_mode ? 3 : 2; level >= 0; level--) {
        bool pdpte = level == 2 && !long_mode;
        unsigned shift = 12 + 9 * level, index = linear >> shift & (pdpte ? 3 : 511);
        if (!load(vm, table + 8 * index, 8, &entry) || entry & reserved || (level == 3 && entry & PTE_PS))
            return UNMAPPED;
        table = entry & PTE_ADDRESS;
        if (level && (pdpte || !(entry & PTE_PS)))
            continue;
        uint64_t offset = (1ull << shift) - 1;
        if (level && table & offset & ~0x1000ull)   /* bit 12 of a large page is PAT */
            return UNMAPPED;
        return (table & ~offset) | (linear & offset);
    }
    return UNMAPPED;
}

static uint64_t walk_32bit(Vm *vm, uint32_t linear)
{
    uint64_t pde, pte;

    if (!load(vm, (vm->cpu->env->cr[3] & 0xfffff000) + 4 * (linear >> 22), 4, &pde))
        return UNMAPPED;
    if (pde & PTE_PS && vm->cpu->env->cr[4] & CR4_PSE)
        return pde & 1u << 21 ? UNMAPPED : (pde >> 13 & 0xff) << 32 | (pde & 0xffc00000) | (linear & 0x3fffff);
    if (!load(vm, (pde & 0xfffff000) + 4 * (linear >> 12 & 0x3ff), 4, &pte))
        return UNMAPPED;
    return (pte & 0xfffff000) | (linear & 0xfff);
}

/* Where the tables say that a linear address is, UINT64_MAX for nowhere. No A or D bit is set, no TLB is asked. */
uint64_t vm_translate(Vm *vm, uint64_t linear)
{
    Env *env = vm->cpu->env;

    if (!(env->efer & EFER_LMA))
        linear = (uint32_t)linear;
    if (!(env->cr[0] & CR0_PG))
        return linear;
    return env->cr[4] & CR4_PAE ? walk_wide(vm, linear) : walk_32bit(vm, linear);
}

/* Copies what can be read of linear memory from `linear` on, up to `size` bytes of RAM and ROM. Returns how many. */
uint64_t vm_read_linear(Vm *vm, uint64_t linear, uint8_t *bytes, uint64_t size)
{
    uint64_t done = 0;

    while (done < size) {
        uint64_t in_page = 4096 - ((linear + done) & 0xfff);
        uint64_t length = size - done < in_page ? size - done : in_page;
        uint64_t at = physical_read_at(vm, vm_translate(vm, linear + done));
        if (at == NOT_MEMORY || !owed_see_to(vm, at, length))
            break;
        memcpy(bytes + done, vm->memory + at, length);
        done += length;
    }
    return done;
}

/* The same as the CPU finds it, whose TLB may be older than the page tables; all of the bytes or none. */
bool vm_peek(Vm *vm, uint64_t linear, void *bytes, unsigned size)
{
    Env *env = vm->cpu->env;
    const TlbEntry *entry = tlb_entry(env, env->hflags & HF_SMAP ? MMU_KERNEL_SMAP : MMU_KERNEL, linear);
    bool paging = env->cr[0] & CR0_PG;
    Translation t;

    if (entry->read == (linear & ~0xfffull) && (linear & 0xfff) + size <= 4096) {
        memcpy(bytes, (const void *)(linear + entry->addend), size);
        return true;
    }
    if ((linear & 0xfff) + size > 4096 || !paging || !tlb_get(vm->cpu, linear & ~0xfffull, &t))
        return vm_read_linear(vm, linear, bytes, size) == size;
    uint64_t at = physical_read_at(vm, t.physical | (linear & 0xfff));
    if (at == NOT_MEMORY || !owed_see_to(vm, at, size))
        return false;
    memcpy(bytes, vm->memory + at, size);
    return true;
}

/* Of a selector that is not null, in GDT or LDT. */
bool vm_peek_descriptor(Vm *vm, uint32_t selector, uint32_t words[2])
{
    const Env *env = vm->cpu->env;
    const Segment *table = selector & 4 ? &env->ldt : &env->gdt;
    uint32_t at = selector & 0xfff8;

    return selector & 0xfffc && at + 7 <= table->limit && vm_peek(vm, table->base + at, words, 2 * sizeof *words);
}

/* The unsigned value of 1 to 8 bytes of linear memory; false if they are not all in RAM. */
bool vm_read_value(Vm *vm, uint64_t linear, uint32_t size, uint64_t *value)
{
    *value = 0;
    return vm_read_linear(vm, linear, (uint8_t *)value, size) == size;
}
