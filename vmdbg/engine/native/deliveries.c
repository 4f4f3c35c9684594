/* Deliveries: exceptions, INT n, interrupts and the NMI, by QEMU's own code (SDM 3A chapter 6). */
#include "vm.h"

enum { ERROR_EXT = 1, ERROR_IDT = 2, GATE_TYPE_AT = 5, GATE_TYPE = 15, GATE_SYSTEM = 31, GATE_DPL = 5, TASK_GATE = 5, GATE_OF_386 = 8 };

static void note(Vm *vm, uint32_t vector, uint32_t kind, uint32_t error_code, uint64_t rip)
{
    VmDelivery *d = &vm->deliveries[vm->delivery_count++ % DELIVERIES];

    if (vm->delivery_count > 1 && vm->deliveries[(vm->delivery_count - 2) % DELIVERIES].tick == vm->clock)
        vm->tick_deliveries++;
    else
        vm->tick_deliveries = 1;
    vm->cpu->repeating = 0;
    vm->user_stack_size = 0;
    narrow_end();
    d->tick = vm->clock;
    d->rip = rip;
    d->linear_pc = vm->cpu->env->hflags & HF_CS64 ? rip : (uint32_t)(vm->cpu->env->segs[R_CS].base + rip);
    vm->watch_pc = d->linear_pc - (kind == DELIVER_SOFTWARE ? vm->int_length : 0);
    d->rsp = vm->cpu->env->regs[R_RSP];
    d->cr3 = vm->cpu->env->cr[3];
    d->cr2 = vm->cpu->env->cr[2];
    d->error_code = error_code;
    d->vector = vector;
    d->kind = kind;
    d->cpl = vm->cpu->env->hflags & HF_CPL;
    d->cpu = vm->cpu->index;
    uint64_t *vectors = kind == DELIVER_EXTERNAL || kind == DELIVER_NMI ? vm->touched.interrupts : vm->touched.exceptions;
    vectors[vector >> 6 & 3] |= 1ull << (vector & 63);
    d->width = vm->cpu->env->hflags & HF_CS64 ? 64 : vm->cpu->env->hflags & HF_CS32 ? 32 : 16;
    bool invalid = vector == 6 && kind == DELIVER_EXCEPTION;
    d->code_size = invalid ? vm_read_linear(vm, d->linear_pc, d->code, sizeof d->code) : 0;
}

/* Whether one has come after the other without end, and nothing retires. */
bool deliveries_stuck(const Vm *vm)
{
    return vm->tick_deliveries > STUCK_DELIVERIES &&
           vm->deliveries[(vm->delivery_count - 1) % DELIVERIES].tick == vm->clock;
}

/* The last delivery: by its vector, or for having changed the ring. */
static bool is_caught(Vm *vm, const uint64_t vectors[4], uint32_t vector)
{
    bool ring = vm->catch_mask & CATCH_RING &&
                vm->deliveries[(vm->delivery_count - 1) % DELIVERIES].cpl != (vm->cpu->env->hflags & HF_CPL);

    return ring || vectors[vector >> 6 & 3] >> (vector & 63) & 1;
}

static bool is_gate_of_286(uint8_t access)
{
    return (access & GATE_TYPE) < GATE_OF_386 && (access & GATE_TYPE) != TASK_GATE;
}

/* Whether the vector's gate is one of the 286, which has an offset of 16 bits: Unicorn takes what lies above it, too. To be asked
 * beforehand: the frame may go where the gate is. */
static bool leads_through_286_gate(Vm *vm, uint32_t vector)
{
    Env *env = vm->cpu->env;
    uint8_t gate[8];

    if (env->hflags & HF_LMA || !(env->hflags & HF_PE))
        return false;
    bool known = vm_read_linear(vm, env->idt.base + vector * sizeof gate, gate, sizeof gate) == sizeof gate;
    return known && is_gate_of_286(gate[GATE_TYPE_AT]);
}

static void settle_handler(Env *env, bool by_286_gate)
{
    if (by_286_gate)
        env->eip &= 0xffff;
}

