/* What Python calls, by the file where it is. */
/* create.c */
Vm *vm_new(uint8_t *memory, uint64_t memory_size, uint32_t cpu_count, void *owner);
void vm_free(Vm *vm);

/* cpus.c */
void vm_select(Vm *vm, uint32_t index);
bool vm_can_run(const Vm *vm, uint32_t index);

/* turns.c */
void turn_begin(Vm *vm, uint32_t cpu, uint64_t quantum, bool exact);
bool turn_next(Vm *vm);

/* run.c */
uint32_t vm_run(Vm *vm, uint64_t limit);
uint32_t vm_step(Vm *vm);

/* interrupts.c */
void interrupts_schedule_timer(Vm *vm, uint32_t cpu, uint64_t due);
void interrupts_schedule_out0(Vm *vm, uint64_t due);

/* pic.c */
bool pic_attach(Vm *vm, void *pic, uint64_t pic_size, void *pit, uint64_t pit_size, void *ioapic, uint64_t ioapic_size);

/* shared_ports.c */
bool vm_share_plain(Vm *vm, uint32_t first, uint32_t count, void *memory, uint64_t size);
bool vm_share_stream(Vm *vm, uint32_t port, void *memory, uint64_t size);

/* pm_timer.c */
bool vm_share_pm_timer(Vm *vm, void *memory, uint64_t size);

/* shared_vga.c */
bool vm_share_vga(Vm *vm, void *vga, uint64_t vga_size, uint64_t at, uint64_t size);

/* apic.c */
bool apic_attach(Vm *vm, uint32_t cpu, void *memory, uint64_t size, uint64_t page, uint64_t latency);

/* endings.c */
void vm_request_stop(Vm *vm);
void vm_attend_behind(Vm *vm);
void vm_stop_behind(Vm *vm);
void vm_interrupt(Vm *vm);

/* coprocessor_error.c */
void vm_ignore_x87_errors(Vm *vm, uint32_t cpu);

/* signals.c */
void vm_take_signals(void);

/* boundaries.c */
uint32_t vm_interrupt_due(Vm *vm);

/* breakpoints.c */
bool vm_at_breakpoint(Vm *vm);
void vm_set_breakpoints(Vm *vm, const uint64_t *linear, uint32_t count, const uint64_t *physical, uint32_t physical_count);

/* clock.c */
void clock_lower_limit(Vm *vm, uint64_t tick);
void clock_attend(Vm *vm);

/* cpuid.c */
void vm_set_cpuid(Vm *vm, const VmCpuid *rows, uint32_t count, uint32_t max_basic, uint32_t max_extended);

/* physical.c */
void vm_set_a20(Vm *vm, uint32_t enabled);
void vm_set_map(Vm *vm, const VmRange *ranges, uint32_t count);

/* catches.c */
void vm_set_catches(Vm *vm, uint32_t mask, const uint32_t *msrs, uint32_t msr_count, const uint8_t *ports);

/* mmu.c */
void vm_pages_restored(Vm *vm, const uint32_t *pages, uint64_t count);
void vm_flush_caches(Vm *vm);
void vm_dirty_reset(Vm *vm);
void vm_write_memory(Vm *vm, uint64_t at, const uint8_t *bytes, uint64_t size);
void vm_code_changed(Vm *vm, uint64_t at, uint64_t size);

/* owed.c */
bool owed_settle(Vm *vm, uint64_t at, uint64_t size);
bool vm_owe_pages(Vm *vm, const uint32_t *pages, uint64_t count);
bool vm_open_pages(Vm *vm, const uint32_t *pages, uint64_t count);

/* tlb.c */
void vm_flush_engine_tlb(Vm *vm);
void tlb_drop_all(VmCpu *cpu);
uint64_t tlb_export(VmCpu *cpu, uint64_t *pairs, uint64_t capacity);
void tlb_import(VmCpu *cpu, const uint64_t *pairs, uint64_t count);

/* touched.c */
void touched_beside(Vm *vm, uint64_t physical, uint64_t size, uint32_t kinds);
void touched_begin(Vm *vm, bool gathering);
void touched_export(Vm *vm, uint64_t *linear, uint64_t *lines, uint64_t *written, uint64_t *words, uint32_t *physical, uint8_t *kinds);

/* touched_coder.c */
TouchedCoder *touched_coder_new(void);
void touched_coder_free(TouchedCoder *coder);
const uint8_t *touched_encode(TouchedCoder *coder, TouchedColumns *columns, uint64_t *size);
bool touched_decode(TouchedCoder *coder, const uint8_t *bytes, uint64_t size, TouchedColumns *columns);

/* watch.c */
void vm_set_watchpoints(Vm *vm, const VmWatchpoint *watchpoints, uint32_t count);

/* state.c */
void vm_get_state(Vm *vm, VmState *state);
void vm_set_state(Vm *vm, const VmState *state);
uint64_t vm_rflags(Vm *vm);

/* inspect.c */
const uint64_t *vm_general(Vm *vm);
uint64_t vm_linear_pc(Vm *vm);
uint64_t vm_translate(Vm *vm, uint64_t linear);
uint64_t vm_read_linear(Vm *vm, uint64_t linear, uint8_t *bytes, uint64_t size);
bool vm_read_value(Vm *vm, uint64_t linear, uint32_t size, uint64_t *value);

/* likeness.c */
uint64_t pages_differences(const uint8_t *pages, const uint8_t *others, uint32_t count, uint32_t most, uint8_t *masks,
                           uint8_t *words, uint32_t *counts, uint8_t *stepped);
void page_change(uint8_t *page, const uint8_t *mask, const uint8_t *words, bool stepped);
void pieces_note(const uint8_t *known, uint32_t at, uint32_t end, uint32_t *table, uint32_t bits);
uint32_t page_pieces(const uint8_t *known, uint32_t size, const uint32_t *table, uint32_t bits, const uint8_t *page,
                     uint32_t *pieces, uint32_t most, uint32_t left_out);
