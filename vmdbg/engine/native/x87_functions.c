/* Functions of the x87. Remainders, scaling and extraction are exact; the transcendental ones are those of softfloat's
 * 68881, in 80 bits and the same on every host. A real CPU's last bit may be another (SDM 1 8.3.10).
 */
#include "x87_rounding.h"

Real floatx80_scalbn_x86_64(Real a, int n, FloatStatus *status);
Real floatx80_add_x86_64(Real a, Real b, FloatStatus *status);
Real floatx80_sub_x86_64(Real a, Real b, FloatStatus *status);
Real floatx80_mul_x86_64(Real a, Real b, FloatStatus *status);
Real floatx80_div_x86_64(Real a, Real b, FloatStatus *status);
Real floatx80_etoxm1_m68k(Real a, FloatStatus *status);
Real floatx80_log2_m68k(Real a, FloatStatus *status);
Real floatx80_lognp1_m68k(Real a, FloatStatus *status);
Real floatx80_atan_m68k(Real a, FloatStatus *status);
Real floatx80_sin_m68k(Real a, FloatStatus *status);
Real floatx80_cos_m68k(Real a, FloatStatus *status);
Real floatx80_tan_m68k(Real a, FloatStatus *status);

static const Real ZERO = {0, 0}, ONE = {X87_ONE_BIT, X87_BIAS}, INFINITE = {X87_ONE_BIT, X87_SPECIAL};
static const Real PI = {0xc90fdaa22168c235, X87_BIAS + 1}, LOG2_E = {0xb8aa3b295c17f0bc, X87_BIAS}, LN_2 = {0xb17217f7d1cf79ac, X87_BIAS - 1};
enum { TOO_SMALL = 66, RAISED = 8000 };     /* powers of 2: a function is its argument; what is too small is raised */

static Real with_sign(Real a, bool negative)
{
    a.exponent = (a.exponent & X87_SPECIAL) | (negative ? X87_SIGN : 0);
    return a;
}

static bool is_negative(Real a)
{
    return a.exponent >> 15;
}

static int magnitude(Real a)
{
    return (a.exponent & X87_SPECIAL) - X87_BIAS;
}

/* A denormal with an integer bit, its exponent below what 15 bits hold. */
static uint64_t normal(Real a, int *exponent)
{
    int shift = a.mantissa ? __builtin_clzll(a.mantissa) : 0;

    *exponent = ((a.exponent & X87_SPECIAL) ? (a.exponent & X87_SPECIAL) : 1) - shift;
    return a.mantissa << shift;
}

enum { UNMASKED_SCALE = 24576 };            /* SDM 1 8.5.4, 8.5.5 */

/* A remainder, which is exact: one that is tiny is an underflow only to who wants to hear of it. */
static Real packed(X87 *x, uint64_t mantissa, int exponent, bool negative)
{
    int shift = mantissa ? __builtin_clzll(mantissa) : 0;

    if (!mantissa)
        return with_sign(ZERO, negative);
    mantissa <<= shift;
    exponent -= shift;
    if (exponent <= 0 && ~x->env->fpuc & X87_UE) {
        x->raised |= X87_UE;
        exponent += UNMASKED_SCALE;
    }
    if (exponent <= 0) {                    /* what there is below has the divisor's bits only */
        mantissa >>= 1 - exponent;
        exponent = 0;
    }
    return with_sign((Real){mantissa, (uint16_t)exponent}, negative);
}

static Real scaled_denormal(X87 *x, Real a)
{
    int exponent;
    uint64_t mantissa = normal(a, &exponent);

    return packed(x, mantissa, exponent, is_negative(a));
}

