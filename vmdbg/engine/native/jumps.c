/* Where jumps lead that are not chained: from rip to translated code.
 *
 * Unicorn's own cache of that is emptied with its TLB, at every change of CR3, and then searches a large table for each
 * place. Ours remembers where in memory the code is: after a flush the page is translated again, as it must be, and what
 * was found there holds if it is the same memory. An entry found since the CPU's last flush holds as it is.
 */
#include <stdlib.h>
#include <string.h>

#include "vm.h"
#include "unicorn_tlb.h"

enum { JUMP_BITS = 12, JUMPS = 1 << JUMP_BITS, FLAGS_OF_CODE = 0x73100 };   /* TF, IOPL, RF, VM, AC */
#define NOT_KNOWN UINT64_MAX

struct Jump {
    uint64_t pc, cs_base;
    uint64_t at;                            /* where in Vm.memory; NOT_KNOWN: in two pages */
    uint64_t generation;                    /* of the CPU that came here last */
    Block *block;
    const void *code;
    uint32_t flags, pad[3];
};

bool jumps_make(Vm *vm)
{
    vm->jumps = aligned_alloc(sizeof *vm->jumps, JUMPS * sizeof *vm->jumps);
    if (vm->jumps)
        jumps_forget(vm);
    return vm->jumps;
}

static Jump *jump_to(const Vm *vm, uint64_t pc)
{
    return &vm->jumps[pc * 0x9e3779b97f4a7c15ull >> (64 - JUMP_BITS)];
}

/* All translations are gone. */
void jumps_forget(Vm *vm)
{
    memset(vm->jumps, 0, JUMPS * sizeof *vm->jumps);
}

/* The CPU is to translate linear addresses again. */
void jumps_check_again(Vm *vm, VmCpu *cpu)
{
    Block **cache = CPU_JUMP_CACHE(cpu->qemu);

    cpu->jump_generation = ++vm->jump_generations;
    for (uint32_t i = 0; i < cpu->jump_slot_count && i < JUMP_SLOTS; i++)
        cache[cpu->jump_slots[i]] = NULL;
    if (cpu->jump_slot_count > JUMP_SLOTS)
        memset(cache, 0, CPU_JUMPS * sizeof *cache);
    memcpy(cpu->jump_slots, cpu->jump_slots_asked, sizeof cpu->jump_slots_asked);   /* to be filled after this: a block */
    cpu->jump_slot_count = JUMP_SLOTS_ASKED;            /* is translated for it, which has led here */
}

/* Unicorn will put a block for `pc` into its cache, or for what it asked for just before. */
static void note_slot(VmCpu *cpu, uint64_t pc)
{
    uint64_t mixed = pc ^ pc >> 6;          /* tb_jmp_cache_hash_func */
    uint16_t slot = (mixed >> 6 & 0xfc0) | (mixed & 0x3f);

    cpu->jump_slots_asked[cpu->jump_slots_next++ % JUMP_SLOTS_ASKED] = slot;
    if (cpu->jump_slot_count < JUMP_SLOTS)
        cpu->jump_slots[cpu->jump_slot_count] = slot;
    cpu->jump_slot_count += cpu->jump_slot_count <= JUMP_SLOTS;
}

uint64_t __real_get_page_addr_code_x86_64(Env *env, uint64_t linear);

/* Where in Vm.memory code is fetched from; NOT_KNOWN: devices answer there. Raises what a fetch raises. */
static uint64_t fetched_from(Vm *vm, Env *env, uint64_t linear)
{
    const TlbEntry *entry = tlb_entry(env, env_mmu_mode(env), linear);
    uint64_t at = linear + entry->addend - (uintptr_t)vm->memory;

    if (entry->fetch == (linear & ~0xfffull) && at < vm->memory_size)
        return at;
    return __real_get_page_addr_code_x86_64(env, linear);
}

/* Unicorn asks so before it puts a block into its own cache. */
uint64_t __wrap_get_page_addr_code_x86_64(Env *env, uint64_t linear)
{
    if (!vm_current)
        return __real_get_page_addr_code_x86_64(env, linear);
    note_slot(vm_current->cpu, linear);
    return fetched_from(vm_current, env, linear);
}

