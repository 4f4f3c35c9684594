/* The machine in two parts: what its CPUs share, and what each has of its own. */
enum { WATCH_STORED = 16, TLB_KINDS = 4, RESTART_ACCESSES = 64, JUMP_SLOTS = 64, JUMP_SLOTS_ASKED = 4, JUMP_PAGES_BITS = 12 };

typedef struct Jumps Jumps;

enum VmAccessKind { PORT_READ, PORT_WRITE, MEMORY_READ, MEMORY_WRITE, MSR_WRITE };
typedef struct {
    uint64_t address, value;
    uint32_t size, kind;
} VmAccess;
typedef struct {                            /* the last instruction that accessed devices, and the last RCL or RCR */
    uint64_t tick, deliveries;
    uint32_t count, next;                   /* next: what it does next, count if nothing of it was done before */
    uint32_t at_once, pad;                  /* it goes on before the run can end */
    VmAccess accesses[RESTART_ACCESSES];
    uint64_t rotate_clock, rotate_flags;    /* rotate_clock: at the end of its block, 0 if it is over */
    uintptr_t rotate_host_pc;
} Restart;

typedef struct {                            /* the last time that an instruction's first page came into the TLB to be run */
    uint64_t tick, deliveries, linear;
    uint32_t levels, entry[4];              /* the page tables' entries, low halves, and the TLB's as they were */
    uint64_t entry_at[4], tlb[TLB_KINDS];
} VmFetch;

typedef struct {                            /* numbers of pages */
    uint64_t linear, physical;
    uint64_t at;                            /* in Vm.memory; NOT_MEMORY if that is not one place */
    uint64_t written;                       /* by others than instructions: a bit for each line */
    uint32_t kinds, pad;                    /* kinds: of VmTouchedKind */
} VmTouchedPage;
typedef struct {                            /* numbers of pages, as linear addresses and in Vm.memory; see traced.c */
    uint64_t linear, at;
    uint64_t lines;                         /* a bit for each to which there were stores */
    uint32_t used, followed;                /* followed: these are all */
    uint32_t stores, row;                   /* row: how many of the last were each beside the one before */
    uint32_t last, last_size;               /* the last one, from the page's beginning */
    uint8_t words[CODE_LINES];              /* of each line, a bit for each eighth */
} VmTracedPage;
typedef struct {                            /* since touched_begin(); see touched.c */
    VmTouchedPage *pages;                   /* open addressing; kinds: 0 in a free slot */
    uint64_t count, capacity;
    uint32_t gathering, overflowed;         /* overflowed: more pages than are kept: take it for all */
    uint32_t events;                        /* CATCH_CR3, CATCH_MSR_READ, CATCH_MSR_WRITE */
    uint32_t marked;                        /* translations store into `lines`: from when first something was gathered */
    uint64_t exceptions[4], interrupts[4];  /* a bit for each vector; the NMI is among the interrupts */
    uint8_t ports[65536];                   /* CATCH_PORT_READ | CATCH_PORT_WRITE */
    uint8_t *lines;                         /* a byte for each CODE_LINE of memory: whether an instruction there began */
    VmTracedPage *traced;                   /* open addressing */
    uint64_t traced_count, traced_capacity;
    VmTouchedPage noted_lately[512];        /* by hash, as the table has them or with fewer kinds: most entries come again */
    VmTracedPage *known_lately[512];        /* in `traced`, by hash */
    uint8_t *resting, *rested;              /* for each page of memory, in how many parts it will not be followed, and was not before */
} VmTouched;

typedef struct {                            /* CPUWatchpoint */
    uint64_t linear, length, hit_linear;
    uint32_t hit_attributes;
    int32_t flags;
    void *link[2];
} DataBreakpoint;

