/* What the parts know of each other. Everything here runs on the one thread that owns the machine. */
#ifndef VMDBG_VM_H
#define VMDBG_VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "values.h"
#include "unicorn_x86.h"
#include "chips.h"
#include "machine.h"
#include "interface.h"
#include "callbacks.h"

/* initial-exec: found without a call. */
extern __thread Vm *vm_current __attribute__((tls_model("initial-exec")));

/* physical.c */
bool physical_tell_unicorn(Vm *vm);
void physical_begin_again(Vm *vm, uintptr_t host_pc);
enum { PAGE_SHIFT = 12, CODE_GRAIN_SHIFT = 4, GRAIN_WORDS = 1 << (PAGE_SHIFT - CODE_GRAIN_SHIFT - 6) };
#define UNICORNS_MEMORY (2 * ADDRESS_SPACE) /* where Unicorn has Vm.memory, beyond what guests can name */

/* NULL where no memory is. */
static inline const VmRange *physical_range(const Vm *vm, uint64_t physical)
{
    uint32_t low = 0, high = vm->map_count;
    const VmRange *map = vm->map;

    if (!high)
        return NULL;
    const VmRange *most = &map[vm->map_largest];
    if (physical - most->start < most->end - most->start)
        return most;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (map[middle].end <= physical)
            low = middle + 1;
        else
            high = middle;
    }
    return low < vm->map_count && map[low].start <= physical ? &map[low] : NULL;
}

/* Where in Vm.memory a load finds its data, or NOT_MEMORY. */
static inline uint64_t physical_read_at(const Vm *vm, uint64_t physical)
{
    const VmRange *range = physical_range(vm, physical);

    return range && range->reads < NOWHERE ? range->reads + (physical - range->start) : NOT_MEMORY;
}

static inline void physical_mark_dirty(Vm *vm, uint64_t page)
{
    if (!vm->dirty[page]) {
        vm->dirty[page] = 1;
        vm->dirty_pages[vm->dirty_count++] = page;
    }
}

/* owed.c */
static inline bool owed_see_to(Vm *vm, uint64_t at, uint64_t size)
{
    return !vm->owed_count || owed_settle(vm, at, size);
}

void owed_paid(Vm *vm, uint64_t page);
void owed_forget(Vm *vm);

/* cpus.c */
VmCpu *cpu_first(Vm *vm);
VmCpu *cpu_another(Vm *vm);
void cpu_free(VmCpu *cpu);

/* turns.c */
bool cpu_can_run(const VmCpu *cpu);
bool turn_ends_before(const Vm *vm);
void turn_after_block(Vm *vm, uint64_t start, uint64_t size);
void turn_at_boundary(Vm *vm);
void turn_after_delivery(Vm *vm);
void turn_halts(Vm *vm);
bool turn_goes_over(Vm *vm);
bool turn_goes_on(Vm *vm);

/* endings.c */
_Noreturn void vm_leave(Vm *vm, uint32_t exit, uintptr_t host_pc);
_Noreturn void vm_stand_at(Vm *vm, uintptr_t host_pc);
void single_step_trap(Env *env, int length);
_Noreturn void vm_leave_at_fetch(Vm *vm, uint32_t exit);
bool vm_interrupted(const Vm *vm);
bool vm_must_end(Vm *vm);
void vm_stop_between(Vm *vm, uint32_t exit);

/* boundaries.c */
void block_begins(Vm *vm);

/* catches.c */
bool vm_catch(Vm *vm, uint32_t kind, uintptr_t host_pc, uint64_t detail, uint64_t value);

/* interrupt_flag.c */
void interrupt_flag_may_rise(Vm *vm);
bool interrupt_flag_lets_in(const Vm *vm);

/* jumps.c */
bool jumps_make(Vm *vm);
void jumps_forget(Vm *vm);
void jumps_check_again(Vm *vm, VmCpu *cpu);
void jumps_check_page_again(Vm *vm, VmCpu *cpu, uint64_t linear);

/* limits.c */
void limits_settle(Vm *vm);

