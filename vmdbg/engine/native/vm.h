/* One virtual CPU with its clock, memory, TLB and stops. Everything here runs on the one thread that owns the machine. */
#ifndef VMDBG_VM_H
#define VMDBG_VM_H

#include "apic.h"
#include "unicorn_x86.h"

enum VmExit {
    EXIT_NONE, EXIT_LIMIT, EXIT_HALT, EXIT_STEPPED, EXIT_BREAKPOINT, EXIT_WATCHPOINT, EXIT_EXCEPTION, EXIT_CATCH,
    EXIT_TRIPLE_FAULT, EXIT_VOID_FETCH, EXIT_REQUESTED, EXIT_STUCK, EXIT_ENGINE_ERROR,
};
enum VmCatch { CATCH_CR3 = 1, CATCH_MODE = 2, CATCH_MSR_READ = 4, CATCH_MSR_WRITE = 8, CATCH_PORT_READ = 16, CATCH_PORT_WRITE = 32,
               CATCH_RING = 64, CATCH_MAGIC = 128 };
enum VmWatch { WATCH_READ = 1, WATCH_WRITE = 2, WATCH_PHYSICAL = 4 };

typedef struct {                            /* an exception, software interrupt or external interrupt delivered */
    uint64_t tick, rip, linear_pc, rsp, cr3, cr2, handler;
    uint32_t error_code;
    uint8_t vector, kind, cpl;
    uint8_t width;                          /* bits of the code segment that it struck in */
    uint8_t code_size, code[15];            /* #UD: the instruction that was none */
} VmDelivery;
enum VmDeliveryKind { DELIVER_EXCEPTION, DELIVER_SOFTWARE, DELIVER_EXTERNAL, DELIVER_NMI };
#define DELIVERIES 64

typedef struct {
    uint64_t start, size;
} VmRange;
#define ROMS 8
#define SINK (1ull << 40)                   /* beyond all that is mapped for guests: see ADDRESS_SPACE */

typedef struct {
    uint64_t address, size;
    uint32_t kind, id;
} VmWatchpoint;
typedef struct {                            /* an access, within one page; `id` of the watchpoint that it touched */
    uint64_t linear, physical, pc;          /* pc: linear, of the instruction */
    uint32_t size, access, id, old_size;    /* old_size: 0 where there is no RAM */
    uint8_t old[16];
} VmWatchHit;

enum { WATCH_STORED = 16 };

enum VmAccessKind { PORT_READ, PORT_WRITE, MEMORY_READ, MEMORY_WRITE };
typedef struct {
    uint64_t address, value;
    uint32_t size, kind;
} VmAccess;
#define RESTART_ACCESSES 64
typedef struct {                            /* the last instruction that accessed devices, and the last RCL or RCR */
    uint64_t tick, deliveries;
    uint32_t count, next;                   /* next: what it does next, count if nothing of it was done before */
    uint32_t at_once, pad;                  /* it goes on before the run can end */
    VmAccess accesses[RESTART_ACCESSES];
    uint64_t rotate_clock, rotate_flags;    /* rotate_clock: at the end of its block, 0 if it is over */
    uintptr_t rotate_host_pc;
} Restart;

enum { TLB_KINDS = 4 };
typedef struct {                            /* the last time that an instruction's first page came into the TLB to be run */
    uint64_t tick, deliveries, linear;
    uint32_t levels, entry[4];              /* the page tables' entries, low halves, and the TLB's as they were */
    uint64_t entry_at[4], tlb[TLB_KINDS];
} VmFetch;

typedef struct {
    uint32_t leaf, subleaf;                 /* subleaf 0xffffffff: any */
    uint32_t eax, ebx, ecx, edx;
} VmCpuid;

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
    uint32_t a20_mask, interrupt_shadow, nmi_blocked, old_exception, pending_debug;
    uint8_t float_status[40];               /* softfloat's own state: part of a snapshot, not of a digest */
    uint32_t repeating;                     /* see repeats.c; not of a digest either */
} VmState;

