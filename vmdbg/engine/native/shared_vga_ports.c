/* The ports of a VGA that guests use while they draw: sequencer, graphics controller, CRTC, colours to write, input status.
 * The registers are the device's, too: devices/display/vga_registers.py says the same. What moves memory is left to it.
 */
#include "vm.h"

enum { SEQUENCER = 0x3c4, SEQUENCER_DATA, DAC_WRITE_INDEX = 0x3c8, DAC_DATA, GRAPHICS = 0x3ce, GRAPHICS_DATA };
enum { CRTC = 0x3d4, CRTC_DATA, STATUS = 0x3da };
enum { CLOCKING_MODE = 1, MAP_MASK, MEMORY_MODE = 4, MISCELLANEOUS = 6 };
enum { DOTS_8 = 1, HALF_CLOCK = 8, CHAIN_4 = 8, COLOUR = 1, PROTECTED = 0x80, LINE_COMPARE_BIT = 0x10 };
enum { H_TOTAL, H_DISPLAYED, V_TOTAL = 6, OVERFLOW, RETRACE_START = 0x10, RETRACE_END, V_DISPLAYED };
enum { DISPLAY_DISABLED = 1, VERTICAL_RETRACE = 8 };

static const uint8_t sequencer_masks[SEQUENCER_REGISTERS] = {0x03, 0x3d, 0x0f, 0x3f, 0x0e};
static const uint8_t graphics_masks[GRAPHICS_REGISTERS] = {0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff};
static const uint32_t kilohertz[4] = {25175, 28322, 25175, 28322};

/* The VGA, if ports may be answered here; NULL: they are the bus's. */
static SharedVga *answering(const Vm *vm)
{
    return vm->chips.observed ? NULL : vm->vga;
}

/* The index of a file of registers at a port; NULL: there is none, or not now. */
static uint8_t *index_at(SharedVga *vga, uint32_t port)
{
    switch (port) {
    case SEQUENCER: return &vga->sequencer_index;
    case GRAPHICS: return &vga->graphics_index;
    case CRTC: return vga->misc & COLOUR ? &vga->crtc_index : NULL;
    default: return NULL;
    }
}

static unsigned index_mask(uint32_t port)
{
    return port == SEQUENCER ? 0x07 : port == GRAPHICS ? 0x0f : 0xff;
}

/* The register of that index in the file whose index is at a port; NULL: there is none. */
static uint8_t *register_at(SharedVga *vga, uint32_t port, unsigned index)
{
    switch (port) {
    case SEQUENCER: return index < SEQUENCER_REGISTERS ? &vga->sequencer[index] : NULL;
    case GRAPHICS: return index < GRAPHICS_REGISTERS ? &vga->graphics[index] : NULL;
    default: return index < CRTC_REGISTERS ? &vga->crtc[index] : NULL;
    }
}

/* Where the beam is: input status 1. */
static uint8_t status(const SharedVga *vga, uint64_t now)
{
    const uint8_t *crtc = vga->crtc;
    unsigned overflow = crtc[OVERFLOW], total = crtc[H_TOTAL] + 5, displayed = crtc[H_DISPLAYED] + 1;
    unsigned dots = vga->sequencer[CLOCKING_MODE] & DOTS_8 ? 8 : 9, halved = vga->sequencer[CLOCKING_MODE] & HALF_CLOCK ? 2 : 1;
    uint64_t line_ns = total * dots * halved * 1000000ull / kilohertz[vga->misc >> 2 & 3];
    unsigned lines = (crtc[V_TOTAL] | (overflow & 0x01) << 8 | (overflow & 0x20) << 4) + 2;
    unsigned shown = (crtc[V_DISPLAYED] | (overflow & 0x02) << 7 | (overflow & 0x40) << 3) + 1;
    unsigned start = crtc[RETRACE_START] | (overflow & 0x04) << 6 | (overflow & 0x80) << 2;
    unsigned length = (crtc[RETRACE_END] - start) & 0x0f;
    uint64_t line = now / line_ns % lines, at = now % line_ns;

    start = start < lines - 1 ? start : lines - 1;
    length = length ? length : 16;
    return (line < shown && at * total < line_ns * displayed ? 0 : DISPLAY_DISABLED) |
           (line - start < length ? VERTICAL_RETRACE : 0);
}

