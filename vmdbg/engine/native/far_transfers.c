/* What far transfers of protected mode are held to where they are made, and Unicorn looks at where they come to, or not at all:
 *
 * A return beyond the limit of the new CS, or to an address of 64-bit code that is not canonical, is #GP(0) (SDM 2A, IRET;
 * 2B, RET); so is such a far jump or call. To code of 64 bits whose D is set it is #GP of the selector.
 * A return to an outer ring whose stack pointer does not lie within SS's limit is #SS(0).
 *
 * That a return is well is mostly told by a few reads. The others, and those that other mends are for, are made by Unicorn's helper,
 * looked at when it is done, and taken back.
 */
#include <string.h>

#include "vm.h"
#include "unicorn_tlb.h"

enum { GP = 13, SS = 12, CODE_RIGHT = DESC_P | DESC_S | DESC_CODE, NOT_BAD = -1, MOST_16 = 0xffff };

typedef struct {
    uint64_t rsp, eip, eflags, cc_dst, cc_src, cc_src2;
    uint32_t cc_op, hflags, hflags2;
    int32_t df;
    Segment segs[6];
} Kept;

static void keep(const Env *env, Kept *k)
{
    *k = (Kept){env->regs[R_RSP], env->eip, env->eflags, env->cc_dst, env->cc_src, env->cc_src2, env->cc_op, env->hflags, env->hflags2, env->df, {{0}}};
    memcpy(k->segs, env->segs, sizeof k->segs);
}

static void take_back(Env *env, const Kept *k)
{
    env->regs[R_RSP] = k->rsp;
    env->eip = k->eip;
    env->eflags = k->eflags;
    env->cc_dst = k->cc_dst;
    env->cc_src = k->cc_src;
    env->cc_src2 = k->cc_src2;
    env->cc_op = k->cc_op;
    env->hflags = k->hflags;
    env->hflags2 = k->hflags2;
    env->df = k->df;
    memcpy(env->segs, k->segs, sizeof k->segs);
}

static uint64_t stack_address(const Env *env, uint64_t offset)
{
    uint64_t rsp = env->regs[R_RSP] + offset;

    if (env->hflags & HF_CS64)
        return rsp;
    return (uint32_t)(env->segs[R_SS].base + (env->hflags & HF_SS32 ? (uint32_t)rsp : (uint16_t)rsp));
}

/* A word of the stack, by its number; `shift`: 0 for 16 bits, 1 for 32, 2 for 64. What cannot be read is 0: it faults. */
uint64_t far_stack_word(Env *env, int shift, unsigned number)
{
    uint64_t value = 0;

    vm_peek(vm_current, stack_address(env, number * (2u << shift)), &value, 2u << shift);
    return value;
}

/* What translated code would read without a call: 2, 4 or 8 bytes. */
static bool read_soon(Env *env, uint64_t linear, unsigned mode, void *bytes, unsigned size)
{
    const TlbEntry *entry = tlb_entry(env, mode, linear);

    if (entry->read != (linear & ~0xfffull) || (linear & 0xfff) + size > 4096)
        return false;
    const void *from = (const void *)(linear + entry->addend);
    switch (size) {                         /* else a call of the library's */
    case 2: memcpy(bytes, from, 2); break;
    case 4: memcpy(bytes, from, 4); break;
    default: memcpy(bytes, from, 8);
    }
    return true;
}

static bool read_descriptor_soon(Env *env, uint32_t selector, uint32_t words[2])
{
    const Segment *table = selector & 4 ? &env->ldt : &env->gdt;
    uint32_t at = selector & 0xfff8;

    return at + 7 <= table->limit &&
           read_soon(env, table->base + at, env->hflags & HF_SMAP ? MMU_KERNEL_SMAP : MMU_KERNEL, words, 2 * sizeof *words);
}

/* A return to an outer ring empties data segments that are of an inner one (SDM 2A, IRET), but not the bases of FS and GS,
 * which 64-bit code uses whatever the selector is. Unicorn clears them. */
static bool may_be_emptied(const Env *env, int index)
{
    const Segment *s = &env->segs[index];
    bool conforming = s->flags & DESC_CODE && s->flags & DESC_CONFORMING;

    return s->selector & 0xfffc && !conforming && (s->flags >> DESC_DPL_SHIFT & 3) < 3;
}

