/* Arithmetic of the x87 in 80 bits. What softfloat leaves out: DE, C1, unsupported formats, results of overflow and
 * underflow that are not masked (SDM 1 8.5). */
#include "x87_rounding.h"

enum { PRECISION = 0x300, SINGLE = 0, DOUBLE = 0x200, ROUNDING_SHIFT = 10 };

Real floatx80_add_x86_64(Real a, Real b, FloatStatus *status);
Real floatx80_sub_x86_64(Real a, Real b, FloatStatus *status);
Real floatx80_mul_x86_64(Real a, Real b, FloatStatus *status);
Real floatx80_div_x86_64(Real a, Real b, FloatStatus *status);
Real floatx80_sqrt_x86_64(Real a, FloatStatus *status);
int floatx80_compare_quiet_x86_64(Real a, Real b, FloatStatus *status);

/* Precision control is for addition, multiplication, division and square roots only (SDM 1 8.1.5.2). */
static void set_precision(X87 *x, bool controlled)
{
    unsigned precision = x->env->fpuc & PRECISION;

    x->status.x87_precision = !controlled ? 80 : precision == SINGLE ? 32 : precision == DOUBLE ? 64 : 80;
}

void x87_begin(X87 *x, Env *env)
{
    x->env = env;
    x->status = (FloatStatus){.rounding_mode = env->fpuc >> ROUNDING_SHIFT & 3, .x87_precision = 80};
    x->raised = 0;
}

Real x87_invalid(X87 *x)
{
    x->raised = X87_IE;
    return x87_indefinite();
}

/* Whether one of them decides the result, and what that is (SDM 1 table 4-7): of two NaNs the one with the larger
 * significand, made quiet. A quiet one hides what the other would raise, but not its being unsupported or signaling. */
bool x87_takes_nan(X87 *x, Real a, Real b, Real *result)
{
    bool a_nan = x87_is_nan(a), b_nan = x87_is_nan(b);

    if (x87_is_unsupported(a) || x87_is_unsupported(b)) {
        *result = x87_invalid(x);
        return true;
    }
    if (!a_nan && !b_nan)
        return false;
    if (x87_is_signaling(a) || x87_is_signaling(b))
        x->raised |= X87_IE;
    x->raised &= ~X87_DE;
    bool takes_b = !a_nan;
    if (a_nan && b_nan) {                   /* a signaling one loses to a quiet one */
        bool a_signals = x87_is_signaling(a), b_signals = x87_is_signaling(b);
        takes_b = a_signals != b_signals ? a_signals : b.mantissa != a.mantissa ? b.mantissa > a.mantissa : a.exponent >> 15;
    }
    *result = takes_b ? b : a;
    result->mantissa |= X87_ONE_BIT >> 1;
    return true;
}

static bool multiply_plain(X87 *x, Real a, Real b, unsigned bits, Real *result)
{
    unsigned __int128 product = (unsigned __int128)a.mantissa * b.mantissa;
    int exponent = (a.exponent & X87_SPECIAL) + (b.exponent & X87_SPECIAL) - X87_BIAS + 1;

    if (!(product >> 127)) {
        product <<= 1;
        exponent--;
    }
    return round_plain(x, (a.exponent ^ b.exponent) & X87_SIGN, exponent, product, bits, result);
}

static bool divide_plain(X87 *x, Real a, Real b, unsigned bits, Real *result)
{
    bool less = a.mantissa < b.mantissa;
    unsigned __int128 numerator = (unsigned __int128)a.mantissa << (less ? 64 : 63);
    uint64_t quotient = numerator / b.mantissa, rest = numerator - (unsigned __int128)quotient * b.mantissa;
    unsigned __int128 twice = (unsigned __int128)rest << 1;
    uint64_t beyond = !rest ? 0 : twice == b.mantissa ? 1ull << 63 : twice > b.mantissa ? 3ull << 62 : 1;
    int exponent = (a.exponent & X87_SPECIAL) - (b.exponent & X87_SPECIAL) + X87_BIAS - less;

    return round_plain(x, (a.exponent ^ b.exponent) & X87_SIGN, exponent, (unsigned __int128)quotient << 64 | beyond, bits, result);
}

/* The sign of nothing is softfloat's. */
static bool add_plain(X87 *x, Real a, Real b, unsigned bits, Real *result)
{
    int distance = (a.exponent & X87_SPECIAL) - (b.exponent & X87_SPECIAL);

    if (distance < 0 || (!distance && a.mantissa < b.mantissa)) {
        Real swapped = a;
        a = b;
        b = swapped;
        distance = -distance;
    }
    unsigned __int128 large = (unsigned __int128)a.mantissa << 63, small = (unsigned __int128)b.mantissa << 63, value;
    unsigned __int128 shifted = distance < 128 ? small >> distance : 0;
    bool lost = distance >= 128 || shifted << distance != small;
    if ((a.exponent ^ b.exponent) & X87_SIGN)
        value = large - shifted - lost;
    else
        value = large + shifted;
    if (!value)
        return false;
    uint64_t high = value >> 64;
    int shift = high ? __builtin_clzll(high) : 64 + __builtin_clzll((uint64_t)value);
    value = value << shift | lost;
    return round_plain(x, a.exponent & X87_SIGN, (a.exponent & X87_SPECIAL) + 1 - shift, value, bits, result);
}

static Real negated(Real a)
{
    a.exponent ^= X87_SIGN;
    return a;
}

