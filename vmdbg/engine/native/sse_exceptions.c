/* Exceptions of SSE and AVX that MXCSR does not mask (SDM 1 11.5): #XM, with the registers as they were.
 *
 * Nothing is done for them while all are masked. Where one is not, code is translated for that, and an instruction that may
 * raise one runs between two calls: the first keeps the registers, the second looks at what softfloat has raised.
 */
#include "vex.h"

enum { XM = 19, UD = 6, CR4_OSXMMEXCPT = 1 << 10, MASK_SHIFT = 7, BEFORE = 7, IE = 1, UNDERFLOW = 0x10, ALL = 0x3f, WIDE = 1 };
#define SINGLE_EXPONENT 0x7f800000u
#define DOUBLE_EXPONENT 0x7ff0000000000000ull

static __thread struct {
    uint64_t regs[16], xmm[32][2], cc_src, cc_dst, cc_src2;
    Float80 fpregs[8];
    uint32_t cc_op;
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
    env->sse_status.exception_flags = 0;
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

static bool is_tiny(const Env *env, const VmSseResult *result)
{
    bool tiny = false;

    for (unsigned i = 0; i < result->singles; i++) {
        uint32_t value;
        memcpy(&value, (const char *)env->xmm_regs[result->reg + HIGH_LANES * (i / 4)] + 4 * (i % 4), sizeof value);
        tiny |= !(value & SINGLE_EXPONENT) && value << 1;
    }
    for (unsigned i = 0; i < result->doubles; i++) {
        uint64_t value = env->xmm_regs[result->reg + HIGH_LANES * (i / 2)][i % 2];
        tiny |= !(value & DOUBLE_EXPONENT) && value << 1;
    }
    return tiny;
}

/* Underflow that is not masked is raised for exact results, too (SDM 1 4.9.1.5). */
void sse_exceptions_end(Env *env, const VmSseResult *result, uintptr_t host_pc)
{
    uint32_t before = env->mxcsr;

    env->mxcsr = 0;
    sse_status_collect(env);
    uint32_t raised = env->mxcsr & ALL, unmasked = ~(before >> MASK_SHIFT) & ALL;
    env->mxcsr = before;
    if (unmasked & UNDERFLOW && is_tiny(env, result))
        raised |= UNDERFLOW;
    if (raised & unmasked & BEFORE)
        raised &= BEFORE;                   /* nothing was computed */
    env->mxcsr |= raised;
    sse_status_load(env);
    if (!(raised & unmasked))
        return;
    put_back(env);
    raise_exception_ra_x86_64(env, env->cr[4] & CR4_OSXMMEXCPT ? XM : UD, host_pc);
}

static VmSseResult fused_result(uint8_t opcode, bool doubles, unsigned reg, unsigned lanes)
{
    bool scalar = opcode & 1 && (opcode & 15) > 8;
    unsigned count = scalar ? 1 : doubles ? 2 * lanes : 4 * lanes;

    return (VmSseResult){reg, doubles ? 0 : count, doubles ? count : 0};
}

/* Where sums, products, quotients and narrowed numbers lie; others are not tiny unless an operand was. Of
 * the fused ones `prefix` is W. */
VmSseResult sse_result(unsigned map, uint8_t opcode, unsigned prefix, unsigned reg, unsigned lanes)
{
    static const struct { uint8_t singles, doubles; } plain[] = {{4, 0}, {0, 2}, {1, 0}, {0, 1}}, narrowed[] = {{0, 0}, {2, 0}, {0, 0}, {1, 0}};
    bool sums = map == 1 && (opcode == 0x58 || opcode == 0x59 || opcode == 0x5c || opcode == 0x5e || opcode == 0xd0);
    bool horizontal = map == 1 && (opcode == 0x7c || opcode == 0x7d || opcode == 0xd0);

    if (map == 1 && opcode == 0x5a)
        return (VmSseResult){reg, narrowed[prefix].singles * lanes, 0};
    if (map == 2 && opcode >= 0x96)
        return fused_result(opcode, prefix == WIDE, reg, lanes);
    if (horizontal)                         /* of 66 and F2 */
        return (VmSseResult){reg, prefix == 3 ? 4 * lanes : 0, prefix == 1 ? 2 * lanes : 0};
    if (sums)
        return (VmSseResult){reg, plain[prefix].singles * (prefix == 0 ? lanes : 1), plain[prefix].doubles * (prefix == 1 ? lanes : 1)};
    if (map == 3 && opcode == 0x40)
        return (VmSseResult){reg, 4 * lanes, 0};
    return map == 3 && opcode == 0x41 ? (VmSseResult){reg, 0, 2} : (VmSseResult){reg, 0, 0};
}
