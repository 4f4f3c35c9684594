/* Between two blocks: what is due there, and which way on. */
#include <stdlib.h>

#include "vm.h"

/* Whether an interrupt or NMI is delivered before the next instruction. */
uint32_t vm_interrupt_due(Vm *vm)
{
    Env *env = vm->cpu->env;

    if (env->hflags & HF_INHIBIT_IRQ)
        return false;
    return (vm->cpu->nmi && !(env->hflags2 & HF2_NMI)) || (vm->cpu->intr && env->eflags & FLAG_IF);
}

/* A block begins, its size counted already, and is looked at: run it, or leave it for between blocks. One that was
 * fetched runs, so that an interruption from outside leaves no trace of the fetch; one that follows it chained was not. */
void block_begins(Vm *vm)
{
    bool single = vm->expect_single, crossing = vm->clock > vm->limit || (vm->turn.exact && vm->clock > vm->turn.end);
    bool interrupted = vm_interrupted(vm), chained = CPU_INTERRUPT_REQUEST(vm->cpu->qemu) & CPU_INTERRUPT_HARD;

    vm->expect_single = 0;
    if (!single && (vm->step_once || crossing || vm_interrupt_due(vm) || vm_must_end(vm) || data_breakpoint_hits(vm) ||
                    (interrupted && chained) || (chained && turn_ends_before(vm)))) {
        vm->clock -= vm->block_size;
        vm->block_size = vm->cpu->repeating = 0;
        vm->crossing = crossing;
        vm->cpu->env->eip = vm->block_start - vm->cpu->env->segs[R_CS].base;
        if (chained)
            repeat_after(vm, vm->last_start, vm->last_size);
        CPU_INTERRUPT_REQUEST(vm->cpu->qemu) |= CPU_INTERRUPT_HARD;
        CPU_EXCEPTION_INDEX(vm->cpu->qemu) = -1;
        cpu_loop_exit_x86_64(vm->cpu->qemu);
    }
    if (single) {
        vm->stepped = 1;
        vm->run_alone = vm->breakpoint_suppressed = 0;
    }
    vm->in_single = single;
    vm->last_start = vm->block_start;
    vm->last_size = vm->block_size;
    CPU_INTERRUPT_REQUEST(vm->cpu->qemu) |= CPU_INTERRUPT_HARD; /* what is due comes before the next fetch */
    if (!single && !interrupted && !interrupt_flag_lets_in(vm))
        clock_relax(vm);
}

static bool run_single(Vm *vm)
{
    vm->expect_single = 1;                  /* and again, if the translations are full and emptied first */
    clock_attend(vm);
    vm->single_steps++;
    CPU_CFLAGS_NEXT_TB(vm->cpu->qemu) = 1;
    CPU_INTERRUPT_REQUEST(vm->cpu->qemu) |= CPU_INTERRUPT_HARD;
    return true;
}

static bool at_limit(Vm *vm)
{
    if (vm->exit != EXIT_NONE || (!vm->step_once && vm_interrupted(vm)))
        return true;
    return vm->clock >= vm->limit && (vm->step_once || !interrupts_come(vm));
}

/* A breakpoint at an instruction that repeats stops before the first time only. */
static bool passes_breakpoint(Vm *vm)
{
    return vm->cpu->repeating && vm_breakpoint_at(vm, env_linear_pc(vm->cpu->env));
}

/* Between blocks, when block_begins() or a run asked for attention: stop, deliver, or go on by one instruction. */
bool __wrap_x86_cpu_exec_interrupt_x86_64(Cpu *cpu, int request)
{
    Vm *vm = vm_current;

    bool ran = vm->block_size;

    (void)request;
    repeat_notice(vm);
    turn_at_boundary(vm);
    vm->block_size = vm->in_single = 0;
    CPU_INTERRUPT_REQUEST(cpu) &= ~CPU_INTERRUPT_HARD;
    if (vm->cpu->segments_changed)
        limits_settle(vm);
    if (vm->cpu->restart.at_once && restart_pending(vm))
        return run_single(vm);
    if (!(vm->cpu->env->hflags & HF_INHIBIT_IRQ))
        vm->cpu->env->hflags &= ~HF_PASSES_BREAKPOINTS;
    if (ran)
        data_breakpoint_trap(vm);
    if (vm_must_end(vm))
        vm_stop_between(vm, EXIT_WATCHPOINT);
    if (at_limit(vm) || (vm->step_once && vm->stepped)) {
        vm_stop_between(vm, vm->step_once && vm->stepped ? EXIT_STEPPED : EXIT_LIMIT);
        return false;
    }
    if (deliveries_stuck(vm)) {
        vm_stop_between(vm, EXIT_STUCK);
        return false;
    }
    if (vm->turn.over && !turn_goes_on(vm)) {
        vm_stop_between(vm, EXIT_TURN);
        return false;
    }
    data_breakpoint_trap(vm);               /* of what a delivery stored: for ever, where that is its own frame */
    if (vm_interrupt_due(vm) && !vm->watch_recording) {
        deliver_interrupt(vm);
        vm->breakpoint_suppressed = 0;
        CPU_INTERRUPT_REQUEST(cpu) |= CPU_INTERRUPT_HARD;
        return true;
    }
    if (vm_stops_at(vm, env_linear_pc(vm->cpu->env))) {
        vm_stop_between(vm, EXIT_BREAKPOINT);
        return false;
    }
    bool single = vm->step_once || vm->crossing || vm->breakpoint_suppressed || vm->run_alone || passes_breakpoint(vm) ||
                  data_breakpoint_held_back(vm);
    vm->cpu->repeating = 0;                 /* until it has gone on */
    return single && run_single(vm);
}

void __real_cpu_loop_exit_noexc_x86_64(Cpu *cpu);

/* Code that changed itself: Unicorn runs the storing instruction again, alone. */
_Noreturn void __wrap_cpu_loop_exit_noexc_x86_64(Cpu *cpu)
{
    vm_retire_exactly(vm_current);
    restart_instruction(vm_current, true);
    __real_cpu_loop_exit_noexc_x86_64(cpu);
    abort();
}
