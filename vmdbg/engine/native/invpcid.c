/* INVPCID (SDM 2A). The TLB holds what is of one PCID only, for every load of CR3 empties it: CPUs may do that. */
#include "vex.h"

enum { INDIVIDUAL, SINGLE_CONTEXT, KINDS = 4 };

static bool canonical(uint64_t linear)
{
    return (uint64_t)((int64_t)(linear << 16) >> 16) == linear;
}

void invpcid(const Vex *x)
{
    Env *env = x->env;
    uint64_t kind = env->hflags & HF_CS64 ? env->regs[x->code.reg] : (uint32_t)env->regs[x->code.reg], descriptor[2];

    if (env->hflags & HF_CPL)
        raise_exception_err_ra_x86_64(env, 13, 0, x->host_pc);
    vex_load(x, descriptor, sizeof descriptor);
    bool names = kind == INDIVIDUAL || kind == SINGLE_CONTEXT;
    if (kind >= KINDS || descriptor[0] >> 12 || (kind == INDIVIDUAL && !canonical(descriptor[1])) ||
        (names && descriptor[0] && !(env->cr[4] & CR4_PCIDE)))
        raise_exception_err_ra_x86_64(env, 13, 0, x->host_pc);
    if (kind == INDIVIDUAL)
        tlb_flush_page_x86_64(vm_current->cpu->qemu, descriptor[1]);
    else
        tlb_flush_x86_64(vm_current->cpu->qemu);
}
