/* Values that C and Python share, and what C keeps of Unicorn's.
 *
 * cffi reads this file, and machine.h, interface.h and callbacks.h, as the compiler does: no constant and no layout is
 * written twice. So they have no preprocessor in them, and only vm.h includes them.
 */
typedef struct uc_struct uc_engine;
typedef struct Cpu Cpu;                     /* QEMU's CPUState, with the Env behind it */
typedef struct Env Env;                     /* its CPUX86State */

static const uint64_t NEVER = 0xffffffffffffffff;           /* a tick that does not come */
static const uint64_t ADDRESS_SPACE = 0x10000000000;        /* bytes of physical memory that guests can name */
static const uint64_t NOT_MEMORY = 0xffffffffffffffff;      /* devices, or nobody, answer there */
static const uint64_t NOWHERE = 0xfffffffffffffffe;         /* what is stored there is lost */
static const uint32_t ANY_SUBLEAF = 0xffffffff;

enum VmExit {
    EXIT_NONE, EXIT_LIMIT, EXIT_HALT, EXIT_STEPPED, EXIT_BREAKPOINT, EXIT_WATCHPOINT, EXIT_EXCEPTION, EXIT_CATCH,
    EXIT_TRIPLE_FAULT, EXIT_VOID_FETCH, EXIT_REQUESTED, EXIT_STUCK, EXIT_ENGINE_ERROR,
    EXIT_TURN,                              /* the turn is over, or has come to Turn.awaited */
};
enum { MOST_CPUS = 32 };
static const uint32_t NO_CPU = 0xffffffff, ANY_CPU = 0xfffffffe;
enum VmCatch { CATCH_CR3 = 1, CATCH_MODE = 2, CATCH_MSR_READ = 4, CATCH_MSR_WRITE = 8, CATCH_PORT_READ = 16,
               CATCH_PORT_WRITE = 32, CATCH_RING = 64, CATCH_MAGIC = 128, CATCH_LOCKED = 256 };
enum VmWatch { WATCH_READ = 1, WATCH_WRITE = 2, WATCH_PHYSICAL = 4 };

enum VmTouchedKind { TOUCHED_READ = 1, TOUCHED_WRITE = 2, TOUCHED_FETCH = 4 };
typedef struct {                            /* of `rows`: touched_packing.py; of three columns how many there are, and room for */
    uint64_t rows, *steps;
    uint32_t *farther;
    uint8_t *kinds;
    uint64_t *lines, lines_count, lines_room, *written, written_count, written_room;
    uint8_t *words;
    uint64_t words_count, words_room;
} TouchedColumns;
typedef struct TouchedCoder TouchedCoder;
enum { TOUCHED_WORDS = 8 };                 /* lines of a page of which it is known which words were written */
static const uint64_t NO_LINEAR_PAGE = 0x10000000000000;    /* beyond all linear pages, in place of one */
enum { CODE_LINE_SHIFT = 6, CODE_LINES = 64 };              /* CODE_LINES in a page */
static const uint32_t NO_PHYSICAL_PAGE = 0xffffffff;

typedef struct {
    uint32_t selector;
    uint64_t base;
    uint32_t limit;
    uint32_t flags;                         /* the high dword of the descriptor */
} Segment;

typedef struct {                            /* an exception, software interrupt or external interrupt delivered */
    uint64_t tick, rip, linear_pc, rsp, cr3, cr2, handler;
    uint32_t error_code;
    uint8_t vector, kind;
    uint8_t cpl : 3, cpu : 5;
    uint8_t width;                          /* bits of the code segment that it struck in */
    uint8_t code_size, code[15];            /* #UD: the instruction that was none */
} VmDelivery;
enum VmDeliveryKind { DELIVER_EXCEPTION, DELIVER_SOFTWARE, DELIVER_EXTERNAL, DELIVER_NMI };
enum { DELIVERIES = 64 };                  /* that are remembered */

typedef struct {                            /* whole pages of physical addresses, where memory is read or written */
    uint64_t start, end;
    uint64_t reads, writes;                 /* where that begins in Vm.memory; writes are elsewhere for ROM and shadows */
} VmRange;

typedef struct {
    uint64_t address, size;
    uint32_t kind, id;
} VmWatchpoint;
typedef struct {                            /* an access, within one page; `id` of the watchpoint that it touched */
    uint64_t linear, physical, pc;          /* pc: linear, of the instruction */
    uint32_t size, access, id, old_size;    /* old_size: 0 where there is no RAM */
    uint8_t old[16];
} VmWatchHit;

typedef struct {
    uint32_t leaf, subleaf;                 /* subleaf ANY_SUBLEAF: whichever is asked for */
    uint32_t eax, ebx, ecx, edx;
} VmCpuid;

enum { MACHINE_CHECK_BANKS = 4 };

typedef struct {                            /* what older models have not */
    uint8_t ymm_high[16][16];
    uint64_t random;                        /* where the numbers of RDRAND and RDSEED go on */
    uint64_t mcg_cap, mcg_status, mc_ctl[4];    /* MACHINE_CHECK_BANKS; mcg_cap is only read */
} VmExtended;

typedef struct {                            /* the architectural state, for registers, snapshots and digests */
    uint64_t regs[16], rip, rflags;
    uint64_t cr0, cr2, cr3, cr4, cr8, efer;
    Segment segs[6], ldt, tr, gdt, idt;
    uint64_t dr[8];
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip, star, lstar, cstar, fmask, kernelgsbase;
    uint64_t tsc_offset, tsc_aux, apic_base, pat, misc_enable, xcr0;
    uint64_t mtrr_fixed[11], mtrr_deftype, mtrr_var[16];
    uint64_t fpip, fpdp;
    uint64_t st_mantissa[8];
    uint16_t st_exponent[8];
    uint16_t fpuc, fpus, fpop, fpcs, fpds, fpstt;
    uint8_t fptags[8];
    uint32_t mxcsr, pkru;
    uint8_t xmm[16][16];
    uint32_t a20_mask;
    uint16_t interrupt_shadow, x87_errors_ignored;
    uint32_t nmi_blocked, old_exception, pending_debug;
    uint8_t float_status[40];               /* softfloat's own state: part of a snapshot, not of a digest */
    uint32_t repeating;                     /* see repeats.c; not of a digest either */
    VmExtended extended;                    /* snapshots and digests have it where the model does */
} VmState;
