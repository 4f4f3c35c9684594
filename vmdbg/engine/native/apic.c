/* The local APICs where they are busy: timers, acknowledge, EOI, the initial count, and interrupts from one CPU to others.
 * See interrupts.c. */
#include "vm.h"

enum { REGISTER_ID = 0x20, REGISTER_EOI = 0xb0, REGISTER_ICR_LOW = 0x300, REGISTER_ICR_HIGH = 0x310, REGISTER_INITIAL_COUNT = 0x380 };
enum { ICR_MODE = 0x700, ICR_LOGICAL = 1 << 11, ICR_SHORTHAND_SHIFT = 18, ICR_WRITABLE = 0xccfff, BROADCAST = 0xff };
enum { TO_DESTINATION, TO_SELF, TO_ALL, TO_OTHERS, SVR_ENABLED = 0x100, DFR_FLAT = 15 };
enum { LVT_TIMER, LVT_LINT0 = 3, LOWEST_VECTOR = 16 };
enum { LVT_VECTOR = 0xff, LVT_MODE = 0x700, LVT_EXTINT = 0x700, LVT_ACTIVE_LOW = 1 << 13, LVT_MASKED = 1 << 16, LVT_PERIODIC = 1 << 17 };

/* `size` is that of the device's structure. Returns whether it is ours. */
bool apic_attach(Vm *vm, uint32_t cpu, void *memory, uint64_t size, uint64_t page, uint64_t latency)
{
    if (size != sizeof(ApicMemory))
        return false;
    vm->cpus[cpu]->apic = (Apic){.memory = memory, .page = page, .timer = {.due = NEVER}};
    vm->chips.latency = latency;
    return true;
}

static void set_bit(uint32_t *set, int vector)
{
    set[vector >> 5] |= 1u << (vector & 31);
}

static void clear_bit(uint32_t *set, int vector)
{
    set[vector >> 5] &= ~(1u << (vector & 31));
}

/* -1: the set is empty. */
static int highest(const uint32_t *set)
{
    for (int word = 7; word >= 0; word--)
        if (set[word])
            return word * 32 + 31 - __builtin_clz(set[word]);
    return -1;
}

/* The vector that would be acknowledged, -1 for none (SDM 3A 11.8.3.1). */
static int pending(const ApicMemory *apic)
{
    int vector = highest(apic->irr), in_service = highest(apic->isr), tpr = apic->tpr & 0xff;
    int priority = in_service > tpr ? in_service : tpr;

    return vector >> 4 > priority >> 4 ? vector : -1;
}

static bool is_extint(const ApicMemory *apic, int pin)
{
    uint32_t entry = apic->lvt[LVT_LINT0 + pin];

    return (entry & (LVT_MASKED | LVT_MODE)) == LVT_EXTINT && apic->lint[pin] != !!(entry & LVT_ACTIVE_LOW);
}

static bool has_extint(const ApicMemory *apic)
{
    return apic->enabled ? apic->extint_pending || is_extint(apic, 0) || is_extint(apic, 1) : apic->lint[0];
}

static void set_intr(VmCpu *cpu, bool level)
{
    cpu->apic.memory->intr = level;
    cpu->intr = level;
}

/* SDM 3A fig. 11-10. */
static uint64_t divisor(const ApicMemory *apic)
{
    uint32_t configuration = apic->timer.divide_configuration;

    return 1ull << ((((configuration >> 1 & 4) | (configuration & 3)) + 1) & 7);
}

static uint64_t expiry(const ApicMemory *apic)
{
    return apic->timer.count ? apic->timer.since + apic->timer.count * divisor(apic) : NEVER;
}

/* The count has reached 0: it begins again or stays there (SDM 3A 11.5.4). */
static void advance(Vm *vm, VmCpu *cpu)
{
    ApicMemory *apic = cpu->apic.memory;
    uint64_t period = apic->timer.initial_count * divisor(apic);

    if (apic->lvt[LVT_TIMER] & LVT_PERIODIC && period) {
        apic->timer.since = vm->clock - (vm->clock - expiry(apic)) % period;
        apic->timer.count = apic->timer.initial_count;
        interrupts_schedule(vm, &cpu->apic.timer, expiry(apic));
    } else {
        apic->timer.count = 0;
        cpu->apic.timer.due = NEVER;
    }
}

