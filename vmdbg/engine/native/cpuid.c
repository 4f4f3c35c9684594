/* CPUID, and what else a model's features decide. */
#include <stdlib.h>
#include <string.h>

#include "vm.h"

#define HERE ((uintptr_t)__builtin_return_address(0))
#define HELPER __attribute__((noinline))

static const VmCpuid *cpuid_row(const VmCpu *cpu, uint32_t leaf, uint32_t subleaf)
{
    for (uint32_t i = 0; i < cpu->cpuid_count; i++) {
        const VmCpuid *row = &cpu->cpuid[i];
        if (row->leaf == leaf && (row->subleaf == subleaf || row->subleaf == ANY_SUBLEAF))
            return row;
    }
    return NULL;
}

/* "GenuineIntel", in EBX, EDX and ECX: its beginning. */
bool cpuid_is_intel(const VmCpu *cpu)
{
    enum { GENU = 0x756e6547 };
    const VmCpuid *row = cpuid_row(cpu, 0, 0);

    return row && row->ebx == GENU;
}

/* CPUID (SDM 2A): the table given; a leaf above the highest answers as the highest basic one. */
HELPER void __wrap_helper_cpuid_x86_64(Env *env)
{
    static const VmCpuid zeros;
    const VmCpu *cpu = vm_current->cpu;
    uint32_t leaf = env->regs[R_RAX], subleaf = env->regs[R_RCX];
    const VmCpuid *row = cpuid_row(cpu, leaf, subleaf);

    if (!row && leaf > cpu->cpuid_max_basic && (leaf >> 31 ? leaf > cpu->cpuid_max_extended : !cpuid_row(cpu, leaf, 0)))
        row = cpuid_row(cpu, cpu->cpuid_max_basic, subleaf);
    if (!row)
        row = &zeros;
    uint32_t ebx = row->ebx, ecx = row->ecx, edx = row->edx;
    if (row->leaf == 7 && !row->subleaf)
        ecx |= env->cr[4] & CR4_PKE ? 1u << 4 : 0;          /* OSPKE */
    if (leaf == 1) {
        ecx |= env->cr[4] >> 18 & 1 ? 1u << 27 : 0;         /* OSXSAVE */
        edx &= cpu->apic_base >> 11 & 1 ? ~0u : ~(1u << 9);
    }
    if (leaf == 0x80000001 && !(env->hflags & HF_CS64) && cpuid_is_intel(cpu))
        edx &= ~(1u << 11);                 /* SYSCALL, which there is in 64-bit mode alone */
    env->regs[R_RAX] = row->eax;
    if (row->leaf == 0xd && !row->subleaf)
        ebx = xsave_size(env->xcr0);
    env->regs[R_RBX] = ebx;
    env->regs[R_RCX] = ecx;
    env->regs[R_RDX] = edx;
}

static uint32_t feature_word(const VmCpu *cpu, uint32_t leaf, uint32_t subleaf, bool ecx, bool ebx)
{
    const VmCpuid *row = cpuid_row(cpu, leaf, subleaf);

    return !row ? 0 : ebx ? row->ebx : ecx ? row->ecx : row->edx;
}

/* Bits of CR4 that may be set, each by the feature it belongs to (SDM 3A 2.5). */
static uint64_t known_cr4(const uint64_t *features)
{
    static const struct { uint8_t bit, word, feature; } needs[] = {
        {2, FEAT_1_EDX, 4}, {3, FEAT_1_EDX, 2}, {4, FEAT_1_EDX, 3}, {5, FEAT_1_EDX, 6}, {6, FEAT_1_EDX, 7}, {7, FEAT_1_EDX, 13},
        {9, FEAT_1_EDX, 24}, {10, FEAT_1_EDX, 25}, {11, FEAT_7_ECX, 2}, {16, FEAT_7_EBX, 0}, {17, FEAT_1_ECX, 17}, {18, FEAT_1_ECX, 26}, {20, FEAT_7_EBX, 7},
        {21, FEAT_7_EBX, 20}, {22, FEAT_7_ECX, 3},
    };
    bool p6 = features[FEAT_1_EDX] >> 6 & 1;            /* with PAE */
    uint64_t known = p6 ? 0x143 : 0;        /* VME, PVI, MCE, PCE, which no model tells of */

    for (unsigned i = 0; i < sizeof needs / sizeof *needs; i++)
        if (features[needs[i].word] >> needs[i].feature & 1)
            known |= 1u << needs[i].bit;
    return known;
}

/* Replaces the table behind the CPU's CPUID; the engine runs the instructions that it names and no others. */
void vm_set_cpuid(Vm *vm, const VmCpuid *rows, uint32_t count, uint32_t max_basic, uint32_t max_extended)
{
    VmCpu *cpu = vm->cpu;

    free(cpu->cpuid);
    cpu->cpuid = malloc((count + 1) * sizeof *rows);
    if (!cpu->cpuid)
        abort();
    memcpy(cpu->cpuid, rows, count * sizeof *rows);
    cpu->cpuid_count = count;
    cpu->cpuid_max_basic = max_basic;
    cpu->cpuid_max_extended = max_extended;
    uint64_t *features = cpu->env->features;
    memset(features, 0, sizeof cpu->env->features);
    features[FEAT_1_EDX] = feature_word(cpu, 1, 0, false, false);
    features[FEAT_1_ECX] = feature_word(cpu, 1, 0, true, false);
    features[FEAT_7_EBX] = feature_word(cpu, 7, 0, false, true);
    features[FEAT_7_ECX] = feature_word(cpu, 7, 0, true, false);
    const VmCpuid *xsave = cpuid_row(cpu, 0xd, 1);
    features[FEAT_XSAVE] = xsave ? xsave->eax : 0;
    features[FEAT_EXTENDED_EDX] = feature_word(cpu, 0x80000001, 0, false, false);
    features[FEAT_EXTENDED_ECX] = feature_word(cpu, 0x80000001, 0, true, false);
    cpu->extended = (features[FEAT_1_ECX] >> 28 & 1) | (features[FEAT_1_ECX] >> 30 & 1) | (features[FEAT_7_EBX] >> 18 & 1) |
                    (features[FEAT_1_EDX] >> 14 & 1);
    const VmCpuid *sizes = cpuid_row(cpu, 0x80000008, 0);
    vm->physical_bits = sizes && sizes->eax & 0xff ? sizes->eax & 0xff : 36;
    vm->cr4_known = known_cr4(features);
}
