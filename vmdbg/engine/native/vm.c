/* The clock and the run loop.
 *
 * A tick is a byte of guest code retired. Each block adds its size as it begins; bytes are additive, so the count
 * does not depend on where blocks begin. What must happen at a tick happens at the first instruction boundary at or
 * after it: a block that would cross the limit is run one instruction at a time.
 */
#include <stdlib.h>

#include "vm.h"

__thread Vm *vm_current;
VmCallbacks vm_callbacks;

/* Takes back the part of the current block that was counted and not run. */
void vm_retire_exactly(Vm *vm)
{
    uint64_t done = env_linear_pc(vm->env) - vm->block_start;

    if (done < vm->block_size)
        vm->clock -= vm->block_size - done;
    vm->block_size = 0;
    vm->restart.rotate_clock = 0;
}

/* The tick of the instruction whose translation holds host_pc (0: rip is right already). */
uint64_t vm_now(Vm *vm, uintptr_t host_pc)
{
    Env *env = vm->env;
    uint64_t eip = env->eip, cc_src = env->cc_src, done;
    uint32_t cc_op = env->cc_op;

    if (!vm->block_size)
        return vm->clock;
    if (host_pc)
        cpu_restore_state_x86_64(vm->cpu, host_pc, false);
    done = env_linear_pc(env) - vm->block_start;
    env->eip = eip;
    env->cc_op = cc_op;
    env->cc_src = cc_src;
    return done < vm->block_size ? vm->clock - (vm->block_size - done) : vm->clock;
}

void vm_request_stop(Vm *vm)
{
    vm->exit = EXIT_REQUESTED;
    clock_attend(vm);
    vm->limit = 0;
    CPU_INTERRUPT_REQUEST(vm->cpu) |= CPU_INTERRUPT_HARD;
}

/* Ends the run that goes on, or the next one, after its next block. Any thread may call it, and signal handlers. */
void vm_interrupt(Vm *vm)
{
    __atomic_store_n(&vm->interrupted, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&vm->attention, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&vm->horizon, 0, __ATOMIC_SEQ_CST);
}

bool vm_interrupted(const Vm *vm)
{
    return __atomic_load_n(&vm->interrupted, __ATOMIC_SEQ_CST);
}

/* Leaves the run at an instruction that has not been executed. */
void vm_leave(Vm *vm, uint32_t exit, uintptr_t host_pc)
{
    if (host_pc)
        cpu_restore_state_x86_64(vm->cpu, host_pc, true);
    vm_retire_exactly(vm);
    restart_instruction(vm, false);
    vm->repeating = 0;
    watch_begin(vm);
    vm->exit = exit;
    uc_emu_stop(vm->uc);
    CPU_EXCEPTION_INDEX(vm->cpu) = EXCP_INTERRUPT;
    cpu_loop_exit_x86_64(vm->cpu);
}

/* Leaves the run between blocks, where nothing of the next instruction has been done, not even its fetch. */
void vm_leave_at_fetch(Vm *vm, uint32_t exit)
{
    watch_begin(vm);
    vm->exit = exit;
    uc_emu_stop(vm->uc);
    CPU_EXCEPTION_INDEX(vm->cpu) = EXCP_INTERRUPT;
    cpu_loop_exit_x86_64(vm->cpu);
}

/* Whether a debugger wants to stop before this event. The tick that was stopped at is passed once. */
bool vm_catch(Vm *vm, uint32_t kind, uintptr_t host_pc, uint64_t detail, uint64_t value)
{
    if (!(vm->catch_mask & kind) || vm_now(vm, host_pc) == vm->catch_skip_tick)
        return false;
    vm->exit_detail = kind;
    vm->exit_linear = detail;
    vm->exit_value = value;
    return true;
}

/* Whether an interrupt or NMI is delivered before the next instruction. */
uint32_t vm_interrupt_due(Vm *vm)
{
    Env *env = vm->env;

    if (env->hflags & HF_INHIBIT_IRQ)
        return false;
    return (vm->nmi && !(env->hflags2 & HF2_NMI)) || (vm->intr && env->eflags & FLAG_IF);
}

/* What an instruction or a delivery has left to be done before the next. */
bool vm_must_end(Vm *vm)
{
    return vm->watch_touched && !vm->watch_recording;
}

/* A block begins, its size counted already, and is looked at: run it, or leave it for between blocks. One that was
 * fetched runs, so that an interruption from outside leaves no trace of the fetch; one that follows it chained was not. */
