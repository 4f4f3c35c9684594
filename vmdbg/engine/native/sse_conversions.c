/* Conversions of SSE from one width of numbers to another, in place of Unicorn's helpers, and of AVX and F16C. */
#include "sse_float.h"

Single float16_to_float32_x86_64(uint16_t, bool ieee, FloatStatus *);
Double float32_to_float64_x86_64(Single, FloatStatus *);

enum { ROUND_BY_MXCSR = 4 };

static Single narrowed(Env *env, Double value)
{
    Single result;
    bool inexact, plain = is_ordinary_64(value) && !env->sse_status.rounding_mode && !(env->hflags & HF_UNMASKED);

    if (plain && plain_narrow(value, &result, &inexact) && is_ordinary_32(result)) {
        env->sse_status.exception_flags |= inexact ? SSE_PE : 0;
        return result;
    }
    return sse_settled_narrow(env, &(SseWork){SSE_CONVERT, 0, value, 0, 0});
}

static Double widened(Env *env, Single value)
{
    if (is_ordinary_32(value))
        return plain_bits_of_double(plain_single(value));
    note_denormals_32(&env->sse_status, value, value);
    return float32_to_float64_x86_64(value, &env->sse_status);
}

void __wrap_helper_cvtsd2ss_x86_64(Env *env, void *result, void *operand)
{
    ((Vector *)result)->l[0] = narrowed(env, ((Vector *)operand)->q[0]);
}

void __wrap_helper_cvtpd2ps_x86_64(Env *env, void *result, void *operand)
{
    Vector *to = result, *from = operand;

    to->l[0] = narrowed(env, from->q[0]);
    to->l[1] = narrowed(env, from->q[1]);
    to->q[1] = 0;
}

void __wrap_helper_cvtss2sd_x86_64(Env *env, void *result, void *operand)
{
    ((Vector *)result)->q[0] = widened(env, ((Vector *)operand)->l[0]);
}

/* The operand may be the result. */
void __wrap_helper_cvtps2pd_x86_64(Env *env, void *result, void *operand)
{
    Vector *to = result, *from = operand;
    Double low = widened(env, from->l[0]);

    to->q[1] = widened(env, from->l[1]);
    to->q[0] = low;
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

/* VCVTPS2PH, rounded as MXCSR or the immediate byte says; flush-to-zero does not concern it. */
void vex_singles_to_halves(const Vex *x)
{
    FloatStatus *status = &x->env->sse_status, before = *status;
    Single from[8];
    uint16_t result[LANE / 2] = {0};

    vex_register_bytes(x, x->code.reg, (uint8_t *)from);
    if (!(x->code.immediate & ROUND_BY_MXCSR))
        status->rounding_mode = x->code.immediate & 3;
    for (unsigned i = 0; i < 4 * x->lanes; i++)
        result[i] = sse_settled_half(x->env, &(SseWork){SSE_CONVERT, 0, from[i], 0, 0});
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