/* far_transfers.c */
typedef struct { Env *env; int shift, operand; bool interrupt; } FarReturn;      /* `operand`: of Unicorn's helper */
bool far_return_is_plain(Env *env, int shift, bool interrupt);
void far_return(void (*helper)(Env *, int, int), const FarReturn *r, uintptr_t host_pc);
void far_jump_to_long(Env *env, int selector, uint64_t eip, uint64_t next_eip, uintptr_t host_pc);
void far_call_check(Env *env, int selector, uint64_t eip, uint64_t next_eip, uintptr_t host_pc);
void far_call_of_long(Env *env, int selector, uint64_t eip, int shift, uint64_t next_eip, uintptr_t host_pc);
uint64_t far_stack_word(Env *env, int shift, unsigned number);

/* narrow_words.c */
void narrow_begin(Env *env, int shift, unsigned released, bool interrupt);
void narrow_end(void);
bool narrow_is_on(void);
uint64_t narrow_pop(Env *env, int mmu_idx, uintptr_t host_pc);
void narrow_push(Env *env, uint64_t value, int mmu_idx, uintptr_t host_pc);

/* inspect.c */
bool vm_peek(Vm *vm, uint64_t linear, void *bytes, unsigned size);
bool vm_peek_descriptor(Vm *vm, uint32_t selector, uint32_t words[2]);

/* rings.c */
void ring_changes(Vm *vm, uint32_t ring, uintptr_t host_pc);

/* mmu.c */
bool mmu_pointers_are_bad(Vm *vm, uint64_t cr3);

/* delivery_stacks.c */
void delivery_check_stack(Vm *vm, uint32_t vector, bool software, bool exception);
void delivery_check_call(Vm *vm, uint32_t selector, uintptr_t host_pc);
bool segment_has(const Segment *s, uint32_t offset, uint32_t size, bool typed);
bool segment_is_flat_stack(const Segment *s);
Segment segment_of(uint32_t selector, const uint32_t words[2]);

/* stacks.c */
void stack_pops(Vm *vm, unsigned words, int shift);
uint64_t task_state_loaded(uint64_t linear, unsigned size);
bool task_state_saved(Env *env, uint64_t linear, uint32_t value, unsigned size, int mmu_idx, uintptr_t host_pc);
void stack_calls(Vm *vm, uint32_t selector);
bool stack_call_is_by_286_gate(Vm *vm, uint32_t selector);

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
Vm *signals_begin(Vm *vm);
void signals_end(Vm *outer);

/* repeats.c */
void repeat_after(Vm *vm, uint64_t start, uint64_t size);
void repeat_notice(Vm *vm);

/* interrupts.c */
void interrupts_settle(Vm *vm);
bool interrupts_output(const Vm *vm, const VmCpu *cpu);
void interrupts_moved(Vm *vm, const VmCpu *cpu);
void interrupts_schedule(Vm *vm, Deadline *deadline, uint64_t due);
uint64_t interrupts_limit(Vm *vm);
bool interrupts_come(Vm *vm);
int32_t interrupts_acknowledge(Vm *vm);

/* apic.c */
bool apic_timer_comes(Vm *vm, VmCpu *cpu);
bool apic_has_extint(const Vm *vm);
int32_t apic_acknowledge(Vm *vm);
bool apic_lint0(Vm *vm, bool level, bool access);
bool apic_read(const Vm *vm, uint64_t physical, unsigned size, uint64_t *value);
bool apic_write(Vm *vm, uint64_t physical, unsigned size, uint32_t value, uint64_t now);

/* pic.c */
void pic_set_line(PicMemory *pair, int number, bool level);
bool pic_become(Vm *vm, const PicMemory *next, bool access);
int32_t pic_acknowledge(Vm *vm);
bool pic_write(Vm *vm, uint32_t port, uint32_t size, uint32_t value);
bool pic_read(const Vm *vm, uint32_t port, uint32_t size, uint64_t *value);

