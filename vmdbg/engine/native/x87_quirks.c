/* The x87 where Unicorn's is not a CPU's. */
#include "vm.h"

#define HERE ((uintptr_t)__builtin_return_address(0))
#define HELPER __attribute__((noinline))

enum { OF_SF_AF = 0x890, FCW_BITS = 0x1f3f, FCW_ONES = 0x40 };

/* FCOMI, FUCOMI and those that pop: OF, SF and AF are cleared (SDM 2A, FCOMI). */
#define COMPARE(name)                                                                                                 \
    void __real_helper_##name##_x86_64(Env *env);                                                                     \
    void __wrap_helper_##name##_x86_64(Env *env)                                                                      \
    {                                                                                                                 \
        __real_helper_##name##_x86_64(env);                                                                           \
        env->cc_src &= ~(uint64_t)OF_SF_AF;                                                                           \
    }

COMPARE(fcomi_ST0_FT0)
COMPARE(fucomi_ST0_FT0)

/* The control word has bits that are always clear, and one that is always set (SDM 1 8.1.5). */
void __real_helper_fldcw_x86_64(Env *env, uint32_t value);

void __wrap_helper_fldcw_x86_64(Env *env, uint32_t value)
{
    __real_helper_fldcw_x86_64(env, (value & FCW_BITS) | FCW_ONES);
}

/* What is stored to ST(i) makes it valid. */
void __real_helper_fmov_STN_ST0_x86_64(Env *env, int index);

void __wrap_helper_fmov_STN_ST0_x86_64(Env *env, int index)
{
    __real_helper_fmov_STN_ST0_x86_64(env, index);
    env->fptags[(env->fpstt + (unsigned)index) & 7] = 0;
}
