/* Turns: which CPU runs, and until when. With one CPU there is one turn, which never ends.
 *
 * A turn ends at the first boundary at or past Turn.end that control has not come to in line, from the instruction before
 * it, but by a jump that was taken, by a delivery or by a repeated instruction going on: an exact one at the first boundary
 * of all, for which blocks are cut; at HLT; and at PAUSE where another CPU can run. All of this follows from the instructions alone, and so from nothing that a debugger does: not from where
 * blocks begin, nor from where runs end. The next turn is chosen as soon as the deadlines of that boundary have come.
 */
#include "vm.h"

/* Whether it goes on if it is given a turn: a halted CPU is woken by it. */
bool cpu_can_run(const VmCpu *cpu)
{
    bool woken = cpu->nmi || (cpu->intr && cpu->env->eflags & FLAG_IF);

    return !cpu->waits_for_sipi && (!cpu->halted || woken);
}

/* Whether the instruction at `linear` follows the block, which may be one instruction, in memory. */
static bool in_line(const Vm *vm, uint64_t linear, uint64_t start, uint64_t size)
{
    uint64_t end = start + size;

    return vm->cpu->env->hflags & HF_CS64 ? linear == end : (uint32_t)linear == (uint32_t)end;
}

/* A block begins after the last one that was looked at. Its own size is counted. */
bool turn_ends_before(const Vm *vm)
{
    return vm->clock - vm->block_size >= vm->turn.end &&
           (vm->turn.exact || !in_line(vm, vm->block_start, vm->last_start, vm->last_size));
}

/* A block has run to its end, and the clock shows when. */
void turn_after_block(Vm *vm, uint64_t start, uint64_t size)
{
    if (vm->clock >= vm->turn.end && !in_line(vm, env_linear_pc(vm->cpu->env), start, size))
        vm->turn.over = 1;
}

/* Between two instructions. */
void turn_at_boundary(Vm *vm)
{
    if (vm->turn.exact && vm->clock >= vm->turn.end)
        vm->turn.over = 1;
}

void turn_after_delivery(Vm *vm)
{
    if (vm->clock >= vm->turn.end)
        vm->turn.over = 1;
}

/* The CPU has run a HLT. */
void turn_halts(Vm *vm)
{
    vm->cpu->halted = 1;
    vm->turn.over = vm->cpu_count > 1;
}

void __real_helper_pause_x86_64(Env *env, int length);

void __wrap_helper_pause_x86_64(Env *env, int length)
{
    Vm *vm = vm_current;

    for (uint32_t i = 0; i < vm->cpu_count && !vm->turn.over; i++)
        vm->turn.over = vm->cpus[i] != vm->cpu && cpu_can_run(vm->cpus[i]);
    if (vm->turn.over)
        CPU_INTERRUPT_REQUEST(vm->cpu->qemu) |= CPU_INTERRUPT_HARD;
    single_step_trap(env, length);
    __real_helper_pause_x86_64(env, length);
}

/* A turn of that CPU begins, which can run. */
void turn_begin(Vm *vm, uint32_t cpu, uint64_t quantum, bool exact)
{
    vm->turn.cpu = cpu;
    vm->turn.over = 0;
    vm->turn.end = quantum < NEVER - vm->clock ? vm->clock + quantum : NEVER;
    vm->turn.taken++;
    vm->turn.exact = exact;
    vm->cpus[cpu]->halted = 0;
}

/* Round robin; NO_CPU: none can run. */
static uint32_t next_in_line(const Vm *vm)
{
    for (uint32_t i = 1; i <= vm->cpu_count; i++) {
        uint32_t cpu = (vm->turn.cpu + i) % vm->cpu_count;
        if (cpu_can_run(vm->cpus[cpu]))
            return cpu;
    }
    return NO_CPU;
}

/* The next turn begins. False: no CPU can run. */
bool turn_next(Vm *vm)
{
    uint32_t next = next_in_line(vm);

    if (next != NO_CPU)
        turn_begin(vm, next, vm->turn.quantum, false);
    return next != NO_CPU;
}

/* The turn is over in the midst of a run. Whether the same CPU has the next, and just goes on. */
bool turn_goes_on(Vm *vm)
{
    if (!vm->turn.quantum || vm->turn.awaited != NO_CPU || vm->clock >= vm->limit || next_in_line(vm) != vm->turn.cpu)
        return false;
    turn_begin(vm, vm->turn.cpu, vm->turn.quantum, false);
    return true;
}

/* The turn is over, and the run would go on. Whether the next has begun, without Python: not if devices' deadlines come
 * first that are Python's, nor if the next CPU is waited for. */
bool turn_goes_over(Vm *vm)
{
    if (vm->cpu_count == 1 || !vm->turn.quantum || !interrupts_come(vm) || !turn_next(vm))
        return false;
    if (vm->turn.awaited == ANY_CPU || vm->turn.awaited == vm->turn.cpu)
        return false;
    vm->breakpoint_suppressed = 0;
    vm_select(vm, vm->turn.cpu);
    return true;
}