/* FPREM and FPREM1 (SDM 2A): `codes` gets C2 if it is not done, else the three low bits of the quotient. */
Real x87_remainder(X87 *x, Real a, Real b, bool nearest, unsigned *codes)
{
    Real result;
    int a_exponent, b_exponent;

    *codes = 0;
    if (x87_takes_nan(x, a, b, &result))
        return result;
    if (x87_is_infinity(a) || x87_is_zero(b))
        return x87_invalid(x);
    note_denormal(x, a);
    note_denormal(x, b);
    bool tiny = x87_is_denormal(a) && ~x->env->fpuc & X87_UE;
    if (x87_is_zero(a) || (x87_is_infinity(b) && !tiny))
        return a;
    if (x87_is_infinity(b))
        return scaled_denormal(x, a);
    uint64_t rest = normal(a, &a_exponent), divisor = normal(b, &b_exponent), quotient = 0;
    int difference = a_exponent - b_exponent, steps = difference;
    if (difference < -1)
        return packed(x, rest, a_exponent, is_negative(a));
    bool partial = difference >= 64;
    if (partial)
        steps = difference % 32 | 32;
    int exponent = a_exponent;
    unsigned __int128 left = rest;
    if (difference < 0) {                   /* half the divisor's size at most */
        exponent = a_exponent;
    } else {
        for (int i = 0; i <= steps; i++) {
            quotient = quotient << 1 | (left >= divisor);
            if (left >= divisor)
                left -= divisor;
            if (i < steps)
                left <<= 1;
        }
        exponent = a_exponent - steps;
    }
    bool negative = is_negative(a);
    if (partial) {
        *codes = X87_C2;
        return packed(x, (uint64_t)left, exponent, negative);
    }
    if (nearest) {
        unsigned __int128 twice = difference < 0 ? left : left << 1, whole = divisor;
        if (twice > whole || (twice == whole && quotient & 1)) {
            /* in units of the smaller exponent */
            left = difference < 0 ? ((unsigned __int128)divisor << 1) - left : divisor - left;
            negative = !negative;
            quotient++;
            if (left >> 64) {
                left >>= 1;
                exponent++;
            }
        }
    }
    *codes = (quotient & 4 ? X87_C0 : 0) | (quotient & 2 ? X87_C3 : 0) | (quotient & 1 ? X87_C1 : 0);
    return packed(x, (uint64_t)left, exponent, negative);
}

static Real scale_by(X87 *x, Real a, int by)
{
    x->status.exception_flags = 0;
    x->raised &= X87_DE;
    Real result = floatx80_scalbn_x86_64(a, by, &x->status);
    collect(x);
    if (is_inexact(x)) {
        FloatStatus status = to_zero(x);
        note_rounding(x, is_negative(a), !same(floatx80_scalbn_x86_64(a, by, &status), result));
    }
    return result;
}

/* What over- or underflows without a mask is that much off, unless that does not bring it back. */
static Real scale_once(X87 *x, Real a, int by)
{
    unsigned unmasked = ~x->env->fpuc;
    Real result = scale_by(x, a, by);

    if (unmasked & x->raised & X87_OE) {
        result = scale_by(x, a, by - UNMASKED_SCALE);
        x->raised |= X87_OE;
    } else if (unmasked & X87_UE && !(result.exponent & X87_SPECIAL)) {
        result = scale_by(x, a, by + UNMASKED_SCALE);
        x->raised |= X87_UE;
    }
    return result;
}

/* FSCALE. */
Real x87_scale(X87 *x, Real a, Real b)
{
    Real result;

    if (x87_takes_nan(x, a, b, &result))
        return result;
    if (x87_is_infinity(b)) {
        if (is_negative(b) ? x87_is_infinity(a) : x87_is_zero(a))
            return x87_invalid(x);
        note_denormal(x, a);
        return with_sign(is_negative(b) ? ZERO : INFINITE, is_negative(a));
    }
    note_denormal(x, a);
    note_denormal(x, b);
    if (x87_is_zero(a) || x87_is_infinity(a))
        return a;
    int size = magnitude(b), by = size < 0 ? 0 : size > 16 ? 0x20000 : (int)(b.mantissa >> (63 - size));
    return scale_once(x, a, is_negative(b) ? -by : by);
}

