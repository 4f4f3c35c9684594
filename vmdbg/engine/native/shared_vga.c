/* A VGA's memory in four planes, by registers that are the device's, too: devices/display/planes.py says the same. */
#include <string.h>

#include "vm.h"

enum { MAP_MASK = 2, MEMORY_MODE = 4, CHAIN_4 = 8 };
enum { SET_RESET, ENABLE_SET_RESET, COLOUR_COMPARE, ROTATE, READ_MAP, MODE, DO_NOT_CARE = 7, BIT_MASK };
enum { ODD_EVEN = 0x10, READ_COMPARE = 8, PLANE_BYTES = 4 };

/* `size` is that of the device's structure. Returns whether it is ours, and the memory is there. */
bool vm_share_vga(Vm *vm, void *vga, uint64_t vga_size, uint64_t at, uint64_t size)
{
    if (vga_size != sizeof(SharedVga) || at > vm->memory_size || size > vm->memory_size - at || vm->vga)
        return false;
    vm->vga = vga;
    vm->vga_at = at;
    vm->vga_size = size;
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
    return PLANE_BYTES * (address + 1) <= vm->vga_size;
}

static bool is_chained(const SharedVga *vga)
{
    return vga->linear || vga->sequencer[MEMORY_MODE] & CHAIN_4;
}

/* Where a byte is in memory while even addresses are those of one plane, odd ones of the next. */
static uint64_t odd_even(const SharedVga *vga, uint64_t address, unsigned *plane)
{
    *plane = (vga->graphics[READ_MAP] & 2) | (address & 1);
    return (address & ~1ull) << 1 | *plane;
}

/* Read mode 1: a one for each dot that has the colour that is looked for. */
static uint8_t compared(const SharedVga *vga)
{
    uint32_t differs = (vga->latch ^ of_planes(vga->graphics[COLOUR_COMPARE])) & of_planes(vga->graphics[DO_NOT_CARE]);

    return ~(differs | differs >> 8 | differs >> 16 | differs >> 24);
}

static uint8_t read_byte(const Vm *vm, uint64_t address)
{
    SharedVga *vga = vm->vga;
    const uint8_t *memory = vm->memory + vm->vga_at;
    unsigned plane;

    if (!is_inside(vm, address))
        return 0xff;
    if (is_chained(vga))
        return memory[address];
    if (vga->graphics[MODE] & ODD_EVEN)
        return memory[odd_even(vga, address, &plane)];
    memcpy(&vga->latch, memory + PLANE_BYTES * address, PLANE_BYTES);
    if (vga->graphics[MODE] & READ_COMPARE)
        return compared(vga);
    return vga->latch >> 8 * (vga->graphics[READ_MAP] & 3);
}

/* What the graphics controller makes of a byte of the CPU's, for all planes. */
static uint32_t composed(const SharedVga *vga, uint8_t value)
{
    const uint8_t *graphics = vga->graphics;
    unsigned rotation = graphics[ROTATE] & 7;
    uint8_t rotated = value >> rotation | value << (8 - rotation), bits = graphics[BIT_MASK];
    uint32_t latch = vga->latch, of_register = of_planes(graphics[ENABLE_SET_RESET]), wide;

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
    vm_write_memory(vm, vm->vga_at + at, bytes, size);
}

static void write_byte(Vm *vm, uint64_t address, uint8_t value)
{
    const SharedVga *vga = vm->vga;
    unsigned mask = vga->sequencer[MAP_MASK], plane;

    if (!is_inside(vm, address))
        return;
    if (is_chained(vga)) {
        if (vga->linear || mask >> (address & 3) & 1)
            store(vm, address, &value, 1);
    } else if (vga->graphics[MODE] & ODD_EVEN) {
        uint64_t at = odd_even(vga, address, &plane);
        if (mask >> plane & 1)
            store(vm, at, &value, 1);
    } else {
        uint32_t old, written = of_planes(mask);
        memcpy(&old, vm->memory + vm->vga_at + PLANE_BYTES * address, PLANE_BYTES);
        uint32_t new = (composed(vga, value) & written) | (old & ~written);
        store(vm, PLANE_BYTES * address, &new, PLANE_BYTES);
    }
}

/* The VGA, if the guest's access is one to its memory that may be made here; NULL: it is the bus's. */
static SharedVga *reached(const Vm *vm, uint64_t physical, unsigned size)
{
    SharedVga *vga = vm->vga;

    return vga && physical >= vga->start && physical + size <= vga->end && !vm->chips.observed ? vga : NULL;
}

/* A load from where devices answer, of bytes that rise. Whether it is done. */
bool vga_read(Vm *vm, uint64_t physical, unsigned size, uint64_t *value)
{
    const SharedVga *vga = reached(vm, physical, size);

    if (!vga)
        return false;
    *value = 0;
    for (unsigned lane = 0; lane < size; lane++)
        *value |= (uint64_t)read_byte(vm, physical - vga->start + vga->bank + lane) << 8 * lane;
    return true;
}

/* A store to where devices answer. Whether it is done. */
bool vga_write(Vm *vm, uint64_t physical, unsigned size, uint64_t value)
{
    const SharedVga *vga = reached(vm, physical, size);

    if (!vga)
        return false;
    for (unsigned lane = 0; lane < size; lane++)
        write_byte(vm, physical - vga->start + vga->bank + lane, value >> 8 * lane);
    return true;
}