/* shared_ports.c */
bool shared_read(const Vm *vm, uint32_t port, uint32_t size, uint64_t now, uint64_t *value);
bool shared_write(const Vm *vm, uint32_t port, uint32_t size, uint32_t value);

/* pm_timer.c */
bool pm_timer_read(const Vm *vm, uint32_t port, uint32_t size, uint64_t now, uint64_t *value);

/* shared_vga.c, shared_vga_ports.c */
bool vga_read(Vm *vm, uint64_t physical, unsigned size, uint64_t *value);
bool vga_write(Vm *vm, uint64_t physical, unsigned size, uint64_t value);
bool vga_port_read(const Vm *vm, uint32_t port, uint32_t size, uint64_t now, uint64_t *value);
bool vga_port_write(const Vm *vm, uint32_t port, uint32_t size, uint32_t value);

/* pit.c */
bool pit_comes(Vm *vm);

/* clock.c */
void vm_retire_exactly(Vm *vm);
uint64_t vm_now(Vm *vm, uintptr_t host_pc);
uint64_t clock_at_port(const Vm *vm);
void clock_come_by(Vm *vm, uint64_t tick);
void clock_relax(Vm *vm);
void clock_begin(Vm *vm, uint64_t limit, bool attention);

/* clock_code.c */
void clock_translates(const Block *tb);
void clock_translates_insn(TcgContext *tcg, uint64_t pc);
void clock_translates_port(TcgContext *tcg, uint64_t pc);
void clock_translated(const Block *tb);
void *tcg_constant_argument(TcgContext *tcg, uint64_t value);
uintptr_t tcg_sum(TcgContext *tcg, uintptr_t value, uint64_t constant);
void tcg_copy(TcgContext *tcg, uintptr_t to, uintptr_t from);
uintptr_t tcg_temporary(TcgContext *tcg);
uintptr_t tcg_local(TcgContext *tcg);
uintptr_t tcg_register(unsigned number);
uintptr_t tcg_sum_of(TcgContext *tcg, uintptr_t a, uintptr_t b);
TcgLabel *tcg_skip_if_low_bits_below(TcgContext *tcg, uintptr_t value, bool of_32, uint32_t limit);
void tcg_skip_to_here(TcgContext *tcg, TcgLabel *label);

/* mmu.c, tlb.c */
typedef struct { uint64_t physical; uint32_t flags; } Translation;
enum { T_WRITE = 1, T_USER = 2, T_NX = 4, T_DIRTY = 8, T_KEY_SHIFT = 4, KEYS = 16 };
bool tlb_get(VmCpu *cpu, uint64_t linear, Translation *found);
void tlb_put(VmCpu *cpu, uint64_t linear, Translation entry, unsigned page_shift);
void tlb_save(VmCpu *cpu, uint64_t linear, uint64_t saved[TLB_KINDS]);
void tlb_put_back(VmCpu *cpu, uint64_t linear, const uint64_t saved[TLB_KINDS]);
void tlb_drop_page(VmCpu *cpu, uint64_t linear);
void cpu_flush_engine_tlb(Vm *vm);
void cpu_flush_if_stale(VmCpu *cpu);
bool vm_may_store_unseen(const Vm *vm, uint64_t page);
void vm_stores_unseen(Vm *vm, uint64_t page);

/* protection_keys.c */
uint32_t key_in_entry(const Env *env, uint64_t entry);
bool key_refuses(const Env *env, uint32_t flags, int access, int mmu_idx);
void key_is_used(VmCpu *cpu, uint32_t flags);
void key_rights_become(VmCpu *cpu, uint32_t pkru);

/* Whether an access to memory there, in one page, may change translated code. */
static inline bool code_is_at(const Vm *vm, const uint8_t *place, unsigned size)
{
    uint64_t at = place - vm->memory, first = at >> CODE_GRAIN_SHIFT, last = (at + size - 1) >> CODE_GRAIN_SHIFT;

    return at >= vm->memory_size || (vm->code_grains[first >> 6] >> (first & 63) & 1) ||
           (vm->code_grains[last >> 6] >> (last & 63) & 1);
}

