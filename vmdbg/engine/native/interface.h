typedef struct { uint32_t selector; uint64_t base; uint32_t limit; uint32_t flags; ...; } Segment;
typedef struct { uint64_t tick, rip, linear_pc, rsp, cr3, cr2, handler; uint32_t error_code; uint8_t vector, kind, cpl, width, code_size, code[15]; ...; } VmDelivery;
typedef struct { uint64_t address, size; uint32_t kind, id; } VmWatchpoint;
typedef struct { uint64_t linear, physical, pc; uint32_t size, access, id, old_size; uint8_t old[16]; } VmWatchHit;
typedef struct { uint32_t leaf, subleaf, eax, ebx, ecx, edx; } VmCpuid;
typedef struct {
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
    uint8_t float_status[40];
    uint32_t repeating;
    ...;
} VmState;
typedef struct { uint64_t due; uint32_t observed; ...; } Apic;
typedef struct Vm {
    uint64_t clock, limit, bound;
    uint32_t intr, nmi, running, exit;
    uint64_t ram_size;
    uint8_t *dirty;
    uint64_t exit_linear, exit_physical, exit_value;
    uint32_t exit_detail, tick_deliveries;
    VmDelivery deliveries[64];
    uint64_t delivery_count;
    uint64_t catch_vectors[4];
    uint64_t catch_interrupts[4];
    uint32_t catch_mask;
    uint64_t catch_skip_tick;
    uint32_t breakpoint_suppressed, repeating;
    uint32_t watch_hit_count;
    VmWatchHit *watch_hits;
    uint64_t apic_base;
    Apic apic;
    uint64_t fills, walks, flushes, code_drops, exceptions, interrupts, system_calls, single_steps;
    ...;
} Vm;
typedef struct {
    uint32_t (*port_read)(void *owner, uint32_t port, uint32_t size, uint64_t now);
    void (*port_write)(void *owner, uint32_t port, uint32_t size, uint32_t value, uint64_t now);
    uint64_t (*memory_read)(void *owner, uint64_t physical, uint32_t size, uint64_t now);
    void (*memory_write)(void *owner, uint64_t physical, uint32_t size, uint64_t value, uint64_t now);
    int32_t (*acknowledge)(void *owner, uint64_t now);
    uint32_t (*task_priority)(void *owner, int32_t write, uint32_t value, uint64_t now);
    void (*apic_moved)(void *owner, uint32_t scheduled, uint64_t due, int32_t intr);
} VmCallbacks;

#define EXIT_LIMIT ...
#define EXIT_HALT ...
#define EXIT_STEPPED ...
#define EXIT_BREAKPOINT ...
#define EXIT_WATCHPOINT ...
#define EXIT_EXCEPTION ...
#define EXIT_CATCH ...
#define EXIT_TRIPLE_FAULT ...
#define EXIT_VOID_FETCH ...
#define EXIT_REQUESTED ...
#define EXIT_STUCK ...
#define EXIT_ENGINE_ERROR ...
#define CATCH_CR3 ...
#define CATCH_MODE ...
#define CATCH_MSR_READ ...
#define CATCH_MSR_WRITE ...
#define CATCH_PORT_READ ...
#define CATCH_PORT_WRITE ...
#define CATCH_RING ...
#define CATCH_MAGIC ...
#define WATCH_READ ...
#define WATCH_WRITE ...
#define WATCH_PHYSICAL ...
#define VM_STATE_DIGESTED ...

extern VmCallbacks vm_callbacks;
Vm *vm_new(uint8_t *ram, uint64_t ram_size, void *owner);
void vm_free(Vm *vm);
uint32_t vm_run(Vm *vm, uint64_t limit);
uint32_t vm_step(Vm *vm);
bool apic_attach(Vm *vm, void *memory, uint64_t size, uint64_t page, uint64_t latency);
void apic_schedule(Vm *vm, uint64_t due);
void vm_request_stop(Vm *vm);
void vm_interrupt(Vm *vm);
void vm_take_signals(void);
uint32_t vm_interrupt_due(Vm *vm);
bool vm_at_breakpoint(Vm *vm);
void clock_lower_limit(Vm *vm, uint64_t tick);
void clock_attend(Vm *vm);
void vm_set_cpuid(Vm *vm, const VmCpuid *rows, uint32_t count, uint32_t max_basic, uint32_t max_extended);
void vm_set_a20(Vm *vm, uint32_t enabled);
void vm_set_catches(Vm *vm, uint32_t mask, const uint32_t *msrs, uint32_t msr_count, const uint8_t *ports);
void vm_restore_physical(Vm *vm, uint64_t physical, const uint8_t *bytes, uint64_t size);
int vm_map_window(Vm *vm, uint64_t physical, uint64_t size);
int vm_map_rom(Vm *vm, uint64_t physical, uint64_t size, uint8_t *host);
void vm_flush_engine_tlb(Vm *vm);
void vm_flush_caches(Vm *vm);
void vm_dirty_reset(Vm *vm);
void vm_write_physical(Vm *vm, uint64_t physical, const uint8_t *bytes, uint64_t size);
void vm_code_changed(Vm *vm, uint64_t physical, uint64_t size);
void tlb_drop_all(Vm *vm);
uint64_t tlb_export(Vm *vm, uint64_t *pairs, uint64_t capacity);
void tlb_import(Vm *vm, const uint64_t *pairs, uint64_t count);
void vm_set_breakpoints(Vm *vm, const uint64_t *linear, uint32_t count, const uint64_t *physical, uint32_t physical_count);
void vm_set_watchpoints(Vm *vm, const VmWatchpoint *watchpoints, uint32_t count);
void vm_get_state(Vm *vm, VmState *state);
void vm_set_state(Vm *vm, const VmState *state);
uint64_t vm_rflags(Vm *vm);
const uint64_t *vm_general(Vm *vm);
uint64_t vm_linear_pc(Vm *vm);
uint64_t vm_translate(Vm *vm, uint64_t linear);
uint64_t vm_read_linear(Vm *vm, uint64_t linear, uint8_t *bytes, uint64_t size);
bool vm_read_value(Vm *vm, uint64_t linear, uint32_t size, uint64_t *value);

extern "Python" {
    uint32_t port_read(void *owner, uint32_t port, uint32_t size, uint64_t now);
    void port_write(void *owner, uint32_t port, uint32_t size, uint32_t value, uint64_t now);
    uint64_t memory_read(void *owner, uint64_t physical, uint32_t size, uint64_t now);
    void memory_write(void *owner, uint64_t physical, uint32_t size, uint64_t value, uint64_t now);
    int32_t acknowledge(void *owner, uint64_t now);
    uint32_t task_priority(void *owner, int32_t write, uint32_t value, uint64_t now);
    void apic_moved(void *owner, uint32_t scheduled, uint64_t due, int32_t intr);
}
