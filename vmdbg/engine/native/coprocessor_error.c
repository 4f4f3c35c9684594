/* How an instruction of the x87 or MMX that waits finds out of an error that is not masked: #MF, or with CR0.NE clear as the
 * PC/AT has it (SDM 1 8.7.2 and D.2.1): the CPU drives FERR# and stands before the instruction until an interrupt comes,
 * unless the board drives IGNNE#, which an error overlooks until FERR# goes.
 *
 * Standing there takes a tick, as HLT does: no instant is both before it and in it.
 */
#include "x87_stack.h"

enum { MF = 16 };

/* FERR# is raised as late as CPUs from the Pentium Pro on raise it: by the instruction that waits. */
void x87_error_waits(Env *env, uintptr_t host_pc)
{
    Vm *vm = vm_current;

    if (!(env->fpus & X87_ES))
        return;
    if (env->cr[0] & CR0_NE)
        raise_exception_ra_x86_64(env, MF, host_pc);
    if (env->hflags2 & HF2_IGNNE)
        return;
    interrupts_settle(vm);
    bus_coprocessor_error(vm->owner, vm->cpu->index, vm_now(vm, host_pc));
    vm->remapped = 0;                       /* the run ends here */
    vm_stand_at(vm, host_pc);
}

/* IGNNE# is driven, which the CPU keeps to itself while FERR# is. */
void vm_ignore_x87_errors(Vm *vm, uint32_t cpu)
{
    Env *env = vm->cpus[cpu]->env;

    if (env->fpus & X87_ES)
        env->hflags2 |= HF2_IGNNE;
}