typedef struct {                            /* a CPU's own */
    Cpu *qemu;
    Env *env;
    uint32_t index, pad_index;
    uint32_t intr, nmi;
    uint32_t halted;                        /* it stands after a HLT, until it is woken */
    uint32_t waits_for_sipi;
    uint32_t stale;                         /* Unicorn's TLB is to be emptied before the CPU runs */
    uint32_t flushed_at;                    /* Vm.flushes_made when it was, or was to be */
    uint32_t repeating;                     /* see repeats.c */
    uint32_t data_breakpoint_set;           /* a bit for each that is in force */
    DataBreakpoint data_breakpoints[4];
    uint64_t *tlb;                          /* pairs of tag and translation, see tlb.c */
    uint64_t tlb_capacity, tlb_used;
    uint32_t tlb_generation, tlb_large;
    VmFetch fetch;
    uint64_t apic_base, tsc_offset;
    Apic apic;
    Restart restart;
    uint32_t jump_generation, pad_generation;   /* see jumps.c */
    uint64_t jump_pages[1 << JUMP_PAGES_BITS >> 6];     /* where code is that was found since then: a filter */
    uint16_t jump_slots[JUMP_SLOTS];        /* of Unicorn's cache of jumps, those that may be in use */
    uint16_t jump_slots_asked[JUMP_SLOTS_ASKED];        /* the last ones, in a ring */
    uint32_t jump_slot_count;               /* JUMP_SLOTS + 1: any may be in use */
    uint32_t jump_slots_next;               /* where in the ring */
    VmCpuid *cpuid;
    uint32_t cpuid_count, cpuid_max_basic, cpuid_max_extended;
    uint32_t extended;                      /* the model has what VmExtended holds */
    uint32_t segments_changed;              /* see limits.c */
    uint32_t keys_used, pad_keys;           /* keys_used: a bit for each that a page in Unicorn's TLB has or had */
    uint32_t loads_ss;                      /* of MOV SS, POP SS and STI one of the former began last */
    uint32_t wide_area;                     /* FXSAVE, XSAVE and their kin: REX.W is set */
    uint64_t random;
    uint64_t mcg_status, mc_ctl[4];         /* see machine_check.c */
} VmCpu;

typedef struct {                            /* see turns.c */
    uint64_t end;                           /* a turn ends at or past it; NEVER: at none, there is one CPU */
    uint64_t quantum;                       /* of round robin, which is done here; 0: Python says whose turn is next */
    uint32_t cpu;                           /* whose it is, or was */
    uint32_t over;                          /* nobody's, until the next is chosen */
    uint32_t awaited;                       /* a run ends when this CPU's begins; NO_CPU, ANY_CPU */
    uint32_t taken;                         /* how many have begun; for people */
    uint32_t exact, pad_turn;               /* the first boundary at or past `end` ends it, however control came there */
} Turn;

