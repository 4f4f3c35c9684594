/* What softfloat leaves out of SSE: which NaN is the result (SDM 1 table 4-7), DE (SDM 1 4.9.1.2), flush-to-zero after
 * rounding (SDM 1 10.2.3.3), and PE beside an overflow or underflow that is not masked (SDM 1 11.5.2).
 *
 * A result is tiny if it would be so with an exponent of any size. Where the exception that it is is not masked, PE says
 * whether such a result is inexact: the operation is done again in 128 bits, of which all products and quotients of
 * 64-bit numbers that have an end have enough.
 */
#include "sse_float.h"

typedef struct {                            /* softfloat's float128 */
    uint64_t low, high;
} Quad;

Quad float128_add_x86_64(Quad, Quad, FloatStatus *), float128_sub_x86_64(Quad, Quad, FloatStatus *);
Quad float128_mul_x86_64(Quad, Quad, FloatStatus *), float128_div_x86_64(Quad, Quad, FloatStatus *);
Quad float32_to_float128_x86_64(Single, FloatStatus *), float64_to_float128_x86_64(Double, FloatStatus *);
Single float64_to_float32_x86_64(Double, FloatStatus *);
uint16_t float32_to_float16_x86_64(Single, bool ieee, FloatStatus *);

enum { NEGATE_ADDEND = 1, BITS_HALF = 11, BITS_SINGLE = 24, BITS_DOUBLE = 53, BITS_QUAD = 113, QUAD_HIGH = 48 };
#define QUAD_SIGN (1ull << 63)

static bool has_bits(Quad value, unsigned bits)
{
    unsigned __int128 fraction = (unsigned __int128)value.high << 64 | value.low;

    return !(fraction << (128 - (BITS_QUAD - bits)));
}

static Quad multiplied_and_added(const SseWork *work, Quad a, Quad b, Quad c, FloatStatus *status)
{
    bool negates_product = work->negations & ~NEGATE_ADDEND, negates_addend = work->negations & NEGATE_ADDEND;
    Quad product = float128_mul_x86_64(a, b, status);

    product.high ^= negates_product ? QUAD_SIGN : 0;
    c.high ^= negates_addend ? QUAD_SIGN : 0;
    return float128_add_x86_64(product, c, status);
}

/* Whether the operation on numbers has an exact result in so many bits, whatever its exponent. */
static bool is_exact(const SseWork *work, Quad a, Quad b, Quad c, unsigned bits)
{
    FloatStatus status = {0};
    Quad result;

    switch (work->operation) {
    case SSE_ADD: result = float128_add_x86_64(a, b, &status); break;
    case SSE_SUBTRACT: result = float128_sub_x86_64(a, b, &status); break;
    case SSE_MULTIPLY: result = float128_mul_x86_64(a, b, &status); break;
    case SSE_DIVIDE: result = float128_div_x86_64(a, b, &status); break;
    case SSE_CONVERT: result = a; break;
    default: result = multiplied_and_added(work, a, b, c, &status);
    }
    return !(status.exception_flags & SSE_PE) && has_bits(result, bits);
}

static unsigned unmasked(const Env *env)
{
    return ~(env->mxcsr >> SSE_MASKS_SHIFT);
}

static bool flushes(const Env *env)
{
    return env->mxcsr & SSE_FLUSHES && !(unmasked(env) & SSE_UE);
}

/* Whether the exception that this is, is not masked; PE then says something else than softfloat's. */
static bool is_out_of_range(const Env *env, unsigned raised)
{
    return raised & SSE_PE && raised & unmasked(env) & (SSE_OE | SSE_UE);
}

static Single narrow(const SseWork *work, FloatStatus *status)
{
    return float64_to_float32_x86_64(work->a, status);
}

static uint16_t halve(const SseWork *work, FloatStatus *status)
{
    return float32_to_float16_x86_64(work->a, true, status);
}

static bool is_denormal_16(uint16_t value)
{
    return !(value & 0x7c00) && value & 0x7fff;
}

/* A conversion has one operand, of whose NaN softfloat makes what a CPU makes. */
#define takes_no_nan(work, result, status) false

