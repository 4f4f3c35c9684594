/* BMI1 and BMI2: VEX-encoded instructions of general registers. Flags that they leave undefined are cleared. */
#include "vex.h"

enum { CF = 1, ZF = 0x40, SF = 0x80 };

static unsigned bits_of(const Vex *x)
{
    return x->code.wide ? 64 : 32;
}

static uint64_t general(const Vex *x, unsigned reg)
{
    return x->code.wide ? x->env->regs[reg] : (uint32_t)x->env->regs[reg];
}

static void set_flags(const Vex *x, uint64_t result, bool carry)
{
    bool negative = result >> (bits_of(x) - 1) & 1;

    x->env->cc_src = (carry ? CF : 0) | (result ? 0 : ZF) | (negative ? SF : 0);
}

void vex_andn(const Vex *x)
{
    uint64_t operand = vex_general_operand(x), result = operand & ~general(x, x->code.vvvv);

    vex_set_general(x, x->code.reg, result);
    set_flags(x, result, false);
}

void vex_bextr(const Vex *x)
{
    uint64_t operand = vex_general_operand(x), control = general(x, x->code.vvvv);
    unsigned start = control & 0xff, length = control >> 8 & 0xff;
    uint64_t result = start < 64 ? operand >> start : 0;

    if (length < 64)
        result &= (1ull << length) - 1;
    vex_set_general(x, x->code.reg, result);
    x->env->cc_src = result ? 0 : ZF;
}

enum { BLSR = 1, BLSMSK };

void vex_bls(const Vex *x)
{
    uint64_t operand = vex_general_operand(x), mask = x->code.wide ? UINT64_MAX : UINT32_MAX;
    unsigned kind = x->row->group;
    uint64_t result = (kind == BLSR ? operand & (operand - 1) : kind == BLSMSK ? operand ^ (operand - 1) : operand & -operand) & mask;

    vex_set_general(x, x->code.vvvv, result);
    set_flags(x, result, kind <= BLSMSK ? !operand : operand);
}

void vex_bzhi(const Vex *x)
{
    uint64_t operand = vex_general_operand(x);
    unsigned from = general(x, x->code.vvvv) & 0xff;
    bool beyond = from >= bits_of(x);
    uint64_t result = beyond ? operand : operand & ((1ull << from) - 1);

    vex_set_general(x, x->code.reg, result);
    set_flags(x, result, beyond);
}

void vex_mulx(const Vex *x)
{
    uint64_t operand = vex_general_operand(x);
    unsigned __int128 product = (unsigned __int128)operand * general(x, R_RDX);

    vex_set_general(x, x->code.vvvv, product);
    vex_set_general(x, x->code.reg, product >> bits_of(x));
}

void vex_pdep(const Vex *x)
{
    uint64_t mask = vex_general_operand(x), source = general(x, x->code.vvvv), result = 0;

    for (; mask; mask &= mask - 1, source >>= 1)
        result |= source & 1 ? mask & -mask : 0;
    vex_set_general(x, x->code.reg, result);
}

void vex_pext(const Vex *x)
{
    uint64_t mask = vex_general_operand(x), source = general(x, x->code.vvvv), result = 0;

    for (unsigned i = 0; mask; mask &= mask - 1, i++)
        result |= (uint64_t)((source & mask & -mask) != 0) << i;
    vex_set_general(x, x->code.reg, result);
}

void vex_rorx(const Vex *x)
{
    uint64_t operand = vex_general_operand(x);
    unsigned count = x->code.immediate & (bits_of(x) - 1);

    vex_set_general(x, x->code.reg, count ? operand >> count | operand << (bits_of(x) - count) : operand);
}

enum { VEX_66 = 1, VEX_F3 };

/* SHLX, SARX, SHRX. */
void vex_shift_general(const Vex *x)
{
    uint64_t operand = vex_general_operand(x);
    unsigned count = general(x, x->code.vvvv) & (bits_of(x) - 1);
    int64_t as_signed = x->code.wide ? (int64_t)operand : (int32_t)operand;

    vex_set_general(x, x->code.reg, x->row->prefix == VEX_66 ? operand << count : x->row->prefix == VEX_F3 ? (uint64_t)(as_signed >> count) : operand >> count);
}