void block_begins(Vm *vm)
{
    bool single = vm->expect_single, crossing = vm->clock > vm->limit;
    bool interrupted = vm_interrupted(vm), chained = CPU_INTERRUPT_REQUEST(vm->cpu) & CPU_INTERRUPT_HARD;

    vm->expect_single = 0;
    if (!single && (vm->step_once || crossing || vm_interrupt_due(vm) || vm_must_end(vm) || data_breakpoint_hits(vm) ||
                    (interrupted && chained))) {
        vm->clock -= vm->block_size;
        vm->block_size = vm->repeating = 0;
        vm->crossing = crossing;
        vm->env->eip = vm->block_start - vm->env->segs[R_CS].base;
        if (chained)
            repeat_after(vm, vm->last_start, vm->last_size);
        CPU_INTERRUPT_REQUEST(vm->cpu) |= CPU_INTERRUPT_HARD;
        CPU_EXCEPTION_INDEX(vm->cpu) = -1;
        cpu_loop_exit_x86_64(vm->cpu);
    }
    if (single) {
        vm->stepped = 1;
        vm->run_alone = vm->breakpoint_suppressed = 0;
    }
    vm->in_single = single;
    vm->last_start = vm->block_start;
    vm->last_size = vm->block_size;
    CPU_INTERRUPT_REQUEST(vm->cpu) |= CPU_INTERRUPT_HARD;       /* what is due comes before the next fetch */
    if (!single && !vm->intr && !vm->nmi && !interrupted)
        clock_relax(vm);
}

void *__real_tb_htable_lookup_x86_64(Cpu *, uint64_t, uint64_t, uint32_t, uint32_t);

/* An indirect jump looks its target up, which can fault, set A bits and fill the TLB: not before what is due now. */
void *__wrap_tb_htable_lookup_x86_64(Cpu *cpu, uint64_t pc, uint64_t cs_base, uint32_t flags, uint32_t cflags)
{
    if (CPU_INTERRUPT_REQUEST(cpu) & CPU_INTERRUPT_HARD)
        return NULL;
    return __real_tb_htable_lookup_x86_64(cpu, pc, cs_base, flags, cflags);
}

void vm_stop_between(Vm *vm, uint32_t exit)
{
    if (vm->exit == EXIT_NONE)
        vm->exit = exit;
    uc_emu_stop(vm->uc);
}

static bool run_single(Vm *vm)
{
    vm->expect_single = 1;                  /* and again, if the translations are full and emptied first */
    clock_attend(vm);
    vm->single_steps++;
    CPU_CFLAGS_NEXT_TB(vm->cpu) = 1;
    CPU_INTERRUPT_REQUEST(vm->cpu) |= CPU_INTERRUPT_HARD;
    return true;
}

static bool at_limit(Vm *vm)
{
    if (vm->exit != EXIT_NONE || (!vm->step_once && vm_interrupted(vm)))
        return true;
    return vm->clock >= vm->limit && (vm->step_once || !apic_timer_expires(vm));
}

/* A breakpoint at an instruction that repeats stops before the first time only. */
static bool passes_breakpoint(Vm *vm)
{
    return vm->repeating && vm_breakpoint_at(vm, env_linear_pc(vm->env));
}

/* Between blocks, when block_begins() or a run asked for attention: stop, deliver, or go on by one instruction. */
bool __wrap_x86_cpu_exec_interrupt_x86_64(Cpu *cpu, int request)
{
    Vm *vm = vm_current;

    bool ran = vm->block_size;

    (void)request;
    repeat_notice(vm);
    vm->block_size = vm->in_single = 0;
    CPU_INTERRUPT_REQUEST(cpu) &= ~CPU_INTERRUPT_HARD;
    if (vm->restart.at_once && restart_pending(vm))
        return run_single(vm);
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
    data_breakpoint_trap(vm);               /* of what a delivery stored: for ever, where that is its own frame */
    if (vm_interrupt_due(vm) && !vm->watch_recording) {
        deliver_interrupt(vm);
        vm->breakpoint_suppressed = 0;
        CPU_INTERRUPT_REQUEST(cpu) |= CPU_INTERRUPT_HARD;
        return true;
    }
    if (vm_stops_at(vm, env_linear_pc(vm->env))) {
        vm_stop_between(vm, EXIT_BREAKPOINT);
        return false;
    }
    bool single = vm->step_once || vm->crossing || vm->breakpoint_suppressed || vm->run_alone || passes_breakpoint(vm);
    vm->repeating = 0;                      /* until it has gone on */
    return single && run_single(vm);
}

