/* Sums, products, quotients and roots of ordinary numbers, rounded to nearest, by the host.
 *
 * There IEEE 754 leaves one answer, which every host has: no operand or result is a denormal, infinity or NaN, nor near to
 * one. run.c has the host round to nearest. Whether the result is exact follows from the operands: singles are computed
 * as doubles, whose sums (of exponents that are not far apart) and products are exact, and whose quotients and
 * roots are rounded as if they were; of doubles what a sum lacks can be computed, and the bits of products counted.
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

static inline bool plain_narrow(uint64_t a, uint32_t *result, bool *inexact)
{
    plain_rounded(plain_double(a), result, inexact);
    return *result << 1 || !(a << 1);
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

static inline uint64_t plain_significand(uint64_t bits)
{
    return (bits & ((1ull << EXPONENT_64_AT) - 1)) | 1ull << EXPONENT_64_AT;
}

/* A quotient is exact where it is the numerator when multiplied with the denominator. */
static inline bool plain_div_64(uint64_t a, uint64_t b, uint64_t *result, bool *inexact)
{
    uint64_t quotient = plain_bits_of_double(plain_double(a) / plain_double(b));
    int exponent = a >> EXPONENT_64_AT & 0x7ff, quotients = quotient >> EXPONENT_64_AT & 0x7ff, divisors = b >> EXPONENT_64_AT & 0x7ff;
    int shift = exponent - quotients - divisors + BIAS_64 + EXPONENT_64_AT;

    *result = quotient;
    *inexact = false;
    if (!exponent)
        return true;
    unsigned __int128 product = (unsigned __int128)plain_significand(quotient) * plain_significand(b);
    *inexact = shift < 0 || shift > 63 || product != (unsigned __int128)plain_significand(a) << shift;
    return quotient << 1 != 0;
}

static inline bool plain_sqrt_32(uint32_t a, uint32_t *result, bool *inexact)
{
    double square = plain_single(a), root;

    plain_rounded(__builtin_sqrt(square), result, inexact);
    root = plain_single(*result);
    *inexact = root * root != square;
    return true;
}

static inline bool plain_sqrt_64(uint64_t a, uint64_t *result, bool *inexact)
{
    uint64_t root = plain_bits_of_double(__builtin_sqrt(plain_double(a)));
    int exponent = a >> EXPONENT_64_AT & 0x7ff, shift = exponent - 2 * (int)(root >> EXPONENT_64_AT) + BIAS_64 + EXPONENT_64_AT;

    *result = root;
    *inexact = false;
    if (!exponent)
        return true;
    unsigned __int128 square = (unsigned __int128)plain_significand(root) * plain_significand(root);
    *inexact = shift < 0 || shift > 63 || square != (unsigned __int128)plain_significand(a) << shift;
    return true;
}

/* A sum of doubles that is not exact is made odd, in place of what it lacks: then it is rounded to a single as the exact sum
 * is (Boldo and Melquiond, Emulation of FMA and correctly rounded sums, 2008). */
static inline bool plain_muladd_32(uint32_t a, uint32_t b, uint32_t c, uint32_t *result, bool *inexact)
{
    uint64_t product = plain_bits_of_double((double)plain_single(a) * (double)plain_single(b)), sum;
    bool lacks;

    plain_add_64(product, plain_bits_of_double(plain_single(c)), &sum, &lacks);
    if (lacks && !(sum & 1)) {
        double x = plain_double(product), y = plain_single(c), of_y = plain_double(sum) - x, of_x = plain_double(sum) - of_y;
        bool grows = ((x - of_x) + (y - of_y) > 0) != (sum >> 63);
        sum += grows ? 1 : -1;
    }
    plain_rounded(plain_double(sum), result, inexact);
    *inexact |= lacks;
    return *result << 1 || !(sum << 1);
}

#endif
