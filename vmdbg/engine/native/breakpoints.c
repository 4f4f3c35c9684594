/* Breakpoints: outside the guest, any number.
 *
 * A breakpoint is checked when code is translated, so code without one runs at full speed.
 */
#include <stdlib.h>
#include <string.h>

#include "vm.h"

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static bool contains(const uint64_t *sorted, uint32_t count, uint64_t value)
{
    return count && bsearch(&value, sorted, count, sizeof value, by_value);
}

static uint64_t *sorted_copy(const uint64_t *values, uint32_t count)
{
    uint64_t *copy = malloc((count + 1) * sizeof *copy);

    if (!copy)
        abort();
    if (count)
        memcpy(copy, values, count * sizeof *copy);
    qsort(copy, count, sizeof *copy, by_value);
    return copy;
}

static bool physical_breakpoint_at(Vm *vm, uint64_t linear)
{
    Translation t = {linear & 0xfffff000, 0};

    if (!vm->physical_breakpoint_count)
        return false;
    if (vm->cpu->env->cr[0] & CR0_PG && !tlb_get(vm->cpu, linear, &t))
        t.physical = vm_translate(vm, linear & ~0xfffull);
    return contains(vm->physical_breakpoints, vm->physical_breakpoint_count, t.physical | (linear & 0xfff));
}

/* XCHG BX,BX, which guests that know their debugger put where they want it to stop. */
static bool magic_at(Vm *vm, uint64_t linear)
{
    uint8_t code[3] = {0};
    bool wide = vm->cpu->env->hflags & (HF_CS32 | HF_CS64);

    if (!(vm->catch_mask & CATCH_MAGIC) || vm_read_linear(vm, linear, code, 2u + wide) != 2u + wide)
        return false;
    return wide ? code[0] == 0x66 && code[1] == 0x87 && code[2] == 0xdb : code[0] == 0x87 && code[1] == 0xdb;
}

/* LOCK, or XCHG with memory, which locks without it (SDM 3A 9.1.2). */
static bool locked_at(Vm *vm, uint64_t linear)
{
    Instruction i;

    if (!(vm->catch_mask & CATCH_LOCKED))
        return false;
    bool known = instruction_read(&i, vm, linear);
    return i.locked || (known && (instruction_byte(&i, 0) & 0xfe) == 0x86 && instruction_byte(&i, 1) < 0xc0);
}

bool vm_breakpoint_at(Vm *vm, uint64_t linear)
{
    return contains(vm->breakpoints, vm->breakpoint_count, linear) || physical_breakpoint_at(vm, linear) ||
           magic_at(vm, linear) || locked_at(vm, linear);
}

/* Whether the translation of the instruction at `linear` is to ask. */
bool breakpoint_is_checked_at(Vm *vm, uint64_t linear)
{
    return contains(vm->planted, vm->planted_count, linear) || physical_breakpoint_at(vm, linear) || magic_at(vm, linear) ||
           locked_at(vm, linear);
}

/* Whether a breakpoint stops a run that comes to the instruction at `linear` now. */
bool vm_stops_at(Vm *vm, uint64_t linear)
{
    return !vm->breakpoint_suppressed && !vm->cpu->repeating && vm_breakpoint_at(vm, linear);
}

/* The same for one that would begin here. */
bool vm_at_breakpoint(Vm *vm)
{
    return !vm->cpu->repeating && vm_breakpoint_at(vm, env_linear_pc(vm->cpu->env)) && !vm_interrupt_due(vm);
}

void tcg_tb_foreach_x86_64(void *tcg_ctx, int (*visit)(void *, void *, void *), void *data);
void tb_phys_invalidate_x86_64(void *tcg_ctx, void *tb, uint64_t page);

typedef struct {
    const uint64_t *places;             /* sorted */
    uint32_t place_count;
    void **blocks;
    uint32_t count, capacity;
} Covering;