/* FXTRACT: the significand, and the exponent as a number. */
Real x87_extract(X87 *x, Real a, Real *exponent)
{
    Real result;

    if (x87_takes_nan(x, a, a, &result)) {
        *exponent = result;
        return result;
    }
    if (x87_is_zero(a)) {
        x->raised |= X87_ZE;
        *exponent = with_sign(INFINITE, true);
        return a;
    }
    if (x87_is_infinity(a)) {
        *exponent = INFINITE;
        return a;
    }
    note_denormal(x, a);
    int power;
    uint64_t mantissa = normal(a, &power);
    *exponent = x87_from_integer(power - X87_BIAS);
    return with_sign((Real){mantissa, X87_BIAS}, is_negative(a));
}

/* What a function that is not rational yields is never exact. */
static Real inexact(X87 *x, Real result)
{
    x->raised |= X87_PE;
    if (!(result.exponent & X87_SPECIAL))
        x->raised |= X87_UE;
    return result;
}

static FloatStatus nearest(void)
{
    return (FloatStatus){.x87_precision = 80};
}

/* F2XM1. Beyond -1 to 1 the result is undefined: it is the argument. */
Real x87_two_to_x_minus_1(X87 *x, Real a)
{
    Real result;
    FloatStatus status = nearest();

    if (x87_takes_nan(x, a, a, &result))
        return result;
    note_denormal(x, a);
    if (x87_is_zero(a))
        return a;
    if (x87_is_infinity(a))
        return is_negative(a) ? with_sign(ONE, true) : a;
    if (magnitude(a) == 0 && a.mantissa == X87_ONE_BIT) {
        x->raised |= X87_PE;                /* though it is exact */
        return is_negative(a) ? (Real){X87_ONE_BIT, X87_SIGN | (X87_BIAS - 1)} : ONE;
    }
    if (magnitude(a) >= 0)
        return inexact(x, a);
    result = floatx80_mul_x86_64(a, LN_2, &status);
    return inexact(x, magnitude(a) < -TOO_SMALL ? result : floatx80_etoxm1_m68k(result, &status));
}

/* FYL2X and, of a + 1, FYL2XP1. */
Real x87_y_log2(X87 *x, Real a, Real y, bool plus_1)
{
    Real result, log2;
    FloatStatus status = nearest();
    bool from_one = !plus_1 && a.mantissa == X87_ONE_BIT && a.exponent == X87_BIAS, zero = x87_is_zero(a);

    if (x87_takes_nan(x, a, y, &result))
        return result;
    if (is_negative(a) && !zero && (!plus_1 || x87_is_infinity(a)))
        return x87_invalid(x);
    if (plus_1 && is_negative(a) && magnitude(a) >= 0) {
        note_denormal(x, y);
        if (x87_is_zero(y) || x87_is_infinity(y))
            return with_sign(y, !is_negative(y));
        return inexact(x, a);               /* undefined; this is what CPUs do */
    }
    if (x87_is_infinity(a) || (!plus_1 && zero)) {
        if (x87_is_zero(y))
            return x87_invalid(x);
        if (zero && !x87_is_infinity(y))
            x->raised |= X87_ZE;
        if (!zero)
            note_denormal(x, y);
        return with_sign(INFINITE, is_negative(y) != zero);
    }
    bool none = from_one || (plus_1 && zero);           /* the logarithm is 0 */
    bool below = plus_1 ? is_negative(a) : magnitude(a) < 0;
    if (x87_is_infinity(y)) {
        note_denormal(x, a);
        return none ? x87_invalid(x) : with_sign(INFINITE, is_negative(y) != below);
    }
    note_denormal(x, a);
    note_denormal(x, y);
    if (none || x87_is_zero(y))
        return with_sign(ZERO, is_negative(y) != (plus_1 ? is_negative(a) : below));
    int by = plus_1 && magnitude(a) < -RAISED ? RAISED : 0;     /* or a denormal would be rounded twice */
    if (by)
        log2 = floatx80_mul_x86_64(floatx80_scalbn_x86_64(a, by, &status), LOG2_E, &status);
    else if (plus_1)
        log2 = floatx80_mul_x86_64(magnitude(a) < -TOO_SMALL ? a : floatx80_lognp1_m68k(a, &status), LOG2_E, &status);
    else
        log2 = floatx80_log2_m68k(a, &status);
    if (plus_1 && a.mantissa == X87_ONE_BIT && a.exponent == X87_BIAS)
        log2 = ONE;
    status = nearest();
    result = floatx80_mul_x86_64(log2, y, &status);
    if (by)
        result = floatx80_scalbn_x86_64(result, -by, &status);
    if (status.exception_flags & X87_OE)
        x->raised |= X87_OE | X87_PE;
    return inexact(x, result);
}