/* The deadline of a CPU's timer has come. Whether that is plain, and done. */
bool apic_timer_comes(Vm *vm, VmCpu *cpu)
{
    ApicMemory *apic = cpu->apic.memory;
    uint32_t entry = apic ? apic->lvt[LVT_TIMER] : LVT_MASKED, vector = entry & LVT_VECTOR;

    if (entry & LVT_MASKED || vector < LOWEST_VECTOR || expiry(apic) > vm->clock)
        return false;
    advance(vm, cpu);
    set_bit(apic->irr, vector);
    clear_bit(apic->tmr, vector);
    if (!apic->intr && pending(apic) >= 0)
        set_intr(cpu, true);
    interrupts_moved(vm, cpu);
    return true;
}

/* Whether the 8259A pair is to be acknowledged, and not the APIC. */
bool apic_has_extint(const Vm *vm)
{
    const ApicMemory *apic = vm->cpu->apic.memory;

    return !apic || has_extint(apic);
}

/* The vector, -1: this is the device's to say. */
int32_t apic_acknowledge(Vm *vm)
{
    ApicMemory *apic = vm->cpu->apic.memory;
    int vector = pending(apic);

    if (vector < 0)
        return -1;
    clear_bit(apic->irr, vector);
    set_bit(apic->isr, vector);
    set_intr(vm->cpu, false);               /* nothing pending is above what is now in service */
    interrupts_moved(vm, vm->cpu);
    return vector;
}

/* The 8259A pair drives the first CPU's LINT0 to `level`; `acknowledged`: it has given its vector. Whether that is plain, and done: no
 * edge that asks for more than INTR, and no INTR that rises by an access, which the CPU sees later. */
bool apic_lint0(Vm *vm, bool level, bool access)
{
    VmCpu *cpu = vm->cpus[0];
    ApicMemory *apic = cpu->apic.memory;
    uint32_t entry = apic->lvt[LVT_LINT0];

    if (level != apic->lint[0] && apic->enabled && !(entry & LVT_MASKED) && (entry & LVT_MODE) != LVT_EXTINT)
        return false;
    bool before = apic->lint[0];
    apic->lint[0] = level;
    bool output = has_extint(apic) || pending(apic) >= 0;
    if (apic->intr != cpu->intr || (access && output && !apic->intr)) {
        apic->lint[0] = before;
        return false;
    }
    if (output != apic->intr)
        set_intr(cpu, output);
    interrupts_moved(vm, cpu);
    return true;
}

/* Of an edge-triggered interrupt after which no other is pending. */
static bool end_of_interrupt(Vm *vm)
{
    ApicMemory *apic = vm->cpu->apic.memory;
    int vector = highest(apic->isr);

    if (vector < 0)
        return true;
    if (apic->tmr[vector >> 5] >> (vector & 31) & 1)
        return false;
    clear_bit(apic->isr, vector);
    if (apic->intr || pending(apic) < 0)
        return true;
    set_bit(apic->isr, vector);
    return false;
}

/* A new count for a timer that is not masked and has not expired unseen. */
static bool start_timer(Vm *vm, uint32_t count, uint64_t now)
{
    ApicMemory *apic = vm->cpu->apic.memory;

    if (!count || apic->lvt[LVT_TIMER] & LVT_MASKED || expiry(apic) <= now)
        return false;
    apic->timer.initial_count = apic->timer.count = count;
    apic->timer.since = now;
    uint64_t earliest = now + vm->chips.latency, due = expiry(apic);
    if (due < earliest)
        due = earliest;
    interrupts_schedule(vm, &vm->cpu->apic.timer, due);
    interrupts_moved(vm, vm->cpu);
    clock_come_by(vm, due);
    return true;
}

