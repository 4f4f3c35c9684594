/* Control registers, MSRs, the time-stamp counter, TR. Each __wrap_helper_* runs in place of Unicorn's helper. */
#include <string.h>

#include "vm.h"

#define HERE ((uintptr_t)__builtin_return_address(0))
#define HELPER __attribute__((noinline))

static uint64_t time_stamp(Vm *vm, uintptr_t host_pc)
{
    return vm_now(vm, host_pc) + vm->cpu->tsc_offset;
}

static void load_time_stamp(Env *env, uintptr_t host_pc)
{
    if (env->cr[4] & CR4_TSD && env->hflags & HF_CPL)
        raise_exception_err_ra_x86_64(env, 13, 0, host_pc);
    uint64_t now = time_stamp(vm_current, 0);   /* translated code has stored rip for this instruction */
    env->regs[R_RAX] = (uint32_t)now;
    env->regs[R_RDX] = now >> 32;
}

HELPER void __wrap_helper_rdtsc_x86_64(Env *env)
{
    load_time_stamp(env, HERE);
}

HELPER void __wrap_helper_rdtscp_x86_64(Env *env)
{
    load_time_stamp(env, HERE);
    env->regs[R_RCX] = (uint32_t)env->tsc_aux;
}

static bool changes_mode(Env *env, int reg, uint64_t value)
{
    uint64_t changed = env->cr[reg] ^ value;

    return reg == 0 && changed & (CR0_PE | CR0_PG);
}

/* With EFER.LME, paging begins IA-32e mode: in a segment that is no 64-bit code yet, and without a task state of the 286 that LTR or
 * a task switch has loaded: what TR has from reset is of that type, too, and many a boot loader leaves it. */
static bool begins_badly(const Env *env)
{
    enum { SYSTEM_TYPE = 0x1f00, TSS_16 = 0x0100 };
    bool of_286 = env->tr.selector & 0xfffc && (env->tr.flags & SYSTEM_TYPE & ~DESC_TSS_BUSY) == TSS_16;

    return env->efer & EFER_LME && (!(env->cr[4] & CR4_PAE) || env->segs[R_CS].flags & DESC_L || of_286);
}

static bool bad_cr0(Env *env, uint64_t value)
{
    bool paging = value & CR0_PG;

    return value >> 32 || (!paging && env->cr[4] & CR4_PCIDE) || (paging && !(value & CR0_PE)) || (value & CR0_NW && !(value & CR0_CD)) ||
           (paging && !(env->cr[0] & CR0_PG) && begins_badly(env)) ||
           (!paging && env->hflags & HF_CS64);
}

/* Its bit 63, with PCIDs, says that the TLB may stay (SDM 3A 4.10.4.1). It is emptied all the same. */
static uint64_t kept_cr3(const Env *env, uint64_t value)
{
    return env->cr[4] & CR4_PCIDE ? value & ~(1ull << 63) : value;
}

static bool bad_cr4(const Vm *vm, uint64_t value)
{
    const Env *env = vm->cpu->env;
    bool long_mode = env->efer & EFER_LMA, begins = value & ~env->cr[4] & CR4_PCIDE;

    return value & ~vm->cr4_known || (long_mode && !(value & CR4_PAE)) || (begins && (!long_mode || env->cr[3] & 0xfff));
}

/* Legacy PAE paging takes its four pointers at once, from where CR3 says (SDM 3A 4.4.1). */
static bool takes_bad_pointers(Vm *vm, int reg, uint64_t value)
{
    const Env *env = vm->cpu->env;
    uint64_t cr0 = reg == 0 ? value : env->cr[0], cr3 = reg == 3 ? value : env->cr[3], cr4 = reg == 4 ? value : env->cr[4];
    uint64_t changed = env->cr[reg] ^ value, taken_for = reg == 0 ? CR0_PG | CR0_CD | CR0_NW : CR4_PAE | CR4_PGE | CR4_PSE | CR4_SMEP;

    if (!(cr0 & CR0_PG) || !(cr4 & CR4_PAE) || env->efer & EFER_LME || (reg != 3 && !(changed & taken_for)))
        return false;
    return mmu_pointers_are_bad(vm, cr3);
}

