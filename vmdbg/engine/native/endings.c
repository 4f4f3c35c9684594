/* How a run ends: asked to, or left at an instruction, or between two. */
#include "vm.h"

void vm_request_stop(Vm *vm)
{
    vm->exit = EXIT_REQUESTED;
    clock_attend(vm);
    vm->limit = 0;
    CPU_INTERRUPT_REQUEST(vm->cpu->qemu) |= CPU_INTERRUPT_HARD;
}

/* From an access: the boundary after its instruction is looked at. With IN and OUT a block ends anyway. */
void vm_attend_behind(Vm *vm)
{
    clock_attend(vm);
    CPU_INTERRUPT_REQUEST(vm->cpu->qemu) |= CPU_INTERRUPT_HARD;
    vm->remapped = vm->running;             /* so that it is run again, alone, and does not make the access again */
}

/* From an access, to the byte: its instruction is the last. */
void vm_stop_behind(Vm *vm)
{
    vm_request_stop(vm);
    vm_attend_behind(vm);
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

static _Noreturn void leave(Vm *vm, uint32_t exit, uint64_t ticks, uintptr_t host_pc)
{
    if (host_pc)
        cpu_restore_state_x86_64(vm->cpu->qemu, host_pc, true);
    vm_retire_exactly(vm);
    vm->clock += ticks;
    restart_instruction(vm, false);
    vm->cpu->repeating = 0;
    watch_begin(vm);
    vm->exit = exit;
    uc_emu_stop(vm->uc);
    CPU_EXCEPTION_INDEX(vm->cpu->qemu) = EXCP_INTERRUPT;
    cpu_loop_exit_x86_64(vm->cpu->qemu);
}

/* Leaves the run at an instruction that has not been executed. */
void vm_leave(Vm *vm, uint32_t exit, uintptr_t host_pc)
{
    leave(vm, exit, 0, host_pc);
}

/* The CPU halts before the instruction, for a tick at least, and executes it when it is woken. */
void vm_stand_at(Vm *vm, uintptr_t host_pc)
{
    vm->cpu->env->hflags &= ~HF_INHIBIT_IRQ;
    leave(vm, EXIT_HALT, 1, host_pc);
}

/* Leaves the run between blocks, where nothing of the next instruction has been done, not even its fetch. */
void vm_leave_at_fetch(Vm *vm, uint32_t exit)
{
    watch_begin(vm);
    vm->exit = exit;
    uc_emu_stop(vm->uc);
    CPU_EXCEPTION_INDEX(vm->cpu->qemu) = EXCP_INTERRUPT;
    cpu_loop_exit_x86_64(vm->cpu->qemu);
}

/* What an instruction or a delivery has left to be done before the next. */
bool vm_must_end(Vm *vm)
{
    return vm->watch_touched && !vm->watch_recording;
}

void vm_stop_between(Vm *vm, uint32_t exit)
{
    if (vm->exit == EXIT_NONE)
        vm->exit = exit;
    uc_emu_stop(vm->uc);
}

void __wrap_qemu_system_reset_request(uc_engine *uc)
{
    Vm *vm = vm_current;

    vm_retire_exactly(vm);
    vm->exit = EXIT_TRIPLE_FAULT;
    uc_emu_stop(uc);
}

void helper_single_step_x86_64(Env *env);

/* With TF set, #DB follows an instruction of `length` bytes that Unicorn ends itself (SDM 3B 18.3.1.4). */
void single_step_trap(Env *env, int length)
{
    if (!(env->eflags & FLAG_TF))
        return;
    env->eip += length;
    env->hflags &= ~HF_INHIBIT_IRQ;
    helper_single_step_x86_64(env);
}

void __real_helper_hlt_x86_64(Env *env, int length);

/* The trap wakes the CPU as soon as it halts. */
void __wrap_helper_hlt_x86_64(Env *env, int length)
{
    single_step_trap(env, length);
    if (vm_current->exit == EXIT_NONE)
        vm_current->exit = EXIT_HALT;
    __real_helper_hlt_x86_64(env, length);
}