/* SDM 3A 11.6.2. */
static bool is_destination(const ApicMemory *apic, uint8_t destination, bool logical)
{
    uint8_t own = apic->ldr >> 24;

    if (destination == BROADCAST || !logical)
        return destination == BROADCAST || destination == apic->apic_id;
    if (apic->dfr >> 28 == DFR_FLAT)
        return destination & own;
    bool in_cluster = destination >> 4 == own >> 4 || destination >> 4 == 15;
    return in_cluster && destination & own & 15;
}

static bool is_receiver(const Vm *vm, const VmCpu *cpu, uint32_t command)
{
    const ApicMemory *apic = cpu->apic.memory;
    uint32_t shorthand = command >> ICR_SHORTHAND_SHIFT & 3;

    if (!apic->enabled || !(apic->svr & SVR_ENABLED))
        return false;
    if (shorthand == TO_DESTINATION)
        return is_destination(apic, vm->cpu->apic.memory->icr_high >> 24, command & ICR_LOGICAL);
    return shorthand == TO_ALL || (shorthand == TO_SELF) == (cpu == vm->cpu);
}

/* Whether a request for the vector would be acknowledged at once. */
static bool would_be_pending(const ApicMemory *apic, int vector)
{
    ApicMemory next = *apic;

    set_bit(next.irr, vector);
    return pending(&next) >= 0;
}

/* A command that sends a vector of fixed delivery (SDM 3A 11.6.1), but for one that raises the sender's own INTR, which it
 * sees later. */
static bool send(Vm *vm, uint32_t command)
{
    uint32_t vector = command & LVT_VECTOR;

    if (command & ICR_MODE || vector < LOWEST_VECTOR)
        return false;
    for (uint32_t i = 0; i < vm->cpu_count; i++) {
        const VmCpu *cpu = vm->cpus[i];
        const ApicMemory *apic = cpu->apic.memory;
        if (!apic || apic->x2apic)
            return false;
        bool rises = is_receiver(vm, cpu, command) && !apic->intr && would_be_pending(apic, vector);
        if (rises && (cpu == vm->cpu || cpu->intr))
            return false;
    }
    vm->cpu->apic.memory->icr_low = command & ICR_WRITABLE;
    for (uint32_t i = 0; i < vm->cpu_count; i++) {
        VmCpu *cpu = vm->cpus[i];
        ApicMemory *apic = cpu->apic.memory;
        if (!is_receiver(vm, cpu, command))
            continue;
        set_bit(apic->irr, vector);
        clear_bit(apic->tmr, vector);
        if (!apic->intr && pending(apic) >= 0) {
            set_intr(cpu, true);
            interrupts_moved(vm, cpu);
        }
    }
    return true;
}

/* The registers, which plain accesses reach; NULL: those are the device's. */
static ApicMemory *plain_registers(const Vm *vm, unsigned size)
{
    ApicMemory *apic = vm->cpu->apic.memory;

    return apic && apic->enabled && !apic->x2apic && !vm->chips.observed && size == 4 ? apic : NULL;
}

/* A load from where devices answer. Whether it is done. */
bool apic_read(const Vm *vm, uint64_t physical, unsigned size, uint64_t *value)
{
    const ApicMemory *apic = plain_registers(vm, size);

    switch (apic ? physical - vm->cpu->apic.page : UINT64_MAX) {
    case REGISTER_ID: *value = apic->apic_id << 24; return true;
    case REGISTER_ICR_LOW: *value = apic->icr_low; return true;
    case REGISTER_ICR_HIGH: *value = apic->icr_high; return true;
    default: return false;
    }
}

/* A store to where devices answer. Whether it is done. */
bool apic_write(Vm *vm, uint64_t physical, unsigned size, uint32_t value, uint64_t now)
{
    ApicMemory *apic = plain_registers(vm, size);

    switch (apic ? physical - vm->cpu->apic.page : UINT64_MAX) {
    case REGISTER_EOI: return end_of_interrupt(vm);
    case REGISTER_ICR_LOW: return send(vm, value);
    case REGISTER_ICR_HIGH: apic->icr_high = value & 0xff000000; return true;
    case REGISTER_INITIAL_COUNT: return start_timer(vm, value, now);
    default: return false;
    }
}