/* SDM 2B, MOV to control registers: what raises #GP(0). */
static void check_control(Vm *vm, int reg, uint64_t value, uintptr_t host_pc)
{
    Env *env = vm->cpu->env;
    bool long_mode = env->efer & EFER_LMA;
    bool bad = (reg == 0 && bad_cr0(env, value)) || (reg == 3 && long_mode && kept_cr3(env, value) >> vm->physical_bits) ||
               (reg == 4 && bad_cr4(vm, value)) || (reg == 8 && value >> 4) ||
               ((reg == 0 || reg == 3 || reg == 4) && takes_bad_pointers(vm, reg, value));

    if (bad)
        raise_exception_err_ra_x86_64(env, 13, 0, host_pc);
}

static uint32_t task_priority(Vm *vm, bool write, uint32_t value, uintptr_t host_pc)
{
    interrupts_settle(vm);
    uint32_t priority = bus_task_priority(vm->owner, write, value, vm_now(vm, host_pc));
    vm->remapped = 0;                       /* a block ends with such an instruction */
    return priority;
}

HELPER void __wrap_helper_write_crN_x86_64(Env *env, int reg, uint64_t value)
{
    Vm *vm = vm_current;

    if (reg == 3)
        vm->touched.events |= CATCH_CR3;
    if (reg == 3 && vm_catch(vm, CATCH_CR3, HERE, env->cr[3], value))
        vm_leave(vm, EXIT_CATCH, HERE);
    if (changes_mode(env, reg, value) && vm_catch(vm, CATCH_MODE, HERE, env->cr[reg], value))
        vm_leave(vm, EXIT_CATCH, HERE);
    check_control(vm, reg, value, HERE);
    switch (reg) {
    case 0:
        vm->cpu->segments_changed = 1;      /* what is checked of them depends on PE */
        vm->unpaged = !((env->cr[0] | value) & CR0_PG);
        cpu_x86_update_cr0_x86_64(env, value);
        vm->unpaged = 0;
        break;
    case 3: cpu_x86_update_cr3_x86_64(env, kept_cr3(env, value)); break;
    case 4:
        if ((env->cr[4] ^ value) & CR4_PKE)
            cpu_flush_engine_tlb(vm);       /* which Unicorn does not know */
        cpu_x86_update_cr4_x86_64(env, value);
        break;
    case 8: task_priority(vm, true, value, HERE); break;
    default: env->cr[reg] = value;
    }
}

HELPER uint64_t __wrap_helper_read_crN_x86_64(Env *env, int reg)
{
    Vm *vm = vm_current;

    return reg == 8 ? task_priority(vm, false, 0, HERE) : env->cr[reg];
}

/* RDPMC, which came with MMX: no model has counters, so that the number of one is wrong in any ring (SDM 2B, RDPMC). */
HELPER void __wrap_helper_rdpmc_x86_64(Env *env)
{
    enum { UD = 6, GP = 13, MMX = 23 };

    if (!(env->features[FEAT_1_EDX] >> MMX & 1))
        raise_exception_ra_x86_64(env, UD, HERE);
    raise_exception_err_ra_x86_64(env, GP, 0, HERE);
}

static bool msr_caught(Vm *vm, uint32_t kind, uint32_t msr, uint64_t value, uintptr_t host_pc)
{
    bool listed = !vm->catch_msr_count;

    for (uint32_t i = 0; i < vm->catch_msr_count && !listed; i++)
        listed = vm->catch_msrs[i] == msr;
    return listed && vm_catch(vm, kind, host_pc, msr, value);
}

enum { MSR_TSC = 0x10, MSR_APIC_BASE = 0x1b, MSR_SYSENTER_CS = 0x174, APIC_BASE_RESERVED = 0x2ff & ~0x100, APIC_BASE_X2APIC = 0x400 };

void __real_helper_rdmsr_x86_64(Env *env);
void __real_helper_wrmsr_x86_64(Env *env);

static void return_msr(Env *env, uint64_t value)
{
    env->regs[R_RAX] = (uint32_t)value;
    env->regs[R_RDX] = value >> 32;
}

/* Whether it is one of the local APIC's in x2APIC mode (SDM 3A table 11-6), on a CPU that has it. */
static bool is_x2apic(const Env *env, uint32_t msr)
{
    return msr >> 8 == 8 && env->features[FEAT_1_ECX] >> 21 & 1;
}

static uint64_t read_x2apic(Vm *vm, uint32_t msr, uintptr_t host_pc)
{
    uint64_t value = 0;

    interrupts_settle(vm);
    if (!bus_read_msr(vm->owner, msr, vm_now(vm, host_pc), &value))
        raise_exception_err_ra_x86_64(vm->cpu->env, 13, 0, host_pc);
    return value;
}

