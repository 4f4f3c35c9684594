/* Instructions that are left half-way and run again: at a watchpoint, at the guest's own data breakpoint, at a port that
 * is caught, where they change the code that they are in. A fault is not one of these: the guest runs it again.
 *
 * What the instruction has read from devices is given to it again and what it has written there is not written again, so
 * that devices cannot tell. RCL and RCR of memory, whose helpers have changed CF before they store, get it back; this they
 * need at a fault, too.
 */
#include "vm.h"

/* Whether the access is one that the instruction has made already; `value` of a read. */
bool restart_repeats(Vm *vm, uint64_t now, uint32_t kind, uint64_t address, uint32_t size, uint64_t *value)
{
    Restart *r = &vm->cpu->restart;

    if (r->tick != now || r->deliveries != vm->delivery_count) {
        r->tick = now;
        r->deliveries = vm->delivery_count;
        r->count = r->next = 0;
    }
    if (r->next == r->count)
        return false;
    const VmAccess *made = &r->accesses[r->next];
    if (made->kind != kind || made->address != address || made->size != size) {
        r->count = r->next;
        return false;
    }
    r->next++;
    *value = made->value;
    return true;
}

/* The access that restart_repeats() did not know was made. */
void restart_note(Vm *vm, uint32_t kind, uint64_t address, uint32_t size, uint64_t value)
{
    Restart *r = &vm->cpu->restart;

    if (r->count < RESTART_ACCESSES)
        r->accesses[r->count++] = (VmAccess){address, value, size, kind};
    r->next = r->count;
}

/* The instruction at rip, whose tick the clock shows, is left half-way; `at_once`: the run does not end before it has
 * gone on, for what it did with devices so far belongs to its end. */
void restart_instruction(Vm *vm, bool at_once)
{
    data_breakpoint_set_hits(vm, 0);
    vm->cpu->restart.next = 0;
    vm->cpu->restart.at_once = at_once;
}

/* Registers or the clock are set from outside. */
void restart_forget(Vm *vm)
{
    vm->cpu->restart.count = vm->cpu->restart.next = 0;
    vm->cpu->restart.rotate_clock = 0;
}

/* Whether the next instruction has begun already. */
bool restart_pending(const Vm *vm)
{
    const Restart *r = &vm->cpu->restart;

    return r->next < r->count && r->tick == vm->clock && r->deliveries == vm->delivery_count;
}

#define HELPER __attribute__((noinline))
#define HERE ((uintptr_t)__builtin_return_address(0))

static void rotates(Env *env, uintptr_t host_pc)
{
    Restart *r = &vm_current->cpu->restart;

    r->rotate_clock = vm_current->clock;
    r->rotate_host_pc = host_pc;
    r->rotate_flags = env->cc_src;
}

#define ROTATE(name)                                                       \
    uint64_t __real_##name(Env *env, uint64_t value, uint64_t count);      \
    HELPER uint64_t __wrap_##name(Env *env, uint64_t value, uint64_t count) \
    {                                                                      \
        rotates(env, HERE);                                                \
        return __real_##name(env, value, count);                           \
    }

ROTATE(helper_rclb_x86_64)
ROTATE(helper_rclw_x86_64)
ROTATE(helper_rcll_x86_64)
ROTATE(helper_rclq_x86_64)
ROTATE(helper_rcrb_x86_64)
ROTATE(helper_rcrw_x86_64)
ROTATE(helper_rcrl_x86_64)
ROTATE(helper_rcrq_x86_64)

void __real_restore_state_to_opc_x86_64(Env *env, Block *tb, uint64_t *data);

/* The rip of an instruction in the block that runs. */
static uint64_t rip_of(Vm *vm, uintptr_t host_pc)
{
    uint32_t cc_op = vm->cpu->env->cc_op;

    cpu_restore_state_x86_64(vm->cpu->qemu, host_pc, false);
    vm->cpu->env->cc_op = cc_op;            /* which the translator may not know for the other instruction */
    return vm->cpu->env->eip;
}

/* Finds the state before an instruction of the block that runs, from what the translator noted. */
void __wrap_restore_state_to_opc_x86_64(Env *env, Block *tb, uint64_t *data)
{
    Vm *vm = vm_current;
    bool rotated = vm && vm->cpu->restart.rotate_clock && vm->cpu->restart.rotate_clock == vm->clock;
    uint64_t rotate_rip = 0;

    if (rotated) {
        vm->cpu->restart.rotate_clock = 0;  /* the state is found twice within this */
        rotate_rip = rip_of(vm, vm->cpu->restart.rotate_host_pc);
        vm->cpu->restart.rotate_clock = vm->clock;
    }
    __real_restore_state_to_opc_x86_64(env, tb, data);
    if (rotated && env->eip == rotate_rip)
        env->cc_src = vm->cpu->restart.rotate_flags;
    else if (rotated)
        vm->cpu->restart.rotate_clock = 0;  /* it has run */
}
