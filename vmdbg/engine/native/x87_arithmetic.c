/* Arithmetic of the x87 in 80 bits: softfloat's, with what it leaves out: DE, C1, unsupported formats (SDM 1 8.5). */
#include "x87.h"

enum { PRECISION = 0x300, SINGLE = 0, DOUBLE = 0x200, ROUNDING_SHIFT = 10, TO_NEAREST = 0, DOWN = 1, UP = 2, TO_ZERO = 3 };

Real floatx80_add_x86_64(Real a, Real b, FloatStatus *status);
Real floatx80_sub_x86_64(Real a, Real b, FloatStatus *status);
Real floatx80_mul_x86_64(Real a, Real b, FloatStatus *status);
Real floatx80_div_x86_64(Real a, Real b, FloatStatus *status);
Real floatx80_sqrt_x86_64(Real a, FloatStatus *status);
Real floatx80_round_to_int_x86_64(Real a, FloatStatus *status);
int floatx80_compare_x86_64(Real a, Real b, FloatStatus *status);
int floatx80_compare_quiet_x86_64(Real a, Real b, FloatStatus *status);
Real float32_to_floatx80_x86_64(uint32_t a, FloatStatus *status);
Real float64_to_floatx80_x86_64(uint64_t a, FloatStatus *status);
uint32_t floatx80_to_float32_x86_64(Real a, FloatStatus *status);
uint64_t floatx80_to_float64_x86_64(Real a, FloatStatus *status);
int64_t floatx80_to_int64_x86_64(Real a, FloatStatus *status);

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

static void note_denormal(X87 *x, Real a)
{
    if (x87_is_denormal(a))
        x->raised |= X87_DE;
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

/* After softfloat's work. */
static void collect(X87 *x)
{
    x->raised |= x->status.exception_flags & (X87_EXCEPTIONS & ~X87_DE);
    if (x->raised & (X87_IE | X87_ZE))
        x->raised &= ~X87_DE;
}

/* An inexact result was rounded: away from zero, by comparison with the one rounded to zero? */
static void note_rounding(X87 *x, bool negative, bool differs)
{
    int mode = x->status.rounding_mode;

    if (mode == TO_NEAREST ? differs : mode == (negative ? DOWN : UP))
        x->raised |= X87_C1;
}

static bool same(Real a, Real b)
{
    return a.mantissa == b.mantissa && a.exponent == b.exponent;
}

static FloatStatus to_zero(const X87 *x)
{
    FloatStatus status = x->status;

    status.rounding_mode = TO_ZERO;
    return status;
}

static bool is_inexact(const X87 *x)
{
    return x->status.exception_flags & X87_PE;
}

/* Softfloat keeps a signaling NaN as it is, between formats. */
static Real quiet(X87 *x, Real a)
{
    if (x87_is_signaling(a)) {
        x->raised |= X87_IE;
        a.mantissa |= X87_ONE_BIT >> 1;
    }
    return a;
}

enum { BITS_SINGLE = 24, BITS_DOUBLE = 53, BITS_REAL = 64 };

/* A number of 128 bits, the first of which is set, rounded to `bits`. False if its exponent is out of range: what is plain
 * is done here, as softfloat would have to do it twice for C1; the rest is softfloat's. */
static inline bool round_plain(X87 *x, uint16_t sign, int exponent, unsigned __int128 value, unsigned bits, Real *result)
{
    uint64_t high = value >> 64, low = value;
    unsigned drop = BITS_REAL - bits;
    uint64_t kept = drop ? high >> drop << drop : high;
    bool half = drop ? high >> (drop - 1) & 1 : low >> 63, below = drop ? high << (bits + 1) || low : low << 1;
    bool up = false;

    switch (x->status.rounding_mode) {
    case TO_NEAREST: up = half && (below || kept >> drop & 1); break;
    case DOWN: up = (half || below) && sign; break;
    case UP: up = (half || below) && !sign; break;
    default: break;
    }
    if (up) {
        kept += 1ull << drop;
        if (!kept) {
            kept = X87_ONE_BIT;
            exponent++;
        }
    }
    if (exponent <= 0 || exponent >= X87_SPECIAL)
        return false;
    x->raised |= (half || below ? X87_PE : 0) | (up ? X87_C1 : 0);
    *result = (Real){kept, sign | (uint16_t)exponent};
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

Real x87_from_single(X87 *x, uint32_t bits)
{
    unsigned exponent = bits >> 23 & 0xff;

    if (exponent && exponent != 0xff)
        return (Real){X87_ONE_BIT | (uint64_t)(bits & 0x7fffff) << 40, (bits >> 31) << 15 | (exponent + X87_BIAS - 127)};
    if (!(bits & 0x7f800000) && bits & 0x7fffff)
        x->raised |= X87_DE;
    Real a = float32_to_floatx80_x86_64(bits, &x->status);
    collect(x);
    return quiet(x, a);
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
    return quiet(x, a);
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
    a = quiet(x, a);
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
    a = quiet(x, a);
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
