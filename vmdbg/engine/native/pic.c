/* The 8259A pair (Intel 8259A data sheet) where it is busy: requests, acknowledge, EOI, masks. See interrupts.c.
 *
 * Whatever happens is tried on a copy, which becomes the pair if all that follows from it is plain: the initialization
 * words, the poll, and an INTR that rises by an access, which the CPU sees later, are the device's.
 */
#include "vm.h"

enum { ICW1_SNGL = 2, ICW1_LTIM = 8, ICW1_SELECT = 0x10, ICW4_AEOI = 2, ICW4_SFNM = 0x10 };
enum { OCW3_RIS = 1, OCW3_RR = 2, OCW3_P = 4, OCW3_SELECT = 8, OCW3_SMM = 0x20, OCW3_ESMM = 0x40 };
enum { CLEAR_ROTATE, NON_SPECIFIC_EOI, NO_OPERATION, SPECIFIC_EOI, SET_ROTATE, ROTATE_ON_EOI, SET_PRIORITY, ROTATE_ON_SPECIFIC_EOI };
enum { CASCADE = 2, SPURIOUS = 7, MASTER_PORT = 0x20, SLAVE_PORT = 0xa0, ODD_PORT = 1 };

/* The sizes are those of the devices' structures, `ioapic` NULL if there is none. Returns whether they are ours. */
bool pic_attach(Vm *vm, void *pic, uint64_t pic_size, void *pit, uint64_t pit_size, void *ioapic, uint64_t ioapic_size)
{
    if (pic_size != sizeof(PicMemory) || pit_size != sizeof(PitMemory) || (ioapic && ioapic_size != sizeof(IoApicMemory)))
        return false;
    vm->chips.pic = pic;
    vm->chips.pit = pit;
    vm->chips.ioapic = ioapic;
    return true;
}

/* IRR: latched edges, and the high lines of level-triggered inputs. */
static uint8_t requests(const PicChip *chip)
{
    uint8_t level = chip->icw1 & ICW1_LTIM ? 0xff : chip->elcr;

    return (chip->edge & ~level) | (chip->lines & level);
}

/* The level that INT stands for, -1 for none: unmasked, and of higher priority than all in service. */
static int pending(const PicChip *chip)
{
    uint8_t wanted = requests(chip) & ~chip->imr, blocking = chip->special_mask_mode ? chip->isr & ~chip->imr : chip->isr;
    uint8_t nested = chip->icw4 & ICW4_SFNM && !(chip->icw1 & ICW1_SNGL) ? chip->icw3 : 0;

    for (int step = 1; wanted && step < 9; step++) {
        int level = (chip->lowest_priority + step) & 7, bit = 1 << level;
        if (wanted & bit && !(blocking & bit & ~nested))
            return level;
        if (blocking & bit)
            return -1;
    }
    return -1;
}

static void drive(PicMemory *pair, PicChip *chip, bool level)
{
    if (level == chip->int_output)
        return;
    chip->int_output = level;
    if (chip == &pair->slave)
        pic_set_line(pair, CASCADE, level);
}

static void update(PicMemory *pair, PicChip *chip)
{
    drive(pair, chip, !chip->expecting && pending(chip) >= 0);
}

/* IR0 to IR7 of the master. */
void pic_set_line(PicMemory *pair, int number, bool level)
{
    PicChip *chip = &pair->master;
    uint8_t bit = 1 << number;

    if (level == !!(chip->lines & bit))
        return;
    chip->lines = level ? chip->lines | bit : chip->lines & ~bit;
    chip->edge = level ? chip->edge | bit : chip->edge & ~bit;
    update(pair, chip);
}

/* The pair becomes `next`, if that is plain. */
bool pic_become(Vm *vm, const PicMemory *next, bool access)
{
    PicMemory *pair = vm->chips.pic;
    bool before = pair->master.int_output, after = next->master.int_output;

    VmCpu *cpu = vm->cpus[0];               /* the pair is wired to it alone */

    if (before != after && cpu->apic.memory) {
        if (!apic_lint0(vm, after, access))
            return false;
    } else if (before != after) {
        if (before != cpu->intr || (access && after))
            return false;
        cpu->intr = after;
        interrupts_moved(vm, cpu);
    }
    *pair = *next;
    return true;
}

