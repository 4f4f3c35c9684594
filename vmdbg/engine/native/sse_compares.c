/* Comparisons of SSE, in place of Unicorn's helpers, and of AVX. */
#include "sse_float.h"

/* Comparisons by an immediate byte (SDM 2A, table 3-1): which of less, equal, greater and unordered make it true, and
 * whether a quiet NaN signals. Those from 16 on differ in the latter alone. */
enum { LESS = 1, EQUAL = 2, GREATER = 4, UNORDERED = 8, PREDICATES = 31, HALF_OF_THEM = 16 };
static const uint8_t true_if[HALF_OF_THEM] = {
    EQUAL, LESS, LESS | EQUAL, UNORDERED, LESS | GREATER | UNORDERED, EQUAL | GREATER | UNORDERED, GREATER | UNORDERED,
    LESS | EQUAL | GREATER, EQUAL | UNORDERED, LESS | UNORDERED, LESS | EQUAL | UNORDERED, 0, LESS | GREATER, EQUAL | GREATER,
    GREATER, LESS | EQUAL | GREATER | UNORDERED,
};
enum { SIGNALLING = 1 << 1 | 1 << 2 | 1 << 5 | 1 << 6 | 1 << 9 | 1 << 10 | 1 << 13 | 1 << 14 };

static bool signals(uint32_t predicate)
{
    return (SIGNALLING >> (predicate & 15) & 1) ^ (predicate >> 4 & 1);
}

#define COMPARE(name, bits, member, count)                                                                    \
    void name(Env *env, void *result, void *operand, uint32_t immediate)                                      \
    {                                                                                                         \
        Vector *to = result, *from = operand;                                                                 \
        uint32_t predicate = immediate & PREDICATES;                                                          \
                                                                                                              \
        for (unsigned i = 0; i < count; i++) {                                                                \
            note_denormals_##bits(&env->sse_status, to->member[i], from->member[i]);                          \
            int relation = (signals(predicate) ? float##bits##_compare_x86_64 : float##bits##_compare_quiet_x86_64)( \
                to->member[i], from->member[i], &env->sse_status);                                            \
            to->member[i] = true_if[predicate & 15] >> (relation + 1) & 1 ? -1 : 0;                           \
        }                                                                                                     \
    }
COMPARE(vex_cmpps, 32, l, 4)
COMPARE(vex_cmppd, 64, q, 2)
COMPARE(vex_cmpss, 32, l, 1)
COMPARE(vex_cmpsd, 64, q, 1)

/* SSE's have a helper for each predicate. */
#define LEGACY(name, predicate)                                                                               \
    void __wrap_helper_cmp##name##ps_x86_64(Env *env, void *to, void *from) { vex_cmpps(env, to, from, predicate); } \
    void __wrap_helper_cmp##name##pd_x86_64(Env *env, void *to, void *from) { vex_cmppd(env, to, from, predicate); } \
    void __wrap_helper_cmp##name##ss_x86_64(Env *env, void *to, void *from) { vex_cmpss(env, to, from, predicate); } \
    void __wrap_helper_cmp##name##sd_x86_64(Env *env, void *to, void *from) { vex_cmpsd(env, to, from, predicate); }
LEGACY(eq, 0)
LEGACY(lt, 1)
LEGACY(le, 2)
LEGACY(unord, 3)
LEGACY(neq, 4)
LEGACY(nlt, 5)
LEGACY(nle, 6)
LEGACY(ord, 7)

/* Those that set EFLAGS. */
#define COMPARE_FLAGS(name, bits, member)                                                                     \
    void __real_helper_##name##_x86_64(Env *env, void *first, void *second);                                  \
    void __wrap_helper_##name##_x86_64(Env *env, void *first, void *second)                                   \
    {                                                                                                         \
        note_denormals_##bits(&env->sse_status, ((Vector *)first)->member[0], ((Vector *)second)->member[0]); \
        __real_helper_##name##_x86_64(env, first, second);                                                    \
    }
COMPARE_FLAGS(comiss, 32, l)
COMPARE_FLAGS(comisd, 64, q)
COMPARE_FLAGS(ucomiss, 32, l)
COMPARE_FLAGS(ucomisd, 64, q)
