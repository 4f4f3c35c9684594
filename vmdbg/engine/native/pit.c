/* Counter 0 of the 8254 (Intel 82C54 data sheet) while it is periodic: OUT0, which is IRQ 0. See interrupts.c. */
#include "vm.h"

enum { CLOCK_HZ = 1193182, NANOSECONDS = 1000000000, IOAPIC_PIN = 2, IOAPIC_MASKED = 1 << 16 };

/* CLK pulses up to `now` nanoseconds. */
static uint64_t clock_at(uint64_t now)
{
    return (unsigned __int128)now * CLOCK_HZ / NANOSECONDS;
}

/* The first nanosecond at which the pulse has happened. */
static uint64_t time_of(uint64_t clock)
{
    return ((unsigned __int128)clock * NANOSECONDS + CLOCK_HZ - 1) / CLOCK_HZ;
}

static uint64_t phase_at(const PitMemory *pit, uint64_t clock)
{
    return (uint64_t)((int64_t)clock - pit->origin) % pit->period;
}

static bool out_at(const PitMemory *pit, uint64_t clock)
{
    return phase_at(pit, clock) < pit->low_from;
}

static uint64_t next_edge(const PitMemory *pit, uint64_t clock)
{
    uint64_t phase = phase_at(pit, clock);

    return clock - phase + (phase < pit->low_from ? pit->low_from : pit->period);
}

typedef struct {
    PicMemory pic;
    bool level, changed;
} Out0;

static void set_out0(Out0 *out0, bool level)
{
    if (level == out0->level)
        return;
    out0->level = level;
    out0->changed = true;
    pic_set_line(&out0->pic, 0, level);
}

/* From where OUT0 was left to `clock`: one edge of each kind stands for all that passed. */
static void follow(const PitMemory *pit, uint64_t clock, Out0 *out0)
{
    uint64_t edge = next_edge(pit, pit->out0_clock);

    for (int i = 0; i < 2 && edge <= clock; i++) {
        set_out0(out0, out_at(pit, edge));
        edge = next_edge(pit, edge);
    }
    set_out0(out0, out_at(pit, clock));
}

/* OUT0's deadline has come. Whether that is plain, and done. */
bool pit_comes(Vm *vm)
{
    PitMemory *pit = vm->chips.pit;
    IoApicMemory *ioapic = vm->chips.ioapic;
    uint64_t clock = clock_at(vm->clock);

    if (!pit || !pit->period || (ioapic && !(ioapic->redirection[IOAPIC_PIN] & IOAPIC_MASKED)) ||
        interrupts_output(vm, vm->cpus[0]) != !!vm->cpus[0]->intr)
        return false;
    Out0 out0 = {.pic = *vm->chips.pic, .level = pit->out0};
    follow(pit, clock, &out0);
    if (!pic_become(vm, &out0.pic, false))
        return false;
    pit->out0 = out0.level;
    pit->out0_clock = clock;
    if (ioapic && out0.changed)
        ioapic->lines = (ioapic->lines & ~(1u << IOAPIC_PIN)) | (uint32_t)out0.level << IOAPIC_PIN;
    interrupts_schedule(vm, &vm->chips.out0, time_of(next_edge(pit, clock)));
    interrupts_moved(vm, vm->cpus[0]);
    return true;
}