#define OF_WIDTH(bits, type)                                                                                  \
    static type perform_##bits(const SseWork *w, FloatStatus *status)                                         \
    {                                                                                                         \
        switch (w->operation) {                                                                               \
        case SSE_ADD: return float##bits##_add_x86_64(w->a, w->b, status);                                    \
        case SSE_SUBTRACT: return float##bits##_sub_x86_64(w->a, w->b, status);                               \
        case SSE_MULTIPLY: return float##bits##_mul_x86_64(w->a, w->b, status);                               \
        case SSE_DIVIDE: return float##bits##_div_x86_64(w->a, w->b, status);                                 \
        default: return float##bits##_muladd_x86_64(w->a, w->b, w->c, w->negations, status);                  \
        }                                                                                                     \
    }                                                                                                         \
                                                                                                              \
    static Quad quad_##bits(type value, const FloatStatus *status)                                            \
    {                                                                                                         \
        FloatStatus scratch = {0};                                                                            \
                                                                                                              \
        return float##bits##_to_float128_x86_64(flushed_##bits(value, status), &scratch);                     \
    }                                                                                                         \
                                                                                                              \
    static bool is_exact_##bits(const SseWork *w, const FloatStatus *status, unsigned fraction)               \
    {                                                                                                         \
        return is_exact(w, quad_##bits(w->a, status), quad_##bits(w->b, status), quad_##bits(w->c, status), fraction); \
    }                                                                                                         \
                                                                                                              \
    static bool has_denormal_##bits(const SseWork *w, const FloatStatus *status)                              \
    {                                                                                                         \
        bool any = is_denormal_##bits(w->a) || is_denormal_##bits(w->b) || is_denormal_##bits(w->c);          \
                                                                                                              \
        return any && !status->flush_inputs_to_zero;                                                          \
    }                                                                                                         \
                                                                                                              \
    /* The first NaN, in the order of the operands (of SSE_MULTIPLY_ADD factors, then addend), made quiet. */ \
    static bool takes_nan_##bits(const SseWork *w, type *result, FloatStatus *status)                         \
    {                                                                                                         \
        type a = w->a, b = w->b, c = w->c;                                                                    \
                                                                                                              \
        if (!is_nan_##bits(a) && !is_nan_##bits(b) && !is_nan_##bits(c))                                      \
            return false;                                                                                     \
        if (is_signaling_##bits(a) || is_signaling_##bits(b) || is_signaling_##bits(c))                       \
            status->exception_flags |= SSE_IE;                                                                \
        *result = (is_nan_##bits(a) ? a : is_nan_##bits(b) ? b : c) | QUIET_##bits;                           \
        return true;                                                                                          \
    }
OF_WIDTH(32, Single)
OF_WIDTH(64, Double)

/* Underflow that is not masked is raised for exact results, too (SDM 1 4.9.1.5). */
#define SETTLED(name, from, to, type, fraction, takes_nan, perform, may_flush)                                \
    type name(Env *env, const SseWork *w)                                                                     \
    {                                                                                                         \
        FloatStatus *status = &env->sse_status;                                                               \
        uint8_t before = status->exception_flags;                                                             \
        type result;                                                                                          \
                                                                                                              \
        if (takes_nan(w, &result, status))                                                                    \
            return result;                                                                                    \
        status->exception_flags = 0;                                                                          \
        result = perform(w, status);                                                                          \
        unsigned raised = status->exception_flags;                                                            \
        if (!(raised & (SSE_IE | SSE_ZE)) && has_denormal_##from(w, status))                                  \
            raised |= SSE_DE;                                                                                 \
        bool tiny = raised & SSE_UE || is_denormal_##to(result);                                              \
        if (tiny && may_flush && flushes(env)) {                                                              \
            raised |= SSE_UE | SSE_PE;                                                                        \
            result &= (type)1 << (to - 1);                                                                    \
        }                                                                                                     \
        raised |= tiny ? unmasked(env) & SSE_UE : 0;                                                          \
        if (is_out_of_range(env, raised) && is_exact_##from(w, status, fraction))                             \
            raised &= ~SSE_PE;                                                                                \
        status->exception_flags = before | raised;                                                            \
        return result;                                                                                        \
    }
SETTLED(sse_settled_32, 32, 32, Single, BITS_SINGLE, takes_nan_32, perform_32, true)
SETTLED(sse_settled_64, 64, 64, Double, BITS_DOUBLE, takes_nan_64, perform_64, true)
SETTLED(sse_settled_narrow, 64, 32, Single, BITS_SINGLE, takes_no_nan, narrow, true)
SETTLED(sse_settled_half, 32, 16, uint16_t, BITS_HALF, takes_no_nan, halve, false)
