/* The clock and the run loop.
 *
 * A tick is a byte of guest code retired. Each block adds its size as it begins; bytes are additive, so the count
 * does not depend on where blocks begin. What must happen at a tick happens at the first instruction boundary at or
 * after it: a block that would cross the limit is run one instruction at a time.
 */
#include <stdlib.h>
#include <string.h>

#include "vm.h"

__thread Vm *vm_current;
VmCallbacks vm_callbacks;

enum { STUCK_DELIVERIES = 200000, ERROR_EXT = 1, ERROR_IDT = 2 };
enum { TRANSLATIONS_SIZE = 128 << 20 };     /* bytes of host code; full, it is emptied */
enum { FCW_AFTER_RESET = 0x40, MXCSR_AFTER_RESET = 0x1f80 };   /* SDM 3A table 10-1; Unicorn leaves zeros */

/* Takes back the part of the current block that was counted and not run. */
void vm_retire_exactly(Vm *vm)
{
    uint64_t done = env_linear_pc(vm->env) - vm->block_start;

    if (done < vm->block_size)
        vm->clock -= vm->block_size - done;
    vm->block_size = 0;
}

/* The tick of the instruction whose translation holds host_pc (0: rip is right already). */
uint64_t vm_now(Vm *vm, uintptr_t host_pc)
{
    Env *env = vm->env;
    uint64_t eip = env->eip, done;
    uint32_t cc_op = env->cc_op;

    if (!vm->block_size)
        return vm->clock;
    if (host_pc)
        cpu_restore_state_x86_64(vm->cpu, host_pc, false);
    done = env_linear_pc(env) - vm->block_start;
    env->eip = eip;
    env->cc_op = cc_op;
    return done < vm->block_size ? vm->clock - (vm->block_size - done) : vm->clock;
}

void vm_request_stop(Vm *vm)
{
    vm->exit = EXIT_REQUESTED;
    clock_attend(vm);
    vm->limit = 0;
    CPU_INTERRUPT_REQUEST(vm->cpu) |= CPU_INTERRUPT_HARD;
}

/* Ends the run that goes on, or the next one, at its next block. Any thread may call it. */
void vm_interrupt(Vm *vm)
{
    __atomic_store_n(&vm->interrupted, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&vm->limit, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&vm->attention, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&vm->horizon, 0, __ATOMIC_SEQ_CST);
}

/* Leaves the run at an instruction that has not been executed. */
void vm_leave(Vm *vm, uint32_t exit, uintptr_t host_pc)
{
    if (host_pc)
        cpu_restore_state_x86_64(vm->cpu, host_pc, true);
    vm_retire_exactly(vm);
    vm->exit = exit;
    uc_emu_stop(vm->uc);
    CPU_EXCEPTION_INDEX(vm->cpu) = EXCP_INTERRUPT;
    cpu_loop_exit_x86_64(vm->cpu);
}

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

void vm_note_delivery(Vm *vm, uint32_t vector, uint32_t kind, uint32_t error_code, uint64_t rip)
{
    VmDelivery *d = &vm->deliveries[vm->delivery_count++ % DELIVERIES];

    if (vm->delivery_count > 1 && vm->deliveries[(vm->delivery_count - 2) % DELIVERIES].tick == vm->clock)
        vm->quiet_deliveries++;
    else
        vm->quiet_deliveries = 0;
    d->tick = vm->clock;
    d->rip = rip;
    d->linear_pc = vm->env->hflags & HF_CS64 ? rip : (uint32_t)(vm->env->segs[R_CS].base + rip);
    if (!vm->watch_recording)
        vm->watch_pc = d->linear_pc;
    d->cr2 = vm->env->cr[2];
    d->error_code = error_code;
    d->vector = vector;
    d->kind = kind;
    d->cpl = vm->env->hflags & HF_CPL;
    d->width = vm->env->hflags & HF_CS64 ? 64 : vm->env->hflags & HF_CS32 ? 32 : 16;
    bool invalid = vector == 6 && kind == DELIVER_EXCEPTION;
    d->code_size = invalid ? vm_read_linear(vm, d->linear_pc, d->code, sizeof d->code) : 0;
}

