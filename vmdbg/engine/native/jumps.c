/* Where jumps lead that are not chained: from rip to translated code.
 *
 * Unicorn's own cache of that is emptied with its TLB, at every change of CR3, and then searches a large table for each
 * place. Ours are two, which remember where in memory the code is: after a flush the page is translated again, as it must be,
 * and what was found there holds if it is the same memory. The near one says of what it holds whether that was asked since the
 * CPU's last flush: then it is as it is.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "vm.h"
#include "unicorn_tlb.h"

enum { NEAR_BITS = 11, NEAR_WAYS = 2, FAR_BITS = 16, HUGE_PAGE = 2 << 20, FLAGS_OF_CODE = 0x73100 };   /* TF, IOPL, RF, VM, AC */
#define NOT_KNOWN UINT64_MAX
#define TWO_PAGES UINT32_MAX                /* where the second is has to be asked, too */

typedef struct {
    uint64_t pc;
    const void *code;                       /* NULL: free */
    uint32_t generation;                    /* of the CPU that came here last */
    uint32_t page;                          /* in Vm.memory, or TWO_PAGES */
    uint32_t cs_base, flags;
} NearJump;
typedef struct {
    uint64_t pc;
    Block *block;                           /* NULL: free */
    uint32_t cs_base, flags;
    uint32_t page;                          /* in Vm.memory */
    uint32_t code;                          /* from the block, whose own line of the cache is not needed then */
} FarJump;
_Static_assert(sizeof(NearJump) == 32 && sizeof(FarJump) == 32, "two in a line of the host's cache");

struct Jumps {
    NearJump near[1 << NEAR_BITS][NEAR_WAYS];   /* the one that was found last comes first */
    FarJump far[1 << FAR_BITS];
};