static bool bases_are_at_stake(const Env *env)
{
    return (env->hflags & HF_CPL) != 3 && (may_be_emptied(env, R_FS) || may_be_emptied(env, R_GS));
}

static bool lands_well(const Env *env, const uint32_t words[2], uint64_t eip)
{
    if (env->hflags & HF_LMA && words[1] & DESC_L)
        return !(words[1] & DESC_B) && is_canonical(eip);
    return eip <= segment_of(0, words).limit;
}

/* Whether Unicorn's helper does all that is to be done, as far as is soon told. */
bool far_return_is_plain(Env *env, int shift, bool interrupt)
{
    unsigned size = 2u << shift, mode = env_mmu_mode(env);
    uint64_t eip = 0, cs = 0, flags = 0;
    uint32_t words[2];

    if (interrupt && env->eflags & FLAG_NT && !(env->hflags & HF_LMA))
        return true;                        /* to another task */
    if ((env->hflags & HF_CS64 && shift < 2) || bases_are_at_stake(env))
        return false;
    if (!read_soon(env, stack_address(env, 0), mode, &eip, size) || !read_soon(env, stack_address(env, size), mode, &cs, size))
        return false;
    if (interrupt && shift == 1 && !(env->hflags & (HF_LMA | HF_CPL)) &&
        (!read_soon(env, stack_address(env, 2 * size), mode, &flags, size) || flags & FLAG_VM))
        return false;
    bool outer = (cs & 3) > (env->hflags & HF_CPL), has_room = env->hflags & HF_CS64 || segment_is_flat_stack(&env->segs[R_SS]);
    return (!outer || has_room) && read_descriptor_soon(env, cs, words) && lands_well(env, words, eip);
}

/* What of the new CS and rip is wrong: the error code of #GP, or NOT_BAD. */
static int error_of_target(const Env *env)
{
    const Segment *cs = &env->segs[R_CS];

    if (env->eflags & FLAG_VM)
        return NOT_BAD;
    if (env->hflags & HF_LMA && cs->flags & DESC_L)
        return cs->flags & DESC_B ? (int)(cs->selector & 0xfffc) : is_canonical(env->eip) ? NOT_BAD : 0;
    return (uint32_t)env->eip > cs->limit ? 0 : NOT_BAD;
}

static void settle_target(Env *env, const Kept *before, bool beyond)
{
    int error = beyond ? 0 : error_of_target(env);

    if (error != NOT_BAD) {
        take_back(env, before);
        raise_exception_err_ra_x86_64(env, GP, error, 0);
    }
    if (!(env->hflags & HF_CS64))
        env->eip = (uint32_t)env->eip;
}

/* Whether what the stack holds is a return to an outer ring as far as its CS goes. */
static bool goes_outwards(Env *env, uint32_t selector)
{
    uint32_t words[2], rpl = selector & 3;

    if (rpl <= (env->hflags & HF_CPL) || !vm_peek_descriptor(vm_current, selector, words) || (words[1] & CODE_RIGHT) != CODE_RIGHT)
        return false;
    uint32_t dpl = words[1] >> DESC_DPL_SHIFT & 3;
    return words[1] & DESC_CONFORMING ? dpl <= rpl : dpl == rpl;
}

/* The words behind those that every return pops, which limits.c looks at. */
static void check_outer_words(const FarReturn *r, bool to_virtual_8086)
{
    enum { POPPED = 2, POPPED_BY_IRET = 3, OUTER = 2, OF_VIRTUAL_8086 = 6 };
    Env *env = r->env;
    unsigned size = 2u << r->shift, first = r->interrupt ? POPPED_BY_IRET : POPPED, count = to_virtual_8086 ? OF_VIRTUAL_8086 : OUTER;
    uint32_t mask = env->hflags & HF_SS32 ? UINT32_MAX : MOST_16;
    uint64_t from = env->regs[R_RSP] + first * size + (r->interrupt ? 0 : r->operand);

    if (env->hflags & HF_CS64 || (!to_virtual_8086 && !goes_outwards(env, far_stack_word(env, r->shift, 1))))
        return;
    for (unsigned i = 0; i < count; i++)
        if (!segment_has(&env->segs[R_SS], (from + i * size) & mask, size, true))
            raise_exception_err_ra_x86_64(env, SS, 0, 0);
}