/* Whether an interrupt or NMI is delivered before the next instruction. */
uint32_t vm_interrupt_due(Vm *vm)
{
    Env *env = vm->env;

    if (env->hflags & HF_INHIBIT_IRQ)
        return false;
    return (vm->nmi && !(env->hflags2 & HF2_NMI)) || (vm->intr && env->eflags & FLAG_IF);
}

/* What an instruction or a delivery has left to be done before the next. */
static bool must_end(Vm *vm)
{
    return vm->watch_hit_count && !vm->watch_recording;
}

/* A block begins, its size counted already, and is looked at: run it, or leave it for between blocks. */
void block_begins(Vm *vm)
{
    bool single = vm->expect_single, crossing = vm->clock > vm->limit;

    vm->expect_single = 0;
    if (!single && (vm->step_once || crossing || vm_interrupt_due(vm) || must_end(vm))) {
        vm->clock -= vm->block_size;
        vm->block_size = 0;
        vm->crossing = crossing;
        vm->env->eip = vm->block_start - vm->env->segs[R_CS].base;
        CPU_INTERRUPT_REQUEST(vm->cpu) |= CPU_INTERRUPT_HARD;
        CPU_EXCEPTION_INDEX(vm->cpu) = -1;
        cpu_loop_exit_x86_64(vm->cpu);
    }
    if (single) {
        vm->stepped = 1;
        vm->run_alone = vm->breakpoint_suppressed = 0;
    }
    vm->in_single = single;
    CPU_INTERRUPT_REQUEST(vm->cpu) |= CPU_INTERRUPT_HARD;       /* what is due comes before the next fetch */
    if (!single && !vm->intr && !vm->nmi && !vm->step_once && !must_end(vm) && !data_breakpoint_hits(vm))
        clock_relax(vm);
}

void *__real_tb_htable_lookup_x86_64(Cpu *, uint64_t, uint64_t, uint32_t, uint32_t);

/* An indirect jump looks its target up, which can fault, set A bits and fill the TLB: not before what is due now. */
void *__wrap_tb_htable_lookup_x86_64(Cpu *cpu, uint64_t pc, uint64_t cs_base, uint32_t flags, uint32_t cflags)
{
    if (CPU_INTERRUPT_REQUEST(cpu) & CPU_INTERRUPT_HARD)
        return NULL;
    return __real_tb_htable_lookup_x86_64(cpu, pc, cs_base, flags, cflags);
}

static void stop_between(Vm *vm, uint32_t exit)
{
    if (vm->exit == EXIT_NONE)
        vm->exit = exit;
    uc_emu_stop(vm->uc);
}

static bool is_caught(const uint64_t vectors[4], uint32_t vector)
{
    return vectors[vector >> 6 & 3] >> (vector & 63) & 1;
}

static void take_interrupt(Vm *vm)
{
    Env *env = vm->env;
    bool nmi = vm->nmi && !(env->hflags2 & HF2_NMI);
    int32_t vector = nmi ? 2 : apic_acknowledge(vm);

    if (vector < 0)
        return;
    if (nmi) {
        vm->nmi = 0;
        env->hflags2 |= HF2_NMI;
    } else {
        vm->interrupts++;
    }
    vm_note_delivery(vm, vector, nmi ? DELIVER_NMI : DELIVER_EXTERNAL, 0, env->eip);
    vm->external_event = 1;
    do_interrupt_x86_hardirq_x86_64(env, vector, 1);
    vm->external_event = 0;
    vm->deliveries[(vm->delivery_count - 1) % DELIVERIES].handler = env->eip;
    vm->stepped = 1;
    if (is_caught(vm->catch_interrupts, vector))
        stop_between(vm, EXIT_EXCEPTION);
}

static bool at_limit(Vm *vm)
{
    if (vm->exit != EXIT_NONE)
        return true;
    return vm->clock >= vm->limit && (vm->step_once || !apic_timer_expires(vm));
}

