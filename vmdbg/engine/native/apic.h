/* The registers of the local APIC, in the memory that devices/interrupts/lapic_memory.py lays out. */
typedef struct {
    struct {
        uint64_t since;
        uint32_t initial_count, count, divide_configuration, reserved;
    } timer;
    uint32_t apic_id, tpr, ldr, dfr, svr, esr, errors, icr_low, icr_high;
    uint32_t isr[8], tmr[8], irr[8];
    uint32_t lvt[6];
    bool lint[2], enabled, extint_pending, intr;
} ApicMemory;

typedef struct {
    ApicMemory *memory;                     /* NULL: the device does everything */
    uint64_t page;                          /* physical */
    uint64_t latency;                       /* from an access to the earliest deadline that it can set */
    uint64_t due;                           /* the timer's deadline, NEVER if it has none */
    uint32_t scheduled;                     /* deadlines set here that the scheduler has not heard of */
    uint32_t moved;                         /* something that Python is to hear of */
    uint32_t observed;                      /* acknowledges and writes are to be seen by Python */
} Apic;
