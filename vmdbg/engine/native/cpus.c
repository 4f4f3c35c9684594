/* CPUs: made, looked at, freed. They share translations; Unicorn's TLB and its cache of jumps are each CPU's own. */
#include <stdlib.h>

#include "vm.h"
#include "unicorn_tlb.h"

enum { FCW_AFTER_RESET = 0x40, MXCSR_AFTER_RESET = 0x1f80 };   /* SDM 3A table 10-1; Unicorn leaves zeros */
enum { APIC_BASE = 0xfee00800, BOOTSTRAP_PROCESSOR = 0x100 };

static __thread bool making_another;

void __real_tcg_x86_init_x86_64(uc_engine *uc);
void __real_tcg_region_init_x86_64(void *tcg);

/* What Unicorn does for the CPU that it makes, and has no other. */
void __wrap_tcg_x86_init_x86_64(uc_engine *uc)
{
    if (!making_another)
        __real_tcg_x86_init_x86_64(uc);
}

void __wrap_tcg_region_init_x86_64(void *tcg)
{
    if (!making_another)
        __real_tcg_region_init_x86_64(tcg);
}

/* NULL: no memory. */
static Cpu *another_qemu_cpu(uc_engine *uc)
{
    Cpu *first = UC_CPU(uc), *made;

    making_another = true;
    made = cpu_x86_init_x86_64(uc);
    making_another = false;
    if (made && (UC_CPU(uc) != made || uc_ctl_tlb_mode(uc, UC_TLB_CPU) != UC_ERR_OK))
        abort();
    UC_CPU(uc) = first;
    return made;
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

static VmCpu *new_cpu(Vm *vm)
{
    VmCpu *cpu = calloc(1, sizeof *cpu);

    if (!cpu)
        return NULL;
    cpu->index = vm->cpu_count;
    cpu->tlb_generation = 1;
    cpu->tlb_capacity = 1 << 14;
    cpu->tlb = calloc(cpu->tlb_capacity, 2 * sizeof *cpu->tlb);
    cpu->flushed_at = vm->flushes_made;
    cpu->apic.timer.due = NEVER;
    cpu->apic_base = APIC_BASE | (cpu->index ? 0 : BOOTSTRAP_PROCESSOR);
    vm->cpus[vm->cpu_count++] = cpu;
    return cpu->tlb ? cpu : NULL;
}

/* Of the CPU that Unicorn has made: at the first call that needs it. NULL: no memory. */
VmCpu *cpu_first(Vm *vm)
{
    VmCpu *cpu = new_cpu(vm);

    if (cpu)
        take_qemu_cpu(cpu, UC_CPU(vm->uc));
    return cpu;
}

/* One more, with the registers that the first has now. NULL: no memory. */
VmCpu *cpu_another(Vm *vm)
{
    VmCpu *cpu = new_cpu(vm);
    Cpu *qemu = cpu ? another_qemu_cpu(vm->uc) : NULL;
    VmState state;

    if (!qemu)
        return NULL;
    vm_get_state(vm, &state);
    state.apic_base = cpu->apic_base;
    take_qemu_cpu(cpu, qemu);
    vm_select(vm, cpu->index);
    vm_set_state(vm, &state);
    vm_select(vm, 0);
    return cpu;
}

/* After uc_close(), which frees Unicorn's first one. */
void cpu_free(VmCpu *cpu)
{
    if (!cpu)
        return;
    if (cpu->index && cpu->qemu) {
        unicorn_tlb_free(cpu->qemu);
        free(CPU_FIELD(cpu->qemu, CPU_MODEL, void *));
        free(CPU_FIELD(cpu->qemu, CPU_ADDRESS_SPACES, void *));
        free(cpu->qemu);
    }
    free(cpu->cpuid);
    free(cpu->tlb);
    free(cpu);
}

/* Registers and linear memory are that CPU's from now on. A run selects the one whose turn it is. */
void vm_select(Vm *vm, uint32_t index)
{
    vm->cpu = vm->cpus[index];
    UC_CPU(vm->uc) = vm->cpu->qemu;
    cpu_flush_if_stale(vm->cpu);
}

bool vm_can_run(const Vm *vm, uint32_t index)
{
    return cpu_can_run(vm->cpus[index]);
}

void __real_tcg_region_reset_all_x86_64(void *tcg);

/* All translations go, and with them what caches of jumps point to: Unicorn empties that of the CPU that runs. */
void __wrap_tcg_region_reset_all_x86_64(void *tcg)
{
    Vm *vm = vm_current;

    for (uint32_t i = 0; vm && i < vm->cpu_count; i++)
        jumps_check_again(vm, vm->cpus[i]);
    if (vm)
        jumps_forget(vm);
    __real_tcg_region_reset_all_x86_64(tcg);
}
