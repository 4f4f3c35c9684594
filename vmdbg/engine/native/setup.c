/* How a virtual CPU is made: its memory, what it is told of, its CPUID. */
#include <stdlib.h>
#include <string.h>

#include "vm.h"

enum { TRANSLATIONS_SIZE = 128 << 20 };     /* bytes of host code; full, it is emptied */
enum { FCW_AFTER_RESET = 0x40, MXCSR_AFTER_RESET = 0x1f80 };   /* SDM 3A table 10-1; Unicorn leaves zeros */

static uint64_t window_read(uc_engine *uc, uint64_t offset, unsigned size, void *user)
{
    Vm *vm = vm_current;

    (void)uc;
    if (!vm)
        return UINT64_MAX;
    uint64_t physical = (uint64_t)(uintptr_t)user + offset, now = vm_now(vm, CPU_MEM_IO_PC(vm->cpu)), value;
    if (restart_repeats(vm, now, MEMORY_READ, physical, size, &value))
        return value;
    apic_settle(vm);
    value = vm_callbacks.memory_read(vm->owner, physical, size, now);
    restart_note(vm, MEMORY_READ, physical, size, value);
    return value;
}

static void window_write(uc_engine *uc, uint64_t offset, unsigned size, uint64_t value, void *user)
{
    Vm *vm = vm_current;

    (void)uc;
    if (!vm)
        return;
    uint64_t physical = (uint64_t)(uintptr_t)user + offset, now = vm_now(vm, CPU_MEM_IO_PC(vm->cpu)), made;
    if (restart_repeats(vm, now, MEMORY_WRITE, physical, size, &made))
        return;
    restart_note(vm, MEMORY_WRITE, physical, size, value);
    if (apic_write(vm, physical, size, value, now))
        return;
    apic_settle(vm);
    vm_callbacks.memory_write(vm->owner, physical, size, value, now);
}

/* Physical memory that devices, or nobody, answer for. */
int vm_map_window(Vm *vm, uint64_t physical, uint64_t size)
{
    void *base = (void *)(uintptr_t)physical;

    return uc_mmio_map(vm->uc, physical, size, window_read, base, window_write, base);
}

static int map_memory(Vm *vm, uint64_t physical, uint64_t size, uint8_t *host)
{
    return uc_mem_map_ptr(vm->uc, physical, size, UC_PROT_ALL, host);
}

/* Memory above RAM for the guest to read and run. `host` stays the caller's; nothing writes to it. */
int vm_map_rom(Vm *vm, uint64_t physical, uint64_t size, uint8_t *host)
{
    if (vm->rom_count == ROMS)
        return UC_ERR_RESOURCE;
    if (!vm->sink) {
        vm->sink = aligned_alloc(4096, 4096);
        if (!vm->sink)
            return UC_ERR_NOMEM;
        int error = map_memory(vm, SINK, 4096, vm->sink);
        if (error)
            return error;
    }
    vm->roms[vm->rom_count++] = (VmRange){physical, size};
    return map_memory(vm, physical, size, host);
}

/* NULL: no memory, or Unicorn refused. `ram` stays the caller's; its size is a multiple of a page. */
Vm *vm_new(uint8_t *ram, uint64_t ram_size, void *owner)
{
    Vm *vm = calloc(1, sizeof *vm);
    uint64_t pages = ram_size >> 12;

    if (!vm || uc_open(UC_ARCH_X86, UC_MODE_64, &vm->uc) != UC_ERR_OK) {
        free(vm);
        return NULL;
    }
    uc_ctl(vm->uc, UC_CTL_WRITE(UC_CTL_TCG_BUFFER_SIZE, 1), TRANSLATIONS_SIZE);
    vm->ram = ram;
    vm->ram_size = ram_size;
    vm->owner = owner;
    vm->is_code = calloc(pages, 1);
    vm->maybe_writable = calloc(pages, 1);
    vm->dirty = calloc(pages, 1);
    vm->tlb_generation = 1;
    vm->tlb_capacity = 1 << 14;
    vm->tlb = calloc(vm->tlb_capacity, 2 * sizeof *vm->tlb);
    vm->catch_skip_tick = UINT64_MAX;
    vm->apic_base = 0xfee00900;             /* enabled, the bootstrap processor's */
    if (!vm->is_code || !vm->maybe_writable || !vm->dirty || !vm->tlb ||
        map_memory(vm, 0, ram_size, ram) != UC_ERR_OK || !deliveries_hook(vm) ||
        uc_ctl(vm->uc, UC_CTL_WRITE(UC_CTL_UC_USE_EXITS, 1), 1) != UC_ERR_OK) {
        vm_free(vm);
        return NULL;
    }
    vm->cpu = UC_CPU(vm->uc);               /* Unicorn makes it at the first call that needs it */
    vm->env = CPU_ENV(vm->cpu);
    vm->env->fpuc = FCW_AFTER_RESET;
    vm->env->mxcsr = MXCSR_AFTER_RESET;
    update_fp_status_x86_64(vm->env);
    update_mxcsr_status_x86_64(vm->env);
    return vm;
}

