/* IF, while INTR is asserted. Blocks are not looked at for an interrupt that IF holds back; so where an instruction may
 * set IF, the boundary after it is looked at. All of them end their block. Each wrapper ends in a jump to Unicorn's
 * helper, which takes its own return address for the place in translated code.
 */
#include "vm.h"

enum { FLAGS_NOT_PUSHED = 0x30000, FLAGS_OF_VIRTUAL_INTERRUPTS = 0x180000 };
enum { POPPED_IN_RING_0 = 0x43000 };    /* IOPL and AC, of an operand of more than 16 bits: VIF and VIP become 0 (SDM 2B, POPF) */

#define HELPER __attribute__((noinline, optimize("optimize-sibling-calls")))

/* The instruction that runs, or a delivery, may set IF. */
void interrupt_flag_may_rise(Vm *vm)
{
    if (!vm->cpu->intr)
        return;
    clock_attend(vm);
    CPU_INTERRUPT_REQUEST(vm->cpu->qemu) |= CPU_INTERRUPT_HARD;
}

/* Whether every block is to be looked at until an interrupt can be delivered: not, if IF holds INTR back. */
bool interrupt_flag_lets_in(const Vm *vm)
{
    return vm->cpu->nmi || (vm->cpu->intr && vm->cpu->env->eflags & FLAG_IF);
}

void __real_helper_sti_x86_64(Env *env);

HELPER void __wrap_helper_sti_x86_64(Env *env)
{
    interrupt_flag_may_rise(vm_current);
    vm_current->cpu->loads_ss = 0;
    __real_helper_sti_x86_64(env);
}

void __real_helper_write_eflags_x86_64(Env *env, uint64_t value, uint32_t mask);

HELPER void __wrap_helper_write_eflags_x86_64(Env *env, uint64_t value, uint32_t mask)
{
    if (vm_current)                         /* not so while a CPU is made */
        interrupt_flag_may_rise(vm_current);
    __real_helper_write_eflags_x86_64(env, value, mask);
    if ((mask & POPPED_IN_RING_0) == POPPED_IN_RING_0)
        env->eflags &= ~FLAGS_OF_VIRTUAL_INTERRUPTS;
}

uint64_t __real_helper_read_eflags_x86_64(Env *env);

/* PUSHF shows neither VM nor RF (SDM 2B, PUSHF): Unicorn's does in virtual-8086 mode. */
HELPER uint64_t __wrap_helper_read_eflags_x86_64(Env *env)
{
    return __real_helper_read_eflags_x86_64(env) & ~(uint64_t)FLAGS_NOT_PUSHED;
}

void __real_helper_iret_real_x86_64(Env *env, int shift);

HELPER void __wrap_helper_iret_real_x86_64(Env *env, int shift)
{
    interrupt_flag_may_rise(vm_current);
    stack_pops(vm_current, 3, shift);
    __real_helper_iret_real_x86_64(env, shift);
}

void __real_helper_ljmp_protected_x86_64(Env *env, int selector, uint64_t eip, uint64_t next_eip);

/* Another task may begin with IF set; so too after a far call. */
HELPER void __wrap_helper_ljmp_protected_x86_64(Env *env, int selector, uint64_t eip, uint64_t next_eip)
{
    vm_current->cpu->segments_changed = 1;
    interrupt_flag_may_rise(vm_current);
    if (env->hflags & HF_LMA)
        far_jump_to_long(env, selector, eip, next_eip, (uintptr_t)__builtin_return_address(0));
    else
        __real_helper_ljmp_protected_x86_64(env, selector, eip, next_eip);
}

void __real_helper_lcall_protected_x86_64(Env *env, int selector, uint64_t eip, int shift, uint64_t next_eip);

HELPER void __wrap_helper_lcall_protected_x86_64(Env *env, int selector, uint64_t eip, int shift, uint64_t next_eip)
{
    vm_current->cpu->segments_changed = 1;
    interrupt_flag_may_rise(vm_current);
    stack_calls(vm_current, selector);
    if (env->hflags & HF_LMA) {
        far_call_of_long(env, selector, eip, shift, next_eip, (uintptr_t)__builtin_return_address(0));
        return;
    }
    delivery_check_call(vm_current, selector, (uintptr_t)__builtin_return_address(0));
    far_call_check(env, selector, eip, next_eip, (uintptr_t)__builtin_return_address(0));
    if (stack_call_is_by_286_gate(vm_current, selector)) {
        cpu_restore_state_x86_64(ENV_CPU(env), (uintptr_t)__builtin_return_address(0), false);
        __real_helper_lcall_protected_x86_64(env, selector, eip, shift, next_eip);
        env->eip &= 0xffff;                 /* Unicorn takes what lies above the offset, too */
        return;
    }
    __real_helper_lcall_protected_x86_64(env, selector, eip, shift, next_eip);
}

void __real_helper_lcall_real_x86_64(Env *env, int selector, uint64_t eip, int shift, int next_eip);

HELPER void __wrap_helper_lcall_real_x86_64(Env *env, int selector, uint64_t eip, int shift, int next_eip)
{
    stack_calls(vm_current, selector);
    __real_helper_lcall_real_x86_64(env, selector, eip, shift, next_eip);
}
