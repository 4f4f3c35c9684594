/* A VGA's memory in four planes, and the ports of the sequencer and the graphics controller, out of registers that the
 * device keeps, too: devices/display/planes.py and vga_registers.py say the same in Python.
 */
#include <string.h>

#include "vm.h"

enum { MAP_MASK = 2, MEMORY_MODE = 4, CHAIN_4 = 8 };
enum { SET_RESET, ENABLE_SET_RESET, COLOUR_COMPARE, ROTATE, READ_MAP, MODE, MISCELLANEOUS, DO_NOT_CARE, BIT_MASK };
enum { ODD_EVEN = 0x10, READ_COMPARE = 8, PLANE_BYTES = 4 };
enum { SEQUENCER = 0x3c4, SEQUENCER_DATA, GRAPHICS = 0x3ce, GRAPHICS_DATA };

static const uint8_t sequencer_masks[SEQUENCER_REGISTERS] = {0x03, 0x3d, 0x0f, 0x3f, 0x0e};
static const uint8_t graphics_masks[GRAPHICS_REGISTERS] = {0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff};

/* `size` is that of the device's structure. Returns whether it is ours, and the memory is there. */
bool vm_share_planes(Vm *vm, void *planes, uint64_t planes_size, uint64_t at, uint64_t size)
{
    if (planes_size != sizeof(SharedPlanes) || at > vm->memory_size || size > vm->memory_size - at || vm->planes)
        return false;
    vm->planes = planes;
    vm->planes_at = at;
    vm->planes_size = size;
    return true;
}

/* A byte of ones for each of four bits. */
static uint32_t of_planes(unsigned bits)
{
    return ((bits & 0xf) * 0x00204081u & 0x01010101u) * 0xff;
}

static uint32_t in_all(uint8_t byte)
{
    return byte * 0x01010101u;
}

static bool is_inside(const Vm *vm, uint64_t address)
{
    return PLANE_BYTES * (address + 1) <= vm->planes_size;
}

static bool is_chained(const SharedPlanes *planes)
{
    return planes->linear || planes->sequencer[MEMORY_MODE] & CHAIN_4;
}

/* Where a byte is in memory while even addresses are those of one plane, odd ones of the next. */
static uint64_t odd_even(const SharedPlanes *planes, uint64_t address, unsigned *plane)
{
    *plane = (planes->graphics[READ_MAP] & 2) | (address & 1);
    return (address & ~1ull) << 1 | *plane;
}

/* Read mode 1: a one for each dot that has the colour that is looked for. */
static uint8_t compared(const SharedPlanes *planes)
{
    uint32_t differs = (planes->latch ^ of_planes(planes->graphics[COLOUR_COMPARE])) & of_planes(planes->graphics[DO_NOT_CARE]);

    return ~(differs | differs >> 8 | differs >> 16 | differs >> 24);
}

static uint8_t read_byte(const Vm *vm, uint64_t address)
{
    SharedPlanes *planes = vm->planes;
    const uint8_t *memory = vm->memory + vm->planes_at;
    unsigned plane;

    if (!is_inside(vm, address))
        return 0xff;
    if (is_chained(planes))
        return memory[address];
    if (planes->graphics[MODE] & ODD_EVEN)
        return memory[odd_even(planes, address, &plane)];
    memcpy(&planes->latch, memory + PLANE_BYTES * address, PLANE_BYTES);
    if (planes->graphics[MODE] & READ_COMPARE)
        return compared(planes);
    return planes->latch >> 8 * (planes->graphics[READ_MAP] & 3);
}

/* What the graphics controller makes of a byte of the CPU's, for all planes. */
static uint32_t composed(const SharedPlanes *planes, uint8_t value)
{
    const uint8_t *graphics = planes->graphics;
    unsigned rotation = graphics[ROTATE] & 7;
    uint8_t rotated = value >> rotation | value << (8 - rotation), bits = graphics[BIT_MASK];
    uint32_t latch = planes->latch, of_register = of_planes(graphics[ENABLE_SET_RESET]), wide;

    switch (graphics[MODE] & 3) {
    case 0: wide = (in_all(rotated) & ~of_register) | (of_planes(graphics[SET_RESET]) & of_register); break;
    case 1: return latch;
    case 2: wide = of_planes(value); break;
    default:
        bits &= rotated;
        wide = of_planes(graphics[SET_RESET]);
    }
    switch (graphics[ROTATE] >> 3 & 3) {
    case 1: wide &= latch; break;
    case 2: wide |= latch; break;
    case 3: wide ^= latch; break;
    }
    return (wide & in_all(bits)) | (latch & ~in_all(bits));
}

static void store(Vm *vm, uint64_t at, const void *bytes, unsigned size)
{
    vm_write_memory(vm, vm->planes_at + at, bytes, size);
}

