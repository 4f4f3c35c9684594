/* FMA (SDM 2C, VFMADD132PS and its kin). */
#include "sse_float.h"

/* Fused multiplication and addition: low four bits of the opcode say what, the high ones which operand is added. */
enum { NEGATE_ADDEND = 1, NEGATE_PRODUCT = 2 };

static unsigned operation_of(uint8_t opcode, unsigned element)
{
    switch (opcode & 15) {
    case 6: return element & 1 ? 0 : NEGATE_ADDEND;             /* FMADDSUB */
    case 7: return element & 1 ? NEGATE_ADDEND : 0;             /* FMSUBADD */
    case 8: case 9: return 0;
    case 10: case 11: return NEGATE_ADDEND;
    case 12: case 13: return NEGATE_PRODUCT;
    default: return NEGATE_PRODUCT | NEGATE_ADDEND;
    }
}

/* Of doubles softfloat's: not every host has an instruction for it. */
static Double multiply_add_64(Env *env, Double a, Double b, Double c, int negations)
{
    uint8_t before = env->sse_status.exception_flags;

    if (is_ordinary_64(a) && is_ordinary_64(b) && is_ordinary_64(c) && !(env->hflags & HF_UNMASKED)) {
        Double result = float64_muladd_x86_64(a, b, c, negations, &env->sse_status);
        if (is_ordinary_64(result))
            return result;
        env->sse_status.exception_flags = before;
    }
    return sse_settled_64(env, &(SseWork){SSE_MULTIPLY_ADD, negations, a, b, c});
}

static Single multiply_add_32(Env *env, Single a, Single b, Single c, int negations)
{
    Single result, product = negations & NEGATE_PRODUCT ? a ^ SIGN_32 : a, addend = negations & NEGATE_ADDEND ? c ^ SIGN_32 : c;
    bool inexact, plain = is_ordinary_32(a) && is_ordinary_32(b) && is_ordinary_32(c) && !(env->hflags & HF_UNMASKED);

    if (plain && !env->sse_status.rounding_mode && plain_muladd_32(product, b, addend, &result, &inexact) && is_ordinary_32(result)) {
        env->sse_status.exception_flags |= inexact ? SSE_PE : 0;
        return result;
    }
    return sse_settled_32(env, &(SseWork){SSE_MULTIPLY_ADD, negations, a, b, c});
}

/* The two factors and the addend, of `reg`, `vvvv` and the operand (SDM 2C, VFMADD132PS). */
static void fma_operands(const Vex *x, uint8_t a[], uint8_t b[], uint8_t c[])
{
    unsigned order = x->row->opcode >> 4;

    vex_register_bytes(x, x->code.reg, order == 9 ? a : order == 10 ? b : c);
    vex_register_bytes(x, x->code.vvvv, order == 9 ? c : a);
    vex_operand_bytes(x, order == 10 ? c : b);
}

static bool is_scalar(const VexRow *row)
{
    return row->demands & LIG;
}

void vex_fma(const Vex *x)
{
    union { uint8_t b[MOST_LANES * LANE]; Single l[8]; Double q[4]; } a, b, c, result;
    unsigned count = is_scalar(x->row) ? 1 : x->lanes * LANE / (x->code.wide ? 8 : 4);

    vex_register_bytes(x, x->code.reg, result.b);
    fma_operands(x, a.b, b.b, c.b);
    for (unsigned i = 0; i < count; i++) {
        int operation = operation_of(x->row->opcode, i);
        if (x->code.wide)
            result.q[i] = multiply_add_64(x->env, a.q[i], b.q[i], c.q[i], operation);
        else
            result.l[i] = multiply_add_32(x->env, a.l[i], b.l[i], c.l[i], operation);
    }
    vex_result_bytes(x, result.b);
}
