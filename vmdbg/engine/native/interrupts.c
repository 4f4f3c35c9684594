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
    Deadline *timer = &vm->cpu->apic.timer, *out0 = &chips->out0;
    uint32_t scheduled = chips->scheduled, timer_number = timer->number, out0_number = out0->number;

    if (!chips->moved)
        return;
    chips->moved = chips->scheduled = timer->number = out0->number = 0;
    bus_interrupts_moved(vm->owner, scheduled, timer_number, timer->due, out0_number, out0->due, interrupts_output(vm));
}

/* Whether INTR is driven, which the CPU may not see yet. */
bool interrupts_output(const Vm *vm)
{
    const ApicMemory *apic = vm->cpu->apic.memory;

    return apic ? apic->intr : vm->chips.pic ? vm->chips.pic->master.int_output : vm->cpu->intr;
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
    vm->chips.moved = 1;
}

/* By Python, while code runs. */
void interrupts_schedule_timer(Vm *vm, uint64_t due)
{
    set_deadline(vm, &vm->cpu->apic.timer, due);
    clock_come_by(vm, due);
}

void interrupts_schedule_out0(Vm *vm, uint64_t due)
{
    set_deadline(vm, &vm->chips.out0, due);
    clock_come_by(vm, due);
}

static Deadline *first_deadline(Vm *vm)
{
    Deadline *timer = &vm->cpu->apic.timer, *out0 = &vm->chips.out0;

    if (timer->due != out0->due)
        return timer->due < out0->due ? timer : out0;
    return timer->order < out0->order ? timer : out0;
}

/* Where a run stops to look what has come. */
uint64_t interrupts_limit(Vm *vm)
{
    uint64_t due = first_deadline(vm)->due;

    return due < vm->bound ? due : vm->bound;
}

/* A run has come to its limit, between blocks. Whether that is only for deadlines that are plain, and it goes on. */
bool interrupts_come(Vm *vm)
{
    if (vm->clock >= vm->bound || vm_interrupted(vm))
        return false;
    for (;;) {
        const Deadline *first = first_deadline(vm);
        if (first->due > vm->clock)
            break;
        if (!(first == &vm->chips.out0 ? pit_comes(vm) : apic_timer_comes(vm)))
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
    }
    return vector;
}
