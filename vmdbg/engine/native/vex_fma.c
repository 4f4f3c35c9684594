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

#define MULTIPLY_ADD(bits, type)                                                                              \
    static type multiply_add_##bits(Env *env, type a, type b, type c, int negations)                          \
    {                                                                                                         \
        if (is_ordinary_##bits(a) && is_ordinary_##bits(b) && is_ordinary_##bits(c) && !(env->hflags & HF_UNMASKED)) { \
            uint8_t before = env->sse_status.exception_flags;                                                 \
            type result = float##bits##_muladd_x86_64(a, b, c, negations, &env->sse_status);                  \
            if (is_ordinary_##bits(result))                                                                   \
                return result;                                                                                \
            env->sse_status.exception_flags = before;                                                         \
        }                                                                                                     \
        return sse_settled_##bits(env, &(SseWork){SSE_MULTIPLY_ADD, negations, a, b, c});                     \
    }
MULTIPLY_ADD(32, Single)
MULTIPLY_ADD(64, Double)

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