/* Before the next instruction, where vm_interrupt_due() says so. */
void deliver_interrupt(Vm *vm)
{
    Env *env = vm->cpu->env;
    bool nmi = vm->cpu->nmi && !(env->hflags2 & HF2_NMI);
    int32_t vector = nmi ? 2 : interrupts_acknowledge(vm);

    if (vector < 0)
        return;
    if (nmi) {
        vm->cpu->nmi = 0;
        env->hflags2 |= HF2_NMI;
    } else {
        vm->interrupts++;
    }
    note(vm, vector, nmi ? DELIVER_NMI : DELIVER_EXTERNAL, 0, env->eip);
    vm->external_event = 1;
    delivery_check_stack(vm, vector, false, false);
    bool by_286_gate = leads_through_286_gate(vm, vector);
    do_interrupt_x86_hardirq_x86_64(env, vector, 1);
    settle_handler(env, by_286_gate);
    limits_settle(vm);
    vm->external_event = 0;
    vm->deliveries[(vm->delivery_count - 1) % DELIVERIES].handler = env->eip;
    vm->stepped = 1;
    turn_after_delivery(vm);
    if (is_caught(vm, vm->catch_interrupts, vector))
        vm_stop_between(vm, EXIT_EXCEPTION);
}

/* Whether the frame gets RF, so that the instruction does not meet its breakpoint again when it is run again: after all
 * faults but #DB (SDM 3B 18.3.1.1). */
static bool resumes(uint32_t vector)
{
    return vector < 20 && 0xb7ce1 >> vector & 1;
}

/* Task gates are held to their DPL as others are (SDM 2A, INT n), at which Unicorn does not look. */
static void check_task_gate(Vm *vm, uint32_t vector)
{
    Env *env = vm->cpu->env;
    uint8_t gate[8];
    uint32_t at = vector * sizeof gate;

    if (!(env->hflags & HF_PE) || env->hflags & HF_LMA || at + sizeof gate - 1 > env->idt.limit)
        return;
    bool known = vm_read_linear(vm, env->idt.base + at, gate, sizeof gate) == sizeof gate;
    if (known && (gate[GATE_TYPE_AT] & GATE_SYSTEM) == TASK_GATE && (gate[GATE_TYPE_AT] >> GATE_DPL & 3) < (env->hflags & HF_CPL))
        raise_exception_err_x86_64(env, 13, at | ERROR_IDT);
}

/* An IRET that faults ends the blocking of NMIs as one that does not (SDM 3A 6.7.1); one that could not be fetched did not begin, nor
 * did one before which the delivery of something else faulted. */
static void unblock_nmi(Vm *vm, uint32_t vector)
{
    enum { FAULTS_OF_IRET = 1 << 10 | 1 << 11 | 1 << 12 | 1 << 13 | 1 << 14 | 1 << 17, PF = 14, IRET = 0xcf };
    Env *env = vm->cpu->env;
    Instruction i;

    if (!(env->hflags2 & HF2_NMI) || vm->external_event || vector > 31 || !(FAULTS_OF_IRET >> vector & 1))
        return;
    bool known = instruction_read(&i, vm, env_linear_pc(env)) && !i.locked && i.code[i.opcode_at] == IRET;
    bool fetched = vector != PF || env->cr[2] - i.linear > i.opcode_at;
    if (known && fetched)
        env->hflags2 &= ~HF2_NMI;
}

/* INT1 is delivered with rip after it, and where that faults it stays at it: so it does for INT n, which a gate's DPL may forbid. */
static __thread bool delivers_int1;