/* translation.c */
const Block *translation_last(void);

/* breakpoints.c */
bool vm_breakpoint_at(Vm *vm, uint64_t linear);
bool vm_stops_at(Vm *vm, uint64_t linear);
bool breakpoint_is_checked_at(Vm *vm, uint64_t linear);
void breakpoint_before_fault(Vm *vm, uint64_t linear);

/* touched.c */
void touched_entry(Vm *vm, uint64_t linear, uint64_t physical, uint64_t at, uint32_t kinds);
void touched_fetch_fault(Vm *vm, uint64_t linear);

/* A bit for each 64th of a page that some bytes of it are in. */
static inline uint64_t lines_between(unsigned offset, unsigned size)
{
    unsigned first = offset >> CODE_LINE_SHIFT, last = (offset + size - 1) >> CODE_LINE_SHIFT;

    return UINT64_MAX >> (63 - (last - first)) << first;
}

/* near.c */
bool is_near(const void *from, const void *to);
void *near_new(const void *from, size_t size);
void near_free(void *memory, size_t size);

/* traced.c */
bool traced_begins(Vm *vm, uint64_t linear, uint64_t at);
void traced_ends(Vm *vm, uint64_t linear, uint64_t at);
bool traced_store(Vm *vm, uint64_t linear, uint64_t at, unsigned size);
void traced_lost(Vm *vm, uint64_t linear);
uint64_t traced_lines(const VmTouched *touched, uint64_t linear, uint64_t at, uint64_t *words);
void traced_begin(VmTouched *touched);

/* watch.c */
uint32_t watch_page(Vm *vm, uint64_t linear, uint64_t physical);
void watch_note_access(uint64_t linear, uint64_t size);
void watch_table_write(Vm *vm, uint64_t physical, uint64_t size, bool fetches, uintptr_t host_pc);
void watch_begin(Vm *vm);
void watch_exception(Vm *vm);
void watch_report(Vm *vm);

/* decoder.c */
enum { LONGEST_INSTRUCTION = 15 };
typedef struct {
    Env *env;                               /* whose code is fetched as it is asked for; NULL: all that is known was read */
    uint64_t linear;
    uint8_t code[LONGEST_INSTRUCTION];
    uint8_t size;                           /* how many of these were read */
    uint8_t opcode_at;                      /* the first that is no prefix */
    uint8_t prefix;                         /* of 66, F2 and F3 the one that counts, or 0 */
    int8_t rex, repeat, operand_size;       /* where REX, the last of F2 and F3, and the last 66 are; -1: nowhere */
    bool code64, locked, by_fs_gs, by_67;
    bool refused;                           /* #UD: see corrections.c */
} Instruction;
void instruction_fetch(Instruction *i, Env *env, uint64_t linear);
bool instruction_read(Instruction *i, Vm *vm, uint64_t linear);
uint8_t instruction_byte(Instruction *i, unsigned at);
unsigned instruction_behind_operand(Instruction *i, unsigned modrm_at);

enum { NO_PREFIX = 1, BY_66 = 2, BY_F3 = 4, BY_F2 = 8, BY_ANY = 15 };  /* sets of the prefixes that tell instructions apart */

static inline uint8_t prefix_bit(const Instruction *i)
{
    return i->prefix == 0xf2 ? BY_F2 : i->prefix == 0xf3 ? BY_F3 : i->prefix ? BY_66 : NO_PREFIX;
}

/* instructions.c */
enum { DEMANDS_ALIGNMENT = 1, ACCESSES_PORT = 2, STORES_MXCSR = 4, LOCKS_IN_VAIN = 8, READS_FLAGS = 16, LOOPS_BY_ZF = 32, STORES_FROM_PORT = 64, LOADS_PAIR = 128 };
enum { PAIR_FIRST = 1, PAIR_SECOND };       /* Vm.pair_next */
unsigned instruction_traits(Instruction *i);
unsigned instruction_operand_size(Instruction *i);

