/* Changes of ring, caught before the instruction that makes one: SYSCALL, SYSENTER and the returns from them and from
 * interrupts (which may set IF, too), and far returns. Those that deliveries make are deliveries.c's. Each wrapper ends in a jump to Unicorn's
 * helper, which takes its own return address for the place in translated code.
 */
#include "vm.h"

#define HERE ((uintptr_t)__builtin_return_address(0))
#define HELPER __attribute__((noinline, optimize("optimize-sibling-calls")))

void ring_changes(Vm *vm, uint32_t ring, uintptr_t host_pc)
{
    uint32_t now = vm->cpu->env->hflags & HF_CPL;

    if (ring != now && vm_catch(vm, CATCH_RING, host_pc, now, ring))
        vm_leave(vm, EXIT_CATCH, host_pc);
}

/* A word of the stack, by its number; `shift`: 0 for 16 bits, 1 for 32, 2 for 64. What cannot be read is 0: it faults. */
static uint64_t stack_word(Env *env, int shift, unsigned number)
{
    uint64_t value = 0, rsp = env->regs[R_RSP], offset = number * (2u << shift);

    if (!(env->hflags & HF_CS64))
        rsp = env->segs[R_SS].base + (env->hflags & HF_SS32 ? (uint32_t)(rsp + offset) : (uint16_t)(rsp + offset));
    else
        rsp += offset;
    vm_read_linear(vm_current, rsp, (uint8_t *)&value, 2u << shift);
    return value;
}

/* A return to an outer ring empties data segments that are of an inner one (SDM 2A, IRET), but not the bases of FS and GS,
 * which 64-bit code uses whatever the selector is. Unicorn clears them. */
static bool may_be_emptied(const Env *env, int index)
{
    const Segment *s = &env->segs[index];
    bool conforming = s->flags & DESC_CODE && s->flags & DESC_CONFORMING;

    return s->selector & 0xfffc && !conforming && (s->flags >> DESC_DPL_SHIFT & 3) < 3;
}

static bool bases_are_at_stake(const Env *env)
{
    return (env->hflags & HF_CPL) != 3 && (may_be_emptied(env, R_FS) || may_be_emptied(env, R_GS));
}

typedef void FarReturn(Env *env, int shift, int operand);

/* The state is restored first, for the helper cannot find rip through us if it faults. */
static void return_keeping_bases(FarReturn *far_return, Env *env, int shift, int operand, uintptr_t host_pc)
{
    uint64_t fs = env->segs[R_FS].base, gs = env->segs[R_GS].base;
    bool had_fs = env->segs[R_FS].selector & 0xfffc, had_gs = env->segs[R_GS].selector & 0xfffc;

    cpu_restore_state_x86_64(ENV_CPU(env), host_pc, false);
    far_return(env, shift, operand);
    if (had_fs && !env->segs[R_FS].selector && !(env->eflags & FLAG_VM))
        env->segs[R_FS].base = fs;
    if (had_gs && !env->segs[R_GS].selector && !(env->eflags & FLAG_VM))
        env->segs[R_GS].base = gs;
}

void __real_helper_iret_protected_x86_64(Env *env, int shift, int next_eip);

HELPER void __wrap_helper_iret_protected_x86_64(Env *env, int shift, int next_eip)
{
    vm_current->cpu->segments_changed = 1;
    interrupt_flag_may_rise(vm_current);
    if (vm_current->catch_mask & CATCH_RING && !(env->eflags & FLAG_NT)) {
        bool virtual_8086 = shift == 1 && !(env->hflags & HF_LMA) && stack_word(env, shift, 2) & FLAG_VM;
        ring_changes(vm_current, virtual_8086 ? 3 : stack_word(env, shift, 1) & 3, HERE);
    }
    stack_pops(vm_current, env->hflags & HF_CS64 ? 5 : 3, shift);
    if (bases_are_at_stake(env)) {
        return_keeping_bases(__real_helper_iret_protected_x86_64, env, shift, next_eip, HERE);
        return;
    }
    __real_helper_iret_protected_x86_64(env, shift, next_eip);
}

void __real_helper_lret_protected_x86_64(Env *env, int shift, int addend);

HELPER void __wrap_helper_lret_protected_x86_64(Env *env, int shift, int addend)
{
    vm_current->cpu->segments_changed = 1;
    if (vm_current->catch_mask & CATCH_RING)
        ring_changes(vm_current, stack_word(env, shift, 1) & 3, HERE);
    stack_pops(vm_current, 2, shift);
    if (bases_are_at_stake(env)) {
        return_keeping_bases(__real_helper_lret_protected_x86_64, env, shift, addend, HERE);
        return;
    }
    __real_helper_lret_protected_x86_64(env, shift, addend);
}

void __real_helper_sysret_x86_64(Env *env, int size);

HELPER void __wrap_helper_sysret_x86_64(Env *env, int size)
{
    vm_current->cpu->segments_changed = 1;
    interrupt_flag_may_rise(vm_current);
    if (vm_current->catch_mask & CATCH_RING)
        ring_changes(vm_current, 3, HERE);
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
    cpu_restore_state_x86_64(ENV_CPU(env), HERE, false);
    __real_helper_sysexit_x86_64(env, size);
    if (!(env->hflags & HF_CS64)) {
        env->eip = (uint32_t)env->eip;
        env->regs[R_RSP] = (uint32_t)env->regs[R_RSP];
    }
}
