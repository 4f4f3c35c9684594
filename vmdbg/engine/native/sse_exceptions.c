/* Exceptions of SSE and AVX that MXCSR does not mask (SDM 1 11.5): #XM, with the registers as they were.
 *
 * Nothing is done for them while all are masked. Where one is not, code is translated for that, and an instruction that may
 * raise one runs between two calls: the first keeps the registers, the second looks at what softfloat has raised.
 */
#include "vex.h"

enum { XM = 19, UD = 6, CR4_OSXMMEXCPT = 1 << 10, MASK_SHIFT = 7, BEFORE = 7, ALL = 0x3f };

static __thread struct {
    uint64_t regs[16], xmm[32][2], cc_src, cc_dst, cc_src2;
    Float80 fpregs[8];
    uint32_t cc_op;
    uint8_t earlier;                        /* what stages raised that went on */
} kept;

/* Whether an instruction may, of map 1 (0F), 2 (0F 38) or 3 (0F 3A). */
static bool may_raise(unsigned map, uint8_t opcode, bool vex)
{
    if (map == 3)
        return (opcode >= 0x08 && opcode <= 0x0b) || opcode == 0x40 || opcode == 0x41 || (vex && opcode == 0x1d);
    if (map == 2)
        return vex && (opcode == 0x13 || (opcode >= 0x96 && opcode <= 0xbf));
    return opcode == 0x2a || (opcode >= 0x2c && opcode <= 0x2f) || opcode == 0x51 || (opcode >= 0x58 && opcode <= 0x5f) ||
           opcode == 0x7c || opcode == 0x7d || opcode == 0xc2 || opcode == 0xd0 || opcode == 0xe6;
}

bool sse_may_raise(Instruction *i)
{
    if (instruction_byte(i, 0) != 0x0f)
        return false;
    uint8_t second = instruction_byte(i, 1);
    unsigned map = second == 0x38 ? 2 : second == 0x3a ? 3 : 1;
    return may_raise(map, map == 1 ? second : instruction_byte(i, 2), false);
}

bool vex_may_raise(const VexRow *row)
{
    return may_raise(row->map, row->opcode, true);
}

void sse_exceptions_begin(Env *env)
{
    sse_status_collect(env);
    memcpy(kept.regs, env->regs, sizeof kept.regs);
    for (unsigned i = 0; i < 32; i++)
        memcpy(kept.xmm[i], env->xmm_regs[i], LANE);
    memcpy(kept.fpregs, env->fpregs, sizeof kept.fpregs);
    kept.cc_src = env->cc_src;
    kept.cc_dst = env->cc_dst;
    kept.cc_src2 = env->cc_src2;
    kept.cc_op = env->cc_op;
    kept.earlier = env->sse_status.exception_flags = 0;
}

/* The x87's tags and top are MMX's even so where a register of MMX would be written. */
static void put_back(Env *env)
{
    memcpy(env->regs, kept.regs, sizeof kept.regs);
    for (unsigned i = 0; i < 32; i++)
        memcpy(env->xmm_regs[i], kept.xmm[i], LANE);
    memcpy(env->fpregs, kept.fpregs, sizeof kept.fpregs);
    env->cc_src = kept.cc_src;
    env->cc_dst = kept.cc_dst;
    env->cc_src2 = kept.cc_src2;
    env->cc_op = kept.cc_op;
}

/* Whether the instruction, of which these are softfloat's flags, is to store nothing. */
bool sse_exception_comes(const Env *env, uint8_t flags)
{
    return env->hflags & HF_UNMASKED && flags & ALL & ~(env->mxcsr >> MASK_SHIFT);
}

/* Between products and sums of one instruction. True if they raised what is not masked: the rest is not computed. */
bool sse_stage_ends(Env *env)
{
    uint8_t *flags = &env->sse_status.exception_flags;

    if (!(env->hflags & HF_UNMASKED))
        return false;
    if (sse_exception_comes(env, *flags))
        return true;
    kept.earlier |= *flags;
    *flags = 0;
    return false;
}

void sse_exceptions_end(Env *env, uintptr_t host_pc)
{
    uint32_t before = env->mxcsr;

    env->mxcsr = 0;
    sse_status_collect(env);
    uint32_t raised = env->mxcsr & ALL, unmasked = ~(before >> MASK_SHIFT) & ALL;
    env->mxcsr = before;
    if (raised & unmasked & BEFORE)
        raised &= BEFORE;                   /* nothing was computed */
    env->mxcsr |= raised | (kept.earlier & ALL);
    sse_status_load(env);
    if (!(raised & unmasked))
        return;
    put_back(env);
    raise_exception_ra_x86_64(env, env->cr[4] & CR4_OSXMMEXCPT ? XM : UD, host_pc);
}
