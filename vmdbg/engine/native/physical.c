/* Physical memory as Unicorn is told of it: RAM, ROM, and windows that devices, or nobody, answer for. */
#include <stdlib.h>

#include "vm.h"

static uint64_t window_read(uc_engine *uc, uint64_t offset, unsigned size, void *user)
{
    Vm *vm = vm_current;

    (void)uc;
    if (!vm)
        return UINT64_MAX;
    uint64_t physical = (uint64_t)(uintptr_t)user + offset, now = vm_now(vm, CPU_MEM_IO_PC(vm->cpu->qemu)), value;
    if (restart_repeats(vm, now, MEMORY_READ, physical, size, &value))
        return value;
    interrupts_settle(vm);
    value = bus_memory_read(vm->owner, physical, size, now);
    restart_note(vm, MEMORY_READ, physical, size, value);
    return value;
}

static void window_write(uc_engine *uc, uint64_t offset, unsigned size, uint64_t value, void *user)
{
    Vm *vm = vm_current;

    (void)uc;
    if (!vm)
        return;
    uint64_t physical = (uint64_t)(uintptr_t)user + offset, now = vm_now(vm, CPU_MEM_IO_PC(vm->cpu->qemu)), made;
    if (restart_repeats(vm, now, MEMORY_WRITE, physical, size, &made))
        return;
    restart_note(vm, MEMORY_WRITE, physical, size, value);
    if (apic_write(vm, physical, size, value, now))
        return;
    interrupts_settle(vm);
    bus_memory_write(vm->owner, physical, size, value, now);
}

/* Physical memory that devices, or nobody, answer for. */
int vm_map_window(Vm *vm, uint64_t physical, uint64_t size)
{
    void *base = (void *)(uintptr_t)physical;

    return uc_mmio_map(vm->uc, physical, size, window_read, base, window_write, base);
}

int physical_map_memory(Vm *vm, uint64_t physical, uint64_t size, uint8_t *host)
{
    return uc_mem_map_ptr(vm->uc, physical, size, UC_PROT_ALL, host);
}

/* Memory above RAM for the guest to read and run. `host` stays the caller's; nothing writes to it. */
int vm_map_rom(Vm *vm, uint64_t physical, uint64_t size, uint8_t *host)
{
    if (vm->rom_count == ROMS)
        return UC_ERR_RESOURCE;
    if (!vm->sink) {
        vm->sink = aligned_alloc(4096, 4096);
        if (!vm->sink)
            return UC_ERR_NOMEM;
        int error = physical_map_memory(vm, ADDRESS_SPACE, 4096, vm->sink);
        if (error)
            return error;
    }
    vm->roms[vm->rom_count++] = (VmRange){physical, size};
    return physical_map_memory(vm, physical, size, host);
}

void vm_set_a20(Vm *vm, uint32_t enabled)
{
    int32_t mask = enabled ? -1 : ~(1 << 20);

    if (vm->cpu->env->a20_mask == mask)
        return;
    vm->cpu->env->a20_mask = mask;
    tlb_drop_all(vm->cpu);
    vm_flush_engine_tlb(vm);
}
