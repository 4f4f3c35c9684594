/* Watchpoints: outside the guest, any number.
 *
 * A watched page is marked in Unicorn's TLB, which brings every access there here and costs nothing elsewhere. A hit
 * leaves the run before the instruction, which finish_watched() then runs alone, and all that it accesses is collected.
 *
 * Unicorn takes accesses apart that are not aligned, into larger ones that are or into bytes, and says of most stores a
 * wrong place and size. So each is noted where it begins: at what translated code and helpers call (accesses.c).
 */
#include <stdlib.h>
#include <string.h>

#include "vm.h"

enum { LARGEST_OPERAND = sizeof(((VmWatchHit *)0)->old), MOST_ALIAS_PAGES = 1024 };

/* An access begins. */
void watch_note_access(uint64_t linear, uint64_t size)
{
    Vm *vm = vm_current;

    if (!vm)
        return;
    vm->access_linear = linear;
    vm->access_size = size;
    vm->access_number++;
}

void vm_set_watchpoints(Vm *vm, const VmWatchpoint *watchpoints, uint32_t count)
{
    free(vm->watchpoints);
    vm->watchpoints = malloc((count + 1) * sizeof *watchpoints);
    if (!vm->watchpoints)
        abort();
    if (count)
        memcpy(vm->watchpoints, watchpoints, count * sizeof *watchpoints);
    vm->watchpoint_count = count;
    vm_flush_engine_tlb(vm);
}

static bool overlaps(const VmWatchpoint *w, uint64_t start, uint64_t size)
{
    return start - w->address < w->size || w->address - start < size;
}

/* WATCH_READ and WATCH_WRITE, for which accesses of the page are to be checked. */
uint32_t watch_page(Vm *vm, uint64_t linear, uint64_t physical)
{
    uint32_t kinds = data_breakpoint_page(vm, linear);

    for (uint32_t i = 0; i < vm->watchpoint_count; i++) {
        const VmWatchpoint *w = &vm->watchpoints[i];
        if (overlaps(w, (w->kind & WATCH_PHYSICAL ? physical : linear) & ~0xfffull, 4096))
            kinds |= w->kind & (WATCH_READ | WATCH_WRITE);
    }
    return kinds;
}

static VmWatchHit made_by(uint64_t linear, uint64_t physical, uint64_t size, uint32_t access)
{
    return (VmWatchHit){.linear = linear, .physical = physical, .size = size, .access = access};
}

/* `access` has WATCH_PHYSICAL if it was made through no linear address. */
static bool watches(const VmWatchpoint *w, const VmWatchHit *made)
{
    bool physical = w->kind & WATCH_PHYSICAL;

    if (!(w->kind & made->access & (WATCH_READ | WATCH_WRITE)) || (made->access & WATCH_PHYSICAL && !physical))
        return false;
    return overlaps(w, physical ? made->physical : made->linear, made->size);
}

static bool watched(const Vm *vm, const VmWatchHit *made)
{
    for (uint32_t i = 0; i < vm->watchpoint_count; i++)
        if (watches(&vm->watchpoints[i], made))
            return true;
    return false;
}

static VmWatchHit *append(VmWatchHit **list, uint32_t *count, uint32_t *capacity)
{
    if (*count == *capacity) {
        *capacity = *capacity ? 2 * *capacity : 64;
        *list = realloc(*list, *capacity * sizeof **list);
        if (!*list)
            abort();
    }
    return &(*list)[(*count)++];
}

/* The last access of that kind since the instruction, or the delivery, began. */
static VmWatchHit *last_made(Vm *vm, uint32_t access)
{
    for (uint32_t i = vm->watch_made_count; i-- > 0;)
        if (vm->watch_made[i].access == access)
            return &vm->watch_made[i];
    return NULL;
}

/* Whether neighbours of one kind are one operand: of SSE, x87, CMPXCHG16B, far pointers, pseudo-descriptors. */
static bool has_long_operand(Vm *vm)
{
    Instruction i;

    if (!vm->block_size || !instruction_read(&i, vm, vm->watch_pc))
        return false;                       /* a delivery */
    uint8_t opcode = instruction_byte(&i, 0);
    return opcode == 0x0f || (opcode & 0xf8) == 0xd8 || opcode == 0xc4 || opcode == 0xc5 || opcode == 0x62 || opcode == 0xff;
}

