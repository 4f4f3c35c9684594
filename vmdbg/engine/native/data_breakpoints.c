/* The guest's own data breakpoints, DR0 to DR3 (SDM 3B 18.2). Unicorn knows the instruction breakpoints only.
 *
 * The access runs, as an instruction of its own, and #DB follows it.
 */
#include "vm.h"

enum { BP_HIT_READ = 0x40, BP_HIT_WRITE = 0x80, BP_HIT = 0xc0, DR6_TRAPS = 15 };
#define DR6_BD (1u << 13)
#define DR6_CHANGES 0xe00fu
#define DR6_ONES 0xffff0ff0u
#define DR7_CHANGES 0xffff23ffu
#define DR7_ONES 0x400u
#define DR7_GD (1u << 13)

int __wrap_cpu_watchpoint_insert_x86_64(Cpu *cpu, uint64_t linear, uint64_t length, int flags, void **made)
{
    Vm *vm = vm_current;
    unsigned index = made - vm->cpu->env->breakpoints;

    (void)cpu;
    vm->cpu->data_breakpoints[index] = (DataBreakpoint){.linear = linear & ~(length - 1), .length = length, .flags = flags};
    vm->cpu->data_breakpoint_set |= 1u << index;
    *made = &vm->cpu->data_breakpoints[index];
    cpu_flush_engine_tlb(vm);
    return 0;
}

void __wrap_cpu_watchpoint_remove_by_ref_x86_64(Cpu *cpu, DataBreakpoint *breakpoint)
{
    Vm *vm = vm_current;

    (void)cpu;
    vm->cpu->data_breakpoint_set &= ~(1u << (breakpoint - vm->cpu->data_breakpoints));
    cpu_flush_engine_tlb(vm);
}

static bool set_at(Vm *vm, unsigned index)
{
    return vm->cpu->data_breakpoint_set >> index & 1;
}

/* BP_MEM_READ and BP_MEM_WRITE, for which accesses of the page are to be checked. */
uint32_t data_breakpoint_page(Vm *vm, uint64_t linear)
{
    uint32_t kinds = 0;

    for (unsigned i = 0; i < 4; i++)
        if (set_at(vm, i) && !((vm->cpu->data_breakpoints[i].linear ^ linear) & ~0xfffull))
            kinds |= vm->cpu->data_breakpoints[i].flags & BP_MEM_ACCESS;
    return kinds;
}

/* Goes back to before the instruction, which is then run alone. */
_Noreturn void restart_alone(Vm *vm, uintptr_t host_pc)
{
    cpu_restore_state_x86_64(vm->cpu->qemu, host_pc, true);
    vm_retire_exactly(vm);
    restart_instruction(vm, true);
    vm->run_alone = 1;
    CPU_INTERRUPT_REQUEST(vm->cpu->qemu) |= CPU_INTERRUPT_HARD;
    CPU_EXCEPTION_INDEX(vm->cpu->qemu) = -1;
    cpu_loop_exit_x86_64(vm->cpu->qemu);
}

void data_breakpoint_access(Vm *vm, uint64_t linear, uint64_t size, int access, uintptr_t host_pc)
{
    int wanted = access == MMU_STORE ? BP_MEM_WRITE : BP_MEM_READ;

    for (unsigned i = 0; i < 4; i++) {
        DataBreakpoint *b = &vm->cpu->data_breakpoints[i];
        bool touched = linear - b->linear < b->length || b->linear - linear < size;
        if (!set_at(vm, i) || !(b->flags & wanted) || !touched)
            continue;
        if (vm->block_size && !vm->in_single)
            restart_alone(vm, host_pc);
        b->flags |= access == MMU_STORE ? BP_HIT_WRITE : BP_HIT_READ;
        clock_attend(vm);
        CPU_INTERRUPT_REQUEST(vm->cpu->qemu) |= CPU_INTERRUPT_HARD;
    }
}

/* Bits 0 to 3: the breakpoints whose access has run and whose #DB is still to come. */
uint32_t data_breakpoint_hits(Vm *vm)
{
    uint32_t hits = 0;

    for (unsigned i = 0; vm->cpu->data_breakpoint_set && i < 4; i++)
        if (set_at(vm, i) && vm->cpu->data_breakpoints[i].flags & BP_HIT)
            hits |= 1u << i;
    return hits;
}

void data_breakpoint_set_hits(Vm *vm, uint32_t hits)
{
    for (unsigned i = 0; i < 4; i++) {
        vm->cpu->data_breakpoints[i].flags &= ~BP_HIT;
        if (set_at(vm, i) && hits >> i & 1)
            vm->cpu->data_breakpoints[i].flags |= BP_HIT_WRITE;
    }
}

/* What a MOV SS or POP SS met waits for the next instruction. */
bool data_breakpoint_held_back(Vm *vm)
{
    return data_breakpoint_hits(vm) && cpu_shadow_is_by_ss(vm->cpu);
}

/* A #DB is delivered: one that is still to come comes with it. */
void data_breakpoint_join(Vm *vm)
{
    uint32_t hits = data_breakpoint_hits(vm);

    if (hits)
        vm->cpu->env->dr[6] = (vm->cpu->env->dr[6] & ~(uint64_t)DR6_TRAPS) | hits;
    data_breakpoint_set_hits(vm, 0);
}

/* Between two instructions: the #DB of the one that ran. */
void data_breakpoint_trap(Vm *vm)
{
    if (data_breakpoint_hits(vm) && !cpu_shadow_is_by_ss(vm->cpu))
        raise_exception_ra_x86_64(vm->cpu->env, 1, 0);
}

static void detect_general(Env *env, uintptr_t host_pc)
{
    if (!(env->dr[7] & DR7_GD))
        return;
    env->dr[7] &= ~(uint64_t)DR7_GD;
    env->dr[6] |= DR6_BD;
    raise_exception_ra_x86_64(env, 1, host_pc);
}

#define HERE ((uintptr_t)__builtin_return_address(0))

static bool is_alias(Env *env, int reg)
{
    return (reg == 4 || reg == 5) && !(env->cr[4] & CR4_DE);
}

/* DR6, DR7 and their aliases have bits that are always 0 and others that are always 1 (SDM 3B 18.2.3, 18.2.4), of a CPU without
 * RTM and without detection of bus locks. */
uint64_t kept_of_debug_register(int reg, uint64_t value)
{
    if (reg < 4)
        return value;
    return reg & 1 ? (value & DR7_CHANGES) | DR7_ONES : (value & DR6_CHANGES) | DR6_ONES;
}

void __real_helper_set_dr_x86_64(Env *env, int reg, uint64_t value);

__attribute__((noinline)) void __wrap_helper_set_dr_x86_64(Env *env, int reg, uint64_t value)
{
    detect_general(env, HERE);
    if ((reg == 4 || reg == 5) && !is_alias(env, reg))
        raise_exception_ra_x86_64(env, 6, HERE);
    if (reg >= 4 && value >> 32)
        raise_exception_err_ra_x86_64(env, 13, 0, HERE);
    __real_helper_set_dr_x86_64(env, reg, kept_of_debug_register(reg, value));
}

__attribute__((noinline)) uint64_t __wrap_helper_get_dr_x86_64(Env *env, int reg)
{
    detect_general(env, HERE);
    if ((reg == 4 || reg == 5) && !is_alias(env, reg))
        raise_exception_ra_x86_64(env, 6, HERE);
    return env->dr[reg < 4 ? reg : reg | 2];
}