/* IN of an index, the data behind one, or both at once, or of the status. Whether it is done. */
bool vga_port_read(const Vm *vm, uint32_t port, uint32_t size, uint64_t now, uint64_t *value)
{
    SharedVga *vga = answering(vm);
    const uint8_t *index, *data;

    if (!vga || size > 2)
        return false;
    if (port == STATUS && size == 1 && vga->misc & COLOUR) {
        vga->attribute_data = false;
        *value = status(vga, now);
        return true;
    }
    bool is_index = !(port & 1);
    index = index_at(vga, port & ~1u);
    if (!index || (!is_index && size != 1))
        return false;
    data = register_at(vga, port & ~1u, *index);
    *value = !is_index ? (data ? *data : 0) : *index | (size == 2 && data ? *data << 8 : 0);
    return true;
}

/* Whether writing a register moves the window, or makes it memory that the guest has directly. */
static bool moves_window(const SharedVga *vga, uint32_t port, unsigned index)
{
    if (port == GRAPHICS)
        return index == MISCELLANEOUS;
    return port == SEQUENCER && (index == MEMORY_MODE || (index == MAP_MASK && vga->sequencer[MEMORY_MODE] & CHAIN_4));
}

static void write_crtc(uint8_t *crtc, unsigned index, uint8_t value)
{
    if (index > OVERFLOW || !(crtc[RETRACE_END] & PROTECTED))
        crtc[index] = value;
    else if (index == OVERFLOW)
        crtc[index] = (crtc[index] & ~LINE_COMPARE_BIT) | (value & LINE_COMPARE_BIT);
}

static void write_register(SharedVga *vga, uint32_t port, unsigned index, uint8_t value)
{
    uint8_t *place = register_at(vga, port, index);

    if (place && port == CRTC)
        write_crtc(vga->crtc, index, value);
    else if (place)
        *place = value & (port == SEQUENCER ? sequencer_masks : graphics_masks)[index];
}

/* A component of a colour; the third one sets it. */
static void write_colour(SharedVga *vga, uint8_t value)
{
    vga->dac_held[vga->dac_part] = vga->wide_dac ? value : value & 0x3f;
    vga->dac_part = (vga->dac_part + 1) % 3;
    for (int i = 0; !vga->dac_part && i < 3; i++)
        vga->dac[3 * vga->dac_write + i] = vga->dac_held[i];
    vga->dac_write += !vga->dac_part;
}

static bool write_dac(SharedVga *vga, uint32_t port, uint8_t value)
{
    if (port == DAC_DATA) {
        write_colour(vga, value);
    } else {
        vga->dac_write = value;
        vga->dac_part = vga->dac_state = 0;
    }
    return true;
}

/* OUT of an index, the data behind one, or both at once, or of a colour. Whether it is done. */
bool vga_port_write(const Vm *vm, uint32_t port, uint32_t size, uint32_t value)
{
    SharedVga *vga = answering(vm);
    uint32_t first = port & ~1u;
    bool has_index = !(port & 1), has_data = !has_index || size == 2;

    if (!vga || size > 2 || (!has_index && size != 1))
        return false;
    if (size == 1 && (port == DAC_WRITE_INDEX || port == DAC_DATA))
        return write_dac(vga, port, value);
    uint8_t *index = index_at(vga, first), wanted;
    if (!index)
        return false;
    wanted = has_index ? value & index_mask(first) : *index;
    if (has_data && moves_window(vga, first, wanted))
        return false;
    *index = wanted;
    if (has_data)
        write_register(vga, first, wanted, has_index ? value >> 8 : value);
    return true;
}