/* Between blocks, when block_begins() or a run asked for attention: stop, deliver, or go on by one instruction. */
bool __wrap_x86_cpu_exec_interrupt_x86_64(Cpu *cpu, int request)
{
    Vm *vm = vm_current;

    (void)request;
    vm->block_size = vm->in_single = 0;
    CPU_INTERRUPT_REQUEST(cpu) &= ~CPU_INTERRUPT_HARD;
    data_breakpoint_trap(vm);
    if (must_end(vm))
        stop_between(vm, EXIT_WATCHPOINT);
    if (at_limit(vm) || (vm->step_once && vm->stepped)) {
        stop_between(vm, vm->step_once && vm->stepped ? EXIT_STEPPED : EXIT_LIMIT);
        return false;
    }
    if (vm->quiet_deliveries > STUCK_DELIVERIES) {
        stop_between(vm, EXIT_STUCK);
        return false;
    }
    if (vm_interrupt_due(vm) && !vm->watch_recording) {
        take_interrupt(vm);
        vm->breakpoint_suppressed = 0;
        CPU_INTERRUPT_REQUEST(cpu) |= CPU_INTERRUPT_HARD;
        return true;
    }
    if (!vm->breakpoint_suppressed && vm_breakpoint_at(vm, env_linear_pc(vm->env))) {
        stop_between(vm, EXIT_BREAKPOINT);
        return false;
    }
    if (!vm->step_once && !vm->crossing && !vm->breakpoint_suppressed && !vm->run_alone)
        return false;
    vm->expect_single = 1;                  /* and again, if the translations are full and emptied first */
    clock_attend(vm);
    vm->single_steps++;
    CPU_CFLAGS_NEXT_TB(cpu) = 1;
    CPU_INTERRUPT_REQUEST(cpu) |= CPU_INTERRUPT_HARD;
    return true;
}

/* Whether the frame gets RF, so that the instruction does not meet its breakpoint again when it is run again: after all
 * faults but #DB (SDM 3B 18.3.1.1). */
static bool resumes(uint32_t vector)
{
    return vector < 20 && 0xb7ce1 >> vector & 1;
}

/* UC_HOOK_INTR: every exception and INT n, with rip at the instruction, or after it for INT n. */
static void on_exception(uc_engine *uc, uint32_t vector, void *user)
{
    Vm *vm = user;
    Env *env = vm->env;
    bool software = env->exception_is_int;
    uint64_t rip = env->eip;

    (void)uc;
    if (software)
        env->eip -= vm->int_length;         /* where it stays if the delivery faults */
    vm_retire_exactly(vm);
    if (software)
        vm->clock += vm->int_length;
    data_breakpoint_set_hits(vm, 0);        /* reported, or the instruction did not come so far */
    vm->expect_single = vm->in_single = vm->run_alone = vm->breakpoint_suppressed = 0;
    vm->exceptions++;
    vm_note_delivery(vm, vector, software ? DELIVER_SOFTWARE : DELIVER_EXCEPTION, software ? 0 : env->error_code, rip);
    CPU_EXCEPTION_INDEX(vm->cpu) = vector;
    if (!software && resumes(vector))
        env->eflags |= FLAG_RF;
    vm->external_event = !software;
    x86_cpu_do_interrupt_x86_64(vm->cpu);
    vm->external_event = 0;
    vm->deliveries[(vm->delivery_count - 1) % DELIVERIES].handler = env->eip;
    env->exception_is_int = 0;              /* or Unicorn would move rip once more */
    vm->stepped = 1;
    if (is_caught(vm->catch_vectors, vector) && !vm->watch_recording)
        stop_between(vm, EXIT_EXCEPTION);
    if (vm->step_once || vm->crossing || vm->quiet_deliveries > STUCK_DELIVERIES || vm->attention ||
        must_end(vm))
        CPU_INTERRUPT_REQUEST(vm->cpu) |= CPU_INTERRUPT_HARD;
}