static bool covers_any(const Block *tb, const uint64_t *places, uint32_t count)
{
    uint32_t low = 0;

    for (uint32_t high = count; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        if (places[middle] < tb->pc)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && places[low] - tb->pc < tb->size;
}

static int collect(void *key, void *value, void *data)
{
    Covering *found = data;
    Block *tb = value;

    (void)key;
    if (!covers_any(tb, found->places, found->place_count))
        return 0;
    if (found->count == found->capacity) {
        found->capacity = found->capacity ? 2 * found->capacity : 64;
        found->blocks = realloc(found->blocks, found->capacity * sizeof *found->blocks);
        if (!found->blocks)
            abort();
    }
    found->blocks[found->count++] = tb;
    return 0;
}

/* Drops every translation that covers one of some sorted addresses, in whatever address space. */
static void retranslate(Vm *vm, const uint64_t *places, uint32_t count)
{
    Covering found = {.places = places, .place_count = count};
    Vm *outer = vm_current;

    vm_current = vm;                        /* whose jumps hear of it */
    tcg_tb_foreach_x86_64(UC_TCG_CTX(vm->uc), collect, &found);
    for (uint32_t i = 0; i < found.count; i++)
        tb_phys_invalidate_x86_64(UC_TCG_CTX(vm->uc), found.blocks[i], UINT64_MAX);
    vm_current = outer;
    free(found.blocks);
}

/* All at once: there may be a million. `places` are sorted. */
static void plant(Vm *vm, const uint64_t *places, uint32_t count)
{
    uint64_t *fresh = malloc((count + 1) * sizeof *fresh);
    uint32_t fresh_count = 0;

    if (!fresh)
        abort();
    for (uint32_t i = 0; i < count; i++)
        if (!contains(vm->planted, vm->planted_count, places[i]) && (!i || places[i] != places[i - 1]))
            fresh[fresh_count++] = places[i];
    if (fresh_count) {
        retranslate(vm, fresh, fresh_count);
        vm->planted = realloc(vm->planted, (vm->planted_count + fresh_count) * sizeof *vm->planted);
        if (!vm->planted)
            abort();
        memcpy(vm->planted + vm->planted_count, fresh, fresh_count * sizeof *fresh);
        vm->planted_count += fresh_count;
        qsort(vm->planted, vm->planted_count, sizeof *vm->planted, by_value);
    }
    free(fresh);
}

/* Nothing is to stop here any more, at a linear breakpoint nor at a physical one. */
static void uproot(Vm *vm, uint64_t linear)
{
    for (uint32_t i = 0; i < vm->planted_count; i++)
        if (vm->planted[i] == linear) {
            memmove(vm->planted + i, vm->planted + i + 1, (--vm->planted_count - i) * sizeof *vm->planted);
            break;
        }
    retranslate(vm, &linear, 1);
}

/* Replaces all breakpoints. A cleared one stays in the translations until it is met, so that clearing and setting the
 * same one again, as GDB does at every stop, costs nothing. */
void vm_set_breakpoints(Vm *vm, const uint64_t *linear, uint32_t count, const uint64_t *physical, uint32_t physical_count)
{
    free(vm->breakpoints);
    vm->breakpoints = sorted_copy(linear, count);
    vm->breakpoint_count = count;
    plant(vm, vm->breakpoints, count);
    bool changed = physical_count != vm->physical_breakpoint_count ||
                   (physical_count && memcmp(physical, vm->physical_breakpoints, physical_count * sizeof *physical));
    if (!changed)
        return;
    free(vm->physical_breakpoints);
    vm->physical_breakpoints = sorted_copy(physical, physical_count);
    vm->physical_breakpoint_count = physical_count;
    for (uint32_t i = 0; i < physical_count; i++) {
        uint64_t at = physical_read_at(vm, vm->physical_breakpoints[i]);
        if (at != NOT_MEMORY)
            vm_code_changed(vm, at, 1);
    }
}

enum { DR6_HITS = 15, DR7_ENABLED = 3, DR7_KIND = 16, DEBUG_EXCEPTION = 1 };

/* #DB where one of the guest's own is (SDM 3B 18.2): Unicorn's handler takes EIP for the linear address. */
static void raise_if_of_guest(Env *env, uint64_t linear)
{
    uint32_t hits = 0;
    bool enabled = false;

    for (unsigned i = 0; i < 4; i++)
        if (env->dr[i] == linear && !(env->dr[7] >> (DR7_KIND + 4 * i) & 3)) {
            hits |= 1u << i;
            enabled |= env->dr[7] >> 2 * i & DR7_ENABLED;
        }
    if (!enabled)
        return;
    env->dr[6] = (env->dr[6] & ~(uint64_t)DR6_HITS) | hits;
    raise_exception_ra_x86_64(env, DEBUG_EXCEPTION, 0);
}

/* A fetch is about to fault: one of the guest's own where the instruction begins comes first (SDM 3A 6.9). */
void breakpoint_before_fault(Vm *vm, uint64_t linear)
{
    Env *env = vm->cpu->env;

    if (linear == env_linear_pc(env) && !(env->eflags & FLAG_RF) && !cpu_shadow_is_by_ss(vm->cpu))
        raise_if_of_guest(env, linear);
}

/* A translation met a breakpoint: ours, one that was cleared, or one of the guest's debug registers. */
void __wrap_breakpoint_handler_x86_64(Cpu *cpu)
{
    Vm *vm = vm_current;
    uint64_t linear = env_linear_pc(vm->cpu->env);

    vm_retire_exactly(vm);
    if (!vm->in_single && vm_breakpoint_at(vm, linear)) {
        vm->exit = EXIT_BREAKPOINT;
        uc_emu_stop(vm->uc);
        return;
    }
    bool cleared = contains(vm->planted, vm->planted_count, linear) && !vm_breakpoint_at(vm, linear);
    if (!cleared && cpu_shadow_is_by_ss(vm->cpu)) {     /* the guest's: the instruction runs, in a translation without */
        vm->cpu->env->hflags |= HF_PASSES_BREAKPOINTS;
        CPU_INTERRUPT_REQUEST(cpu) |= CPU_INTERRUPT_HARD;
        clock_attend(vm);
        CPU_EXCEPTION_INDEX(cpu) = -1;
        cpu_loop_exit_x86_64(cpu);
    }
    if (!cpu_shadow_is_by_ss(vm->cpu))
        raise_if_of_guest(vm->cpu->env, linear);
    uproot(vm, linear);
    CPU_EXCEPTION_INDEX(cpu) = -1;
    cpu_loop_exit_x86_64(cpu);
}
