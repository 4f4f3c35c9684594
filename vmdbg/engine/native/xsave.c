/* XSAVE, XSAVEOPT, XRSTOR, XGETBV, XSETBV (SDM 1 chapter 13), in place of Unicorn's, which know no YMM registers.
 *
 * The standard format only: no model has XSAVEC or XSAVES. XINUSE is told exactly: a component is in use unless it is as
 * after a reset.
 */
#include "x87_area.h"

#define HERE ((uintptr_t)__builtin_return_address(0))
#define HELPER __attribute__((noinline))

enum { FPU = 1, SSE = 2, AVX = 4, PKRU = 1 << 9 };
enum { HEADER_AT = 512, YMM_AT = 576, PKRU_AT = 2688, END_OF_YMM = 832, END_OF_PKRU = 2696 };
enum { CR4_OSXSAVE = 1 << 18, FCW_INITIAL = 0x37f, MXCSR_INITIAL = 0x1f80 };
enum { XGETBV_WITH_1 = 4, FEAT_PKU = 3 };

/* Components that XCR0 may have on this model. */
uint64_t xsave_components(const Env *env)
{
    bool avx = env->features[FEAT_1_ECX] >> 28 & 1, pku = env->features[FEAT_7_ECX] >> FEAT_PKU & 1;

    return FPU | SSE | (avx ? AVX : 0) | (pku ? PKRU : 0);
}

/* Bytes of the area for these components. */
uint32_t xsave_size(uint64_t components)
{
    return components & PKRU ? END_OF_PKRU : components & AVX ? END_OF_YMM : YMM_AT;
}

static bool vectors_in_use(const Env *env, unsigned first)
{
    for (unsigned i = 0; i < 16; i++)
        if (env->xmm_regs[first + i][0] | env->xmm_regs[first + i][1])
            return true;
    return false;
}

static const X87Area initial_x87 = {.fcw = FCW_INITIAL};

static uint64_t in_use(const Env *env)
{
    X87Area area;
    bool selectors = env->fpcs | env->fpds;

    x87_get_area(env, &area, true);
    return (selectors || memcmp(&area, &initial_x87, sizeof area) ? FPU : 0) | (vectors_in_use(env, 0) ? SSE : 0) |
           (vectors_in_use(env, HIGH_LANES) ? AVX : 0) | (env->pkru ? PKRU : 0);
}

static void check(Env *env, uint64_t linear, uintptr_t host_pc)
{
    if (!(env->cr[4] & CR4_OSXSAVE))
        raise_exception_ra_x86_64(env, 6, host_pc);
    if (env->cr[0] & CR0_TS)
        raise_exception_ra_x86_64(env, 7, host_pc);
    if (linear & 63)
        raise_exception_err_ra_x86_64(env, 13, 0, host_pc);
}

static void save(Env *env, uint64_t linear, uint64_t wanted, bool optimized, uintptr_t host_pc)
{
    Vex x = {.env = env, .host_pc = host_pc};
    uint64_t used = in_use(env), header;

    check(env, linear, host_pc);
    wanted &= env->xcr0;
    uint64_t stored = optimized ? wanted & used : wanted;
    vex_load_at(&x, linear + HEADER_AT, &header, sizeof header);
    vex_probe_store(&x, linear, xsave_size(wanted));
    if (stored & FPU) {
        X87Area area;
        x87_get_area(env, &area, vm_current->cpu->wide_area);
        vex_store_at(&x, linear, &area, MXCSR_AT);
        vex_store_at(&x, linear + MXCSR_AT + 8, area.st, sizeof area.st);
    }
    if (wanted & (SSE | AVX)) {
        sse_status_collect(env);
        uint32_t control[] = {env->mxcsr, MXCSR_MASK};
        vex_store_at(&x, linear + MXCSR_AT, control, sizeof control);
    }
    if (stored & SSE)
        save_vectors(&x, linear + XMM_AT, 0);
    if (stored & AVX)
        save_vectors(&x, linear + YMM_AT, HIGH_LANES);
    if (stored & PKRU) {
        uint64_t pkru = env->pkru;
        vex_store_at(&x, linear + PKRU_AT, &pkru, sizeof pkru);
    }
    header = (header & ~wanted) | (wanted & used);
    vex_store_at(&x, linear + HEADER_AT, &header, sizeof header);
}