static Real add(Real a, Real b)
{
    FloatStatus status = nearest();

    return floatx80_add_x86_64(a, b, &status);
}

static Real half_pi(void)
{
    return (Real){PI.mantissa, X87_BIAS};
}

/* FPATAN: of y / a, in the quadrant of both (SDM 2A, table 3-30). */
Real x87_arctangent(X87 *x, Real a, Real y)
{
    Real result, angle;
    FloatStatus status = nearest();

    if (x87_takes_nan(x, a, y, &result))
        return result;
    note_denormal(x, a);
    note_denormal(x, y);
    bool left = is_negative(a), below = is_negative(y);
    if (x87_is_zero(y) || (x87_is_infinity(a) && !x87_is_infinity(y)))
        angle = left ? PI : ZERO;
    else if (x87_is_infinity(y) && x87_is_infinity(a))
        angle = left ? (Real){0x96cbe3f9990e91a8, X87_BIAS + 1} : (Real){PI.mantissa, X87_BIAS - 1};
    else if (x87_is_infinity(y) || x87_is_zero(a))
        angle = half_pi();
    else {
        Real up = with_sign(y, false), along = with_sign(a, false);
        int tilt = magnitude(up) - magnitude(along);
        if (tilt < -TOO_SMALL)
            angle = left ? PI : floatx80_div_x86_64(up, along, &status);
        else if (tilt > TOO_SMALL)
            angle = half_pi();
        else {
            angle = floatx80_atan_m68k(floatx80_div_x86_64(up, along, &status), &status);
            angle = left ? add(PI, with_sign(angle, true)) : angle;
        }
        return inexact(x, with_sign(angle, below));
    }
    if (!x87_is_zero(angle))
        x->raised |= X87_PE;
    return with_sign(angle, below);
}

/* FSIN, FCOS and FPTAN of what lies within 2^63; the caller has seen to the rest. */
Real x87_trigonometric(X87 *x, Trigonometric function, Real a)
{
    Real result;
    FloatStatus status = nearest();

    if (x87_takes_nan(x, a, a, &result))
        return result;
    if (x87_is_infinity(a))
        return x87_invalid(x);
    note_denormal(x, a);
    if (x87_is_zero(a))
        return function == X87_COSINE ? ONE : a;
    if (magnitude(a) < -TOO_SMALL) {
        int mode = x->status.rounding_mode;
        bool cut = mode == TO_ZERO || mode == (is_negative(a) ? UP : DOWN);
        if (function == X87_SINE && cut && (a.exponent & X87_SPECIAL) == 1 && a.mantissa == X87_ONE_BIT)
            x->raised |= X87_UE;            /* the sine is below the smallest normal number */
        return inexact(x, function == X87_COSINE ? ONE : a);
    }
    switch (function) {
    case X87_SINE: return inexact(x, floatx80_sin_m68k(a, &status));
    case X87_COSINE: return inexact(x, floatx80_cos_m68k(a, &status));
    default: return inexact(x, floatx80_tan_m68k(a, &status));
    }
}