typedef struct Vm Vm;
struct Vm {
    uint64_t clock, limit;                  /* ticks: bytes of guest code retired */
    uint64_t bound;                         /* where the run ends; the limit may come before, for the local APIC's timer */
    uint64_t horizon;                       /* what translated code compares with: the limit, or 0 to come to block_begins() */
    uint64_t block_start, block_size;
    uint64_t last_start, last_size;         /* the last block that was looked at and let run */
    uint32_t attention, pad_attention;      /* attention: look at every block */
    uint32_t step_once, stepped, crossing, expect_single, in_single, run_alone;
    uint32_t repeating, pad_repeating;      /* see repeats.c */
    uint32_t align_next;                    /* the next access translated is to be checked */
    uint32_t filling_watched;               /* Unicorn's TLB is being filled: what is watched in the page */
    uint32_t probe_next;                    /* the next store translated only asks whether it may be */
    uint64_t instead_at, instead_size;      /* where the translator is shown other bytes than there are */
    const uint8_t *instead;
    uint32_t int_length;                    /* of the INT n that is being delivered */
    uint32_t external_event;                /* one is being delivered that is no INT n */
    uint32_t intr, nmi, running, exit;
    uc_engine *uc;
    Cpu *cpu;
    Env *env;
    void *owner;                            /* handle for the Python callbacks */

    uint8_t *ram;
    uint64_t ram_size;
    uint8_t *is_code, *maybe_writable, *dirty;  /* a byte for each physical page */
    VmRange roms[ROMS];                     /* memory above RAM that stores do not change */
    uint32_t rom_count;
    uint8_t *sink;                          /* a page at SINK, which no guest can name: where stores to ROM go */

    uint64_t *tlb;                          /* pairs of tag and translation, see tlb.c */
    uint64_t tlb_capacity, tlb_used;
    uint32_t tlb_generation, tlb_large;
    VmFetch fetch;

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
    DataBreakpoint data_breakpoints[4];
    uint32_t data_breakpoint_set;           /* a bit for each that is in force */

    VmCpuid *cpuid;
    uint32_t cpuid_count, cpuid_max_basic, cpuid_max_extended, physical_bits;
    uint64_t cr4_known, apic_base, tsc_offset;
    Apic apic;
    Restart restart;

    uint32_t interrupted;                   /* set by another thread: the run, or the next one, is to end */

    uint64_t fills, walks, flushes, code_drops, exceptions, interrupts, system_calls, single_steps;
};

/* initial-exec: found without a call. */
extern __thread Vm *vm_current __attribute__((tls_model("initial-exec")));

/* create.c */
Vm *vm_new(uint8_t *ram, uint64_t ram_size, void *owner);
void vm_free(Vm *vm);

/* physical.c */
int physical_map_memory(Vm *vm, uint64_t physical, uint64_t size, uint8_t *host);
void vm_set_a20(Vm *vm, uint32_t enabled);
int vm_map_window(Vm *vm, uint64_t physical, uint64_t size);
int vm_map_rom(Vm *vm, uint64_t physical, uint64_t size, uint8_t *host);

/* cpuid.c */
void vm_set_cpuid(Vm *vm, const VmCpuid *rows, uint32_t count, uint32_t max_basic, uint32_t max_extended);

/* run.c */
uint32_t vm_run(Vm *vm, uint64_t limit);
uint32_t vm_step(Vm *vm);

/* endings.c */
_Noreturn void vm_leave(Vm *vm, uint32_t exit, uintptr_t host_pc);
_Noreturn void vm_leave_at_fetch(Vm *vm, uint32_t exit);
void vm_request_stop(Vm *vm);
void vm_interrupt(Vm *vm);
bool vm_interrupted(const Vm *vm);
bool vm_must_end(Vm *vm);
void vm_stop_between(Vm *vm, uint32_t exit);

