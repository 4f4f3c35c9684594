/* MXCSR's exception flags and flush-to-zero (SDM 1 10.2.3), which Unicorn leaves out: libraries compute with them.
 *
 * The flags gather in softfloat's status, and are asked for there when the guest, or a snapshot, reads MXCSR. STMXCSR
 * is translated to a plain load: a call of SVM's STGI, an instruction that no model has, is put before it. DE has a bit
 * there that softfloat does not use. Flush-to-zero is sse_settle.c's, not softfloat's, which decides on it before it rounds.
 */
#include "vm.h"

#define HERE ((uintptr_t)__builtin_return_address(0))
#define HELPER __attribute__((noinline))

enum { FLAGS = 0x3f, INEXACT = 0x20, MASKS = 0x1f80, SUPPRESSED = 8 };
#define MXCSR_RESERVED 0xffff0000u

/* After operations: MXCSR gets what happened in them. */
void sse_status_collect(Env *env)
{
    env->mxcsr |= env->sse_status.exception_flags & FLAGS;
}

static void set_status(Env *env, uint32_t mxcsr)
{
    bool unmasked = (mxcsr & MASKS) != MASKS;

    env->sse_status.exception_flags = mxcsr & FLAGS;
    env->sse_status.flush_to_zero = 0;
    env->hflags = (env->hflags & ~HF_UNMASKED) | (unmasked ? HF_UNMASKED : 0);
}

/* After a write to MXCSR. */
void sse_status_load(Env *env)
{
    set_status(env, env->mxcsr);
}

void __real_helper_ldmxcsr_x86_64(Env *env, uint32_t value);

HELPER void __wrap_helper_ldmxcsr_x86_64(Env *env, uint32_t value)
{
    if (value & MXCSR_RESERVED)
        raise_exception_err_ra_x86_64(env, 13, 0, HERE);
    __real_helper_ldmxcsr_x86_64(env, value);
    sse_status_load(env);
}

void __wrap_helper_stgi_x86_64(Env *env)
{
    (void)env;                              /* of the CPU that the translation was made for; all share it */
    sse_status_collect(vm_current->cpu->env);
}

/* What translated code does before it stores MXCSR. */
void sse_status_translate_stmxcsr(void *tcg, Env *env)
{
    void *argument = tcg_constant_argument(tcg, (uintptr_t)env);

    tcg_gen_callN_x86_64(tcg, __wrap_helper_stgi_x86_64, NULL, 1, &argument);
}

#define ROUND(name)                                                                                                   \
    void __real_helper_##name##_xmm_x86_64(Env *env, void *result, void *operand, uint32_t mode);                     \
    void __wrap_helper_##name##_xmm_x86_64(Env *env, void *result, void *operand, uint32_t mode)                      \
    {                                                                                                                 \
        uint8_t before = env->sse_status.exception_flags | (mode & SUPPRESSED ? ~INEXACT : 0xff);                     \
                                                                                                                      \
        __real_helper_##name##_xmm_x86_64(env, result, operand, mode);                                                \
        env->sse_status.exception_flags &= before;                                                                    \
    }

/* ROUNDPS and the like: bit 3 of the immediate byte suppresses the precision exception. */
ROUND(roundps)
ROUND(roundpd)
ROUND(roundss)
ROUND(roundsd)