static void deliver(Vm *vm, uint32_t vector, bool int1)
{
    Env *env = vm->cpu->env;
    if (delivers_int1)
        env->eip -= vm->int_length;
    delivers_int1 = false;
    bool software = env->exception_is_int;
    uint64_t rip = env->eip;

    if (software)
        env->eip -= vm->int_length;         /* where it stays if the delivery faults */
    vm_retire_exactly(vm);
    if (software)
        vm->clock += vm->int_length;
    if (vector == 1 && (!software || int1))
        data_breakpoint_join(vm);
    else if (!cpu_shadow_is_by_ss(vm->cpu)) /* else they were held back, and come in the handler */
        data_breakpoint_set_hits(vm, 0);    /* reported, or the instruction did not come so far */
    if (!software)
        unblock_nmi(vm, vector);
    watch_exception(vm);
    vm->expect_single = vm->in_single = vm->run_alone = vm->breakpoint_suppressed = 0;
    vm->exceptions++;
    note(vm, vector, software ? DELIVER_SOFTWARE : DELIVER_EXCEPTION, software ? 0 : env->error_code, rip);
    CPU_EXCEPTION_INDEX(vm->cpu->qemu) = vector;
    if (!software && resumes(vector))
        env->eflags |= FLAG_RF;
    vm->external_event = !software || int1;
    delivery_check_stack(vm, vector, software && !int1, !software);
    if (int1) {
        env->eip += vm->int_length;
        env->exception_is_int = 0;
        delivers_int1 = true;
    } else if (software) {
        check_task_gate(vm, vector);
    }
    bool by_286_gate = leads_through_286_gate(vm, vector);
    x86_cpu_do_interrupt_x86_64(vm->cpu->qemu);
    delivers_int1 = false;
    settle_handler(env, by_286_gate);
    vm->external_event = 0;
    env->hflags &= ~(HF_INHIBIT_IRQ | HF_PASSES_BREAKPOINTS);
    limits_settle(vm);
    if (data_breakpoint_hits(vm))
        clock_attend(vm);
    if (env->eflags & FLAG_IF)              /* through a task gate, with another IF than before */
        interrupt_flag_may_rise(vm);
    vm->deliveries[(vm->delivery_count - 1) % DELIVERIES].handler = env->eip;
    env->exception_is_int = 0;              /* or Unicorn would move rip once more */
    vm->stepped = 1;
    turn_after_delivery(vm);
    if (is_caught(vm, vm->catch_vectors, vector))
        vm_stop_between(vm, EXIT_EXCEPTION);
    if (vm->step_once || vm->crossing || deliveries_stuck(vm) || vm->attention ||
        vm_must_end(vm) || vm->turn.over)
        CPU_INTERRUPT_REQUEST(vm->cpu->qemu) |= CPU_INTERRUPT_HARD;
}

/* UC_HOOK_INTR: every exception and INT n, with rip at the instruction, or after it for INT n. */
static void on_exception(uc_engine *uc, uint32_t vector, void *user)
{
    (void)uc;
    deliver(user, vector, false);
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

/* Bytes of INT1, which Unicorn does not know, with its prefixes: #DB with rip after it, and no bit of DR6, whatever the gate's
 * DPL (SDM 2A, INT n). 0: the instruction is another. */
static unsigned length_of_int1(Vm *vm)
{
    enum { OPCODE = 0xf1 };
    Instruction i;
    bool is = instruction_read(&i, vm, env_linear_pc(vm->cpu->env)) && !i.locked && i.code[i.opcode_at] == OPCODE;

    return is ? i.opcode_at + 1 : 0;
}

/* UC_HOOK_INSN_INVALID: #UD. */
static bool on_invalid(uc_engine *uc, void *user)
{
    Vm *vm = user;
    unsigned int1 = length_of_int1(vm);

    if (int1) {
        vm->cpu->env->exception_is_int = 1;
        vm->cpu->env->exception_next_eip = vm->cpu->env->eip += int1;
        vm->int_length = int1;
    } else if (vm->cpu->env->exception_is_int) {
        vm->cpu->env->eip = vm->cpu->env->exception_next_eip; /* INT 6 */
    }
    (void)uc;
    deliver(vm, int1 ? 1 : 6, int1 != 0);
    return true;
}

/* Unicorn calls for every exception from now on. Returns whether it will. */
bool deliveries_hook(Vm *vm)
{
    uc_hook hook;

    return uc_hook_add(vm->uc, &hook, UC_HOOK_INTR, on_exception, vm, 1, 0) == UC_ERR_OK &&
           uc_hook_add(vm->uc, &hook, UC_HOOK_INSN_INVALID, on_invalid, vm, 1, 0) == UC_ERR_OK;
}
