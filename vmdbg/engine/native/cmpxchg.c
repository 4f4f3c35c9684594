/* CMPXCHG, CMPXCHG8B and CMPXCHG16B, which Unicorn gets wrong. */
#include "vm.h"

#define HERE ((uintptr_t)__builtin_return_address(0))
#define HELPER __attribute__((noinline))

/* CMPXCHG8B and CMPXCHG16B: Unicorn computes the flags from a stale cc_op, so that they depend on where the block
 * begins. The translator is made to compute them before, for they read flags as far as it knows: so they are in cc_src. */
HELPER void __wrap_helper_cmpxchg8b_unlocked_x86_64(Env *env, uint64_t linear)
{
    uintptr_t here = HERE;

    uint64_t flags = env->cc_src & FLAG_CC;
    uint64_t expected = (uint32_t)env->regs[R_RAX] | env->regs[R_RDX] << 32;
    uint64_t wanted = (uint32_t)env->regs[R_RBX] | env->regs[R_RCX] << 32;
    uint64_t old = cpu_ldq_data_ra_x86_64(env, linear, here);
    bool equal = old == expected;

    cpu_stq_data_ra_x86_64(env, linear, equal ? wanted : old, here);
    if (!equal) {
        env->regs[R_RAX] = (uint32_t)old;
        env->regs[R_RDX] = old >> 32;
    }
    env->cc_src = equal ? flags | 0x40 : flags & ~0x40ull;
}

HELPER void __wrap_helper_cmpxchg16b_unlocked_x86_64(Env *env, uint64_t linear)
{
    uintptr_t here = HERE;

    if (linear & 15)
        raise_exception_ra_x86_64(env, 13, here);
    uint64_t flags = env->cc_src & FLAG_CC;
    uint64_t low = cpu_ldq_data_ra_x86_64(env, linear, here), high = cpu_ldq_data_ra_x86_64(env, linear + 8, here);
    bool equal = low == env->regs[R_RAX] && high == env->regs[R_RDX];

    cpu_stq_data_ra_x86_64(env, linear, equal ? env->regs[R_RBX] : low, here);
    cpu_stq_data_ra_x86_64(env, linear + 8, equal ? env->regs[R_RCX] : high, here);
    if (!equal) {
        env->regs[R_RAX] = low;
        env->regs[R_RDX] = high;
    }
    env->cc_src = equal ? flags | 0x40 : flags & ~0x40ull;
}

enum { REX_W = 8 };

/* Of 32 bits in memory, in 64-bit mode: what is equal leaves the accumulator as it is (SDM 2A, CMPXCHG), where Unicorn loads
 * its lower half, which clears the upper. Called before the instruction; 0, or what is to be given to the other. */
uintptr_t cmpxchg_translate_before(TcgContext *tcg, Instruction *i)
{
    bool is = instruction_byte(i, 0) == 0x0f && instruction_byte(i, 1) == 0xb1 && instruction_byte(i, 2) < 0xc0;
    bool wide = i->rex >= 0 && i->code[i->rex] & REX_W;

    if (!is || !i->code64 || wide || i->operand_size >= 0)
        return 0;
    uintptr_t kept = tcg_local(tcg);
    tcg_copy(tcg, kept, tcg_register(R_RAX));
    return kept;
}

void cmpxchg_translate_after(TcgContext *tcg, uintptr_t kept)
{
    if (!kept)
        return;
    uintptr_t accumulator = tcg_register(R_RAX), low = tcg_temporary(tcg);
    tcg_gen_ext32u_i64_x86_64(tcg, low, kept);
    tcg_gen_movcond_i64_x86_64(tcg, TCG_COND_EQ, accumulator, accumulator, low, kept, accumulator);
}
