/* How a machine is made and freed. */
#include <stdlib.h>

#include "vm.h"

enum { TRANSLATIONS_SIZE = 128 << 20 };     /* bytes of host code; full, it is emptied */

/* NULL: too little, or Unicorn refused. `memory` stays the caller's; its size is a multiple of a page. `cpu_count`: 1 to
 * MOST_CPUS. */
Vm *vm_new(uint8_t *memory, uint64_t memory_size, uint32_t cpu_count, void *owner)
{
    Vm *vm = calloc(1, sizeof *vm);
    uint64_t pages = memory_size >> PAGE_SHIFT;

    if (!vm || uc_open(UC_ARCH_X86, UC_MODE_64, &vm->uc) != UC_ERR_OK) {
        free(vm);
        return NULL;
    }
    uc_ctl(vm->uc, UC_CTL_WRITE(UC_CTL_TCG_BUFFER_SIZE, 1), TRANSLATIONS_SIZE);
    vm->memory = memory;
    vm->memory_size = memory_size;
    vm->owner = owner;
    vm->is_code = calloc(pages, 1);
    vm->code_grains = calloc(pages, GRAIN_WORDS * sizeof *vm->code_grains);
    vm->writable_in = calloc(pages, sizeof *vm->writable_in);
    vm->flushes_made = 1;
    vm->dirty = calloc(pages, 1);
    vm->touched.resting = calloc(pages, 1);
    vm->touched.rested = calloc(pages, 1);
    vm->dirty_pages = calloc(pages, sizeof *vm->dirty_pages);
    vm->catch_skip_tick = vm->chips.out0.due = NEVER;
    vm->chips.next_order = 1ull << 62;      /* above all of the scheduler's */
    if (!vm->is_code || !vm->code_grains || !jumps_make(vm) || !vm->writable_in || !vm->dirty || !vm->dirty_pages ||
        !physical_tell_unicorn(vm) || !deliveries_hook(vm) ||
        uc_ctl(vm->uc, UC_CTL_WRITE(UC_CTL_UC_USE_EXITS, 1), 1) != UC_ERR_OK) {
        vm_free(vm);
        return NULL;
    }
    vm->turn = (Turn){.end = NEVER, .awaited = NO_CPU};
    vm->cpu = cpu_first(vm);
    vm->touched.lines = vm->cpu ? near_new(vm->cpu->env, pages * CODE_LINES) : NULL;
    if (!vm->touched.lines)
        vm->cpu = NULL;
    while (vm->cpu && vm->cpu_count < cpu_count)
        if (!cpu_another(vm))
            vm->cpu = NULL;
    if (vm->cpu)
        return vm;
    vm_free(vm);
    return NULL;
}

void vm_free(Vm *vm)
{
    if (!vm)
        return;
    if (vm->cpu_count && vm->cpus[0]->qemu)
        UC_CPU(vm->uc) = vm->cpus[0]->qemu;
    uc_close(vm->uc);
    owed_forget(vm);
    free(vm->sink);
    free(vm->shared_at);
    free(vm->is_code);
    free(vm->code_grains);
    free(vm->jumps);
    free(vm->map);
    free(vm->writable_in);
    free(vm->dirty);
    free(vm->dirty_pages);
    for (uint32_t i = 0; i < vm->cpu_count; i++)
        cpu_free(vm->cpus[i]);
    free(vm->catch_ports);
    free(vm->catch_msrs);
    free(vm->breakpoints);
    free(vm->planted);
    free(vm->physical_breakpoints);
    free(vm->watchpoints);
    free(vm->watch_made);
    free(vm->watch_hits);
    free(vm->touched.pages);
    near_free(vm->touched.lines, (vm->memory_size >> PAGE_SHIFT) * CODE_LINES);
    free(vm->touched.traced);
    free(vm->touched.resting);
    free(vm->touched.rested);
    free(vm);
}