static bool leads_to(const Jump *jump, uint64_t pc, uint64_t cs_base, uint32_t flags)
{
    return jump->pc == pc && jump->cs_base == cs_base && jump->flags == flags && jump->block;
}

/* Of blocks that are not cut to a number of instructions. */
static uint32_t plain_flags(Cpu *cpu)
{
    return CPU_CLUSTER(cpu) << 24;
}

typedef struct {                            /* tb_desc */
    uint64_t pc, cs_base;
    Env *env;
    uint64_t page;
    uint32_t flags, cflags;
} Wanted;

Block *__real_qht_lookup_custom(uc_engine *uc, const void *table, const Wanted *wanted, uint32_t hash, void *compare);

/* Unicorn searches its table, after the page was fetched. */
Block *__wrap_qht_lookup_custom(uc_engine *uc, const void *table, const Wanted *wanted, uint32_t hash, void *compare)
{
    Vm *vm = vm_current;

    if (!vm || wanted->cflags != plain_flags(vm->cpu->qemu))
        return __real_qht_lookup_custom(uc, table, wanted, hash, compare);
    uint64_t pc = wanted->pc, at = wanted->page | (pc & 0xfff);
    Jump *jump = jump_to(vm, pc);
    if (leads_to(jump, pc, wanted->cs_base, wanted->flags) && jump->at == at) {
        jump->generation = vm->cpu->jump_generation;
        return jump->block;
    }
    Block *block = __real_qht_lookup_custom(uc, table, wanted, hash, compare);
    if (!block)
        return NULL;
    bool in_one_page = ((pc ^ (pc + block->size - 1)) & ~0xfffull) == 0;
    *jump = (Jump){.pc = pc, .cs_base = wanted->cs_base, .flags = wanted->flags, .at = in_one_page ? at : NOT_KNOWN,
                   .generation = vm->cpu->jump_generation, .block = block, .code = BLOCK_CODE(block)};
    return block;
}

Block *tb_htable_lookup_x86_64(Cpu *, uint64_t, uint64_t, uint32_t, uint32_t);

/* The jump, which leads to a block; NULL: to none that is translated, or there is something to be done before it. May raise
 * what a fetch raises. */
static Jump *found(Vm *vm, uint64_t pc, uint64_t cs_base, uint32_t flags)
{
    Jump *jump = jump_to(vm, pc);

    if (CPU_INTERRUPT_REQUEST(vm->cpu->qemu) & CPU_INTERRUPT_HARD)
        return NULL;                        /* a fetch can fault, set A bits and fill the TLB: not before that */
    uint64_t at = fetched_from(vm, vm->cpu->env, pc);
    if (at == NOT_KNOWN)
        return NULL;
    if (leads_to(jump, pc, cs_base, flags) && jump->at == at) {
        jump->generation = vm->cpu->jump_generation;
        return jump;
    }
    return tb_htable_lookup_x86_64(vm->cpu->qemu, pc, cs_base, flags, plain_flags(vm->cpu->qemu)) ? jump : NULL;
}

/* Translated code ends in an indirect jump, or one to another page: where it goes on. */
const void *__wrap_helper_lookup_tb_ptr_x86_64(Env *env)
{
    Vm *vm = vm_current;
    uint64_t cs_base = env->segs[R_CS].base, pc = cs_base + env->eip;
    uint32_t flags = env->hflags | (env->eflags & FLAGS_OF_CODE);
    const Jump *jump = jump_to(vm, pc);

    if (leads_to(jump, pc, cs_base, flags) && jump->generation == vm->cpu->jump_generation)
        return jump->code;
    jump = found(vm, pc, cs_base, flags);
    return jump ? jump->code : TCG_EPILOGUE(UC_TCG_CTX(vm->uc));
}

bool __real_qht_remove(void *table, const Block *block, uint32_t hash);

/* A translation is dropped. */
bool __wrap_qht_remove(void *table, const Block *block, uint32_t hash)
{
    Jump *jump = vm_current ? jump_to(vm_current, block->pc) : NULL;

    if (jump && jump->block == block)
        jump->block = NULL;
    return __real_qht_remove(table, block, hash);
}
