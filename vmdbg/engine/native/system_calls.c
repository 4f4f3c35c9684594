/* SYSCALL and SYSENTER, which Unicorn leaves to its user. Each __wrap_helper_* runs in place of Unicorn's helper. */
#include "vm.h"

#define HERE ((uintptr_t)__builtin_return_address(0))
#define HELPER __attribute__((noinline))

static void load_flat(Env *env, uint32_t cs, uint32_t ss, uint32_t width)
{
    const uint32_t common = DESC_G | DESC_P | DESC_S | DESC_RW | DESC_A;

    vm_load_segment(env, R_CS, cs & 0xfffc, 0, 0xffffffff, common | DESC_CODE | width);
    vm_load_segment(env, R_SS, ss & 0xfffc, 0, 0xffffffff, common | DESC_B);
}

static void set_rflags(Env *env, uint64_t rflags)
{
    env->cc_src = rflags & FLAG_CC;
    env->cc_op = CC_OP_EFLAGS;
    env->df = rflags & FLAG_DF ? -1 : 1;
    env->eflags = (rflags & ~(uint64_t)(FLAG_CC | FLAG_DF)) | 2;
}

/* SYSCALL (SDM 2B; AMD64 APM 3 for legacy mode). rip is at the instruction. */
HELPER void __wrap_helper_syscall_x86_64(Env *env, int length)
{
    Vm *vm = vm_current;
    uint32_t selector = env->star >> 32;
    uint64_t rflags;

    if (!(env->efer & EFER_SCE))
        raise_exception_err_ra_x86_64(env, 6, 0, HERE);
    ring_changes(vm, 0, HERE);
    vm->system_calls++;
    rflags = vm_rflags(vm);
    if (env->hflags & HF_LMA) {
        bool code64 = env->hflags & HF_CS64;
        env->regs[R_RCX] = env->eip + length;
        env->regs[11] = rflags & ~(uint64_t)FLAG_RF;
        set_rflags(env, rflags & ~(env->fmask | FLAG_RF));
        load_flat(env, selector, selector + 8, DESC_L);
        env->eip = code64 ? env->lstar : env->cstar;
    } else {
        env->regs[R_RCX] = (uint32_t)(env->eip + length);
        set_rflags(env, rflags & ~(uint64_t)(FLAG_IF | FLAG_RF | FLAG_VM));
        load_flat(env, selector, selector + 8, DESC_B);
        env->eip = (uint32_t)env->star;
    }
}

/* SYSENTER (SDM 2B). */
HELPER void __wrap_helper_sysenter_x86_64(Env *env, int length)
{
    bool long_mode = env->hflags & HF_LMA;

    (void)length;
    if (!(env->sysenter_cs & 0xfffc))
        raise_exception_err_ra_x86_64(env, 13, 0, HERE);
    ring_changes(vm_current, 0, HERE);
    vm_current->system_calls++;
    set_rflags(env, vm_rflags(vm_current) & ~(uint64_t)(FLAG_VM | FLAG_IF));
    load_flat(env, env->sysenter_cs, env->sysenter_cs + 8, long_mode ? DESC_L : DESC_B);
    env->regs[R_RSP] = long_mode ? env->sysenter_esp : (uint32_t)env->sysenter_esp;
    env->eip = long_mode ? env->sysenter_eip : (uint32_t)env->sysenter_eip;
}
