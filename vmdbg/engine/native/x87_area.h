/* The 512 bytes of FXSAVE, which XSAVE's area begins with (SDM 1 10.5.1, 13.5). */
#ifndef VMDBG_X87_AREA_H
#define VMDBG_X87_AREA_H

#include "x87_stack.h"

enum { MXCSR_AT = 24, XMM_AT = 160, MXCSR_MASK = 0xffff };

typedef struct {                            /* SDM 1 table 10-2 */
    uint16_t fcw, fsw;
    uint8_t valid, reserved;
    uint16_t fop;
    uint64_t fip, fdp;                      /* 64 bits by REX.W, else 32 and a selector */
    uint32_t mxcsr, mxcsr_mask;
    struct { uint64_t mantissa; uint16_t exponent, pad[3]; } st[8];
} X87Area;
_Static_assert(sizeof(X87Area) == XMM_AT, "layout");

void x87_get_area(const Env *env, X87Area *area, bool wide);
void x87_set_area(Env *env, const X87Area *area, bool wide);

static inline unsigned vectors(const Env *env)
{
    return env->hflags & HF_CS64 ? 16 : 8;
}

static inline void save_vectors(const Vex *x, uint64_t linear, unsigned first)
{
    for (unsigned i = 0; i < vectors(x->env); i++)
        vex_store_at(x, linear + LANE * i, x->env->xmm_regs[first + i], LANE);
}

/* Zeros without an area. */
static inline void load_vectors(Env *env, const uint8_t *area, unsigned first)
{
    for (unsigned i = 0; i < vectors(env); i++) {
        if (area)
            memcpy(env->xmm_regs[first + i], area + LANE * i, LANE);
        else
            memset(env->xmm_regs[first + i], 0, LANE);
    }
}

#endif