bool jumps_make(Vm *vm)
{
    vm->jumps = aligned_alloc(HUGE_PAGE, (sizeof *vm->jumps + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE);
    if (!vm->jumps)
        return false;
    madvise(vm->jumps, sizeof *vm->jumps, MADV_HUGEPAGE);
    jumps_forget(vm);
    return true;
}

static uint64_t mixed(uint64_t pc)
{
    return pc * 0x9e3779b97f4a7c15ull;
}

static NearJump *near_jumps(const Vm *vm, uint64_t pc)
{
    return vm->jumps->near[mixed(pc) >> (64 - NEAR_BITS)];
}

static FarJump *far_jump(const Vm *vm, uint64_t pc)
{
    return &vm->jumps->far[mixed(pc) >> (64 - FAR_BITS)];
}

/* All translations are gone. */
void jumps_forget(Vm *vm)
{
    memset(vm->jumps, 0, sizeof *vm->jumps);
}

/* The numbers of generations begin anew. */
static void forget_generations(Vm *vm)
{
    memset(vm->jumps->near, 0, sizeof vm->jumps->near);
    vm->jump_generations = 0;
    for (uint32_t i = 0; i < vm->cpu_count; i++)
        vm->cpus[i]->jump_generation = ++vm->jump_generations;
}

/* The CPU is to translate linear addresses again. */
void jumps_check_again(Vm *vm, VmCpu *cpu)
{
    Block **cache = CPU_JUMP_CACHE(cpu->qemu);

    if (vm->jump_generations == UINT32_MAX)
        forget_generations(vm);
    cpu->jump_generation = ++vm->jump_generations;
    memset(cpu->jump_pages, 0, sizeof cpu->jump_pages);
    for (uint32_t i = 0; i < cpu->jump_slot_count && i < JUMP_SLOTS; i++)
        cache[cpu->jump_slots[i]] = NULL;
    if (cpu->jump_slot_count > JUMP_SLOTS)
        memset(cache, 0, CPU_JUMPS * sizeof *cache);
    memcpy(cpu->jump_slots, cpu->jump_slots_asked, sizeof cpu->jump_slots_asked);   /* to be filled after this: a block */
    cpu->jump_slot_count = JUMP_SLOTS_ASKED;            /* is translated for it, which has led here */
}

/* A bit of cpu->jump_pages, which other pages may share. */
static uint64_t *jump_page(VmCpu *cpu, uint64_t linear, uint64_t *bit)
{
    uint64_t number = mixed(linear >> PAGE_SHIFT) >> (64 - JUMP_PAGES_BITS);

    *bit = 1ull << (number & 63);
    return &cpu->jump_pages[number >> 6];
}

/* A block is to be found again without asking where its pages are. */
static void note_page(VmCpu *cpu, uint64_t linear)
{
    uint64_t bit, *word = jump_page(cpu, linear, &bit);

    *word |= bit;
}

/* The CPU is to translate the addresses of one page again. Most of them, of INVLPGs after copies on writing, have no code. */
void jumps_check_page_again(Vm *vm, VmCpu *cpu, uint64_t linear)
{
    uint64_t bit;

    if (*jump_page(cpu, linear, &bit) & bit)
        jumps_check_again(vm, cpu);
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

static bool leads_to(const FarJump *jump, uint64_t pc, uint64_t cs_base, uint32_t flags, uint64_t at)
{
    return jump->pc == pc && jump->cs_base == cs_base && jump->flags == flags && jump->page == at >> PAGE_SHIFT && jump->block;
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

static bool in_two_pages(const Block *block)
{
    return ((block->pc ^ (block->pc + block->size - 1)) & ~0xfffull) != 0;
}

/* What is known of a block that was found at `at`. Where its second page is is not. */
static void remember(Vm *vm, Block *block, uint64_t at)
{
    if (in_two_pages(block) || block->cs_base > UINT32_MAX)
        return;
    *far_jump(vm, block->pc) = (FarJump){block->pc, block, block->cs_base, block->flags, at >> PAGE_SHIFT,
                                         (char *)BLOCK_CODE(block) - (char *)block};
}

/* Unicorn searches its table, after the page was fetched. */
Block *__wrap_qht_lookup_custom(uc_engine *uc, const void *table, const Wanted *wanted, uint32_t hash, void *compare)
{
    Vm *vm = vm_current;

    if (!vm || wanted->cflags != plain_flags(vm->cpu->qemu))
        return __real_qht_lookup_custom(uc, table, wanted, hash, compare);
    const FarJump *jump = far_jump(vm, wanted->pc);
    if (leads_to(jump, wanted->pc, wanted->cs_base, wanted->flags, wanted->page))
        return jump->block;
    Block *block = __real_qht_lookup_custom(uc, table, wanted, hash, compare);
    if (block)
        remember(vm, block, wanted->page);
    return block;
}

Block *tb_htable_lookup_x86_64(Cpu *, uint64_t, uint64_t, uint32_t, uint32_t);

static inline bool is_for(const NearJump *jump, uint64_t pc, uint64_t cs_base, uint32_t flags)
{
    return jump->pc == pc && jump->flags == flags && jump->cs_base == cs_base && jump->code;
}

/* Puts it first, in place of what is known of it. */
static void put_near(NearJump *jumps, NearJump found)
{
    if (!is_for(&jumps[0], found.pc, found.cs_base, found.flags))
        jumps[1] = jumps[0];
    jumps[0] = found;
}

/* What translated code goes on with where it finds nothing. */
static const void *epilogue(const Vm *vm)
{
    return TCG_EPILOGUE(UC_TCG_CTX(vm->uc));
}

/* Of a jump that the near table does not have, or not of that page: whatever is translated there. */
static const void *from_table(Vm *vm, uint64_t pc, uint64_t cs_base, uint32_t flags, uint64_t at)
{
    const FarJump *jump = far_jump(vm, pc);
    NearJump found = {pc, NULL, vm->cpu->jump_generation, at >> PAGE_SHIFT, cs_base, flags};

    if (leads_to(jump, pc, cs_base, flags, at)) {
        found.code = (const char *)jump->block + jump->code;
    } else {
        const Block *block = tb_htable_lookup_x86_64(vm->cpu->qemu, pc, cs_base, flags, plain_flags(vm->cpu->qemu));
        if (!block)
            return epilogue(vm);
        found.code = BLOCK_CODE(block);
        found.page = in_two_pages(block) ? TWO_PAGES : found.page;
        note_page(vm->cpu, pc + block->size - 1);
    }
    if (cs_base <= UINT32_MAX) {
        put_near(near_jumps(vm, pc), found);
        note_page(vm->cpu, pc);
    }
    return found.code;
}

/* May raise what a fetch raises. */
static __attribute__((noinline)) const void *from_afar(Vm *vm, uint64_t pc, uint64_t cs_base, uint32_t flags, uintptr_t host_pc)
{
    NearJump *jumps = near_jumps(vm, pc);

    near_branch_settle(vm, host_pc);
    if (CPU_INTERRUPT_REQUEST(vm->cpu->qemu) & CPU_INTERRUPT_HARD)
        return epilogue(vm);                /* a fetch can fault, set A bits and fill the TLB: not before that */
    uint64_t at = fetched_from(vm, vm->cpu->env, pc);
    if (at == NOT_KNOWN)
        return epilogue(vm);
    for (unsigned way = 0; way < NEAR_WAYS; way++)
        if (is_for(&jumps[way], pc, cs_base, flags) && jumps[way].page == at >> PAGE_SHIFT) {
            NearJump again = jumps[way];
            again.generation = vm->cpu->jump_generation;
            put_near(jumps, again);
            note_page(vm->cpu, pc);
            return again.code;
        }
    return from_table(vm, pc, cs_base, flags, at);
}

/* Translated code ends in an indirect jump, or one to another page: where it goes on. */
const void *__wrap_helper_lookup_tb_ptr_x86_64(Env *env)
{
    Vm *vm = vm_current;

    if (vm->cpu->segments_changed)
        limits_settle(vm);
    uint64_t cs_base = env->segs[R_CS].base, pc = cs_base + env->eip;
    uint32_t flags = env->hflags | (env->eflags & FLAGS_OF_CODE), generation = vm->cpu->jump_generation;
    const NearJump *jumps = near_jumps(vm, pc);

    if (is_for(&jumps[0], pc, cs_base, flags) && jumps[0].generation == generation)
        return jumps[0].code;
    if (is_for(&jumps[1], pc, cs_base, flags) && jumps[1].generation == generation)
        return jumps[1].code;
    return from_afar(vm, pc, cs_base, flags, (uintptr_t)__builtin_return_address(0));
}

bool __real_qht_remove(void *table, const Block *block, uint32_t hash);

/* A translation is dropped. */
bool __wrap_qht_remove(void *table, const Block *block, uint32_t hash)
{
    Vm *vm = vm_current;

    for (unsigned way = 0; vm && way < NEAR_WAYS; way++)
        if (near_jumps(vm, block->pc)[way].code == BLOCK_CODE(block))
            near_jumps(vm, block->pc)[way].code = NULL;
    if (vm && far_jump(vm, block->pc)->block == block)
        far_jump(vm, block->pc)->block = NULL;
    return __real_qht_remove(table, block, hash);
}
