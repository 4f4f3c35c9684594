/* SSE where Unicorn's is not a CPU's. */
#include <string.h>

#include "vm.h"

/* Approximations raise no exception (SDM 2B, RCPPS). */
#define APPROXIMATE(name)                                                                                             \
    void __real_helper_##name##_x86_64(Env *env, void *result, void *operand);                                        \
    void __wrap_helper_##name##_x86_64(Env *env, void *result, void *operand)                                         \
    {                                                                                                                 \
        uint8_t before = env->sse_status.exception_flags;                                                             \
                                                                                                                      \
        __real_helper_##name##_x86_64(env, result, operand);                                                          \
        env->sse_status.exception_flags = before;                                                                     \
    }

APPROXIMATE(rcpps)
APPROXIMATE(rcpss)
APPROXIMATE(rsqrtps)
APPROXIMATE(rsqrtss)

/* Sums of neighbours, which Unicorn stores into an operand that it has yet to read where both are one. */
#define HORIZONTAL(name, width, size)                                                                                 \
    void __real_helper_##name##_##width##_x86_64(Env *env, void *result, void *operand);                              \
    void __wrap_helper_##name##_##width##_x86_64(Env *env, void *result, void *operand)                               \
    {                                                                                                                 \
        uint64_t copy[size / 8];                                                                                      \
                                                                                                                      \
        memcpy(copy, operand, sizeof copy);                                                                           \
        __real_helper_##name##_##width##_x86_64(env, result, copy);                                                   \
    }

#define BOTH(name) HORIZONTAL(name, mmx, 8) HORIZONTAL(name, xmm, 16)
BOTH(phaddw)
BOTH(phaddd)
BOTH(phaddsw)
BOTH(phsubw)
BOTH(phsubd)
BOTH(phsubsw)

enum { SINGLE_EXPONENT = 0x7f800000 };
#define DOUBLE_EXPONENT 0x7ff0000000000000ull

/* DAZ: a denormal operand is a zero, and so is the result that it would be. */
static void flush_singles(const Env *env, uint32_t *result, int count)
{
    for (int i = 0; i < count && env->sse_status.flush_inputs_to_zero; i++)
        if (!(result[i] & SINGLE_EXPONENT))
            result[i] &= 1u << 31;
}

static void flush_doubles(const Env *env, uint64_t *result, int count)
{
    for (int i = 0; i < count && env->sse_status.flush_inputs_to_zero; i++)
        if (!(result[i] & DOUBLE_EXPONENT))
            result[i] &= 1ull << 63;
}

#define CHOOSE(name, flush, count)                                                                                    \
    void __real_helper_##name##_x86_64(Env *env, void *result, void *operand);                                        \
    void __wrap_helper_##name##_x86_64(Env *env, void *result, void *operand)                                         \
    {                                                                                                                 \
        __real_helper_##name##_x86_64(env, result, operand);                                                          \
        flush(env, result, count);                                                                                    \
    }

CHOOSE(minps, flush_singles, 4)
CHOOSE(maxps, flush_singles, 4)
CHOOSE(minss, flush_singles, 1)
CHOOSE(maxss, flush_singles, 1)
CHOOSE(minpd, flush_doubles, 2)
CHOOSE(maxpd, flush_doubles, 2)
CHOOSE(minsd, flush_doubles, 1)
CHOOSE(maxsd, flush_doubles, 1)

uint32_t float32_mul_x86_64(uint32_t, uint32_t, FloatStatus *);
uint32_t float32_add_x86_64(uint32_t, uint32_t, FloatStatus *);

/* The sum of two sums (SDM 2A, DPPS), not of one after the other: it is rounded differently. */
void __wrap_helper_dpps_xmm_x86_64(Env *env, uint32_t *result, const uint32_t *operand, uint32_t mask)
{
    FloatStatus *status = &env->sse_status;
    uint32_t product[4];

    for (int i = 0; i < 4; i++)
        product[i] = mask >> (4 + i) & 1 ? float32_mul_x86_64(result[i], operand[i], status) : 0;
    uint32_t low = float32_add_x86_64(product[0], product[1], status);
    uint32_t sum = float32_add_x86_64(low, float32_add_x86_64(product[2], product[3], status), status);
    for (int i = 0; i < 4; i++)
        result[i] = mask >> i & 1 ? sum : 0;
}

uint64_t float64_mul_x86_64(uint64_t, uint64_t, FloatStatus *);
uint64_t float64_add_x86_64(uint64_t, uint64_t, FloatStatus *);

void __wrap_helper_dppd_xmm_x86_64(Env *env, uint64_t *result, const uint64_t *operand, uint32_t mask)
{
    FloatStatus *status = &env->sse_status;
    uint64_t low = mask & 0x10 ? float64_mul_x86_64(result[0], operand[0], status) : 0;
    uint64_t high = mask & 0x20 ? float64_mul_x86_64(result[1], operand[1], status) : 0;
    uint64_t sum = float64_add_x86_64(low, high, status);

    result[0] = mask & 1 ? sum : 0;
    result[1] = mask & 2 ? sum : 0;
}