HELPER void __wrap_helper_xsave_x86_64(Env *env, uint64_t linear, uint64_t wanted)
{
    save(env, linear, wanted, false, HERE);
}

HELPER void __wrap_helper_xsaveopt_x86_64(Env *env, uint64_t linear, uint64_t wanted)
{
    save(env, linear, wanted, true, HERE);
}

/* Whether the header is one that XRSTOR takes (SDM 1 13.8.1). */
static bool is_header(const Env *env, const uint64_t header[8])
{
    return !(header[0] & ~env->xcr0) && !(header[1] | header[2]);
}

HELPER void __wrap_helper_xrstor_x86_64(Env *env, uint64_t linear, uint64_t wanted)
{
    Vex x = {.env = env, .host_pc = HERE};
    uint8_t area[END_OF_YMM];
    uint64_t header[8], pkru = 0;
    uint32_t mxcsr;

    check(env, linear, x.host_pc);
    wanted &= env->xcr0;
    vex_load_at(&x, linear + HEADER_AT, header, sizeof header);
    if (!is_header(env, header))
        raise_exception_err_ra_x86_64(env, 13, 0, x.host_pc);
    uint64_t saved = header[0];
    vex_load_at(&x, linear, area, HEADER_AT);
    if (wanted & saved & AVX)
        vex_load_at(&x, linear + YMM_AT, area + YMM_AT, END_OF_YMM - YMM_AT);
    if (wanted & saved & PKRU)
        vex_load_at(&x, linear + PKRU_AT, &pkru, sizeof pkru);
    memcpy(&mxcsr, area + MXCSR_AT, sizeof mxcsr);
    if (wanted & (SSE | AVX) && mxcsr & ~(uint32_t)MXCSR_MASK)
        raise_exception_err_ra_x86_64(env, 13, 0, x.host_pc);
    if (wanted & FPU)
        x87_set_area(env, saved & FPU ? (const X87Area *)area : &initial_x87, vm_current->cpu->wide_area);
    if (wanted & (SSE | AVX)) {
        env->mxcsr = mxcsr;
        update_mxcsr_status_x86_64(env);
        sse_status_load(env);
    }
    if (wanted & SSE)
        load_vectors(env, saved & SSE ? area + XMM_AT : NULL, 0);
    if (wanted & AVX)
        load_vectors(env, saved & AVX ? area + YMM_AT : NULL, HIGH_LANES);
    if (wanted & PKRU)
        key_rights_become(vm_current->cpu, pkru);
}

HELPER uint64_t __wrap_helper_xgetbv_x86_64(Env *env, uint32_t ecx)
{
    if (!(env->cr[4] & CR4_OSXSAVE))
        raise_exception_ra_x86_64(env, 6, HERE);
    if (ecx > 1 || (ecx == 1 && !(env->features[FEAT_XSAVE] & XGETBV_WITH_1)))
        raise_exception_err_ra_x86_64(env, 13, 0, HERE);
    return ecx ? env->xcr0 & in_use(env) : env->xcr0;
}

HELPER void __wrap_helper_xsetbv_x86_64(Env *env, uint32_t ecx, uint64_t value)
{
    bool alone = value & AVX && !(value & SSE);

    if (!(env->cr[4] & CR4_OSXSAVE))
        raise_exception_ra_x86_64(env, 6, HERE);
    if (ecx || !(value & FPU) || value & ~xsave_components(env) || alone || env->hflags & HF_CPL)
        raise_exception_err_ra_x86_64(env, 13, 0, HERE);
    env->xcr0 = value;
}
