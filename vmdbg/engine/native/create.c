/* How a machine is made and freed. */
#include <stdlib.h>

#include "vm.h"

enum { TRANSLATIONS_SIZE = 128 << 20 };     /* bytes of host code; full, it is emptied */
enum { FCW_AFTER_RESET = 0x40, MXCSR_AFTER_RESET = 0x1f80 };   /* SDM 3A table 10-1; Unicorn leaves zeros */

/* NULL: no memory. */
static VmCpu *new_cpu(void)
{
    VmCpu *cpu = calloc(1, sizeof *cpu);

    if (!cpu)
        return NULL;
    cpu->tlb_generation = 1;
    cpu->tlb_capacity = 1 << 14;
    cpu->tlb = calloc(cpu->tlb_capacity, 2 * sizeof *cpu->tlb);
    cpu->apic.timer.due = NEVER;
    cpu->apic_base = 0xfee00900;            /* enabled, the bootstrap processor's */
    if (!cpu->tlb) {
        free(cpu);
        return NULL;
    }
    return cpu;
}

static void take_qemu_cpu(VmCpu *cpu, Cpu *qemu)
{
    cpu->qemu = qemu;
    cpu->env = CPU_ENV(qemu);
    cpu->env->fpuc = FCW_AFTER_RESET;
    cpu->env->mxcsr = MXCSR_AFTER_RESET;
    update_fp_status_x86_64(cpu->env);
    update_mxcsr_status_x86_64(cpu->env);
}

/* NULL: too little, or Unicorn refused. `memory` stays the caller's; its size is a multiple of a page. */
Vm *vm_new(uint8_t *memory, uint64_t memory_size, void *owner)
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
    vm->cpu = new_cpu();
    vm->is_code = calloc(pages, 1);
    vm->writable_in = calloc(pages, sizeof *vm->writable_in);
    vm->writable_generation = 1;
    vm->dirty = calloc(pages, 1);
    vm->touched.lines = calloc(pages, CODE_LINES);
    vm->dirty_pages = calloc(pages, sizeof *vm->dirty_pages);
    vm->catch_skip_tick = vm->chips.out0.due = NEVER;
    vm->chips.next_order = 1ull << 62;      /* above all of the scheduler's */
    if (!vm->cpu || !vm->is_code || !vm->writable_in || !vm->dirty || !vm->dirty_pages ||
        !physical_tell_unicorn(vm) || !deliveries_hook(vm) ||
        uc_ctl(vm->uc, UC_CTL_WRITE(UC_CTL_UC_USE_EXITS, 1), 1) != UC_ERR_OK) {
        vm_free(vm);
        return NULL;
    }
    take_qemu_cpu(vm->cpu, UC_CPU(vm->uc)); /* Unicorn makes it at the first call that needs it */
    return vm;
}

static void free_cpu(VmCpu *cpu)
{
    if (!cpu)
        return;
    free(cpu->tlb);
    free(cpu);
}

void vm_free(Vm *vm)
{
    if (!vm)
        return;
    uc_close(vm->uc);
    free(vm->sink);
    free(vm->shared_at);
    free(vm->is_code);
    free(vm->map);
    free(vm->writable_in);
    free(vm->dirty);
    free(vm->dirty_pages);
    free_cpu(vm->cpu);
    free(vm->catch_ports);
    free(vm->catch_msrs);
    free(vm->breakpoints);
    free(vm->planted);
    free(vm->physical_breakpoints);
    free(vm->watchpoints);
    free(vm->watch_made);
    free(vm->watch_hits);
    free(vm->touched.pages);
    free(vm->touched.lines);
    free(vm->cpuid);
    free(vm);
}