void __real_raise_exception_err_x86_64(Env *env, int vector, int error_code);

/* A fault in the midst of a delivery: Unicorn doubles the vector in the error code in long mode, and leaves EXT out
 * (SDM 3A 6.13). */
void __wrap_raise_exception_err_x86_64(Env *env, int vector, int error_code)
{
    bool of_selector = vector >= 10 && vector <= 13;

    if (of_selector && error_code & ERROR_IDT && env->hflags & HF_LMA)
        error_code = (error_code >> 1 & ~7) | ERROR_IDT;
    if (of_selector && vm_current->external_event)
        error_code |= ERROR_EXT;
    __real_raise_exception_err_x86_64(env, vector, error_code);
}

void __real_helper_raise_interrupt_x86_64(Env *env, int vector, int length);

void __wrap_helper_raise_interrupt_x86_64(Env *env, int vector, int length)
{
    vm_current->int_length = length;
    __real_helper_raise_interrupt_x86_64(env, vector, length);
}

void __real_helper_into_x86_64(Env *env, int length);

void __wrap_helper_into_x86_64(Env *env, int length)
{
    vm_current->int_length = length;
    __real_helper_into_x86_64(env, length);
}

/* INT1, which Unicorn does not know: #DB with rip after it, and no bit of DR6 (SDM 2A, INT n). */
static bool is_int1(Vm *vm)
{
    uint8_t opcode = 0;

    return vm_read_linear(vm, env_linear_pc(vm->env), &opcode, 1) == 1 && opcode == 0xf1;
}

/* UC_HOOK_INSN_INVALID: #UD. */
static bool on_invalid(uc_engine *uc, void *user)
{
    Vm *vm = user;
    bool int1 = is_int1(vm);

    if (int1) {
        vm->env->exception_is_int = 1;
        vm->env->exception_next_eip = ++vm->env->eip;
        vm->int_length = 1;
    } else if (vm->env->exception_is_int) {
        vm->env->eip = vm->env->exception_next_eip;     /* INT 6 */
    }
    on_exception(uc, int1 ? 1 : 6, user);
    return true;
}

void __wrap_qemu_system_reset_request(uc_engine *uc)
{
    Vm *vm = vm_current;

    vm_retire_exactly(vm);
    vm->exit = EXIT_TRIPLE_FAULT;
    uc_emu_stop(uc);
}

void __real_cpu_loop_exit_noexc_x86_64(Cpu *cpu);

/* Code that changed itself: Unicorn runs the storing instruction again, alone. */
_Noreturn void __wrap_cpu_loop_exit_noexc_x86_64(Cpu *cpu)
{
    vm_retire_exactly(vm_current);
    __real_cpu_loop_exit_noexc_x86_64(cpu);
    abort();
}

void __real_helper_hlt_x86_64(Env *env, int length);

void __wrap_helper_hlt_x86_64(Env *env, int length)
{
    if (vm_current->exit == EXIT_NONE)
        vm_current->exit = EXIT_HALT;
    __real_helper_hlt_x86_64(env, length);
}

static uint32_t run(Vm *vm, uint64_t limit, bool once)
{
    uint64_t rip = vm->env->eip;
    Vm *outer = vm_current;
    uc_err error;

    vm->exit = EXIT_NONE;
    vm->step_once = once;
    vm->stepped = vm->expect_single = vm->in_single = vm->run_alone = vm->crossing = 0;
    vm->watch_hit_count = vm->external_event = 0;
    vm->quiet_deliveries = 0;
    vm->bound = limit;
    clock_begin(vm, once ? limit : apic_limit(vm), once || vm->intr || vm->nmi || vm->breakpoint_suppressed || data_breakpoint_hits(vm));
    if (!once && __atomic_load_n(&vm->interrupted, __ATOMIC_SEQ_CST))
        vm_interrupt(vm);
    CPU_CFLAGS_NEXT_TB(vm->cpu) = -1;
    CPU_INTERRUPT_REQUEST(vm->cpu) = vm->attention ? CPU_INTERRUPT_HARD : 0;
    vm_current = vm;
    vm->running = 1;
    error = uc_emu_start(vm->uc, rip, 0, 0, 0);
    vm->running = 0;
    vm_current = outer;
    vm->block_size = 0;
    CPU_INTERRUPT_REQUEST(vm->cpu) = 0;
    apic_settle(vm);
    if (error != UC_ERR_OK) {
        vm->exit = EXIT_ENGINE_ERROR;
        vm->exit_detail = error;
    } else if (vm->exit == EXIT_NONE) {
        vm->exit = EXIT_HALT;               /* MWAIT */
    }
    return vm->exit;
}

