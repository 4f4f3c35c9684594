/* Numbers of other formats to 80 bits and back. */
#include "x87_rounding.h"

Real floatx80_round_to_int_x86_64(Real a, FloatStatus *status);
Real float32_to_floatx80_x86_64(uint32_t a, FloatStatus *status);
Real float64_to_floatx80_x86_64(uint64_t a, FloatStatus *status);
uint32_t floatx80_to_float32_x86_64(Real a, FloatStatus *status);
uint64_t floatx80_to_float64_x86_64(Real a, FloatStatus *status);
int64_t floatx80_to_int64_x86_64(Real a, FloatStatus *status);

/* Softfloat keeps a signaling NaN as it is, between formats. */
Real x87_quiet(X87 *x, Real a)
{
    if (x87_is_signaling(a)) {
        x->raised |= X87_IE;
        a.mantissa |= X87_ONE_BIT >> 1;
    }
    return a;
}

Real x87_from_single(X87 *x, uint32_t bits)
{
    unsigned exponent = bits >> 23 & 0xff;

    if (exponent && exponent != 0xff)
        return (Real){X87_ONE_BIT | (uint64_t)(bits & 0x7fffff) << 40, (bits >> 31) << 15 | (exponent + X87_BIAS - 127)};
    if (!(bits & 0x7f800000) && bits & 0x7fffff)
        x->raised |= X87_DE;
    Real a = float32_to_floatx80_x86_64(bits, &x->status);
    collect(x);
    return a;
}

Real x87_from_double(X87 *x, uint64_t bits)
{
    unsigned exponent = bits >> 52 & 0x7ff;

    if (exponent && exponent != 0x7ff)
        return (Real){X87_ONE_BIT | (bits & 0xfffffffffffff) << 11, (bits >> 63) << 15 | (exponent + X87_BIAS - 1023)};
    if (!(bits & 0x7ff0000000000000) && bits & 0xfffffffffffff)
        x->raised |= X87_DE;
    Real a = float64_to_floatx80_x86_64(bits, &x->status);
    collect(x);
    return a;
}

Real x87_from_integer(int64_t value)
{
    uint64_t magnitude = value < 0 ? -(uint64_t)value : (uint64_t)value;
    int shift = value ? __builtin_clzll(magnitude) : 0;

    return value ? (Real){magnitude << shift, (value < 0 ? X87_SIGN : 0) | (X87_BIAS + 63 - shift)} : (Real){0, 0};
}

/* What is not stored for OE or UE is not rounded either. */
static void settle_store(X87 *x, bool tiny)
{
    unsigned unmasked = ~x->env->fpuc;

    if (tiny && unmasked & X87_UE)
        x->raised |= X87_UE;
    if (x->raised & unmasked & (X87_OE | X87_UE))
        x->raised &= ~(X87_PE | X87_C1);
}

/* True if `a` rounds to a normal number of `bits`, whose exponent is biased by `bias`; `a` is what it rounds to. */
static inline bool narrow_plain(X87 *x, Real *a, unsigned bits, int bias, unsigned *exponent)
{
    unsigned before = x->raised;
    Real rounded;

    if (!x87_is_normal(*a) || !round_plain(x, a->exponent & X87_SIGN, a->exponent & X87_SPECIAL, (unsigned __int128)a->mantissa << 64, bits, &rounded))
        return false;
    int result = (rounded.exponent & X87_SPECIAL) - X87_BIAS + bias;
    if ((a->exponent & X87_SPECIAL) - X87_BIAS + bias <= 0 || result <= 0 || result > 2 * bias) {
        x->raised = before;
        return false;
    }
    *a = rounded;
    *exponent = result;
    return true;
}

uint32_t x87_to_single(X87 *x, Real a)
{
    unsigned exponent;

    if (narrow_plain(x, &a, BITS_SINGLE, 127, &exponent))
        return (uint32_t)(a.exponent >> 15) << 31 | exponent << 23 | (a.mantissa >> 40 & 0x7fffff);
    a = x87_quiet(x, a);
    uint32_t result = floatx80_to_float32_x86_64(a, &x->status);

    if (x87_is_unsupported(a)) {
        x87_invalid(x);
        return 0xffc00000;
    }
    if (x87_is_denormal(a))                 /* softfloat takes it for a zero or loses that it is tiny */
        x->status.exception_flags |= X87_UE | X87_PE;
    collect(x);
    if (is_inexact(x)) {
        FloatStatus status = to_zero(x);
        note_rounding(x, a.exponent >> 15, floatx80_to_float32_x86_64(a, &status) != result);
    }
    settle_store(x, !(result & 0x7f800000) && !x87_is_zero(a));
    return result;
}

uint64_t x87_to_double(X87 *x, Real a)
{
    unsigned exponent;

    if (narrow_plain(x, &a, BITS_DOUBLE, 1023, &exponent))
        return (uint64_t)(a.exponent >> 15) << 63 | (uint64_t)exponent << 52 | (a.mantissa >> 11 & 0xfffffffffffff);
    a = x87_quiet(x, a);
    uint64_t result = floatx80_to_float64_x86_64(a, &x->status);

    if (x87_is_unsupported(a)) {
        x87_invalid(x);
        return 0xfff8000000000000;
    }
    if (x87_is_denormal(a))
        x->status.exception_flags |= X87_UE | X87_PE;
    collect(x);
    if (is_inexact(x)) {
        FloatStatus status = to_zero(x);
        note_rounding(x, a.exponent >> 15, floatx80_to_float64_x86_64(a, &status) != result);
    }
    settle_store(x, !(result & 0x7ff0000000000000) && !x87_is_zero(a));
    return result;
}

/* Of 16, 32 or 64 bits; what does not fit is the smallest of them, and IE. */
int64_t x87_to_integer(X87 *x, Real a, unsigned bits, bool truncates)
{
    int64_t smallest = INT64_MIN >> (64 - bits);

    if (truncates)
        x->status.rounding_mode = TO_ZERO;
    int64_t result = floatx80_to_int64_x86_64(a, &x->status);
    bool fits = result >= smallest && result <= ~smallest;
    if (x87_is_unsupported(a) || x->status.exception_flags & X87_IE || !fits) {
        x87_invalid(x);
        return smallest;
    }
    collect(x);
    if (is_inexact(x)) {
        FloatStatus status = to_zero(x);
        note_rounding(x, a.exponent >> 15, floatx80_to_int64_x86_64(a, &status) != result);
    }
    return result;
}

/* To an integer. */
Real x87_round(X87 *x, Real a)
{
    Real result;

    if (x87_takes_nan(x, a, a, &result))
        return result;
    note_denormal(x, a);
    result = floatx80_round_to_int_x86_64(a, &x->status);
    collect(x);
    if (is_inexact(x)) {
        FloatStatus status = to_zero(x);
        note_rounding(x, a.exponent >> 15, !same(floatx80_round_to_int_x86_64(a, &status), result));
    }
    return result;
}
