/* The architectural state as one value: what registers, snapshots and digests are made of. */
#include <string.h>

#include "vex.h"

enum { MCA = 14 };                          /* of leaf 1, EDX */
enum { SHADOW_BY_STI = 1, SHADOW_BY_SS }; /* numbered as in SDM 3C table 24-3 */

/* RFLAGS whole, also while code runs and Unicorn keeps parts of it elsewhere. */
uint64_t vm_rflags(Vm *vm)
{
    Env *env = vm->cpu->env;

    if (!vm->running)
        return env->eflags | 2;
    return (env->eflags & ~(uint64_t)(FLAG_CC | FLAG_DF)) | 2 | (env->df < 0 ? FLAG_DF : 0) |
           (helper_cc_compute_all_x86_64(env->cc_dst, env->cc_src, env->cc_src2, env->cc_op) & FLAG_CC);
}

/* The hidden flags follow from the architectural state; only the interrupt shadow is state of its own. */
static void derive_hflags(Env *env)
{
    const Segment *s = env->segs;
    uint32_t h = env->hflags & (HF_UNMASKED | HF_INHIBIT_IRQ | HF_CPL | HF_IOBPT | HF_SVME);
    bool pe = env->cr[0] & CR0_PE, code64 = env->efer & EFER_LMA && s[R_CS].flags & DESC_L;

    h |= pe ? HF_PE : 0;
    h |= (env->cr[0] & 0xe) << (HF_MP_SHIFT - 1);
    h |= env->efer & EFER_LMA ? HF_LMA : 0;
    h |= env->cr[4] & CR4_OSFXSR ? HF_OSFXSR : 0;
    h |= env->cr[4] & CR4_SMAP ? HF_SMAP : 0;
    if (code64)
        h |= HF_CS32 | HF_CS64;
    else if (s[R_CS].flags & DESC_B)
        h |= HF_CS32;
    if (code64 || s[R_SS].flags & DESC_B)
        h |= HF_SS32;
    if (!code64 && (!pe || env->eflags & FLAG_VM || !(h & HF_CS32) || s[R_DS].base | s[R_ES].base | s[R_SS].base))
        h |= HF_ADDSEG;
    env->hflags = h;
    if (vm_current)
        vm_current->cpu->segments_changed = 1;
}

void vm_load_segment(Env *env, int index, uint32_t selector, uint64_t base, uint32_t limit, uint32_t flags)
{
    env->segs[index] = (Segment){selector, base, limit, flags};
    if (index == R_SS)
        env->hflags = (env->hflags & ~HF_CPL) | (flags >> DESC_DPL_SHIFT & 3);
    derive_hflags(env);
}

static Segment plain(const Segment *segment)
{
    Segment copy;

    memset(&copy, 0, sizeof copy);          /* padding too: digests cover it */
    copy.selector = segment->selector;
    copy.base = segment->base;
    copy.limit = segment->limit;
    copy.flags = segment->flags;
    return copy;
}

static void get_fpu(const Env *env, VmState *s)
{
    s->fpuc = env->fpuc;
    s->fpus = env->fpus;
    s->fpop = env->fpop;
    s->fpcs = env->fpcs;
    s->fpds = env->fpds;
    s->fpstt = env->fpstt;
    s->fpip = env->fpip;
    s->fpdp = env->fpdp;
    s->mxcsr = env->mxcsr;
    memcpy(s->fptags, env->fptags, sizeof s->fptags);
    for (int i = 0; i < 8; i++) {
        s->st_mantissa[i] = env->fpregs[i].mantissa;
        s->st_exponent[i] = env->fpregs[i].exponent;
    }
    for (int i = 0; i < 16; i++)
        memcpy(s->xmm[i], env->xmm_regs[i], 16);
    memcpy(s->float_status, env->float_status, sizeof s->float_status);
}