/* After a watchpoint was about to be hit: run that instruction and collect what it touches. */
static uint32_t finish_watched(Vm *vm, uint64_t limit)
{
    uint64_t before = vm->clock;

    vm->watch_pc = env_linear_pc(vm->env);
    vm->watch_recording = 1;
    vm->breakpoint_suppressed = 1;
    uint32_t exit = run(vm, limit, true);
    vm->watch_recording = 0;
    vm->breakpoint_suppressed = 0;
    if (exit == EXIT_STEPPED && vm->watch_hit_count && vm->clock != before)
        return vm->exit = EXIT_WATCHPOINT;
    return exit == EXIT_STEPPED ? EXIT_NONE : exit;
}

static uint32_t run_watched(Vm *vm, uint64_t limit, bool once)
{
    for (;;) {
        uint32_t exit = run(vm, limit, once);
        if (exit != EXIT_WATCHPOINT || vm->watch_hit_count)
            return exit;
        exit = finish_watched(vm, limit);
        if (exit != EXIT_NONE)
            return exit;
        if (once)
            return vm->exit = EXIT_STEPPED;
    }
}

/* Runs to the first instruction boundary at or after `limit`, or until something else ends the run.
 * A breakpoint at the first instruction is passed when vm->breakpoint_suppressed is set. */
uint32_t vm_run(Vm *vm, uint64_t limit)
{
    if (vm->clock >= limit)
        return vm->exit = EXIT_LIMIT;
    uint32_t exit = run_watched(vm, limit, false);
    if (exit == EXIT_LIMIT && vm->clock < limit && __atomic_exchange_n(&vm->interrupted, 0, __ATOMIC_SEQ_CST))
        return vm->exit = EXIT_REQUESTED;
    return exit;
}

/* Runs one instruction, or delivers one interrupt or exception. */
uint32_t vm_step(Vm *vm)
{
    vm->breakpoint_suppressed = 1;
    return run_watched(vm, UINT64_MAX, true);
}

static uint64_t window_read(uc_engine *uc, uint64_t offset, unsigned size, void *user)
{
    Vm *vm = vm_current;

    (void)uc;
    if (!vm)
        return UINT64_MAX;
    apic_settle(vm);
    return vm_callbacks.memory_read(vm->owner, (uint64_t)(uintptr_t)user + offset, size,
                                    vm_now(vm, CPU_MEM_IO_PC(vm->cpu)));
}

static void window_write(uc_engine *uc, uint64_t offset, unsigned size, uint64_t value, void *user)
{
    Vm *vm = vm_current;

    (void)uc;
    if (!vm || apic_write(vm, (uint64_t)(uintptr_t)user + offset, size, value))
        return;
    apic_settle(vm);
    vm_callbacks.memory_write(vm->owner, (uint64_t)(uintptr_t)user + offset, size, value,
                              vm_now(vm, CPU_MEM_IO_PC(vm->cpu)));
}

/* Physical memory that devices, or nobody, answer for. */
int vm_map_window(Vm *vm, uint64_t physical, uint64_t size)
{
    void *base = (void *)(uintptr_t)physical;

    return uc_mmio_map(vm->uc, physical, size, window_read, base, window_write, base);
}

