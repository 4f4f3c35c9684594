/* The clock.
 *
 * A tick is a byte of guest code retired. Each block adds its size as it begins; bytes are additive, so the count
 * does not depend on where blocks begin. What must happen at a tick happens at the first instruction boundary at or
 * after it: a block that would cross the limit is run one instruction at a time.
 */
#include "vm.h"

/* Takes back the part of the current block that was counted and not run. */
void vm_retire_exactly(Vm *vm)
{
    uint64_t done = env_linear_pc(vm->cpu->env) - vm->block_start;

    if (done < vm->block_size)
        vm->clock -= vm->block_size - done;
    vm->block_size = 0;
    vm->cpu->restart.rotate_clock = 0;
}

/* The tick of the instruction whose translation holds host_pc (0: rip is right already). */
uint64_t vm_now(Vm *vm, uintptr_t host_pc)
{
    Env *env = vm->cpu->env;
    uint64_t eip = env->eip, cc_src = env->cc_src, done;
    uint32_t cc_op = env->cc_op;

    if (!vm->block_size)
        return vm->clock;
    if (host_pc)
        cpu_restore_state_x86_64(vm->cpu->qemu, host_pc, false);
    done = env_linear_pc(env) - vm->block_start;
    env->eip = eip;
    env->cc_op = cc_op;
    env->cc_src = cc_src;
    return done < vm->block_size ? vm->clock - (vm->block_size - done) : vm->clock;
}

/* The tick of the instruction that accesses a port, which is the last of its block. */
uint64_t clock_at_port(const Vm *vm)
{
    uint64_t done = vm->port_pc - vm->block_start;

    return done < vm->block_size ? vm->clock - (vm->block_size - done) : vm->clock;
}

/* The run is to stop at `tick` if not before, and look what has come. */
void clock_come_by(Vm *vm, uint64_t tick)
{
    if (tick < vm->limit)
        vm->limit = tick;
    if (tick < vm->horizon)
        vm->horizon = tick;
}

/* The run is to end at `tick` if not before. */
void clock_lower_limit(Vm *vm, uint64_t tick)
{
    if (tick < vm->bound)
        vm->bound = tick;
    clock_come_by(vm, tick);
}

/* From here on every block is looked at as it begins. */
void clock_attend(Vm *vm)
{
    vm->attention = 1;
    vm->horizon = 0;
}

/* Nothing is left to look for before the limit. */
void clock_relax(Vm *vm)
{
    vm->attention = 0;
    __atomic_store_n(&vm->horizon, vm->limit < vm->turn.end ? vm->limit : vm->turn.end, __ATOMIC_SEQ_CST);
    if (!vm->step_once && vm_interrupted(vm))
        clock_attend(vm);                   /* which came between */
}

void clock_begin(Vm *vm, uint64_t limit, bool attention)
{
    vm->limit = limit;
    if (attention)
        clock_attend(vm);
    else
        clock_relax(vm);
}