static void read_old(Vm *vm, VmWatchHit *made)
{
    uint64_t at = physical_read_at(vm, made->physical);

    if (at == NOT_MEMORY)
        return;                             /* a device's, and not to be asked for */
    memcpy(made->old, vm->memory + at, made->size);
    made->old_size = made->size;
}

/* A store that is not watched, to a page that is: a later part of the same operand may be. */
static void remember(Vm *vm, const VmWatchHit *made)
{
    const VmWatchHit *last = &vm->watch_stored[(vm->watch_stored_count - 1) % WATCH_STORED];

    if (vm->watch_stored_count && last->id == vm->access_number && last->linear == made->linear)
        return;                             /* it was taken apart, and part of it may be stored already */
    VmWatchHit *stored = &vm->watch_stored[vm->watch_stored_count++ % WATCH_STORED];
    *stored = *made;
    stored->id = vm->access_number;
    read_old(vm, stored);
}

/* The instruction was left at an access, and has made this one before that already: what was there before it. */
static void recall(Vm *vm, VmWatchHit *made)
{
    vm->watch_resumed |= made->linear == vm->watch_left;
    for (uint32_t i = 1; !vm->watch_resumed && i <= WATCH_STORED && i <= vm->watch_stored_count; i++) {
        const VmWatchHit *stored = &vm->watch_stored[(vm->watch_stored_count - i) % WATCH_STORED];
        if (stored->linear != made->linear || stored->size != made->size || made->access != WATCH_WRITE)
            continue;
        memcpy(made->old, stored->old, sizeof made->old);
        return;
    }
}

static void collect(Vm *vm, VmWatchHit *made)
{
    VmWatchHit *last = last_made(vm, made->access);

    made->pc = vm->watch_pc;
    read_old(vm, made);
    if (vm->watch_recording)
        recall(vm, made);

    for (uint32_t i = 0; i < vm->watch_made_count; i++) {
        const VmWatchHit *seen = &vm->watch_made[i];
        if (seen->access == made->access && made->linear - seen->linear < seen->size &&
            made->linear + made->size <= seen->linear + seen->size)
            return;
    }
    bool follows = last && !(made->access & WATCH_PHYSICAL) && made->linear == last->linear + last->size && made->linear & 0xfff;
    if (follows && last->size + made->size <= LARGEST_OPERAND && has_long_operand(vm)) {
        memcpy(last->old + last->size, made->old, made->size);
        last->size += made->size;
        last->old_size += made->old_size;
    } else {
        last = append(&vm->watch_made, &vm->watch_made_count, &vm->watch_made_capacity);
        *last = *made;
    }
    vm->watch_touched |= watched(vm, last);
}

/* Before the access that was noted last. */
static _Noreturn void leave(Vm *vm, uintptr_t host_pc)
{
    vm->watch_left = vm->access_linear;
    vm_leave(vm, EXIT_WATCHPOINT, host_pc);
}

/* An access to a watched page; a hit in the midst of a delivery cannot leave, and ends the run after it. */
static void access_page(Vm *vm, VmWatchHit made, uintptr_t host_pc)
{
    if (vm->watch_recording) {
        collect(vm, &made);
    } else if (watched(vm, &made)) {
        if (vm->block_size)
            leave(vm, host_pc);
        collect(vm, &made);
    } else if (made.access == WATCH_WRITE) {
        remember(vm, &made);
    }
    if (vm->cpu->data_breakpoint_set)
        data_breakpoint_access(vm, made.linear, made.size, made.access == WATCH_WRITE ? MMU_STORE : MMU_LOAD, host_pc);
}

_Static_assert((int)WATCH_READ == (int)BP_MEM_READ && (int)WATCH_WRITE == (int)BP_MEM_WRITE, "kinds of accesses");

/* Unicorn asks as it fills its TLB which accesses of the page are to be checked. */
int __wrap_cpu_watchpoint_address_matches_x86_64(Cpu *cpu, uint64_t linear, uint64_t size)
{
    (void)cpu;
    (void)linear;
    (void)size;
    return vm_current ? vm_current->filling_watched : 0;
}