static void run_helper(void (*helper)(Env *, int, int), const FarReturn *r)
{
    enum { SHIFT_64 = 2, WORD_64 = 8, RETURN_ADDRESS = 2 };
    Env *env = r->env;
    uint32_t ring = env->hflags & HF_CPL;

    if (!(env->hflags & HF_CS64) || r->shift == SHIFT_64) {
        helper(env, r->shift, r->operand);
        return;
    }
    narrow_begin(env, r->shift, r->interrupt ? 0 : r->operand, r->interrupt);
    helper(env, SHIFT_64, r->operand);
    narrow_end();
    if (!r->interrupt && (env->hflags & HF_CPL) == ring)        /* else RSP was popped */
        env->regs[R_RSP] -= RETURN_ADDRESS * (WORD_64 - (2u << r->shift));
}

/* The state is restored first, for the helper cannot find rip through us if it faults. */
void far_return(void (*helper)(Env *, int, int), const FarReturn *r, uintptr_t host_pc)
{
    Env *env = r->env;
    Kept before;

    narrow_end();
    cpu_restore_state_x86_64(ENV_CPU(env), host_pc, false);
    keep(env, &before);
    bool to_virtual_8086 = r->interrupt && r->shift == 1 && !(env->hflags & (HF_LMA | HF_CPL)) && far_stack_word(env, 1, 2) & FLAG_VM;
    bool beyond = to_virtual_8086 && far_stack_word(env, 1, 0) > MOST_16;
    check_outer_words(r, to_virtual_8086);
    run_helper(helper, r);
    settle_target(env, &before, beyond);
    if (env->eflags & FLAG_VM)
        return;
    for (int i = R_FS; i <= R_GS; i++)
        if (before.segs[i].selector & 0xfffc && !env->segs[i].selector)
            env->segs[i].base = before.segs[i].base;
}

void __real_helper_ljmp_protected_x86_64(Env *env, int selector, uint64_t eip, uint64_t next_eip);

void far_jump_to_long(Env *env, int selector, uint64_t eip, uint64_t next_eip, uintptr_t host_pc)
{
    Kept before;

    narrow_end();
    cpu_restore_state_x86_64(ENV_CPU(env), host_pc, false);
    keep(env, &before);
    __real_helper_ljmp_protected_x86_64(env, selector, eip, next_eip);
    settle_target(env, &before, false);
}

void __real_helper_lcall_protected_x86_64(Env *env, int selector, uint64_t eip, int shift, uint64_t next_eip);

/* Of a code segment that `eip` is beyond: a jump there, which is held to the same but that it pushes nothing, says what is
 * wrong with it. */
void far_call_check(Env *env, int selector, uint64_t eip, uint64_t next_eip, uintptr_t host_pc)
{
    uint32_t words[2];
    Kept before;

    if (!vm_peek_descriptor(vm_current, selector, words) || (words[1] & CODE_RIGHT) != CODE_RIGHT || lands_well(env, words, eip))
        return;
    cpu_restore_state_x86_64(ENV_CPU(env), host_pc, false);
    keep(env, &before);
    __real_helper_ljmp_protected_x86_64(env, selector, eip, next_eip);
    settle_target(env, &before, false);
}

void far_call_of_long(Env *env, int selector, uint64_t eip, int shift, uint64_t next_eip, uintptr_t host_pc)
{
    enum { SHIFT_64 = 2, PUSHED = 2, WORD_64 = 8 };
    uint32_t words[2];

    narrow_end();
    far_call_check(env, selector, eip, next_eip, host_pc);
    cpu_restore_state_x86_64(ENV_CPU(env), host_pc, false);
    bool to_code = vm_peek_descriptor(vm_current, selector, words) && (words[1] & CODE_RIGHT) == CODE_RIGHT;
    bool narrow = to_code && env->hflags & HF_CS64 && shift < SHIFT_64;
    if (narrow)
        narrow_begin(env, shift, 0, false);
    __real_helper_lcall_protected_x86_64(env, selector, eip, narrow ? SHIFT_64 : shift, next_eip);
    narrow_end();
    if (narrow)
        env->regs[R_RSP] += PUSHED * (WORD_64 - (2u << shift));
}
