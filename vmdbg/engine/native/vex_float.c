/* VEX-encoded arithmetic, by Unicorn's softfloat library. Of two NaNs the first operand's is the result (SDM 1 4.8.3.5). */
#include "vex.h"

typedef uint32_t Single;
typedef uint64_t Double;

#define DECLARE(operation)                                                                                    \
    Single float32_##operation##_x86_64(Single, Single, FloatStatus *);                                       \
    Double float64_##operation##_x86_64(Double, Double, FloatStatus *);
DECLARE(add)
DECLARE(sub)
DECLARE(mul)
DECLARE(div)
Single float32_sqrt_x86_64(Single, FloatStatus *);
Double float64_sqrt_x86_64(Double, FloatStatus *);
Single float32_muladd_x86_64(Single, Single, Single, int flags, FloatStatus *);
Double float64_muladd_x86_64(Double, Double, Double, int flags, FloatStatus *);
int float32_compare_x86_64(Single, Single, FloatStatus *), float32_compare_quiet_x86_64(Single, Single, FloatStatus *);
int float64_compare_x86_64(Double, Double, FloatStatus *), float64_compare_quiet_x86_64(Double, Double, FloatStatus *);
int float32_lt_x86_64(Single, Single, FloatStatus *), float64_lt_x86_64(Double, Double, FloatStatus *);
Single float16_to_float32_x86_64(uint16_t, bool ieee, FloatStatus *);
uint16_t float32_to_float16_x86_64(Single, bool ieee, FloatStatus *);

enum { INVALID = 1, UNDERFLOW = 16, INEXACT = 32 };
#define SIGN_32 0x80000000u
#define QUIET_32 0x00400000u
#define INFINITY_32 0x7f800000u
#define SIGN_64 0x8000000000000000ull
#define QUIET_64 0x0008000000000000ull
#define INFINITY_64 0x7ff0000000000000ull