/* Of normal numbers. */
static bool operate_plain(X87 *x, unsigned operation, Real a, Real b, Real *result)
{
    unsigned bits = x->status.x87_precision == 80 ? BITS_REAL : x->status.x87_precision == 64 ? BITS_DOUBLE : BITS_SINGLE;

    switch (operation) {
    case X87_ADD: return add_plain(x, a, b, bits, result);
    case X87_MULTIPLY: return multiply_plain(x, a, b, bits, result);
    case X87_SUBTRACT: return add_plain(x, a, negated(b), bits, result);
    case X87_SUBTRACT_FROM: return add_plain(x, b, negated(a), bits, result);
    case X87_DIVIDE: return divide_plain(x, a, b, bits, result);
    default: return divide_plain(x, b, a, bits, result);
    }
}

static Real operate(unsigned operation, Real a, Real b, FloatStatus *status)
{
    switch (operation) {
    case X87_ADD: return floatx80_add_x86_64(a, b, status);
    case X87_MULTIPLY: return floatx80_mul_x86_64(a, b, status);
    case X87_SUBTRACT: return floatx80_sub_x86_64(a, b, status);
    case X87_SUBTRACT_FROM: return floatx80_sub_x86_64(b, a, status);
    case X87_DIVIDE: return floatx80_div_x86_64(a, b, status);
    default: return floatx80_div_x86_64(b, a, status);
    }
}

static Real round_once(X87 *x, unsigned operation, Real a, Real b)
{
    x->status.exception_flags = 0;
    Real result = operate(operation, a, b, &x->status);
    if (is_inexact(x)) {
        FloatStatus status = to_zero(x);
        bool differs = x->status.rounding_mode == TO_NEAREST && !same(operate(operation, a, b, &status), result);
        note_rounding(x, result.exponent >> 15, differs);
    }
    return result;
}

static Real times_power(Real a, int by)
{
    int shift = a.mantissa ? __builtin_clzll(a.mantissa) : 0, exponent = a.exponent & X87_SPECIAL;

    if (x87_is_zero(a) || exponent == X87_SPECIAL)
        return a;
    exponent = (exponent ? exponent : 1) - shift + by;
    if (exponent <= 0)                      /* beside a sum that overflows: it still is not nothing */
        return (Real){1, a.exponent & X87_SIGN};
    return (Real){a.mantissa << shift, (a.exponent & X87_SIGN) | exponent};
}

/* The same, `by` powers of two larger: of products and quotients half of that is each operand's. */
static Real operate_scaled(X87 *x, unsigned operation, Real a, Real b, int by)
{
    bool sums = operation == X87_ADD || operation == X87_SUBTRACT || operation == X87_SUBTRACT_FROM;
    bool over_b = operation == X87_DIVIDE, under_b = operation == X87_DIVIDE_INTO;
    int of_a = sums ? by : by / 2 * (under_b ? -1 : 1), of_b = sums ? by : by / 2 * (over_b ? -1 : 1);

    x->raised &= ~(X87_OE | X87_UE | X87_PE | X87_C1);
    Real result = round_once(x, operation, times_power(a, of_a), times_power(b, of_b));
    collect(x);
    return result;
}

enum { SCALE = 24576 };                     /* SDM 1 8.5.4, 8.5.5 */

/* Overflow and underflow that are not masked: the result is SCALE powers of two off. A tiny one need not be inexact. */
static Real settle_range(X87 *x, unsigned operation, Real a, Real b, Real result)
{
    unsigned unmasked = ~x->env->fpuc;
    unsigned exponent = result.exponent & X87_SPECIAL;
    bool exact_operands = (a.exponent & X87_SPECIAL) != X87_SPECIAL && (b.exponent & X87_SPECIAL) != X87_SPECIAL;

    if (unmasked & x->raised & X87_OE) {
        result = operate_scaled(x, operation, a, b, -SCALE);
        x->raised |= X87_OE;
    } else if (unmasked & X87_UE && exact_operands && (!exponent || x->raised & X87_UE) &&
               (x->raised & X87_PE || result.mantissa)) {
        Real large = operate_scaled(x, operation, a, b, SCALE);
        if ((large.exponent & X87_SPECIAL) > SCALE)
            return result;
        x->raised |= X87_UE;
        result = large;
    }
    return result;
}

/* `operation`: as in ModRM.reg of D8h. */
Real x87_arithmetic(X87 *x, unsigned operation, Real a, Real b)
{
    Real result;

    set_precision(x, true);
    if (x87_is_normal(a) && x87_is_normal(b) && operate_plain(x, operation, a, b, &result))
        return result;
    note_denormal(x, a);
    note_denormal(x, b);
    if (x87_takes_nan(x, a, b, &result))
        return result;
    result = round_once(x, operation, a, b);
    collect(x);
    return settle_range(x, operation, a, b, result);
}

/* C3, C2 and C0. `quiet`: FUCOM and its kin. */
unsigned x87_compare(X87 *x, Real a, Real b, bool quiet)
{
    bool unordered = x87_is_nan(a) || x87_is_nan(b), unsupported = x87_is_unsupported(a) || x87_is_unsupported(b);

    if (unordered || unsupported) {
        if (unsupported || !quiet || x87_is_signaling(a) || x87_is_signaling(b))
            x->raised |= X87_IE;
        x->raised &= ~X87_DE;
        return X87_C3 | X87_C2 | X87_C0;
    }
    note_denormal(x, a);
    note_denormal(x, b);
    int order = floatx80_compare_quiet_x86_64(a, b, &x->status);
    return order < 0 ? X87_C0 : order == 0 ? X87_C3 : 0;
}

Real x87_square_root(X87 *x, Real a)
{
    Real result;

    if (x87_takes_nan(x, a, a, &result))
        return result;
    note_denormal(x, a);
    set_precision(x, true);
    result = floatx80_sqrt_x86_64(a, &x->status);
    collect(x);
    if (is_inexact(x)) {
        FloatStatus status = to_zero(x);
        note_rounding(x, false, !same(floatx80_sqrt_x86_64(a, &status), result));
    }
    return result;
}