void vm_free(Vm *vm)
{
    if (!vm)
        return;
    uc_close(vm->uc);
    free(vm->sink);
    free(vm->is_code);
    free(vm->maybe_writable);
    free(vm->dirty);
    free(vm->tlb);
    free(vm->catch_ports);
    free(vm->catch_msrs);
    free(vm->breakpoints);
    free(vm->planted);
    free(vm->physical_breakpoints);
    free(vm->watchpoints);
    free(vm->watch_made);
    free(vm->watch_hits);
    free(vm->cpuid);
    free(vm);
}

static uint32_t feature_word(Vm *vm, uint32_t leaf, uint32_t subleaf, bool ecx, bool ebx)
{
    const VmCpuid *row = cpuid_row(vm, leaf, subleaf);

    return !row ? 0 : ebx ? row->ebx : ecx ? row->ecx : row->edx;
}

/* Bits of CR4 that may be set, each by the feature it belongs to (SDM 3A 2.5). */
static uint64_t known_cr4(const uint64_t *features)
{
    static const struct { uint8_t bit, word, feature; } needs[] = {
        {11, FEAT_7_ECX, 2}, {16, FEAT_7_EBX, 0}, {17, FEAT_1_ECX, 17}, {18, FEAT_1_ECX, 26}, {20, FEAT_7_EBX, 7},
        {21, FEAT_7_EBX, 20}, {22, FEAT_7_ECX, 3},
    };
    uint64_t known = 0x7ff;                 /* VME to OSXMMEXCPT */

    for (unsigned i = 0; i < sizeof needs / sizeof *needs; i++)
        if (features[needs[i].word] >> needs[i].feature & 1)
            known |= 1u << needs[i].bit;
    return known;
}

/* Replaces the table behind CPUID; the engine runs the instructions that it names and no others. */
void vm_set_cpuid(Vm *vm, const VmCpuid *rows, uint32_t count, uint32_t max_basic, uint32_t max_extended)
{
    free(vm->cpuid);
    vm->cpuid = malloc((count + 1) * sizeof *rows);
    if (!vm->cpuid)
        abort();
    memcpy(vm->cpuid, rows, count * sizeof *rows);
    vm->cpuid_count = count;
    vm->cpuid_max_basic = max_basic;
    vm->cpuid_max_extended = max_extended;
    uint64_t *features = vm->env->features;
    memset(features, 0, sizeof vm->env->features);
    features[FEAT_1_EDX] = feature_word(vm, 1, 0, false, false);
    features[FEAT_1_ECX] = feature_word(vm, 1, 0, true, false);
    features[FEAT_7_EBX] = feature_word(vm, 7, 0, false, true);
    features[FEAT_7_ECX] = feature_word(vm, 7, 0, true, false);
    features[FEAT_EXTENDED_EDX] = feature_word(vm, 0x80000001, 0, false, false);
    features[FEAT_EXTENDED_ECX] = feature_word(vm, 0x80000001, 0, true, false);
    const VmCpuid *sizes = cpuid_row(vm, 0x80000008, 0);
    vm->physical_bits = sizes && sizes->eax & 0xff ? sizes->eax & 0xff : 36;
    vm->cr4_known = known_cr4(features);
}

void vm_set_a20(Vm *vm, uint32_t enabled)
{
    int32_t mask = enabled ? -1 : ~(1 << 20);

    if (vm->env->a20_mask == mask)
        return;
    vm->env->a20_mask = mask;
    tlb_drop_all(vm);
    vm_flush_engine_tlb(vm);
}
