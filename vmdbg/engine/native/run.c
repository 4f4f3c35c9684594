/* A run: from where it begins to why it ended. */
#include <fenv.h>

#include "vm.h"

__thread Vm *vm_current;

static uint32_t run(Vm *vm, uint64_t limit, bool once)
{
    uint64_t rip = vm->cpu->env->eip;
    Vm *outer = vm_current;
    uc_err error;

    vm->exit = EXIT_NONE;
    vm->step_once = once;
    vm->stepped = vm->expect_single = vm->in_single = vm->run_alone = vm->crossing = 0;
    vm->external_event = 0;
    watch_begin(vm);
    vm->bound = limit;
    clock_begin(vm, once ? limit : interrupts_limit(vm),
                once || vm->cpu->intr || vm->cpu->nmi || vm->breakpoint_suppressed || vm->cpu->repeating ||
                deliveries_stuck(vm) || data_breakpoint_hits(vm));
    CPU_CFLAGS_NEXT_TB(vm->cpu->qemu) = -1;
    CPU_INTERRUPT_REQUEST(vm->cpu->qemu) = vm->attention ? CPU_INTERRUPT_HARD : 0;
    vm_current = vm;
    vm->running = 1;
    Vm *interrupted = signals_begin(vm);
    error = uc_emu_start(vm->uc, rip, 0, 0, 0);
    signals_end(interrupted);
    vm->running = 0;
    repeat_notice(vm);
    turn_at_boundary(vm);
    vm_current = outer;
    vm->block_size = 0;
    CPU_INTERRUPT_REQUEST(vm->cpu->qemu) = 0;
    interrupts_settle(vm);
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
    vm->watch_pc = env_linear_pc(vm->cpu->env);
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

/* sse_plain.h rounds to nearest, whatever the host's program has made of that. */
static uint32_t run_watched(Vm *vm, uint64_t limit, bool once)
{
    int rounding = fegetround();

    if (rounding != FE_TONEAREST)
        fesetround(FE_TONEAREST);
    uint32_t exit = until_watched(vm, limit, once);
    if (rounding != FE_TONEAREST)
        fesetround(rounding);
    watch_report(vm);
    return exit;
}

/* One turn after the other, as far as they need no Python. */
static uint32_t run_turns(Vm *vm, uint64_t limit)
{
    for (vm->bound = limit;;) {
        uint32_t exit = run_watched(vm, vm->bound, false);
        if (exit == EXIT_HALT)
            turn_halts(vm);
        if ((exit != EXIT_HALT && exit != EXIT_TURN) || vm->watch_hit_count || !turn_goes_over(vm))
            return exit;
    }
}

/* Runs the CPU whose turn it is, and then others, to the first instruction boundary at or after `limit`, or until something
 * else ends the run. A breakpoint at the first instruction is passed when vm->breakpoint_suppressed is set. */
uint32_t vm_run(Vm *vm, uint64_t limit)
{
    vm_select(vm, vm->turn.cpu);
    if (vm->clock >= limit)
        return vm->exit = EXIT_LIMIT;
    uint32_t exit = run_turns(vm, limit);
    if (exit == EXIT_LIMIT && vm->clock < limit && __atomic_exchange_n(&vm->interrupted, 0, __ATOMIC_SEQ_CST))
        return vm->exit = EXIT_REQUESTED;
    return exit;
}

/* Runs one instruction of the CPU whose turn it is, or delivers it one interrupt or exception. */
uint32_t vm_step(Vm *vm)
{
    vm_select(vm, vm->turn.cpu);
    vm->breakpoint_suppressed = 1;
    uint32_t exit = run_watched(vm, UINT64_MAX, true);
    if (exit == EXIT_HALT)
        turn_halts(vm);
    return exit;
}