static void write_apic(Vm *vm, uint32_t msr, uint64_t value, uintptr_t host_pc)
{
    uint64_t now = vm_now(vm, host_pc), made;

    if (restart_repeats(vm, now, MSR_WRITE, msr, 8, &made))
        return;
    interrupts_settle(vm);
    if (!bus_write_msr(vm->owner, msr, value, now))
        raise_exception_err_ra_x86_64(vm->cpu->env, 13, 0, host_pc);
    restart_note(vm, MSR_WRITE, msr, 8, value);
    if (vm->remapped)
        physical_begin_again(vm, host_pc);
}

static void write_apic_base(Vm *vm, uint64_t value, uintptr_t host_pc)
{
    uint64_t reserved = APIC_BASE_RESERVED | (vm->cpu->env->features[FEAT_1_ECX] >> 21 & 1 ? 0 : APIC_BASE_X2APIC);

    if (value >> vm->physical_bits || value & reserved)
        raise_exception_err_ra_x86_64(vm->cpu->env, 13, 0, host_pc);
    write_apic(vm, MSR_APIC_BASE, value, host_pc);
    vm->cpu->apic_base = value;
}

HELPER void __wrap_helper_rdmsr_x86_64(Env *env)
{
    Vm *vm = vm_current;
    uint32_t msr = env->regs[R_RCX];

    vm->touched.events |= CATCH_MSR_READ;
    if (vm->catch_mask & CATCH_MSR_READ && msr_caught(vm, CATCH_MSR_READ, msr, 0, HERE))
        vm_leave(vm, EXIT_CATCH, HERE);
    uint64_t of_machine_checks;
    if (!msr_is_there(env, msr) || (machine_check_concerns(msr) && !machine_check_read(vm->cpu, msr, &of_machine_checks)))
        raise_exception_err_ra_x86_64(env, 13, 0, HERE);
    if (msr == MSR_TSC)
        return_msr(env, time_stamp(vm, HERE));
    else if (msr == MSR_APIC_BASE)
        return_msr(env, vm->cpu->apic_base);
    else if (is_x2apic(env, msr))
        return_msr(env, read_x2apic(vm, msr, HERE));
    else if (machine_check_concerns(msr))
        return_msr(env, of_machine_checks);
    else
        __real_helper_rdmsr_x86_64(env);
}

HELPER void __wrap_helper_wrmsr_x86_64(Env *env)
{
    Vm *vm = vm_current;
    uint32_t msr = env->regs[R_RCX];
    uint64_t value = (uint32_t)env->regs[R_RAX] | env->regs[R_RDX] << 32, efer = env->efer;

    vm->touched.events |= CATCH_MSR_WRITE;
    if (vm->catch_mask & CATCH_MSR_WRITE && msr_caught(vm, CATCH_MSR_WRITE, msr, value, HERE))
        vm_leave(vm, EXIT_CATCH, HERE);
    bool of_machine_checks = machine_check_concerns(msr);
    if (!msr_takes(vm, msr, value) || (of_machine_checks && !machine_check_write(vm->cpu, msr, value)))
        raise_exception_err_ra_x86_64(env, 13, 0, HERE);
    if (msr == MSR_TSC)
        vm->cpu->tsc_offset = value - vm_now(vm, HERE);
    else if (msr == MSR_APIC_BASE)
        write_apic_base(vm, value, HERE);
    else if (is_x2apic(env, msr))
        write_apic(vm, msr, value, HERE);
    else if (msr == MSR_SYSENTER_CS)
        env->sysenter_cs = (uint32_t)value; /* 16 bits are a selector, as many more are kept (SDM 4 table 2-2) */
    else if (!of_machine_checks)
        __real_helper_wrmsr_x86_64(env);
    if ((env->efer ^ efer) & EFER_NXE) {
        tlb_drop_all(vm->cpu);
        cpu_flush_engine_tlb(vm);
    }
}

/* A ring change needs a stack from the TSS and TR names none: #TS (SDM 3A 6.15), where Unicorn ends the process. */
_Noreturn void __wrap_cpu_abort_x86_64(Cpu *cpu, const char *format, ...)
{
    Env *env = CPU_ENV(cpu);

    (void)format;
    raise_exception_err_ra_x86_64(env, 10, env->tr.selector & 0xfffc, 0);
}