#define OF_WIDTH(bits, type)                                                                                  \
    static inline bool is_nan_##bits(type value)                                                              \
    {                                                                                                         \
        return (value & ~SIGN_##bits) > INFINITY_##bits;                                                      \
    }                                                                                                         \
                                                                                                              \
    static inline type settled_##bits(type first, type second, type result)                                   \
    {                                                                                                         \
        if (__builtin_expect(!is_nan_##bits(result), true))                                                   \
            return result;                                                                                    \
        return is_nan_##bits(first) ? first | QUIET_##bits : is_nan_##bits(second) ? second | QUIET_##bits : result; \
    }                                                                                                         \
                                                                                                              \
    static inline type flushed_##bits(type value, const FloatStatus *status)                                  \
    {                                                                                                         \
        return status->flush_inputs_to_zero && !(value & INFINITY_##bits) ? value & SIGN_##bits : value;      \
    }                                                                                                         \
                                                                                                              \
    static inline type min_##bits(type first, type second, FloatStatus *status)                               \
    {                                                                                                         \
        return flushed_##bits(float##bits##_lt_x86_64(first, second, status) ? first : second, status);       \
    }                                                                                                         \
                                                                                                              \
    static inline type max_##bits(type first, type second, FloatStatus *status)                               \
    {                                                                                                         \
        return flushed_##bits(float##bits##_lt_x86_64(second, first, status) ? first : second, status);       \
    }
OF_WIDTH(32, Single)
OF_WIDTH(64, Double)

/* Flush-to-zero asks whether the rounded result is tiny, where softfloat asks before it rounds: `value` is computed
 * without it, and flushed here. */
#define FLUSHING(type, bits, value)                                                                           \
    do {                                                                                                      \
        uint8_t before = status->exception_flags;                                                             \
                                                                                                              \
        if (__builtin_expect(!status->flush_to_zero, true))                                                   \
            return value;                                                                                     \
        status->flush_to_zero = status->exception_flags = 0;                                                  \
        type result = value;                                                                                  \
        status->flush_to_zero = 1;                                                                            \
        if ((!(result & INFINITY_##bits) && result & ~SIGN_##bits) || status->exception_flags & UNDERFLOW) {  \
            status->exception_flags |= UNDERFLOW | INEXACT;                                                   \
            result &= SIGN_##bits;                                                                            \
        }                                                                                                     \
        status->exception_flags |= before;                                                                    \
        return result;                                                                                        \
    } while (0)

#define SETTLED(operation, bits, type)                                                                        \
    static inline type operation##_##bits(type first, type second, FloatStatus *status)                       \
    {                                                                                                         \
        FLUSHING(type, bits, settled_##bits(first, second, float##bits##_##operation##_x86_64(first, second, status))); \
    }
#define ARITHMETIC(operation) SETTLED(operation, 32, Single) SETTLED(operation, 64, Double)
ARITHMETIC(add)
ARITHMETIC(sub)
ARITHMETIC(mul)
ARITHMETIC(div)

#define COMBINE(name, bits, member, count, operation)                                                         \
    void name(Env *env, void *result, void *operand)                                                          \
    {                                                                                                         \
        Vector *to = result, *from = operand;                                                                 \
                                                                                                              \
        for (unsigned i = 0; i < count; i++)                                                                  \
            to->member[i] = operation##_##bits(to->member[i], from->member[i], &env->sse_status);             \
    }
#define ALL_FOUR(operation)                                                                                   \
    COMBINE(vex_##operation##ps, 32, l, 4, operation)                                                         \
    COMBINE(vex_##operation##pd, 64, q, 2, operation)                                                         \
    COMBINE(vex_##operation##ss, 32, l, 1, operation)                                                         \
    COMBINE(vex_##operation##sd, 64, q, 1, operation)
static inline Single sqrt_32(Single unused, Single value, FloatStatus *status)
{
    (void)unused;
    return float32_sqrt_x86_64(value, status);
}

static inline Double sqrt_64(Double unused, Double value, FloatStatus *status)
{
    (void)unused;
    return float64_sqrt_x86_64(value, status);
}

ALL_FOUR(add)
ALL_FOUR(sub)
ALL_FOUR(mul)
ALL_FOUR(div)
ALL_FOUR(min)
ALL_FOUR(max)
ALL_FOUR(sqrt)

#define HORIZONTAL(name, operation)                                                                           \
    void vex_##name##ps(Env *env, void *result, void *operand)                                                \
    {                                                                                                         \
        Vector *to = result, *from = operand, sums;                                                           \
        FloatStatus *status = &env->sse_status;                                                               \
                                                                                                              \
        for (unsigned i = 0; i < 2; i++) {                                                                    \
            sums.l[i] = operation##_32(to->l[2 * i], to->l[2 * i + 1], status);                               \
            sums.l[2 + i] = operation##_32(from->l[2 * i], from->l[2 * i + 1], status);                       \
        }                                                                                                     \
        memcpy(to, &sums, LANE);                                                                              \
    }                                                                                                         \
                                                                                                              \
    void vex_##name##pd(Env *env, void *result, void *operand)                                                \
    {                                                                                                         \
        Vector *to = result, *from = operand;                                                                 \
                                                                                                              \
        to->q[0] = operation##_64(to->q[0], to->q[1], &env->sse_status);                                      \
        to->q[1] = operation##_64(from->q[0], from->q[1], &env->sse_status);                                  \
    }
HORIZONTAL(hadd, add)
HORIZONTAL(hsub, sub)

void vex_addsubps(Env *env, void *result, void *operand)
{
    Vector *to = result, *from = operand;

    for (unsigned i = 0; i < 4; i++)
        to->l[i] = (i & 1 ? add_32 : sub_32)(to->l[i], from->l[i], &env->sse_status);
}

void vex_addsubpd(Env *env, void *result, void *operand)
{
    Vector *to = result, *from = operand;

    to->q[0] = sub_64(to->q[0], from->q[0], &env->sse_status);
    to->q[1] = add_64(to->q[1], from->q[1], &env->sse_status);
}

Single float64_to_float32_x86_64(Double, FloatStatus *);

static Single narrowed(Double value, FloatStatus *status)
{
    FLUSHING(Single, 32, float64_to_float32_x86_64(value, status));
}

void vex_cvtsd2ss(Env *env, void *result, void *operand)
{
    ((Vector *)result)->l[0] = narrowed(((Vector *)operand)->q[0], &env->sse_status);
}

void vex_cvtpd2ps(Env *env, void *result, void *operand)
{
    for (unsigned i = 0; i < 2; i++)
        ((Vector *)result)->l[i] = narrowed(((Vector *)operand)->q[i], &env->sse_status);
}

/* The sum of two sums (SDM 2A, DPPS). */
void vex_dpps(Env *env, void *result, void *operand, uint32_t mask)
{
    FloatStatus *status = &env->sse_status;
    Vector *to = result, *from = operand;
    Single product[4];

    for (unsigned i = 0; i < 4; i++)
        product[i] = mask >> (4 + i) & 1 ? mul_32(to->l[i], from->l[i], status) : 0;
    Single low = add_32(product[0], product[1], status), sum = add_32(low, add_32(product[2], product[3], status), status);
    for (unsigned i = 0; i < 4; i++)
        to->l[i] = mask >> i & 1 ? sum : 0;
}

void vex_dppd(Env *env, void *result, void *operand, uint32_t mask)
{
    FloatStatus *status = &env->sse_status;
    Vector *to = result, *from = operand;
    Double low = mask & 0x10 ? mul_64(to->q[0], from->q[0], status) : 0;
    Double sum = add_64(low, mask & 0x20 ? mul_64(to->q[1], from->q[1], status) : 0, status);

    to->q[0] = mask & 1 ? sum : 0;
    to->q[1] = mask & 2 ? sum : 0;
}

/* Comparisons by an immediate byte (SDM 2A, table 3-1): which of less, equal, greater and unordered make it true, and
 * whether a quiet NaN signals. Those from 16 on differ in the latter alone. */
enum { LESS = 1, EQUAL = 2, GREATER = 4, UNORDERED = 8, PREDICATES = 31, HALF_OF_THEM = 16 };
static const uint8_t true_if[HALF_OF_THEM] = {
    EQUAL, LESS, LESS | EQUAL, UNORDERED, LESS | GREATER | UNORDERED, EQUAL | GREATER | UNORDERED, GREATER | UNORDERED,
    LESS | EQUAL | GREATER, EQUAL | UNORDERED, LESS | UNORDERED, LESS | EQUAL | UNORDERED, 0, LESS | GREATER, EQUAL | GREATER,
    GREATER, LESS | EQUAL | GREATER | UNORDERED,
};
enum { SIGNALLING = 1 << 1 | 1 << 2 | 1 << 5 | 1 << 6 | 1 << 9 | 1 << 10 | 1 << 13 | 1 << 14 };

static bool signals(uint32_t predicate)
{
    return (SIGNALLING >> (predicate & 15) & 1) ^ (predicate >> 4 & 1);
}

#define COMPARE(name, bits, member, count)                                                                    \
    void name(Env *env, void *result, void *operand, uint32_t immediate)                                      \
    {                                                                                                         \
        Vector *to = result, *from = operand;                                                                 \
        uint32_t predicate = immediate & PREDICATES;                                                          \
                                                                                                              \
        for (unsigned i = 0; i < count; i++) {                                                                \
            int relation = (signals(predicate) ? float##bits##_compare_x86_64 : float##bits##_compare_quiet_x86_64)( \
                to->member[i], from->member[i], &env->sse_status);                                            \
            to->member[i] = true_if[predicate & 15] >> (relation + 1) & 1 ? -1 : 0;                           \
        }                                                                                                     \
    }
COMPARE(vex_cmpps, 32, l, 4)
COMPARE(vex_cmppd, 64, q, 2)
COMPARE(vex_cmpss, 32, l, 1)
COMPARE(vex_cmpsd, 64, q, 1)

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

/* A NaN of the first factor, of the second, of the addend, in this order. */
#define MULTIPLY_ADD(bits, type)                                                                              \
    static type multiply_add_##bits(type a, type b, type c, int operation, FloatStatus *status)               \
    {                                                                                                         \
        if (__builtin_expect(is_nan_##bits(a) || is_nan_##bits(b) || is_nan_##bits(c), false)) {              \
            if ((is_nan_##bits(a) && !(a & QUIET_##bits)) || (is_nan_##bits(b) && !(b & QUIET_##bits)) ||     \
                (is_nan_##bits(c) && !(c & QUIET_##bits)))                                                    \
                status->exception_flags |= INVALID;                                                           \
            return (is_nan_##bits(a) ? a : is_nan_##bits(b) ? b : c) | QUIET_##bits;                          \
        }                                                                                                     \
        FLUSHING(type, bits, float##bits##_muladd_x86_64(a, b, c, operation, status));                        \
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
            result.q[i] = multiply_add_64(a.q[i], b.q[i], c.q[i], operation, &x->env->sse_status);
        else
            result.l[i] = multiply_add_32(a.l[i], b.l[i], c.l[i], operation, &x->env->sse_status);
    }
    vex_result_bytes(x, result.b);
}

/* VCVTPH2PS, which no denormal concerns (SDM 2C). */
void vex_halves_to_singles(const Vex *x)
{
    FloatStatus *status = &x->env->sse_status;
    uint8_t daz = status->flush_inputs_to_zero;
    uint16_t from[MOST_LANES * LANE / 2];
    Single result[8];

    vex_operand_bytes(x, (uint8_t *)from);
    status->flush_inputs_to_zero = 0;
    for (unsigned i = 0; i < 4 * x->lanes; i++)
        result[i] = float16_to_float32_x86_64(from[i], true, status);
    status->flush_inputs_to_zero = daz;
    vex_result_bytes(x, (uint8_t *)result);
}

enum { ROUND_BY_MXCSR = 4 };

/* VCVTPS2PH, rounded as MXCSR or the immediate byte says; flush-to-zero does not concern it. */
void vex_singles_to_halves(const Vex *x)
{
    FloatStatus *status = &x->env->sse_status, before = *status;
    Single from[8];
    uint16_t result[LANE / 2] = {0};

    vex_register_bytes(x, x->code.reg, (uint8_t *)from);
    if (!(x->code.immediate & ROUND_BY_MXCSR))
        status->rounding_mode = x->code.immediate & 3;
    status->flush_to_zero = 0;
    for (unsigned i = 0; i < 4 * x->lanes; i++)
        result[i] = float32_to_float16_x86_64(from[i], true, status);
    uint8_t flags = status->exception_flags;
    *status = before;
    if (x->code.memory) {
        if (sse_exception_comes(x->env, flags))
            vex_probe_store(x, vex_linear(x), vex_size(x));
        else
            vex_store(x, result, vex_size(x));
    } else {
        memcpy(x->env->xmm_regs[x->code.rm], result, LANE);
        vex_clear_high(x, x->code.rm);
    }
    status->exception_flags = flags;
}
