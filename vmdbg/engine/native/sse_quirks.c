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
