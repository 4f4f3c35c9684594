/* Which model-specific registers there are, and what may be written to them: the rest is #GP(0) (SDM 2B, WRMSR; 3A 12.11; 4 table 2-2).
 * Of those that are none at all reads are 0 and writes are forgotten.
 */
#include "vm.h"

enum { SEP = 11, MTRR = 12, PAT = 16 };     /* bits of FEAT_1_EDX, */
enum { SYSCALL = 11, NX = 20, RDTSCP = 27, LM = 29 };           /* of FEAT_EXTENDED_EDX, */
enum { VMX = 5, TSC_ADJUST = 1, MPX = 14, SVM = 2 };            /* of the words that are named with them */
enum { UC = 0, WC = 1, WT = 4, WP = 5, WB = 6, UC_MINUS = 7 };
enum { MTRR_TYPES = 1 << UC | 1 << WC | 1 << WT | 1 << WP | 1 << WB, PAT_TYPES = MTRR_TYPES | 1 << UC_MINUS };
#define BEYOND_32 0xffffffff00000000u
#define FAST_STRINGS_TO_XD_DISABLE 0x400d53c89u /* what family 6, model 54 has of MISC_ENABLE (SDM 4 table 2-4) */
#define EFER 0xc0000080u

typedef struct {
    uint8_t word, bit;                      /* of Env.features: what it needs. `bit` 0: nothing */
    bool read_only, linear;
    bool physical;                          /* bits beyond physical addresses are reserved */
    bool each_byte;
    uint8_t types;                          /* a bit for each memory type that may be in its lowest byte, or in each */
    uint64_t reserved;
} Msr;

static const Msr of_vmx = {.word = FEAT_1_ECX, .bit = VMX}, of_mpx = {.word = FEAT_7_EBX, .bit = MPX};
static const Msr of_tsc_adjust = {.word = FEAT_7_EBX, .bit = TSC_ADJUST}, of_svm = {.word = FEAT_EXTENDED_ECX, .bit = SVM};
static const Msr only_read = {.read_only = true}, mtrr_cap = {.word = FEAT_1_EDX, .bit = MTRR, .read_only = true};
static const Msr sysenter_cs = {.word = FEAT_1_EDX, .bit = SEP}, sysenter = {.word = FEAT_1_EDX, .bit = SEP, .linear = true};
static const Msr misc_enable = {.reserved = ~FAST_STRINGS_TO_XD_DISABLE};
static const Msr fixed_range = {.word = FEAT_1_EDX, .bit = MTRR, .types = MTRR_TYPES, .each_byte = true};
static const Msr variable_base = {.word = FEAT_1_EDX, .bit = MTRR, .physical = true, .types = MTRR_TYPES, .reserved = 0xf00};
static const Msr variable_mask = {.word = FEAT_1_EDX, .bit = MTRR, .physical = true, .reserved = 0x7ff};
static const Msr default_type = {.word = FEAT_1_EDX, .bit = MTRR, .types = MTRR_TYPES, .reserved = ~0xcffull};
static const Msr attributes = {.word = FEAT_1_EDX, .bit = PAT, .types = PAT_TYPES, .each_byte = true};
static const Msr star = {.word = FEAT_EXTENDED_EDX, .bit = SYSCALL};
static const Msr linear_of_64 = {.word = FEAT_EXTENDED_EDX, .bit = LM, .linear = true};
static const Msr fmask = {.word = FEAT_EXTENDED_EDX, .bit = LM, .reserved = BEYOND_32};
static const Msr tsc_aux = {.word = FEAT_EXTENDED_EDX, .bit = RDTSCP, .reserved = BEYOND_32};

/* NULL: nothing is known of it, or EFER. */
static const Msr *find(uint32_t msr)
{
    switch (msr) {
    case 0x17: case 0x34: case 0x198: return &only_read;        /* PLATFORM_ID, SMI_COUNT, PERF_STATUS */
    case 0x3a: return &of_vmx;                                  /* FEATURE_CONTROL */
    case 0x3b: return &of_tsc_adjust;
    case 0xfe: return &mtrr_cap;
    case 0x174: return &sysenter_cs;
    case 0x175 ... 0x176: return &sysenter;
    case 0x1a0: return &misc_enable;
    case 0x200 ... 0x20f: return msr & 1 ? &variable_mask : &variable_base;
    case 0x250: case 0x258 ... 0x259: case 0x268 ... 0x26f: return &fixed_range;
    case 0x277: return &attributes;
    case 0x2ff: return &default_type;
    case 0xd90: return &of_mpx;                                 /* BNDCFGS */
    case 0xc0000081: return &star;
    case 0xc0000082 ... 0xc0000083: return &linear_of_64;       /* LSTAR, CSTAR */
    case 0xc0000084: return &fmask;
    case 0xc0000100 ... 0xc0000102: return &linear_of_64;       /* the bases of FS and GS, and the kernel's of GS */
    case 0xc0000103: return &tsc_aux;
    case 0xc0010117: return &of_svm;                            /* VM_HSAVE_PA */
    default: return NULL;
    }
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
