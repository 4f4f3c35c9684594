/* Events that a debugger has asked to stop before: ports, MSRs, control registers, changes of ring. */
#include <stdlib.h>
#include <string.h>

#include "vm.h"

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

/* `ports` has a byte for each of the 64 Ki ports. */
void vm_set_catches(Vm *vm, uint32_t mask, const uint32_t *msrs, uint32_t msr_count, const uint8_t *ports)
{
    if ((mask ^ vm->catch_mask) & (CATCH_MAGIC | CATCH_LOCKED))
        vm_flush_caches(vm);
    vm->catch_mask = mask;
    free(vm->catch_msrs);
    vm->catch_msrs = malloc((msr_count + 1) * sizeof *msrs);
    if (!vm->catch_msrs)
        abort();
    memcpy(vm->catch_msrs, msrs, msr_count * sizeof *msrs);
    vm->catch_msr_count = msr_count;
    if (!vm->catch_ports)
        vm->catch_ports = malloc(0x10000);
    if (!vm->catch_ports)
        abort();
    memcpy(vm->catch_ports, ports, 0x10000);
}
