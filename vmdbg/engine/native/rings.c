/* Changes of ring, caught before the instruction that makes one: SYSCALL, SYSENTER and the returns from them and from
 * interrupts (which may set IF, too), and far returns. Those that deliveries make are deliveries.c's. Each wrapper ends in a jump to Unicorn's
 * helper, which takes its own return address for the place in translated code.
 */
#include "vm.h"

enum { GP = 13, TO_64_BIT = 2 };

#define HERE ((uintptr_t)__builtin_return_address(0))
#define HELPER __attribute__((noinline, optimize("optimize-sibling-calls")))

void ring_changes(Vm *vm, uint32_t ring, uintptr_t host_pc)
{
    uint32_t now = vm->cpu->env->hflags & HF_CPL;

    if (ring != now && vm_catch(vm, CATCH_RING, host_pc, now, ring))
        vm_leave(vm, EXIT_CATCH, host_pc);
}

void __real_helper_iret_protected_x86_64(Env *env, int shift, int next_eip);

HELPER void __wrap_helper_iret_protected_x86_64(Env *env, int shift, int next_eip)
{
    vm_current->cpu->segments_changed = 1;
    interrupt_flag_may_rise(vm_current);
    if (vm_current->catch_mask & CATCH_RING && !(env->eflags & FLAG_NT)) {
        bool virtual_8086 = shift == 1 && !(env->hflags & HF_LMA) && far_stack_word(env, shift, 2) & FLAG_VM;
        ring_changes(vm_current, virtual_8086 ? 3 : far_stack_word(env, shift, 1) & 3, HERE);
    }
    stack_pops(vm_current, env->hflags & HF_CS64 ? 5 : 3, shift);
    if (!far_return_is_plain(env, shift, true)) {
        far_return(__real_helper_iret_protected_x86_64, &(FarReturn){env, shift, next_eip, true}, HERE);
        return;
    }
    __real_helper_iret_protected_x86_64(env, shift, next_eip);
}

void __real_helper_lret_protected_x86_64(Env *env, int shift, int addend);

HELPER void __wrap_helper_lret_protected_x86_64(Env *env, int shift, int addend)
{
    vm_current->cpu->segments_changed = 1;
    if (vm_current->catch_mask & CATCH_RING)
        ring_changes(vm_current, far_stack_word(env, shift, 1) & 3, HERE);
    stack_pops(vm_current, 2, shift);
    if (!far_return_is_plain(env, shift, false)) {
        far_return(__real_helper_lret_protected_x86_64, &(FarReturn){env, shift, addend, false}, HERE);
        return;
    }
    __real_helper_lret_protected_x86_64(env, shift, addend);
}

/* Before a return to 64-bit mode, in ring 0 still (SDM 2B, SYSEXIT, SYSRET); AMD's SYSRET goes there and faults. `known`:
 * the instruction is no #UD. */
static void check_canonical(Env *env, int size, bool known, uint64_t linear, uintptr_t host_pc)
{
    if (size == TO_64_BIT && known && !is_canonical(linear) && cpuid_is_intel(vm_current->cpu))
        raise_exception_err_ra_x86_64(env, GP, 0, host_pc);
}

void __real_helper_sysret_x86_64(Env *env, int size);

HELPER void __wrap_helper_sysret_x86_64(Env *env, int size)
{
    vm_current->cpu->segments_changed = 1;
    interrupt_flag_may_rise(vm_current);
    if (vm_current->catch_mask & CATCH_RING)
        ring_changes(vm_current, 3, HERE);
    check_canonical(env, size, env->efer & EFER_SCE, env->regs[R_RCX], HERE);
    __real_helper_sysret_x86_64(env, size);
}

void __real_helper_sysexit_x86_64(Env *env, int size);

/* To compatibility mode go the lower halves of RDX and RCX alone (SDM 2B, SYSEXIT); Unicorn takes all of them. */
HELPER void __wrap_helper_sysexit_x86_64(Env *env, int size)
{
    vm_current->cpu->segments_changed = 1;
    interrupt_flag_may_rise(vm_current);
    if (vm_current->catch_mask & CATCH_RING)
        ring_changes(vm_current, 3, HERE);
    if (!(env->sysenter_cs & 0xfffc))       /* Unicorn asks whether all of it is 0 */
        raise_exception_err_ra_x86_64(env, GP, 0, HERE);
    check_canonical(env, size, true, env->regs[R_RCX], HERE);
    check_canonical(env, size, true, env->regs[R_RDX], HERE);
    cpu_restore_state_x86_64(ENV_CPU(env), HERE, false);
    __real_helper_sysexit_x86_64(env, size);
    if (!(env->hflags & HF_CS64)) {
        env->eip = (uint32_t)env->eip;
        env->regs[R_RSP] = (uint32_t)env->regs[R_RSP];
    }
}
