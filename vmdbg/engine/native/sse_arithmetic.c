/* Sums, products, quotients, roots, minima and maxima of SSE, in place of Unicorn's helpers, and of AVX. */
#include "sse_float.h"

#define COMBINE(name, bits, member, count, operation)                                                         \
    void __wrap_helper_##name##_x86_64(Env *env, void *result, void *operand)                                 \
    {                                                                                                         \
        Vector *to = result, *from = operand;                                                                 \
                                                                                                              \
        for (unsigned i = 0; i < count; i++)                                                                  \
            to->member[i] = operation##_##bits(env, to->member[i], from->member[i]);                          \
    }
#define ALL_FOUR(operation)                                                                                   \
    COMBINE(operation##ps, 32, l, 4, operation)                                                               \
    COMBINE(operation##pd, 64, q, 2, operation)                                                               \
    COMBINE(operation##ss, 32, l, 1, operation)                                                               \
    COMBINE(operation##sd, 64, q, 1, operation)
ALL_FOUR(add)
ALL_FOUR(sub)
ALL_FOUR(mul)
ALL_FOUR(div)
ALL_FOUR(min)
ALL_FOUR(max)
ALL_FOUR(sqrt)

#define HORIZONTAL(name, operation)                                                                           \
    void __wrap_helper_##name##ps_x86_64(Env *env, void *result, void *operand)                               \
    {                                                                                                         \
        Vector *to = result, *from = operand, sums;                                                           \
                                                                                                              \
        for (unsigned i = 0; i < 2; i++) {                                                                    \
            sums.l[i] = operation##_32(env, to->l[2 * i], to->l[2 * i + 1]);                                  \
            sums.l[2 + i] = operation##_32(env, from->l[2 * i], from->l[2 * i + 1]);                          \
        }                                                                                                     \
        memcpy(to, &sums, LANE);                                                                              \
    }                                                                                                         \
                                                                                                              \
    void __wrap_helper_##name##pd_x86_64(Env *env, void *result, void *operand)                               \
    {                                                                                                         \
        Vector *to = result, *from = operand;                                                                 \
        Double low = operation##_64(env, to->q[0], to->q[1]);                                                 \
                                                                                                              \
        to->q[1] = operation##_64(env, from->q[0], from->q[1]);                                               \
        to->q[0] = low;                                                                                       \
    }
HORIZONTAL(hadd, add)
HORIZONTAL(hsub, sub)

void __wrap_helper_addsubps_x86_64(Env *env, void *result, void *operand)
{
    Vector *to = result, *from = operand;

    for (unsigned i = 0; i < 4; i++)
        to->l[i] = i & 1 ? add_32(env, to->l[i], from->l[i]) : sub_32(env, to->l[i], from->l[i]);
}

void __wrap_helper_addsubpd_x86_64(Env *env, void *result, void *operand)
{
    Vector *to = result, *from = operand;

    to->q[0] = sub_64(env, to->q[0], from->q[0]);
    to->q[1] = add_64(env, to->q[1], from->q[1]);
}

/* The sum of two sums (SDM 2A, DPPS), not of one after the other: it is rounded differently. All lanes come to their sums
 * together. */
static void dot_products(Env *env, Vector *const to[], Vector *const from[], unsigned lanes, uint32_t mask)
{
    Single product[MOST_LANES][4], low[MOST_LANES], high[MOST_LANES];

    for (unsigned lane = 0; lane < lanes; lane++)
        for (unsigned i = 0; i < 4; i++)
            product[lane][i] = mask >> (4 + i) & 1 ? mul_32(env, to[lane]->l[i], from[lane]->l[i]) : 0;
    if (sse_stage_ends(env))
        return;
    for (unsigned lane = 0; lane < lanes; lane++) {
        low[lane] = add_32(env, product[lane][0], product[lane][1]);
        high[lane] = add_32(env, product[lane][2], product[lane][3]);
    }
    if (sse_stage_ends(env))
        return;
    for (unsigned lane = 0; lane < lanes; lane++) {
        Single sum = add_32(env, low[lane], high[lane]);
        for (unsigned i = 0; i < 4; i++)
            to[lane]->l[i] = mask >> i & 1 ? sum : 0;
    }
}

void __wrap_helper_dpps_xmm_x86_64(Env *env, void *result, void *operand, uint32_t mask)
{
    dot_products(env, (Vector *[]){result}, (Vector *[]){operand}, 1, mask);
}

void vex_dot_products(const Vex *x)
{
    Vector operand[MOST_LANES], result[MOST_LANES];

    vex_operand(x, operand);
    for (unsigned i = 0; i < x->lanes; i++)
        vex_get(x, x->code.vvvv, i, &result[i]);
    dot_products(x->env, (Vector *[]){&result[0], &result[1]}, (Vector *[]){&operand[0], &operand[1]}, x->lanes, x->code.immediate);
    vex_result(x, result);
}

void __wrap_helper_dppd_xmm_x86_64(Env *env, void *result, void *operand, uint32_t mask)
{
    Vector *to = result, *from = operand;
    Double low = mask & 0x10 ? mul_64(env, to->q[0], from->q[0]) : 0, high = mask & 0x20 ? mul_64(env, to->q[1], from->q[1]) : 0;

    if (sse_stage_ends(env))
        return;
    Double sum = add_64(env, low, high);
    to->q[0] = mask & 1 ? sum : 0;
    to->q[1] = mask & 2 ? sum : 0;
}
