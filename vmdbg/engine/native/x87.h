/* The x87's numbers: arithmetic, formats and functions, with what they raise. Instructions are x87.c's and x87_stack.h's. */
#ifndef VMDBG_X87_H
#define VMDBG_X87_H

#include "vm.h"

enum {                                      /* of the status word (SDM 1 8.1.3) */
    X87_IE = 1, X87_DE = 2, X87_ZE = 4, X87_OE = 8, X87_UE = 0x10, X87_PE = 0x20, X87_SF = 0x40, X87_ES = 0x80,
    X87_C0 = 0x100, X87_C1 = 0x200, X87_C2 = 0x400, X87_C3 = 0x4000, X87_B = 0x8000,
    X87_EXCEPTIONS = 0x3f, X87_BEFORE = X87_IE | X87_DE | X87_ZE, X87_CODES = X87_C0 | X87_C1 | X87_C2 | X87_C3,
};
enum { X87_SIGN = 0x8000, X87_BIAS = 0x3fff, X87_SPECIAL = 0x7fff };    /* of the exponent: infinities and NaNs */
#define X87_ONE_BIT (1ull << 63)                                        /* the integer bit */

typedef struct {                            /* softfloat's floatx80 */
    uint64_t mantissa;
    uint16_t exponent;
} Real;

typedef struct {                            /* one instruction's work, before any of it is seen */
    Env *env;
    FloatStatus status;
    unsigned raised;                        /* exceptions, SF and C1 */
} X87;

/* False if an exception that comes before the operation is not masked: nothing is stored and nothing popped. */
static inline bool x87_goes_on(const X87 *x)
{
    return !(x->raised & X87_BEFORE & ~x->env->fpuc);
}

static inline bool x87_is_nan(Real a)
{
    return (a.exponent & X87_SPECIAL) == X87_SPECIAL && a.mantissa << 1 && a.mantissa & X87_ONE_BIT;
}

static inline bool x87_is_signaling(Real a)
{
    return x87_is_nan(a) && !(a.mantissa & X87_ONE_BIT >> 1);
}

static inline bool x87_is_zero(Real a)
{
    return !(a.exponent & X87_SPECIAL) && !a.mantissa;
}

static inline bool x87_is_infinity(Real a)
{
    return (a.exponent & X87_SPECIAL) == X87_SPECIAL && a.mantissa == X87_ONE_BIT;
}

/* Pseudo-NaNs, pseudo-infinities and unnormals (SDM 1 8.2.2). */
static inline bool x87_is_unsupported(Real a)
{
    return a.exponent & X87_SPECIAL && !(a.mantissa & X87_ONE_BIT);
}

static inline bool x87_is_denormal(Real a)
{
    return !(a.exponent & X87_SPECIAL) && a.mantissa;
}

static inline Real x87_indefinite(void)
{
    return (Real){X87_ONE_BIT | X87_ONE_BIT >> 1, 0xffff};
}

/* Neither zero, denormal, infinity, NaN nor unsupported. */
static inline bool x87_is_normal(Real a)
{
    return (((a.exponent & X87_SPECIAL) + 1) & X87_SPECIAL) > 1 && a.mantissa & X87_ONE_BIT;
}

/* x87_arithmetic.c */
void x87_begin(X87 *x, Env *env);
Real x87_arithmetic(X87 *x, unsigned operation, Real a, Real b);
unsigned x87_compare(X87 *x, Real a, Real b, bool quiet);
Real x87_square_root(X87 *x, Real a);
Real x87_invalid(X87 *x);
bool x87_takes_nan(X87 *x, Real a, Real b, Real *result);
enum { X87_ADD, X87_MULTIPLY, X87_SUBTRACT = 4, X87_SUBTRACT_FROM, X87_DIVIDE, X87_DIVIDE_INTO };

/* x87_formats.c */
Real x87_from_single(X87 *x, uint32_t bits);
Real x87_from_double(X87 *x, uint64_t bits);
Real x87_from_integer(int64_t value);
uint32_t x87_to_single(X87 *x, Real a);
uint64_t x87_to_double(X87 *x, Real a);
int64_t x87_to_integer(X87 *x, Real a, unsigned bits, bool truncates);
Real x87_round(X87 *x, Real a);
Real x87_quiet(X87 *x, Real a);

/* x87_functions.c */
Real x87_remainder(X87 *x, Real a, Real b, bool nearest, unsigned *codes);
Real x87_scale(X87 *x, Real a, Real b);
Real x87_extract(X87 *x, Real a, Real *exponent);
Real x87_two_to_x_minus_1(X87 *x, Real a);
Real x87_y_log2(X87 *x, Real a, Real y, bool plus_1);
Real x87_arctangent(X87 *x, Real a, Real y);
typedef enum { X87_SINE, X87_COSINE, X87_TANGENT } Trigonometric;
Real x87_trigonometric(X87 *x, Trigonometric function, Real a);

#endif
