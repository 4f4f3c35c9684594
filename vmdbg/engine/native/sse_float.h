/* Arithmetic of SSE and AVX on one element, which is the same with VEX and without.
 *
 * Ordinary numbers are sse_plain.h's, which has them rounded to nearest, and nothing but PE comes of them. For the rest
 * sse_settled_..() says what a CPU makes of NaNs, denormals and results that are out of range, by softfloat.
 */
#ifndef VMDBG_SSE_FLOAT_H
#define VMDBG_SSE_FLOAT_H

#include "sse_plain.h"
#include "vex.h"

typedef uint32_t Single;
typedef uint64_t Double;

enum { SSE_IE = 1, SSE_DE = 2, SSE_ZE = 4, SSE_OE = 8, SSE_UE = 0x10, SSE_PE = 0x20, SSE_MASKS_SHIFT = 7, SSE_FLUSHES = 0x8000 };
enum SseOperation { SSE_ADD, SSE_SUBTRACT, SSE_MULTIPLY, SSE_DIVIDE, SSE_MULTIPLY_ADD, SSE_CONVERT };

typedef struct {                            /* an operation on numbers of 32 or 64 bits */
    enum SseOperation operation;
    int negations;                          /* of SSE_MULTIPLY_ADD, as softfloat has them */
    Double a, b, c;
} SseWork;

/* sse_settle.c */
Single sse_settled_32(Env *env, const SseWork *work);
Double sse_settled_64(Env *env, const SseWork *work);
Single sse_settled_narrow(Env *env, const SseWork *work);
uint16_t sse_settled_half(Env *env, const SseWork *work);

#define DECLARE(operation)                                                                                    \
    Single float32_##operation##_x86_64(Single, Single, FloatStatus *);                                       \
    Double float64_##operation##_x86_64(Double, Double, FloatStatus *);
DECLARE(add)
DECLARE(sub)
DECLARE(mul)
DECLARE(div)
#undef DECLARE
Single float32_sqrt_x86_64(Single, FloatStatus *);
Double float64_sqrt_x86_64(Double, FloatStatus *);
Single float32_muladd_x86_64(Single, Single, Single, int negations, FloatStatus *);
Double float64_muladd_x86_64(Double, Double, Double, int negations, FloatStatus *);
int float32_compare_x86_64(Single, Single, FloatStatus *), float32_compare_quiet_x86_64(Single, Single, FloatStatus *);
int float64_compare_x86_64(Double, Double, FloatStatus *), float64_compare_quiet_x86_64(Double, Double, FloatStatus *);
int float32_lt_x86_64(Single, Single, FloatStatus *), float64_lt_x86_64(Double, Double, FloatStatus *);

#define SIGN_32 0x80000000u
#define QUIET_32 0x00400000u
#define INFINITY_32 0x7f800000u
#define SIGN_64 0x8000000000000000ull
#define QUIET_64 0x0008000000000000ull
#define INFINITY_64 0x7ff0000000000000ull

