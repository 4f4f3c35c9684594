/* Physical memory as Unicorn is told of it: RAM, ROM, and windows that devices, or nobody, answer for. */
#include <stdlib.h>
#include <string.h>

#include "vm.h"

static uint64_t window_read(uc_engine *uc, uint64_t offset, unsigned size, void *user)
{
    Vm *vm = vm_current;

    (void)uc;
    (void)user;
    if (!vm)
        return UINT64_MAX;
    uint64_t physical = offset, now = vm_now(vm, CPU_MEM_IO_PC(vm->cpu->qemu)), value;
    if (restart_repeats(vm, now, MEMORY_READ, physical, size, &value))
        return value;
    if (!vga_read(vm, physical, size, &value) && !apic_read(vm, physical, size, &value)) {
        interrupts_settle(vm);
        value = bus_memory_read(vm->owner, physical, size, now);
    }
    restart_note(vm, MEMORY_READ, physical, size, value);
    if (vm->remapped)
        physical_begin_again(vm, CPU_MEM_IO_PC(vm->cpu->qemu));
    return value;
}

static void window_write(uc_engine *uc, uint64_t offset, unsigned size, uint64_t value, void *user)
{
    Vm *vm = vm_current;

    (void)uc;
    (void)user;
    if (!vm)
        return;
    uint64_t physical = offset, now = vm_now(vm, CPU_MEM_IO_PC(vm->cpu->qemu)), made;
    if (restart_repeats(vm, now, MEMORY_WRITE, physical, size, &made))
        return;
    restart_note(vm, MEMORY_WRITE, physical, size, value);
    if (vga_write(vm, physical, size, value) || apic_write(vm, physical, size, value, now))
        return;
    interrupts_settle(vm);
    bus_memory_write(vm->owner, physical, size, value, now);
    if (vm->remapped)
        physical_begin_again(vm, CPU_MEM_IO_PC(vm->cpu->qemu));
}

/* Unicorn asks of each access that is not plain whose it is. */
static MemoryRegion *find_region(uc_engine *uc, uint64_t address)
{
    Vm *vm = vm_current;

    if (!vm || address - UNICORNS_MEMORY >= vm->memory_size)
        return find_memory_mapping_x86_64(uc, address);
    if (!vm->memory_region)
        vm->memory_region = find_memory_mapping_x86_64(uc, address);
    return vm->memory_region;
}

/* Unicorn has all memory in one row, whose first byte is its RAM address 0, and devices at every address that a guest
 * can name. What the guest finds where is decided as Unicorn's TLB is filled, by vm->map. Returns whether it worked. */
bool physical_tell_unicorn(Vm *vm)
{
    vm->sink = aligned_alloc(1 << PAGE_SHIFT, 1 << PAGE_SHIFT);
    if (!vm->sink ||
        uc_mem_map_ptr(vm->uc, UNICORNS_MEMORY, vm->memory_size, UC_PROT_ALL, vm->memory) != UC_ERR_OK ||
        uc_mmio_map(vm->uc, 0, ADDRESS_SPACE, window_read, NULL, window_write, NULL) != UC_ERR_OK ||
        uc_mem_map_ptr(vm->uc, ADDRESS_SPACE, 1 << PAGE_SHIFT, UC_PROT_ALL, vm->sink) != UC_ERR_OK ||
        UC_MEMORY_MAPPING(vm->uc) != find_memory_mapping_x86_64)
        return false;
    UC_MEMORY_MAPPING(vm->uc) = find_region;
    return true;
}

/* Where the guest finds memory from now on: ranges of whole pages by rising address, without overlaps. The
 * architectural TLB holds physical addresses, and stays. */
void vm_set_map(Vm *vm, const VmRange *ranges, uint32_t count)
{
    free(vm->map);
    vm->map = malloc((count + 1) * sizeof *ranges);
    if (!vm->map)
        abort();
    memcpy(vm->map, ranges, count * sizeof *ranges);
    vm->map_count = count;
    vm->map_largest = 0;
    for (uint32_t i = 1; i < count; i++)
        if (ranges[i].end - ranges[i].start > ranges[vm->map_largest].end - ranges[vm->map_largest].start)
            vm->map_largest = i;
    vm->remapped = vm->running;
    vm_flush_engine_tlb(vm);
}

/* An access has changed the map. Its instruction is run again, alone, and the access not made again: what comes after it
 * in its block was fetched where other memory may be now. */
void physical_begin_again(Vm *vm, uintptr_t host_pc)
{
    vm->remapped = 0;
    if (vm->in_single || !vm->block_size || !vm->cpu->restart.count || vm->cpu->restart.count == RESTART_ACCESSES)
        return;
    if (host_pc)
        cpu_restore_state_x86_64(vm->cpu->qemu, host_pc, true);
    vm_retire_exactly(vm);
    restart_instruction(vm, true);
    CPU_EXCEPTION_INDEX(vm->cpu->qemu) = -1;
    CPU_INTERRUPT_REQUEST(vm->cpu->qemu) |= CPU_INTERRUPT_HARD;
    cpu_loop_exit_x86_64(vm->cpu->qemu);
}

void vm_set_a20(Vm *vm, uint32_t enabled)
{
    int32_t mask = enabled ? -1 : ~(1 << 20);

    if (vm->cpu->env->a20_mask == mask)
        return;
    for (uint32_t i = 0; i < vm->cpu_count; i++) {
        vm->cpus[i]->env->a20_mask = mask;
        tlb_drop_all(vm->cpus[i]);
    }
    vm_flush_engine_tlb(vm);
}
