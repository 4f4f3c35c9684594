/* How a machine is made and freed. */
#include <stdlib.h>

#include "vm.h"

enum { TRANSLATIONS_SIZE = 128 << 20 };     /* bytes of host code; full, it is emptied */
enum { FCW_AFTER_RESET = 0x40, MXCSR_AFTER_RESET = 0x1f80 };   /* SDM 3A table 10-1; Unicorn leaves zeros */

/* NULL: no memory, or Unicorn refused. `ram` stays the caller's; its size is a multiple of a page. */
Vm *vm_new(uint8_t *ram, uint64_t ram_size, void *owner)
{
    Vm *vm = calloc(1, sizeof *vm);
    uint64_t pages = ram_size >> 12;

    if (!vm || uc_open(UC_ARCH_X86, UC_MODE_64, &vm->uc) != UC_ERR_OK) {
        free(vm);
        return NULL;
    }
    uc_ctl(vm->uc, UC_CTL_WRITE(UC_CTL_TCG_BUFFER_SIZE, 1), TRANSLATIONS_SIZE);
    vm->ram = ram;
    vm->ram_size = ram_size;
    vm->owner = owner;
    vm->is_code = calloc(pages, 1);
    vm->maybe_writable = calloc(pages, 1);
    vm->dirty = calloc(pages, 1);
    vm->tlb_generation = 1;
    vm->tlb_capacity = 1 << 14;
    vm->tlb = calloc(vm->tlb_capacity, 2 * sizeof *vm->tlb);
    vm->catch_skip_tick = UINT64_MAX;
    vm->apic_base = 0xfee00900;             /* enabled, the bootstrap processor's */
    if (!vm->is_code || !vm->maybe_writable || !vm->dirty || !vm->tlb ||
        physical_map_memory(vm, 0, ram_size, ram) != UC_ERR_OK || !deliveries_hook(vm) ||
        uc_ctl(vm->uc, UC_CTL_WRITE(UC_CTL_UC_USE_EXITS, 1), 1) != UC_ERR_OK) {
        vm_free(vm);
        return NULL;
    }
    vm->cpu = UC_CPU(vm->uc);               /* Unicorn makes it at the first call that needs it */
    vm->env = CPU_ENV(vm->cpu);
    vm->env->fpuc = FCW_AFTER_RESET;
    vm->env->mxcsr = MXCSR_AFTER_RESET;
    update_fp_status_x86_64(vm->env);
    update_mxcsr_status_x86_64(vm->env);
    return vm;
}

void vm_free(Vm *vm)
{
    if (!vm)
        return;
    uc_close(vm->uc);
    free(vm->sink);
    free(vm->is_code);
    free(vm->maybe_writable);
    free(vm->dirty);
    free(vm->tlb);
    free(vm->catch_ports);
    free(vm->catch_msrs);
    free(vm->breakpoints);
    free(vm->planted);
    free(vm->physical_breakpoints);
    free(vm->watchpoints);
    free(vm->watch_made);
    free(vm->watch_hits);
    free(vm->cpuid);
    free(vm);
}