static void get_extended(const VmCpu *cpu, VmExtended *e)
{
    for (int i = 0; i < 16; i++)
        memcpy(e->ymm_high[i], cpu->env->xmm_regs[HIGH_LANES + i], LANE);
    e->random = cpu->random;
    e->mcg_cap = cpu->env->features[FEAT_1_EDX] >> MCA & 1 ? MACHINE_CHECK_BANKS : 0;
    e->mcg_status = cpu->mcg_status;
    memcpy(e->mc_ctl, cpu->mc_ctl, sizeof e->mc_ctl);
}

static void set_extended(VmCpu *cpu, const VmExtended *e)
{
    for (int i = 0; i < 16; i++)
        memcpy(cpu->env->xmm_regs[HIGH_LANES + i], e->ymm_high[i], LANE);
    cpu->random = e->random;
    cpu->mcg_status = e->mcg_status;
    memcpy(cpu->mc_ctl, e->mc_ctl, sizeof cpu->mc_ctl);
}

static void set_fpu(Env *env, const VmState *s)
{
    env->fpuc = s->fpuc;
    env->fpus = s->fpus;
    env->fpop = s->fpop;
    env->fpcs = s->fpcs;
    env->fpds = s->fpds;
    env->fpstt = s->fpstt & 7;
    env->fpip = s->fpip;
    env->fpdp = s->fpdp;
    env->mxcsr = s->mxcsr;
    memcpy(env->fptags, s->fptags, sizeof s->fptags);
    for (int i = 0; i < 8; i++) {
        env->fpregs[i].mantissa = s->st_mantissa[i];
        env->fpregs[i].exponent = s->st_exponent[i];
    }
    for (int i = 0; i < 16; i++)
        memcpy(env->xmm_regs[i], s->xmm[i], 16);
    memcpy(env->float_status, s->float_status, sizeof s->float_status);
    update_fp_status_x86_64(env);
    update_mxcsr_status_x86_64(env);
    sse_status_load(env);
}

void vm_get_state(Vm *vm, VmState *s)
{
    Env *env = vm->cpu->env;

    sse_status_collect(env);
    memset(s, 0, sizeof *s);
    memcpy(s->regs, env->regs, sizeof s->regs);
    s->rip = env->eip;
    s->rflags = vm_rflags(vm);
    s->cr0 = env->cr[0];
    s->cr2 = env->cr[2];
    s->cr3 = env->cr[3];
    s->cr4 = env->cr[4];
    s->efer = env->efer;
    for (int i = 0; i < 6; i++)
        s->segs[i] = plain(&env->segs[i]);
    s->ldt = plain(&env->ldt);
    s->tr = plain(&env->tr);
    s->tr.flags |= DESC_P & s->tr.flags ? DESC_TSS_BUSY : 0;    /* which Unicorn keeps in memory only */
    s->gdt = plain(&env->gdt);
    s->idt = plain(&env->idt);
    memcpy(s->dr, env->dr, sizeof s->dr);
    s->sysenter_cs = env->sysenter_cs;
    s->sysenter_esp = env->sysenter_esp;
    s->sysenter_eip = env->sysenter_eip;
    s->star = env->star;
    s->lstar = env->lstar;
    s->cstar = env->cstar;
    s->fmask = env->fmask;
    s->kernelgsbase = env->kernelgsbase;
    s->tsc_offset = vm->cpu->tsc_offset;
    s->tsc_aux = env->tsc_aux;
    s->apic_base = vm->cpu->apic_base;
    s->pat = env->pat;
    s->misc_enable = env->misc_enable;
    s->xcr0 = env->xcr0;
    memcpy(s->mtrr_fixed, env->mtrr_fixed, sizeof s->mtrr_fixed);
    s->mtrr_deftype = env->mtrr_deftype;
    memcpy(s->mtrr_var, env->mtrr_var, sizeof s->mtrr_var);
    s->pkru = env->pkru;
    s->a20_mask = env->a20_mask;
    s->interrupt_shadow = !(env->hflags & HF_INHIBIT_IRQ) ? 0 : vm->cpu->loads_ss ? SHADOW_BY_SS : SHADOW_BY_STI;
    s->x87_errors_ignored = env->hflags2 & HF2_IGNNE ? 1 : 0;
    s->nmi_blocked = env->hflags2 & HF2_NMI ? 1 : 0;
    s->old_exception = env->old_exception;
    s->pending_debug = data_breakpoint_hits(vm);
    s->repeating = vm->cpu->repeating;
    get_fpu(env, s);
    if (vm->cpu->extended)
        get_extended(vm->cpu, &s->extended);
}