static void write_byte(Vm *vm, uint64_t address, uint8_t value)
{
    const SharedPlanes *planes = vm->planes;
    unsigned mask = planes->sequencer[MAP_MASK], plane;

    if (!is_inside(vm, address))
        return;
    if (is_chained(planes)) {
        if (planes->linear || mask >> (address & 3) & 1)
            store(vm, address, &value, 1);
    } else if (planes->graphics[MODE] & ODD_EVEN) {
        uint64_t at = odd_even(planes, address, &plane);
        if (mask >> plane & 1)
            store(vm, at, &value, 1);
    } else {
        uint32_t old, written = of_planes(mask);
        memcpy(&old, vm->memory + vm->planes_at + PLANE_BYTES * address, PLANE_BYTES);
        uint32_t new = (composed(planes, value) & written) | (old & ~written);
        store(vm, PLANE_BYTES * address, &new, PLANE_BYTES);
    }
}

/* The planes, if the guest's access is one to them that may be made here; NULL: it is the bus's. */
static SharedPlanes *reached(const Vm *vm, uint64_t physical, unsigned size)
{
    SharedPlanes *planes = vm->planes;

    return planes && physical >= planes->start && physical + size <= planes->end && !vm->chips.observed ? planes : NULL;
}

/* A load from where devices answer, of bytes that rise. Whether it is done. */
bool planes_read(Vm *vm, uint64_t physical, unsigned size, uint64_t *value)
{
    const SharedPlanes *planes = reached(vm, physical, size);

    if (!planes)
        return false;
    *value = 0;
    for (unsigned lane = 0; lane < size; lane++)
        *value |= (uint64_t)read_byte(vm, physical - planes->start + planes->bank + lane) << 8 * lane;
    return true;
}

/* A store to where devices answer. Whether it is done. */
bool planes_write(Vm *vm, uint64_t physical, unsigned size, uint64_t value)
{
    const SharedPlanes *planes = reached(vm, physical, size);

    if (!planes)
        return false;
    for (unsigned lane = 0; lane < size; lane++)
        write_byte(vm, physical - planes->start + planes->bank + lane, value >> 8 * lane);
    return true;
}

/* A read that the ports of an index and its data answer, byte by byte. */
static uint8_t port_byte(const SharedPlanes *planes, uint32_t port)
{
    uint8_t sequencer = planes->sequencer_index, graphics = planes->graphics_index;

    switch (port) {
    case SEQUENCER: return sequencer;
    case SEQUENCER_DATA: return sequencer < SEQUENCER_REGISTERS ? planes->sequencer[sequencer] : 0;
    case GRAPHICS: return graphics;
    default: return graphics < GRAPHICS_REGISTERS ? planes->graphics[graphics] : 0;
    }
}

/* How many of the ports from there on are ours. */
static uint32_t ports_from(uint32_t port)
{
    switch (port) {
    case SEQUENCER: case GRAPHICS: return 2;
    case SEQUENCER_DATA: case GRAPHICS_DATA: return 1;
    default: return 0;
    }
}

/* IN. Whether it is done. */
bool planes_port_read(const Vm *vm, uint32_t port, uint32_t size, uint64_t *value)
{
    if (!vm->planes || size > ports_from(port) || vm->chips.observed)
        return false;
    *value = 0;
    for (uint32_t lane = 0; lane < size; lane++)
        *value |= (uint64_t)port_byte(vm->planes, port + lane) << 8 * lane;
    return true;
}

/* Whether a register moves the window, or makes it memory that the guest has directly: that is the device's to do. */
static bool moves_window(const SharedPlanes *planes, uint32_t port, unsigned index)
{
    if (port >= GRAPHICS)
        return index == MISCELLANEOUS;
    return index == MEMORY_MODE || (index == MAP_MASK && planes->sequencer[MEMORY_MODE] & CHAIN_4);
}

static void write_data(SharedPlanes *planes, uint32_t port, uint8_t value)
{
    uint8_t sequencer = planes->sequencer_index, graphics = planes->graphics_index;

    if (port >= GRAPHICS && graphics < GRAPHICS_REGISTERS)
        planes->graphics[graphics] = value & graphics_masks[graphics];
    else if (port < GRAPHICS && sequencer < SEQUENCER_REGISTERS)
        planes->sequencer[sequencer] = value & sequencer_masks[sequencer];
}

/* OUT: an index, data, or both at once. Whether it is done. */
bool planes_port_write(const Vm *vm, uint32_t port, uint32_t size, uint32_t value)
{
    SharedPlanes *planes = vm->planes;

    if (!planes || size > ports_from(port) || vm->chips.observed)
        return false;
    bool has_index = ports_from(port) == 2, has_data = !has_index || size == 2;
    uint8_t index = port >= GRAPHICS ? planes->graphics_index : planes->sequencer_index;
    if (has_index)
        index = value & (port >= GRAPHICS ? 0x0f : 0x07);
    if (has_data && moves_window(planes, port, index))
        return false;
    if (port >= GRAPHICS)
        planes->graphics_index = index;
    else
        planes->sequencer_index = index;
    if (has_data)
        write_data(planes, port, has_index ? value >> 8 : value);
    return true;
}