void __wrap_qemu_system_reset_request(uc_engine *uc)
{
    Vm *vm = vm_current;

    vm_retire_exactly(vm);
    vm->exit = EXIT_TRIPLE_FAULT;
    uc_emu_stop(uc);
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

void __real_helper_hlt_x86_64(Env *env, int length);

void __wrap_helper_hlt_x86_64(Env *env, int length)
{
    if (vm_current->exit == EXIT_NONE)
        vm_current->exit = EXIT_HALT;
    __real_helper_hlt_x86_64(env, length);
}

static uint32_t run(Vm *vm, uint64_t limit, bool once)
{
    uint64_t rip = vm->env->eip;
    Vm *outer = vm_current;
    uc_err error;

    vm->exit = EXIT_NONE;
    vm->step_once = once;
    vm->stepped = vm->expect_single = vm->in_single = vm->run_alone = vm->crossing = 0;
    vm->external_event = 0;
    watch_begin(vm);
    vm->bound = limit;
    clock_begin(vm, once ? limit : apic_limit(vm),
                once || vm->intr || vm->nmi || vm->breakpoint_suppressed || vm->repeating || deliveries_stuck(vm) ||
                data_breakpoint_hits(vm));
    CPU_CFLAGS_NEXT_TB(vm->cpu) = -1;
    CPU_INTERRUPT_REQUEST(vm->cpu) = vm->attention ? CPU_INTERRUPT_HARD : 0;
    vm_current = vm;
    vm->running = 1;
    Vm *interrupted = signals_begin(vm);
    error = uc_emu_start(vm->uc, rip, 0, 0, 0);
    signals_end(interrupted);
    vm->running = 0;
    repeat_notice(vm);
    vm_current = outer;
    vm->block_size = 0;
    CPU_INTERRUPT_REQUEST(vm->cpu) = 0;
    apic_settle(vm);
    if (error != UC_ERR_OK) {
        vm->exit = EXIT_ENGINE_ERROR;
        vm->exit_detail = error;
    } else if (vm->exit == EXIT_NONE) {
        vm->exit = EXIT_HALT;               /* MWAIT */
    }
    return vm->exit;
}

/* After a watchpoint was about to be hit: run that instruction and collect what it touches. */
static uint32_t finish_watched(Vm *vm, uint64_t limit)
{
    vm->watch_pc = env_linear_pc(vm->env);
    vm->watch_clock = vm->clock;
    vm->watch_recording = 1;
    vm->breakpoint_suppressed = 1;
    uint32_t exit = run(vm, limit, true);
    vm->watch_recording = 0;
    vm->breakpoint_suppressed = 0;
    if (exit == EXIT_STEPPED && vm->watch_touched)
        return vm->exit = EXIT_WATCHPOINT;
    return exit == EXIT_STEPPED ? EXIT_NONE : exit;
}

static uint32_t until_watched(Vm *vm, uint64_t limit, bool once)
{
    for (;;) {
        uint32_t exit = run(vm, limit, once);
        if (exit != EXIT_WATCHPOINT || vm->watch_touched)
            return exit;
        exit = finish_watched(vm, limit);
        if (exit != EXIT_NONE)
            return exit;
        if (once)
            return vm->exit = EXIT_STEPPED;
    }
}

static uint32_t run_watched(Vm *vm, uint64_t limit, bool once)
{
    uint32_t exit = until_watched(vm, limit, once);

    watch_report(vm);
    return exit;
}

/* Runs to the first instruction boundary at or after `limit`, or until something else ends the run.
 * A breakpoint at the first instruction is passed when vm->breakpoint_suppressed is set. */
uint32_t vm_run(Vm *vm, uint64_t limit)
{
    if (vm->clock >= limit)
        return vm->exit = EXIT_LIMIT;
    uint32_t exit = run_watched(vm, limit, false);
    if (exit == EXIT_LIMIT && vm->clock < limit && __atomic_exchange_n(&vm->interrupted, 0, __ATOMIC_SEQ_CST))
        return vm->exit = EXIT_REQUESTED;
    return exit;
}

/* Runs one instruction, or delivers one interrupt or exception. */
uint32_t vm_step(Vm *vm)
{
    vm->breakpoint_suppressed = 1;
    return run_watched(vm, UINT64_MAX, true);
}