/* boundaries.c */
void block_begins(Vm *vm);
uint32_t vm_interrupt_due(Vm *vm);

/* catches.c */
void vm_set_catches(Vm *vm, uint32_t mask, const uint32_t *msrs, uint32_t msr_count, const uint8_t *ports);
bool vm_catch(Vm *vm, uint32_t kind, uintptr_t host_pc, uint64_t detail, uint64_t value);

/* rings.c */
void ring_changes(Vm *vm, uint32_t ring, uintptr_t host_pc);

/* deliveries.c */
enum { STUCK_DELIVERIES = 20000 };          /* at one tick */
bool deliveries_stuck(const Vm *vm);
bool deliveries_hook(Vm *vm);
void deliver_interrupt(Vm *vm);

/* restarts.c */
bool restart_repeats(Vm *vm, uint64_t now, uint32_t kind, uint64_t address, uint32_t size, uint64_t *value);
void restart_note(Vm *vm, uint32_t kind, uint64_t address, uint32_t size, uint64_t value);
void restart_instruction(Vm *vm, bool at_once);
void restart_forget(Vm *vm);
bool restart_pending(const Vm *vm);

/* signals.c */
void vm_take_signals(void);
Vm *signals_begin(Vm *vm);
void signals_end(Vm *outer);

/* repeats.c */
void repeat_after(Vm *vm, uint64_t start, uint64_t size);
void repeat_notice(Vm *vm);

/* apic.c */
bool apic_attach(Vm *vm, void *memory, uint64_t size, uint64_t page, uint64_t latency);
void apic_settle(Vm *vm);
uint64_t apic_limit(Vm *vm);
bool apic_timer_expires(Vm *vm);
int32_t apic_acknowledge(Vm *vm);
void apic_schedule(Vm *vm, uint64_t due);
bool apic_write(Vm *vm, uint64_t physical, unsigned size, uint32_t value, uint64_t now);

/* clock.c */
void vm_retire_exactly(Vm *vm);
uint64_t vm_now(Vm *vm, uintptr_t host_pc);
void clock_come_by(Vm *vm, uint64_t tick);
void clock_lower_limit(Vm *vm, uint64_t tick);
void clock_attend(Vm *vm);
void clock_relax(Vm *vm);
void clock_begin(Vm *vm, uint64_t limit, bool attention);

/* clock_code.c */
void clock_translates(const Block *tb);
void clock_translated(const Block *tb);
void *tcg_constant_argument(TcgContext *tcg, uint64_t value);

/* mmu.c, tlb.c */
typedef struct { uint64_t physical; uint32_t flags; } Translation;
enum { T_WRITE = 1, T_USER = 2, T_NX = 4, T_DIRTY = 8, T_LARGE_SHIFT = 8 };
void vm_flush_engine_tlb(Vm *vm);
void vm_flush_caches(Vm *vm);
void vm_dirty_reset(Vm *vm);
void vm_write_physical(Vm *vm, uint64_t physical, const uint8_t *bytes, uint64_t size);
void vm_restore_physical(Vm *vm, uint64_t physical, const uint8_t *bytes, uint64_t size);
void vm_code_changed(Vm *vm, uint64_t physical, uint64_t size);
bool tlb_get(Vm *vm, uint64_t linear, Translation *found);
void tlb_put(Vm *vm, uint64_t linear, Translation entry, unsigned page_shift);
void tlb_save(Vm *vm, uint64_t linear, uint64_t saved[TLB_KINDS]);
void tlb_put_back(Vm *vm, uint64_t linear, const uint64_t saved[TLB_KINDS]);
void tlb_drop_page(Vm *vm, uint64_t linear);
void tlb_drop_all(Vm *vm);
uint64_t tlb_export(Vm *vm, uint64_t *pairs, uint64_t capacity);
void tlb_import(Vm *vm, const uint64_t *pairs, uint64_t count);