/* Ordinary: zero, or normal and far from what is not: so far that what a sum of doubles lacks is normal, too. */
enum { ORDINARY_FROM_32 = 2, ORDINARY_FROM_64 = 128 };
#define OF_WIDTH(bits, type)                                                                                  \
    static inline bool is_nan_##bits(type value)                                                              \
    {                                                                                                         \
        return (value & ~SIGN_##bits) > INFINITY_##bits;                                                      \
    }                                                                                                         \
                                                                                                              \
    static inline bool is_signaling_##bits(type value)                                                        \
    {                                                                                                         \
        return is_nan_##bits(value) && !(value & QUIET_##bits);                                               \
    }                                                                                                         \
                                                                                                              \
    static inline bool is_denormal_##bits(type value)                                                         \
    {                                                                                                         \
        return !(value & INFINITY_##bits) && value & ~SIGN_##bits;                                            \
    }                                                                                                         \
                                                                                                              \
    static inline bool is_ordinary_##bits(type value)                                                         \
    {                                                                                                         \
        type step = (QUIET_##bits << 1), exponent = value & INFINITY_##bits;                                  \
                                                                                                              \
        return (type)(exponent - ORDINARY_FROM_##bits * step) < INFINITY_##bits - (ORDINARY_FROM_##bits + 1) * step || !(value & ~SIGN_##bits);           \
    }                                                                                                         \
                                                                                                              \
    static inline type flushed_##bits(type value, const FloatStatus *status)                                  \
    {                                                                                                         \
        return status->flush_inputs_to_zero && !(value & INFINITY_##bits) ? value & SIGN_##bits : value;      \
    }                                                                                                         \
                                                                                                              \
    /* Of operands that are compared or converted: a NaN comes first (SDM 1 4.9.2). */                        \
    static inline void note_denormals_##bits(FloatStatus *status, type first, type second)                    \
    {                                                                                                         \
        bool either = is_denormal_##bits(first) || is_denormal_##bits(second);                                \
                                                                                                              \
        if (__builtin_expect(either, false) && !status->flush_inputs_to_zero && !is_nan_##bits(first) &&      \
            !is_nan_##bits(second))                                                                           \
            status->exception_flags |= SSE_DE;                                                                \
    }                                                                                                         \
                                                                                                              \
    static inline type min_##bits(Env *env, type first, type second)                                          \
    {                                                                                                         \
        FloatStatus *status = &env->sse_status;                                                               \
                                                                                                              \
        note_denormals_##bits(status, first, second);                                                         \
        return flushed_##bits(float##bits##_lt_x86_64(first, second, status) ? first : second, status);       \
    }                                                                                                         \
                                                                                                              \
    static inline type max_##bits(Env *env, type first, type second)                                          \
    {                                                                                                         \
        FloatStatus *status = &env->sse_status;                                                               \
                                                                                                              \
        note_denormals_##bits(status, first, second);                                                         \
        return flushed_##bits(float##bits##_lt_x86_64(second, first, status) ? first : second, status);       \
    }                                                                                                         \
                                                                                                              \
    static inline type sqrt_##bits(Env *env, type unused, type value)                                         \
    {                                                                                                         \
        FloatStatus *status = &env->sse_status;                                                               \
        type result;                                                                                          \
        bool inexact;                                                                                         \
                                                                                                              \
        (void)unused;                                                                                         \
        if (is_ordinary_##bits(value) && !(value & SIGN_##bits) && !status->rounding_mode) {                  \
            plain_sqrt_##bits(value, &result, &inexact);                                                      \
            status->exception_flags |= inexact ? SSE_PE : 0;                                                  \
            return result;                                                                                    \
        }                                                                                                     \
        if (!(value & SIGN_##bits))             /* else it is invalid */                                      \
            note_denormals_##bits(status, value, value);                                                      \
        return float##bits##_sqrt_x86_64(value, status);                                                      \
    }
OF_WIDTH(32, Single)
OF_WIDTH(64, Double)
#undef OF_WIDTH

#define OPERATION(name, constant, bits, type)                                                                 \
    static inline type name##_##bits(Env *env, type a, type b)                                                \
    {                                                                                                         \
        FloatStatus *status = &env->sse_status;                                                               \
        bool plain = is_ordinary_##bits(a) && is_ordinary_##bits(b) && !status->rounding_mode && !(env->hflags & HF_UNMASKED); \
        bool inexact;                                                                                         \
        type result;                                                                                          \
                                                                                                              \
        if (__builtin_expect(plain && plain_##name##_##bits(a, b, &result, &inexact) && is_ordinary_##bits(result), true)) { \
            status->exception_flags |= inexact ? SSE_PE : 0;                                                  \
            return result;                                                                                    \
        }                                                                                                     \
        return sse_settled_##bits(env, &(SseWork){constant, 0, a, b, 0});                                     \
    }
#define OPERATIONS(name, constant) OPERATION(name, constant, 32, Single) OPERATION(name, constant, 64, Double)
OPERATIONS(add, SSE_ADD)
OPERATIONS(sub, SSE_SUBTRACT)
OPERATIONS(mul, SSE_MULTIPLY)
OPERATIONS(div, SSE_DIVIDE)
#undef OPERATION
#undef OPERATIONS

#endif
