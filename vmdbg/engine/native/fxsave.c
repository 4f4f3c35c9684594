/* FXSAVE and FXRSTOR (SDM 2A), in place of Unicorn's, which lose where the x87 last was. As Intel's CPUs do they keep that
 * whether an exception is pending or not. A prelude says whether REX.W makes its offsets 64 bits wide.
 */
#include "x87_area.h"

#define HERE ((uintptr_t)__builtin_return_address(0))
#define HELPER __attribute__((noinline))

enum { TOP = 0x3800, OPCODE_BITS = 0x7ff, AREA_SIZE = 512, VECTOR_SIZE = 16, SELECTOR_SHIFT = 32 };

static uint64_t pointer(uint64_t offset, uint16_t selector, bool wide)
{
    return wide ? offset : (uint32_t)offset | (uint64_t)selector << SELECTOR_SHIFT;
}

void x87_get_area(const Env *env, X87Area *area, bool wide)
{
    memset(area, 0, sizeof *area);
    area->fcw = env->fpuc;
    area->fsw = (env->fpus & ~TOP) | (env->fpstt & 7) << 11;
    area->fop = env->fpop;
    area->fip = pointer(env->fpip, env->fpcs, wide);
    area->fdp = pointer(env->fpdp, env->fpds, wide);
    for (unsigned i = 0; i < 8; i++) {
        const Float80 *st = &env->fpregs[(env->fpstt + i) & 7];
        area->valid |= (env->fptags[i] ? 0 : 1) << i;
        area->st[i].mantissa = st->mantissa;
        area->st[i].exponent = st->exponent;
    }
}

/* Where offsets are wide there are no selectors, and they become 0. */
static void set_pointers(Env *env, const X87Area *area, bool wide)
{
    env->fpop = area->fop & OPCODE_BITS;
    env->fpip = wide ? area->fip : (uint32_t)area->fip;
    env->fpdp = wide ? area->fdp : (uint32_t)area->fdp;
    env->fpcs = wide ? 0 : area->fip >> SELECTOR_SHIFT;
    env->fpds = wide ? 0 : area->fdp >> SELECTOR_SHIFT;
}

void x87_set_area(Env *env, const X87Area *area, bool wide)
{
    env->fpuc = area->fcw;
    env->fpus = area->fsw & ~TOP;
    env->fpstt = area->fsw >> 11 & 7;
    set_pointers(env, area, wide);
    for (unsigned i = 0; i < 8; i++) {
        Float80 *st = &env->fpregs[(env->fpstt + i) & 7];
        env->fptags[i] = !(area->valid >> i & 1);
        st->mantissa = area->st[i].mantissa;
        st->exponent = area->st[i].exponent;
    }
    update_fp_status_x86_64(env);
    settle_summary(env);
}

static void check_alignment(Env *env, uint64_t linear, uintptr_t host_pc)
{
    if (linear & 15)
        raise_exception_err_ra_x86_64(env, 13, 0, host_pc);
}

/* Without OSFXSR there is neither MXCSR nor XMM. */
static bool has_sse(const Env *env)
{
    return env->cr[4] & CR4_OSFXSR;
}

HELPER void __wrap_helper_fxsave_x86_64(Env *env, uint64_t linear)
{
    Vex x = {.env = env, .host_pc = HERE};
    X87Area area;

    check_alignment(env, linear, x.host_pc);
    x87_get_area(env, &area, vm_current->cpu->wide_area);
    unsigned size = has_sse(env) ? XMM_AT + VECTOR_SIZE * vectors(env) : XMM_AT;
    vex_probe_store(&x, linear, size);
    vex_store_at(&x, linear, &area, MXCSR_AT);
    vex_store_at(&x, linear + MXCSR_AT + 8, area.st, sizeof area.st);
    if (!has_sse(env))
        return;
    sse_status_collect(env);
    uint32_t control[] = {env->mxcsr, MXCSR_MASK};
    vex_store_at(&x, linear + MXCSR_AT, control, sizeof control);
    save_vectors(&x, linear + XMM_AT, 0);
}

HELPER void __wrap_helper_fxrstor_x86_64(Env *env, uint64_t linear)
{
    Vex x = {.env = env, .host_pc = HERE};
    union { X87Area x87; uint8_t bytes[AREA_SIZE]; } area;

    check_alignment(env, linear, x.host_pc);
    vex_load_at(&x, linear, area.bytes, sizeof area.bytes);
    if (has_sse(env) && area.x87.mxcsr & ~(uint32_t)MXCSR_MASK)
        raise_exception_err_ra_x86_64(env, 13, 0, x.host_pc);
    x87_set_area(env, &area.x87, vm_current->cpu->wide_area);
    if (!has_sse(env))
        return;
    env->mxcsr = area.x87.mxcsr;
    update_mxcsr_status_x86_64(env);
    sse_status_load(env);
    load_vectors(env, area.bytes + XMM_AT, 0);
}