/* Part of the access that was noted last touches such a page, at `linear`. */
void __wrap_cpu_check_watchpoint_x86_64(Cpu *cpu, uint64_t linear, uint64_t size, MemoryAttributes attributes, int flags,
                                        uintptr_t host_pc)
{
    Vm *vm = vm_current;
    uint64_t start = vm->access_linear, length = vm->access_size;
    Translation t = {linear & 0xfffff000 & (uint32_t)vm->cpu->env->a20_mask, 0};

    (void)cpu;
    (void)size;
    (void)attributes;
    if ((start ^ linear) & ~0xfffull) {     /* its second page */
        length -= (linear & ~0xfffull) - start;
        start = linear & ~0xfffull;
    }
    if (length > 4096 - (start & 0xfff))
        length = 4096 - (start & 0xfff);
    if (vm->cpu->env->cr[0] & CR0_PG)
        tlb_get(vm->cpu, linear, &t);
    access_page(vm, made_by(start, t.physical | (start & 0xfff), length, flags & BP_MEM_WRITE ? WATCH_WRITE : WATCH_READ), host_pc);
}

/* Where in the watched range the page tables have that physical memory, if they do. */
static bool alias_in(Vm *vm, const VmWatchpoint *w, uint64_t physical, uint64_t *linear)
{
    uint64_t first = w->address & ~0xfffull, pages = ((w->address & 0xfff) + w->size + 4095) >> 12;

    for (uint64_t i = 0; i < pages && i < MOST_ALIAS_PAGES; i++) {
        *linear = first + (i << 12) + (physical & 0xfff);
        if (vm_translate(vm, *linear) == physical)
            return true;
    }
    return false;
}

/* The CPU is about to set A or D in an entry of its page tables, which has no linear address but through them. */
void watch_table_write(Vm *vm, uint64_t physical, uint64_t size, bool fetches, uintptr_t host_pc)
{
    for (uint32_t i = 0; i < vm->watchpoint_count; i++) {
        const VmWatchpoint *w = &vm->watchpoints[i];
        uint64_t alias = physical;
        bool known = !(w->kind & WATCH_PHYSICAL) && alias_in(vm, w, physical, &alias);
        VmWatchHit made = made_by(alias, physical, size, known ? WATCH_WRITE : WATCH_WRITE | WATCH_PHYSICAL);
        if (!watches(w, &made))
            continue;
        if (!vm->watch_recording && fetches) {
            vm->watch_stored_count = 0;
            vm_leave_at_fetch(vm, EXIT_WATCHPOINT);
        }
        if (!vm->watch_recording && vm->block_size)
            leave(vm, host_pc);
        collect(vm, &made);
    }
}

void watch_begin(Vm *vm)
{
    vm->watch_made_count = vm->watch_touched = vm->watch_resumed = vm->watch_delivery = vm->watch_delivering = 0;
}

/* An exception. If the instruction, or a delivery, has faulted, what it has stored stays and what it has read was for
 * nothing; an instruction that has run and traps has read what it has read. */
void watch_exception(Vm *vm)
{
    bool trapped = vm->watch_recording && vm->clock != vm->watch_clock && !vm->watch_delivering;
    uint32_t kept = trapped ? vm->watch_made_count : vm->watch_delivery;

    for (uint32_t i = kept; i < vm->watch_made_count; i++)
        if (vm->watch_made[i].access & WATCH_WRITE)
            vm->watch_made[kept++] = vm->watch_made[i];
    vm->watch_made_count = vm->watch_delivery = kept;
    vm->watch_delivering = 1;
    vm->watch_touched = 0;
    for (uint32_t i = 0; i < kept; i++)
        vm->watch_touched |= watched(vm, &vm->watch_made[i]);
}

/* What the last instruction or delivery touched of each watchpoint, however the run ended. */
void watch_report(Vm *vm)
{
    vm->watch_hit_count = 0;
    if (!vm->watch_touched)
        return;
    for (uint32_t i = 0; i < vm->watch_made_count; i++)
        for (uint32_t k = 0; k < vm->watchpoint_count; k++) {
            if (!watches(&vm->watchpoints[k], &vm->watch_made[i]))
                continue;
            VmWatchHit *hit = append(&vm->watch_hits, &vm->watch_hit_count, &vm->watch_hit_capacity);
            *hit = vm->watch_made[i];
            hit->id = vm->watchpoints[k].id;
            hit->access &= ~WATCH_PHYSICAL;
        }
}