typedef struct {                            /* what is shared; of a run that is under way, of the CPU that runs */
    uint64_t clock, limit;                  /* ticks: bytes of guest code retired */
    uint64_t bound;                         /* where the run ends; the limit may come before, for the local APIC's timer */
    uint64_t horizon;                       /* what translated code compares with: the limit, or 0 to come to block_begins() */
    uint64_t block_start, block_size;
    uint64_t port_pc;                       /* linear, of the last instruction that was to access a port */
    uint64_t last_start, last_size;         /* the last block that was looked at and let run */
    uint32_t attention, pad_attention;      /* attention: look at every block */
    uint32_t step_once, stepped, crossing, expect_single, in_single, run_alone;
    uint32_t align_next;                    /* the next access translated is to be checked */
    uint32_t filling_watched;               /* Unicorn's TLB is being filled: what is watched in the page */
    uint32_t probe_next;                    /* the next store translated only asks whether it may be */
    uint32_t operand_left;                  /* bytes of it still to read, by the instruction being translated */
    uint32_t pair_next, pad_pair;           /* which half of a 16-byte operand is loaded next: see instructions.c */
    uint64_t pair_high;                     /* TCG's temporary for its upper one */
    uint64_t instead_at, instead_size;      /* where the translator is shown other bytes than there are */
    const uint8_t *instead;
    uint32_t int_length;                    /* of the INT n that is being delivered */
    uint32_t external_event;                /* one is being delivered that is no INT n */
    uint32_t running, exit;
    uc_engine *uc;
    VmCpu *cpu;                             /* the one that runs, or that is looked at */
    VmCpu *cpus[MOST_CPUS];
    uint32_t cpu_count, pad_cpus;
    Turn turn;
    Chips chips;
    SharedPorts shared[SHARED_PORTS];
    uint8_t *shared_at;                     /* for each port the number of the entry that has it, from 1 on; NULL: none has */
    uint32_t shared_count;
    PmTimer *pm_timer;                      /* NULL: there is none */
    SharedVga *vga;                         /* NULL: there is none */
    uint64_t vga_at, vga_size;              /* its memory, in `memory` */
    void *owner;                            /* handle for the Python callbacks */

    uint8_t *memory;                        /* RAM, memory of devices and ROM, one after the other */
    uint64_t memory_size;
    void *memory_region;                    /* Unicorn's for it, NULL while it was not asked for */
    VmRange *map;                           /* where the guest finds it: by rising address, without overlaps */
    uint32_t map_count, map_largest;        /* map_largest: the index of the range that is asked for most */
    uint32_t remapped;                      /* the map was changed by an access of the instruction that runs */
    uint32_t unpaged;                       /* CR0 is written, without paging before and after: linear addresses stay where they are */
    uint8_t *is_code, *dirty;               /* a byte for each page of memory */
    Jumps *jumps;
    uint32_t jump_generations, pad_generations;
    uint64_t *code_grains;                  /* a bit for each 16 bytes: translated code may be there; 0 if its page has none */
    uint32_t *dirty_pages;                  /* those of which `dirty` is set, in no order */
    uint64_t dirty_count;
    uint32_t *writable_in;                  /* for each page, flushes_made when a store last may have become possible */
    uint32_t flushes_made, pad_flushes;     /* flushes of any CPU's TLB of Unicorn's; see tlb.c */
    uint8_t *owed;                          /* a byte for each page of memory: see owed.c; NULL: none ever was */
    uint64_t owed_count;
    void *next_owing;                       /* a Vm */
    uint8_t *sink;                          /* a page at ADDRESS_SPACE, which no guest can name: where stores to ROM go */

    uint64_t exit_linear, exit_physical, exit_value;
    uint32_t exit_detail;
    uint32_t tick_deliveries;               /* those at the tick of the last one */
    VmDelivery deliveries[DELIVERIES];
    uint64_t delivery_count;
    uint64_t catch_vectors[4];              /* exceptions and INT n: a bit for each vector */
    uint64_t catch_interrupts[4];           /* external interrupts and the NMI */
    uint32_t catch_mask, catch_port_count;
    uint64_t catch_skip_tick;
    uint8_t *catch_ports;                   /* a byte for each port: CATCH_PORT_READ | CATCH_PORT_WRITE; NULL: none */
    uint32_t *catch_msrs;
    uint32_t catch_msr_count;

    uint64_t *breakpoints, *planted;        /* sorted linear addresses; planted: those that translations check */
    uint32_t breakpoint_count, planted_count;
    uint64_t *physical_breakpoints;
    uint32_t physical_breakpoint_count, breakpoint_suppressed;
    VmWatchpoint *watchpoints;
    uint32_t watchpoint_count, watch_recording;
    uint32_t watch_touched;                 /* one of the accesses made is watched */
    uint32_t watch_made_count, watch_made_capacity, watch_hit_count, watch_hit_capacity;
    VmWatchHit *watch_made, *watch_hits;    /* by one instruction or delivery, all that was looked at, and the hits */
    uint64_t watch_pc;                      /* the instruction that runs alone, or that what is delivered struck */
    uint64_t watch_clock;                   /* when it began, while watch_recording */
    VmWatchHit watch_stored[WATCH_STORED];  /* the last stores to watched pages that are not watched themselves */
    uint32_t watch_stored_count, watch_resumed;
    uint32_t watch_delivery, watch_delivering;  /* of watch_made, the first of the delivery under way; whether one is */
    uint64_t watch_left;                    /* the access at which it was left, for now; watch_resumed: made again */
    uint64_t access_linear, access_size;    /* the access under way, as the instruction makes it */
    uint32_t access_number, pad_access;

    uint64_t user_stack, user_stack_size;   /* where helpers of far transfers have the rights of ring 3; see stacks.c */
    uint32_t physical_bits, pad_bits;
    uint64_t cr4_known;

    VmTouched touched;
    uint32_t interrupted;                   /* set by another thread: the run, or the next one, is to end */

    uint64_t fills, walks, flushes, code_drops, exceptions, interrupts, system_calls, single_steps;
} Vm;