/* corrections.c */
bool instruction_corrected(Instruction *i);

/* xsave.c */
uint64_t xsave_components(const Env *env);
uint32_t xsave_size(uint64_t components);

/* near_branches.c */
void near_branch_settle(Vm *vm, uintptr_t host_pc);

/* msr.c */
bool msr_is_there(const Env *env, uint32_t msr);
bool msr_takes(const Vm *vm, uint32_t msr, uint64_t value);

/* machine_check.c */
bool machine_check_concerns(uint32_t msr);
bool machine_check_read(const VmCpu *cpu, uint32_t msr, uint64_t *value);
bool machine_check_write(VmCpu *cpu, uint32_t msr, uint64_t value);

/* umip.c */
bool umip_concerns(Instruction *i);
void umip_check(Env *env, uintptr_t host_pc);

/* preludes.c */
enum Prelude { PRELUDE_UMIP, PRELUDE_MMX, PRELUDE_LOADS_SS, PRELUDE_SSE, PRELUDE_AREA, PRELUDE_WIDE_AREA, ENDED_SSE };
void prelude_translate(void *tcg, Instruction *i);
void prelude_translate_after(void *tcg, Instruction *i);

static inline bool is_canonical(uint64_t linear)
{
    return (uint64_t)((int64_t)(linear << 16) >> 16) == linear;
}

/* cpuid.c */
bool cpuid_is_intel(const VmCpu *cpu);

/* features.c */
bool feature_is_lacking(Instruction *i);

/* mmx.c */
bool mmx_defers(const void *function);
bool mmx_is_ssse3(uint8_t map, uint8_t opcode);
unsigned mmx_effect(Instruction *i);
bool mmx_concerns_x87(Instruction *i);
void mmx_waits(Env *env, uintptr_t host_pc);
void mmx_translated(void *tcg, unsigned effect);

/* operands.c: of the instruction at rip */
int operand_vector(Vm *vm, uint64_t linear, uintptr_t host_pc);
bool operand_is_modified(Vm *vm);

/* ports.c */
void port_translate_probe(void *tcg, uintptr_t address, unsigned size, unsigned mmu_idx);

/* cmpxchg.c */
uintptr_t cmpxchg_translate_before(TcgContext *tcg, Instruction *i);
void cmpxchg_translate_after(TcgContext *tcg, uintptr_t kept);

/* sse_status.c */
void sse_status_collect(Env *env);
void sse_status_load(Env *env);
void sse_status_translate_stmxcsr(void *tcg, Env *env);

/* sse_exceptions.c */
bool sse_may_raise(Instruction *i);
void sse_exceptions_begin(Env *env);
void sse_exceptions_end(Env *env, uintptr_t host_pc);

/* data_breakpoints.c */
uint64_t kept_of_debug_register(int reg, uint64_t value);
uint32_t data_breakpoint_page(Vm *vm, uint64_t linear);
void data_breakpoint_access(Vm *vm, uint64_t linear, uint64_t size, int access, uintptr_t host_pc);
uint32_t data_breakpoint_hits(Vm *vm);
void data_breakpoint_set_hits(Vm *vm, uint32_t hits);
void data_breakpoint_join(Vm *vm);
void data_breakpoint_trap(Vm *vm);
_Noreturn void restart_alone(Vm *vm, uintptr_t host_pc);
bool data_breakpoint_held_back(Vm *vm);

/* Whether debug exceptions are held back, too, by a MOV SS or POP SS right before (SDM 3A 6.8.3). */
static inline bool cpu_shadow_is_by_ss(const VmCpu *cpu)
{
    return cpu->env->hflags & HF_INHIBIT_IRQ && cpu->loads_ss;
}

/* state.c */
void vm_load_segment(Env *env, int index, uint32_t selector, uint64_t base, uint32_t limit, uint32_t flags);

static inline uint64_t env_linear_pc(Env *env)
{
    return env->hflags & HF_CS64 ? env->eip : (uint32_t)(env->segs[R_CS].base + env->eip);
}

#endif