/* breakpoints.c */
void vm_set_breakpoints(Vm *vm, const uint64_t *linear, uint32_t count, const uint64_t *physical, uint32_t physical_count);
bool vm_breakpoint_at(Vm *vm, uint64_t linear);
bool vm_stops_at(Vm *vm, uint64_t linear);
bool vm_at_breakpoint(Vm *vm);
bool breakpoint_is_checked_at(Vm *vm, uint64_t linear);

/* watch.c */
void vm_set_watchpoints(Vm *vm, const VmWatchpoint *watchpoints, uint32_t count);
uint32_t watch_page(Vm *vm, uint64_t linear, uint64_t physical);
void watch_note_access(uint64_t linear, uint64_t size);
void watch_table_write(Vm *vm, uint64_t physical, uint64_t size, bool fetches, uintptr_t host_pc);
void watch_begin(Vm *vm);
void watch_exception(Vm *vm);
void watch_report(Vm *vm);

/* instructions.c */
enum { DEMANDS_ALIGNMENT = 1, ACCESSES_PORT = 2, STORES_MXCSR = 4, LOCKS_IN_VAIN = 8, READS_FLAGS = 16, LOOPS_BY_ZF = 32, STORES_FROM_PORT = 64 };
unsigned instruction_traits(Env *env, uint64_t linear, bool code64, uint64_t *opcode_at);
unsigned instruction_prefixes(const Env *env, const uint8_t *code, uint64_t size);

/* ports.c */
void port_translate_probe(void *tcg, uintptr_t address, unsigned size, unsigned mmu_idx);

/* sse_status.c */
void sse_status_collect(Env *env);
void sse_status_load(Env *env);
void sse_status_translate_stmxcsr(void *tcg, Env *env);

/* data_breakpoints.c */
uint32_t data_breakpoint_page(Vm *vm, uint64_t linear);
void data_breakpoint_access(Vm *vm, uint64_t linear, uint64_t size, int access, uintptr_t host_pc);
uint32_t data_breakpoint_hits(Vm *vm);
void data_breakpoint_set_hits(Vm *vm, uint32_t hits);
void data_breakpoint_trap(Vm *vm);

/* state.c */
void vm_get_state(Vm *vm, VmState *state);
void vm_set_state(Vm *vm, const VmState *state);
uint64_t vm_rflags(Vm *vm);
void vm_load_segment(Env *env, int index, uint32_t selector, uint64_t base, uint32_t limit, uint32_t flags);

/* inspect.c */
const uint64_t *vm_general(Vm *vm);
uint64_t vm_linear_pc(Vm *vm);
uint64_t vm_translate(Vm *vm, uint64_t linear);
uint64_t vm_read_linear(Vm *vm, uint64_t linear, uint8_t *bytes, uint64_t size);
bool vm_read_value(Vm *vm, uint64_t linear, uint32_t size, uint64_t *value);

static inline uint64_t env_linear_pc(Env *env)
{
    return env->hflags & HF_CS64 ? env->eip : (uint32_t)(env->segs[R_CS].base + env->eip);
}

/* Python: how the machine answers. Never called where a longjmp could cross it. */
typedef struct {
    uint32_t (*port_read)(void *owner, uint32_t port, uint32_t size, uint64_t now);
    void (*port_write)(void *owner, uint32_t port, uint32_t size, uint32_t value, uint64_t now);
    uint64_t (*memory_read)(void *owner, uint64_t physical, uint32_t size, uint64_t now);
    void (*memory_write)(void *owner, uint64_t physical, uint32_t size, uint64_t value, uint64_t now);
    int32_t (*acknowledge)(void *owner, uint64_t now);
    uint32_t (*task_priority)(void *owner, int32_t write, uint32_t value, uint64_t now);
    void (*apic_moved)(void *owner, uint32_t scheduled, uint64_t due, int32_t intr);
} VmCallbacks;
extern VmCallbacks vm_callbacks;

#endif
