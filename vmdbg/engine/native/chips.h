/* The registers of chips, in the memory that devices/interrupts/ and devices/timers/ lay out, and what of their work is
 * done here. */
typedef struct {                            /* lapic_memory.py */
    struct {
        uint64_t since;
        uint32_t initial_count, count, divide_configuration, reserved;
    } timer;
    uint32_t apic_id, tpr, ldr, dfr, svr, esr, errors, icr_low, icr_high;
    uint32_t isr[8], tmr[8], irr[8];
    uint32_t lvt[6];
    bool lint[2], enabled, extint_pending, intr, x2apic;
} ApicMemory;

typedef struct {                            /* pic_memory.py: one 8259A */
    uint8_t lines, edge, imr, isr, elcr, icw1, icw2, icw3, icw4, expecting, lowest_priority;
    bool rotate_in_aeoi, special_mask_mode, read_isr, poll, int_output;
} PicChip;
typedef struct {
    PicChip master, slave;
} PicMemory;

typedef struct {                            /* ioapic_memory.py */
    uint64_t redirection[24];
    uint32_t lines, ioregsel, apic_id;
} IoApicMemory;

typedef struct {                            /* pit_memory.py: counter 0 of the 8254, in CLK pulses */
    int64_t origin;                         /* when a period began */
    uint64_t out0_clock;                    /* when OUT0 was last looked at */
    uint32_t period, low_from;              /* OUT0 is low from there to the end; period 0: it is not periodic */
    bool out0;
} PitMemory;

typedef struct {                            /* of a timer: its entry in the scheduler, which is Python's */
    uint64_t due;                           /* NEVER: none */
    uint64_t order;                         /* of equals the lower comes first */
    uint32_t number;                        /* which of those set here it is, 0: it was not set here */
} Deadline;

typedef struct {                            /* a CPU's */
    ApicMemory *memory;                     /* NULL: there is none, or the device does everything */
    uint64_t page;                          /* physical */
    Deadline timer;
} Apic;

typedef struct {                            /* the board's */
    PicMemory *pic;                         /* NULL: the devices do everything */
    PitMemory *pit;
    IoApicMemory *ioapic;                   /* NULL: there is none */
    Deadline out0;
    uint64_t latency;                       /* from an access to the earliest deadline that it can set */
    uint64_t next_order;
    uint32_t scheduled;                     /* deadlines set here that the scheduler has not heard of */
    uint32_t moved;                         /* a bit for each CPU of whose timer, OUT0 or INTR Python is to hear */
    uint32_t observed;                      /* acknowledges and accesses are to be seen by Python */
} Chips;

enum { PLAIN_PORTS = 8, STREAM_SIZE = 65536, SHARED_PORTS = 64 };
typedef struct {                            /* devices/wiring/shared_ports.py */
    uint64_t until[PLAIN_PORTS];            /* the first tick at which a port reads otherwise */
    uint32_t readable;                      /* a bit for each port that reads as in `values`, and changes nothing by it */
    uint8_t values[PLAIN_PORTS];
} PlainPorts;
enum { FLOW_NONE, FLOW_TO_GUEST, FLOW_FROM_GUEST };
typedef struct {
    uint32_t flow, index, edge;             /* the access that would come to `edge` is the device's */
    uint8_t data[STREAM_SIZE];
} StreamPort;
typedef struct {
    uint32_t first;
    PlainPorts *plain;                      /* from `first` on; NULL: none is */
    StreamPort *stream;                     /* at `first` */
} SharedPorts;

typedef struct {                            /* devices/board/pm_timer.py */
    uint64_t last_access;
    uint32_t port;                          /* 0: nowhere */
} PmTimer;

enum { CRTC_REGISTERS = 25, SEQUENCER_REGISTERS = 5, GRAPHICS_REGISTERS = 9, ATTRIBUTE_REGISTERS = 21, DAC_SIZE = 768 };
typedef struct {                            /* devices/display/shared_vga.py */
    uint64_t start, end;                    /* physical addresses of the window */
    uint32_t bank, latch;
    uint8_t misc, crtc[CRTC_REGISTERS], sequencer[SEQUENCER_REGISTERS], graphics[GRAPHICS_REGISTERS];
    uint8_t attributes[ATTRIBUTE_REGISTERS];
    uint8_t crtc_index, sequencer_index, graphics_index, attribute_index;
    uint8_t dac[DAC_SIZE], dac_mask, dac_read, dac_write, dac_part, dac_held[3], dac_state;
    bool attribute_data, linear, wide_dac;
} SharedVga;