static int acknowledge(PicMemory *pair, PicChip *chip)
{
    int level = pending(chip);
    uint8_t bit = 1 << level;

    if (level < 0) {
        update(pair, chip);
        return SPURIOUS;
    }
    chip->edge &= ~bit;
    if (!(chip->icw4 & ICW4_AEOI))
        chip->isr |= bit;
    else if (chip->rotate_in_aeoi)
        chip->lowest_priority = level;
    drive(pair, chip, false);
    update(pair, chip);
    return level;
}

/* The INTA cycles: the vector, -1: this is the devices' to say. */
int32_t pic_acknowledge(Vm *vm)
{
    const ApicMemory *apic = vm->cpu->apic.memory;

    if (!vm->chips.pic || (apic && apic->extint_pending))
        return -1;
    PicMemory next = *vm->chips.pic;
    PicChip *chip = &next.master;
    int level = acknowledge(&next, chip);
    if (level == CASCADE && !(chip->icw1 & ICW1_SNGL)) {
        chip = &next.slave;
        level = acknowledge(&next, chip);
    }
    if (next.master.int_output || !pic_become(vm, &next, true))
        return -1;
    return (chip->icw2 & 0xf8) | level;
}

static int end_highest(PicChip *chip)
{
    uint8_t candidates = chip->special_mask_mode ? chip->isr & ~chip->imr : chip->isr;

    for (int step = 1; step < 9; step++) {
        int level = (chip->lowest_priority + step) & 7;
        if (candidates >> level & 1) {
            chip->isr &= ~(1 << level);
            return level;
        }
    }
    return -1;
}

static void write_ocw2(PicChip *chip, uint8_t value)
{
    int level = value & 7, ended;

    switch (value >> 5) {
    case CLEAR_ROTATE: chip->rotate_in_aeoi = false; break;
    case SET_ROTATE: chip->rotate_in_aeoi = true; break;
    case NON_SPECIFIC_EOI: end_highest(chip); break;
    case SPECIFIC_EOI: chip->isr &= ~(1 << level); break;
    case SET_PRIORITY: chip->lowest_priority = level; break;
    case ROTATE_ON_EOI:
        ended = end_highest(chip);
        chip->lowest_priority = ended < 0 ? chip->lowest_priority : ended;
        break;
    case ROTATE_ON_SPECIFIC_EOI:
        chip->isr &= ~(1 << level);
        chip->lowest_priority = level;
    }
}

static void write_ocw3(PicChip *chip, uint8_t value)
{
    if (value & OCW3_ESMM)
        chip->special_mask_mode = value & OCW3_SMM;
    chip->poll = value & OCW3_P;
    if (value & OCW3_RR)
        chip->read_isr = value & OCW3_RIS;
}

/* NULL: the port is neither's, or its accesses are to be seen. */
static PicChip *chip_at(const Vm *vm, PicMemory *pair, uint32_t port, uint32_t size)
{
    uint32_t base = port & ~ODD_PORT;

    if (!vm->chips.pic || vm->chips.observed || size != 1)
        return NULL;
    return base == MASTER_PORT ? &pair->master : base == SLAVE_PORT ? &pair->slave : NULL;
}

/* OUT. Whether it is done. */
bool pic_write(Vm *vm, uint32_t port, uint32_t size, uint32_t value)
{
    PicMemory next;
    PicChip *chip = chip_at(vm, &next, port, size);

    if (!chip)
        return false;
    next = *vm->chips.pic;
    if (port & ODD_PORT) {
        if (chip->expecting)
            return false;
        chip->imr = value;
    } else if (value & ICW1_SELECT) {
        return false;
    } else if (value & OCW3_SELECT) {
        write_ocw3(chip, value);
    } else {
        write_ocw2(chip, value);
    }
    update(&next, chip);
    return pic_become(vm, &next, true);
}

/* IN. Whether it is done. */
bool pic_read(const Vm *vm, uint32_t port, uint32_t size, uint64_t *value)
{
    const PicChip *chip = chip_at(vm, vm->chips.pic, port, size);

    if (!chip || chip->poll)
        return false;
    *value = port & ODD_PORT ? chip->imr : chip->read_isr ? chip->isr : requests(chip);
    return true;
}