static void set_debug_registers(Vm *vm, const VmState *s)
{
    Env *env = vm->cpu->env;
    Vm *outer = vm_current;
    uint64_t control = kept_of_debug_register(7, s->dr[7]);
    bool same = env->dr[7] == control && !memcmp(env->dr, s->dr, 4 * sizeof *s->dr);

    vm_current = vm;
    if (!same)
        cpu_x86_update_dr7_x86_64(env, 0);
    memcpy(env->dr, s->dr, 4 * sizeof *s->dr);
    env->dr[6] = kept_of_debug_register(6, s->dr[6]);
    if (!same)
        cpu_x86_update_dr7_x86_64(env, control);
    data_breakpoint_set_hits(vm, s->pending_debug);
    vm_current = outer;
}

/* Loads a whole state. Unicorn's TLB is emptied; the architectural one is the caller's to keep, drop or import. */
void vm_set_state(Vm *vm, const VmState *s)
{
    Env *env = vm->cpu->env;

    restart_forget(vm);
    vm->cpu->repeating = s->repeating;
    memcpy(env->regs, s->regs, sizeof s->regs);
    env->eip = s->rip;
    env->eflags = s->rflags | 2;
    env->cr[0] = s->cr0;
    env->cr[2] = s->cr2;
    env->cr[3] = s->cr3;
    env->cr[4] = s->cr4;
    env->efer = s->efer;
    memcpy(env->segs, s->segs, sizeof s->segs);
    env->ldt = s->ldt;
    env->tr = s->tr;
    env->tr.flags &= ~DESC_TSS_BUSY;
    env->gdt = s->gdt;
    env->idt = s->idt;
    set_debug_registers(vm, s);
    env->sysenter_cs = s->sysenter_cs;
    env->sysenter_esp = s->sysenter_esp;
    env->sysenter_eip = s->sysenter_eip;
    env->star = s->star;
    env->lstar = s->lstar;
    env->cstar = s->cstar;
    env->fmask = s->fmask;
    env->kernelgsbase = s->kernelgsbase;
    vm->cpu->tsc_offset = s->tsc_offset;
    env->tsc_aux = s->tsc_aux;
    vm->cpu->apic_base = s->apic_base;
    env->pat = s->pat;
    env->misc_enable = s->misc_enable;
    env->xcr0 = s->xcr0;
    memcpy(env->mtrr_fixed, s->mtrr_fixed, sizeof s->mtrr_fixed);
    env->mtrr_deftype = s->mtrr_deftype;
    memcpy(env->mtrr_var, s->mtrr_var, sizeof s->mtrr_var);
    env->pkru = s->pkru;
    env->a20_mask = s->a20_mask;
    env->old_exception = s->old_exception;
    env->exception_is_int = 0;
    set_fpu(env, s);
    if (vm->cpu->extended)
        set_extended(vm->cpu, &s->extended);
    bool real_or_v86 = !(s->cr0 & CR0_PE) || s->rflags & FLAG_VM;
    uint32_t cpl = s->rflags & FLAG_VM ? 3 : real_or_v86 ? 0 : s->segs[R_SS].flags >> DESC_DPL_SHIFT & 3;
    vm->cpu->loads_ss = s->interrupt_shadow == SHADOW_BY_SS;
    env->hflags = cpl | (s->interrupt_shadow ? HF_INHIBIT_IRQ : 0) | (env->hflags & (HF_IOBPT | HF_UNMASKED));
    env->hflags2 = 1 | (s->nmi_blocked ? HF2_NMI : 0) | (s->x87_errors_ignored ? HF2_IGNNE : 0);
    derive_hflags(env);
    limits_settle(vm);
    cpu_flush_engine_tlb(vm);
}