static int map_memory(Vm *vm, uint64_t physical, uint64_t size, uint8_t *host)
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
        int error = map_memory(vm, SINK, 4096, vm->sink);
        if (error)
            return error;
    }
    vm->roms[vm->rom_count++] = (VmRange){physical, size};
    return map_memory(vm, physical, size, host);
}

static bool add_hooks(Vm *vm)
{
    uc_hook hook;

    return uc_hook_add(vm->uc, &hook, UC_HOOK_INTR, on_exception, vm, 1, 0) == UC_ERR_OK &&
           uc_hook_add(vm->uc, &hook, UC_HOOK_INSN_INVALID, on_invalid, vm, 1, 0) == UC_ERR_OK &&
           uc_ctl(vm->uc, UC_CTL_WRITE(UC_CTL_UC_USE_EXITS, 1), 1) == UC_ERR_OK;
}

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
    vm->watch_armed = 1;
    if (!vm->is_code || !vm->maybe_writable || !vm->dirty || !vm->tlb ||
        map_memory(vm, 0, ram_size, ram) != UC_ERR_OK || !add_hooks(vm)) {
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
    free(vm->cpuid);
    free(vm);
}

static uint32_t feature_word(Vm *vm, uint32_t leaf, uint32_t subleaf, bool ecx, bool ebx)
{
    const VmCpuid *row = cpuid_row(vm, leaf, subleaf);

    return !row ? 0 : ebx ? row->ebx : ecx ? row->ecx : row->edx;
}

/* Bits of CR4 that may be set, each by the feature it belongs to (SDM 3A 2.5). */
static uint64_t known_cr4(const uint64_t *features)
{
    static const struct { uint8_t bit, word, feature; } needs[] = {
        {11, FEAT_7_ECX, 2}, {16, FEAT_7_EBX, 0}, {17, FEAT_1_ECX, 17}, {18, FEAT_1_ECX, 26}, {20, FEAT_7_EBX, 7},
        {21, FEAT_7_EBX, 20}, {22, FEAT_7_ECX, 3},
    };
    uint64_t known = 0x7ff;                 /* VME to OSXMMEXCPT */

    for (unsigned i = 0; i < sizeof needs / sizeof *needs; i++)
        if (features[needs[i].word] >> needs[i].feature & 1)
            known |= 1u << needs[i].bit;
    return known;
}

/* Replaces the table behind CPUID; the engine runs the instructions that it names and no others. */
void vm_set_cpuid(Vm *vm, const VmCpuid *rows, uint32_t count, uint32_t max_basic, uint32_t max_extended)
{
    free(vm->cpuid);
    vm->cpuid = malloc((count + 1) * sizeof *rows);
    if (!vm->cpuid)
        abort();
    memcpy(vm->cpuid, rows, count * sizeof *rows);
    vm->cpuid_count = count;
    vm->cpuid_max_basic = max_basic;
    vm->cpuid_max_extended = max_extended;
    uint64_t *features = vm->env->features;
    memset(features, 0, sizeof vm->env->features);
    features[FEAT_1_EDX] = feature_word(vm, 1, 0, false, false);
    features[FEAT_1_ECX] = feature_word(vm, 1, 0, true, false);
    features[FEAT_7_EBX] = feature_word(vm, 7, 0, false, true);
    features[FEAT_7_ECX] = feature_word(vm, 7, 0, true, false);
    features[FEAT_EXTENDED_EDX] = feature_word(vm, 0x80000001, 0, false, false);
    features[FEAT_EXTENDED_ECX] = feature_word(vm, 0x80000001, 0, true, false);
    const VmCpuid *sizes = cpuid_row(vm, 0x80000008, 0);
    vm->physical_bits = sizes && sizes->eax & 0xff ? sizes->eax & 0xff : 36;
    vm->cr4_known = known_cr4(features);
}

void vm_set_a20(Vm *vm, uint32_t enabled)
{
    int32_t mask = enabled ? -1 : ~(1 << 20);

    if (vm->env->a20_mask == mask)
        return;
    vm->env->a20_mask = mask;
    tlb_drop_all(vm);
    vm_flush_engine_tlb(vm);
}
