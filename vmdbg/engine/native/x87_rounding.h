/* What is rounded: by us where it is plain, else by softfloat, and what that says of exceptions and C1. */
#ifndef VMDBG_X87_ROUNDING_H
#define VMDBG_X87_ROUNDING_H

#include "x87.h"

enum { TO_NEAREST = 0, DOWN = 1, UP = 2, TO_ZERO = 3 };

static inline void note_denormal(X87 *x, Real a)
{
    if (x87_is_denormal(a))
        x->raised |= X87_DE;
}

/* After softfloat's work. */
static inline void collect(X87 *x)
{
    x->raised |= x->status.exception_flags & (X87_EXCEPTIONS & ~X87_DE);
    if (x->raised & (X87_IE | X87_ZE))
        x->raised &= ~X87_DE;
}

/* An inexact result was rounded: away from zero, by comparison with the one rounded to zero? */
static inline void note_rounding(X87 *x, bool negative, bool differs)
{
    int mode = x->status.rounding_mode;

    if (mode == TO_NEAREST ? differs : mode == (negative ? DOWN : UP))
        x->raised |= X87_C1;
}

static inline bool same(Real a, Real b)
{
    return a.mantissa == b.mantissa && a.exponent == b.exponent;
}

static inline FloatStatus to_zero(const X87 *x)
{
    FloatStatus status = x->status;

    status.rounding_mode = TO_ZERO;
    return status;
}

static inline bool is_inexact(const X87 *x)
{
    return x->status.exception_flags & X87_PE;
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

#endif
