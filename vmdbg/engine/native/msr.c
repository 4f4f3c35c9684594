/* Which model-specific registers there are, and what may be written to them: the rest is #GP(0) (SDM 2B, WRMSR; 3A 12.11; 4 table 2-2).
 * Of those that are none at all reads are 0 and writes are forgotten.
 */
#include "vm.h"

enum { SEP = 11, MTRR = 12, PAT = 16, NX = 20, RDTSCP = 27, LM = 29, SYSCALL = 11 };      /* bits of CPUID's words */
enum { UC = 0, WC = 1, WT = 4, WP = 5, WB = 6, UC_MINUS = 7 };
enum { MTRR_TYPES = 1 << UC | 1 << WC | 1 << WT | 1 << WP | 1 << WB, PAT_TYPES = MTRR_TYPES | 1 << UC_MINUS };
#define BEYOND_32 0xffffffff00000000u
#define FAST_STRINGS_TO_XD_DISABLE 0x400d53c89u /* what family 6, model 54 has of MISC_ENABLE (SDM 4 table 2-4) */
#define EFER 0xc0000080u
#define STAR 0xc0000081u
#define LSTAR 0xc0000082u
#define CSTAR 0xc0000083u
#define FMASK 0xc0000084u
#define FS_BASE 0xc0000100u
#define KERNEL_GS_BASE 0xc0000102u
#define TSC_AUX 0xc0000103u

typedef struct {
    uint32_t first, last;
    uint8_t word;                           /* of Env.features, and a bit there: what it needs. `bit` 0: nothing */
    uint8_t bit;
    bool read_only, linear;
    bool physical;                          /* bits beyond physical addresses are reserved */
    uint8_t types;                          /* a bit for each memory type that may be in its lowest byte, or in each */
    bool each_byte;
    uint64_t reserved;
} Msr;

static const Msr msrs[] = {
    {.first = 0x17, .last = 0x17, .read_only = true},                   /* PLATFORM_ID */
    {.first = 0x34, .last = 0x34, .read_only = true},                   /* SMI_COUNT */
    {.first = 0x3a, .last = 0x3a, .word = FEAT_1_ECX, .bit = 5},       /* FEATURE_CONTROL: VMX */
    {.first = 0x3b, .last = 0x3b, .word = FEAT_7_EBX, .bit = 1},       /* TSC_ADJUST */
    {.first = 0xfe, .last = 0xfe, .word = FEAT_1_EDX, .bit = MTRR, .read_only = true},
    {.first = 0x174, .last = 0x174, .word = FEAT_1_EDX, .bit = SEP},
    {.first = 0x175, .last = 0x176, .word = FEAT_1_EDX, .bit = SEP, .linear = true},
    {.first = 0x198, .last = 0x198, .read_only = true},                 /* PERF_STATUS */
    {.first = 0x1a0, .last = 0x1a0, .reserved = ~FAST_STRINGS_TO_XD_DISABLE},
    {.first = 0x250, .last = 0x250, .word = FEAT_1_EDX, .bit = MTRR, .types = MTRR_TYPES, .each_byte = true},
    {.first = 0x258, .last = 0x259, .word = FEAT_1_EDX, .bit = MTRR, .types = MTRR_TYPES, .each_byte = true},
    {.first = 0x268, .last = 0x26f, .word = FEAT_1_EDX, .bit = MTRR, .types = MTRR_TYPES, .each_byte = true},
    {.first = 0x277, .last = 0x277, .word = FEAT_1_EDX, .bit = PAT, .types = PAT_TYPES, .each_byte = true},
    {.first = 0x2ff, .last = 0x2ff, .word = FEAT_1_EDX, .bit = MTRR, .types = MTRR_TYPES, .reserved = ~0xcffull},
    {.first = STAR, .last = STAR, .word = FEAT_EXTENDED_EDX, .bit = SYSCALL},
    {.first = LSTAR, .last = CSTAR, .word = FEAT_EXTENDED_EDX, .bit = LM, .linear = true},
    {.first = FMASK, .last = FMASK, .word = FEAT_EXTENDED_EDX, .bit = LM, .reserved = BEYOND_32},
    {.first = FS_BASE, .last = KERNEL_GS_BASE, .word = FEAT_EXTENDED_EDX, .bit = LM, .linear = true},
    {.first = TSC_AUX, .last = TSC_AUX, .word = FEAT_EXTENDED_EDX, .bit = RDTSCP, .reserved = BEYOND_32},
    {.first = 0xd90, .last = 0xd90, .word = FEAT_7_EBX, .bit = 14},     /* BNDCFGS: MPX */
    {.first = 0xc0010117, .last = 0xc0010117, .word = FEAT_EXTENDED_ECX, .bit = 2},  /* VM_HSAVE_PA: SVM */
};

static const Msr variable_base = {.word = FEAT_1_EDX, .bit = MTRR, .physical = true, .types = MTRR_TYPES, .reserved = 0xf00};
static const Msr variable_mask = {.word = FEAT_1_EDX, .bit = MTRR, .physical = true, .reserved = 0x7ff};

static const Msr *find(uint32_t msr)
{
    enum { VARIABLE = 0x200, VARIABLE_END = 0x210 };

    if (msr >= VARIABLE && msr < VARIABLE_END)
        return msr & 1 ? &variable_mask : &variable_base;
    for (unsigned row = 0; row < sizeof msrs / sizeof *msrs; row++)
        if (msr >= msrs[row].first && msr <= msrs[row].last)
            return &msrs[row];
    return NULL;
}

/* SCE, LME and LMA, NXE, each by its feature. */
static uint64_t known_efer(const Env *env)
{
    uint64_t features = env->features[FEAT_EXTENDED_EDX];

    return (features >> SYSCALL & 1 ? EFER_SCE : 0) | (features >> LM & 1 ? EFER_LME | EFER_LMA : 0) |
           (features >> NX & 1 ? EFER_NXE : 0);
}

static bool is_lacking(const Env *env, const Msr *msr)
{
    return msr->bit && !(env->features[msr->word] >> msr->bit & 1);
}

/* Whether the model has it. Of those that are none nothing is known. */
bool msr_is_there(const Env *env, uint32_t msr)
{
    const Msr *found = find(msr);

    return msr == EFER ? known_efer(env) != 0 : !found || !is_lacking(env, found);
}

static bool has_reserved_type(const Msr *msr, uint64_t value)
{
    for (unsigned byte = 0; byte < (msr->each_byte ? sizeof value : 1); byte++) {
        unsigned type = value >> 8 * byte & 0xff;
        if (type > UC_MINUS || !(msr->types >> type & 1))
            return true;
    }
    return false;
}

bool msr_takes(const Vm *vm, uint32_t msr, uint64_t value)
{
    const Env *env = vm->cpu->env;
    const Msr *found = find(msr);

    if (msr == EFER)
        return known_efer(env) && !(value & ~known_efer(env)) && !((env->efer ^ value) & EFER_LME && env->cr[0] & CR0_PG);
    if (!found)
        return true;
    return !is_lacking(env, found) && !found->read_only && !(value & found->reserved) && (!found->linear || is_canonical(value)) &&
           !(found->physical && value >> vm->physical_bits) && !(found->types && has_reserved_type(found, value));
}
