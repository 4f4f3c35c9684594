/* Sums, products and quotients of ordinary numbers, rounded to nearest, by the host.
 *
 * There IEEE 754 leaves one answer, which every host has: no operand or result is a denormal, infinity or NaN, nor near to
 * one. run.c has the host round to nearest. Whether the result is exact follows from the operands: singles are computed
 * as doubles, whose sums (of exponents that are not far apart) and products are exact, and whose quotients are not
 * exact in 24 bits where they are not in 53; of doubles what a sum lacks can be computed, and the bits of a product counted.
 *
 * Each returns false where it has no answer.
 */
#ifndef VMDBG_SSE_PLAIN_H
#define VMDBG_SSE_PLAIN_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { PLAIN_GAP = 29, BIAS_64 = 1023, EXPONENT_64_AT = 52, EXPONENT_32_AT = 23, PRODUCT_BITS = 105, KEPT_BITS = 53 };

static inline float plain_single(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t plain_bits_of_single(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline double plain_double(uint64_t bits)
{
    double value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint64_t plain_bits_of_double(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline bool plain_rounded(double exact, uint32_t *result, bool *inexact)
{
    float rounded = (float)exact;

    *inexact = rounded != exact;
    *result = plain_bits_of_single(rounded);
    return true;
}

static inline bool plain_add_32(uint32_t a, uint32_t b, uint32_t *result, bool *inexact)
{
    unsigned first = a >> EXPONENT_32_AT & 0xff, second = b >> EXPONENT_32_AT & 0xff;

    if (first - second + PLAIN_GAP > 2 * PLAIN_GAP && first && second)
        return false;
    return plain_rounded((double)plain_single(a) + (double)plain_single(b), result, inexact);
}

static inline bool plain_sub_32(uint32_t a, uint32_t b, uint32_t *result, bool *inexact)
{
    return plain_add_32(a, b ^ 1u << 31, result, inexact);
}

static inline bool plain_mul_32(uint32_t a, uint32_t b, uint32_t *result, bool *inexact)
{
    double exact = (double)plain_single(a) * (double)plain_single(b);

    plain_rounded(exact, result, inexact);
    return *result << 1 || exact == 0;
}

static inline bool plain_div_32(uint32_t a, uint32_t b, uint32_t *result, bool *inexact)
{
    double numerator = plain_single(a), denominator = plain_single(b);

    plain_rounded(numerator / denominator, result, inexact);
    *inexact = (double)plain_single(*result) * denominator != numerator;
    return *result << 1 || numerator == 0;
}

/* What a sum lacks: Knuth, The Art of Computer Programming 2, 4.2.2, theorem B. */
static inline bool plain_add_64(uint64_t a, uint64_t b, uint64_t *result, bool *inexact)
{
    double x = plain_double(a), y = plain_double(b), sum = x + y, of_y = sum - x, of_x = sum - of_y;

    *inexact = (x - of_x) + (y - of_y) != 0;
    *result = plain_bits_of_double(sum);
    return true;
}

static inline bool plain_sub_64(uint64_t a, uint64_t b, uint64_t *result, bool *inexact)
{
    return plain_add_64(a, b ^ 1ull << 63, result, inexact);
}

static inline bool plain_mul_64(uint64_t a, uint64_t b, uint64_t *result, bool *inexact)
{
    int a_exponent = a >> EXPONENT_64_AT & 0x7ff, b_exponent = b >> EXPONENT_64_AT & 0x7ff;

    *result = plain_bits_of_double(plain_double(a) * plain_double(b));
    *inexact = false;
    if (!a_exponent || !b_exponent)
        return true;
    int exponent = *result >> EXPONENT_64_AT & 0x7ff, carried = exponent - (a_exponent + b_exponent - BIAS_64);
    int zeros = __builtin_ctzll(a | 1ull << EXPONENT_64_AT) + __builtin_ctzll(b | 1ull << EXPONENT_64_AT);
    *inexact = PRODUCT_BITS + carried - zeros > KEPT_BITS;
    return *result << 1 != 0;
}

/* Division of doubles is softfloat's: the remainder has too many bits. */
static inline bool plain_div_64(uint64_t a, uint64_t b, uint64_t *result, bool *inexact)
{
    (void)a, (void)b, (void)result, (void)inexact;
    return false;
}

#endif
