/* Interrupt controllers and timers where they are busy, without Python: what comes when, and who must hear of it.
 *
 * The registers are the devices' own, which do all that is not plain. The scheduler and the INTR line, which are
 * Python's, hear of what happened here before anything of theirs runs. What is done here is done whole or not begun.
 */
#include "vm.h"

/* Tells Python what happened. To be called before any other callback, and before a run returns. */
void interrupts_settle(Vm *vm)
{
    Chips *chips = &vm->chips;
    uint32_t moved = chips->moved, scheduled = chips->scheduled, out0_number = chips->out0.number;

    chips->moved = chips->scheduled = chips->out0.number = 0;
    for (uint32_t i = 0; moved; i++, moved >>= 1) {
        VmCpu *cpu = vm->cpus[i];
        uint32_t number = cpu->apic.timer.number;
        if (!(moved & 1))
            continue;
        cpu->apic.timer.number = 0;
        bus_interrupts_moved(vm->owner, i, moved == 1 ? scheduled : 0, number, cpu->apic.timer.due, out0_number,
                             chips->out0.due, interrupts_output(vm, cpu));
        out0_number = 0;
    }
}

/* Whether INTR is driven, which the CPU may not see yet. The 8259A pair drives the first CPU's. */
bool interrupts_output(const Vm *vm, const VmCpu *cpu)
{
    const ApicMemory *apic = cpu->apic.memory;

    return apic ? apic->intr : vm->chips.pic && !cpu->index ? vm->chips.pic->master.int_output : cpu->intr;
}

/* Python is to hear of that CPU's timer and INTR. */
void interrupts_moved(Vm *vm, const VmCpu *cpu)
{
    vm->chips.moved |= 1u << cpu->index;
}

static void set_deadline(Vm *vm, Deadline *deadline, uint64_t due)
{
    deadline->due = due;
    deadline->order = vm->chips.next_order++;
}

/* Here, and not by Python. */
void interrupts_schedule(Vm *vm, Deadline *deadline, uint64_t due)
{
    set_deadline(vm, deadline, due);
    deadline->number = ++vm->chips.scheduled;
}

/* By Python, while code runs. */
void interrupts_schedule_timer(Vm *vm, uint32_t cpu, uint64_t due)
{
    set_deadline(vm, &vm->cpus[cpu]->apic.timer, due);
    clock_come_by(vm, due);
}

void interrupts_schedule_out0(Vm *vm, uint64_t due)
{
    set_deadline(vm, &vm->chips.out0, due);
    clock_come_by(vm, due);
}

static bool is_before(const Deadline *one, const Deadline *other)
{
    return one->due != other->due ? one->due < other->due : one->order < other->order;
}

/* Of OUT0, with `*of` NULL, or of a local APIC's timer, with its CPU. */
static Deadline *first_deadline(Vm *vm, VmCpu **of)
{
    Deadline *first = &vm->chips.out0;

    *of = NULL;
    for (uint32_t i = 0; i < vm->cpu_count; i++)
        if (is_before(&vm->cpus[i]->apic.timer, first)) {
            *of = vm->cpus[i];
            first = &(*of)->apic.timer;
        }
    return first;
}

/* Where a run stops to look what has come. */
uint64_t interrupts_limit(Vm *vm)
{
    VmCpu *of;
    uint64_t due = first_deadline(vm, &of)->due;

    return due < vm->bound ? due : vm->bound;
}

/* A run has come to its limit, between blocks. Whether that is only for deadlines that are plain, and it goes on. */
bool interrupts_come(Vm *vm)
{
    if (vm->clock >= vm->bound || vm_interrupted(vm))
        return false;
    for (;;) {
        VmCpu *of;
        if (first_deadline(vm, &of)->due > vm->clock)
            break;
        if (!(of ? apic_timer_comes(vm, of) : pit_comes(vm)))
            return false;
    }
    vm->crossing = 0;
    clock_begin(vm, interrupts_limit(vm), true);
    return true;
}

/* The interrupt acknowledge cycle: the vector, -1 for none. */
int32_t interrupts_acknowledge(Vm *vm)
{
    int32_t vector = -1;

    if (!vm->chips.observed)
        vector = apic_has_extint(vm) ? pic_acknowledge(vm) : apic_acknowledge(vm);
    if (vector < 0) {
        interrupts_settle(vm);
        vector = bus_acknowledge(vm->owner, vm->clock);
        vm->remapped = 0;                   /* no instruction runs */
    }
    return vector;
}
