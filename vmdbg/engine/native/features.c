/* Instructions that the CPU's model lacks are #UD, as on the CPUs before them. Of some Unicorn asks the features itself;
 * of these it does not. */
#include "vm.h"

enum { ANY = 0xff, GROUP_SHIFT = 3 };

typedef struct {
    uint8_t opcode, last;                   /* a range */
    uint8_t prefixes;
    uint8_t group;                          /* of ModRM.reg, a bit for each value */
    uint8_t word, bit;                      /* of Env.features: what it needs */
} Need;

enum { TSC = 4, MSR = 5, CX8 = 8, SEP = 11, MMX = 23, SSE = 25, SSE2 = 26, SSE3 = 0, SSE4A = 6, SYSCALL = 11, RDSEED = 18 };

static const Need map_0f[] = {              /* SDM 2, each instruction's "CPUID feature flag" */
    {0x05, 0x05, BY_ANY, ANY, FEAT_EXTENDED_EDX, SYSCALL}, {0x07, 0x07, BY_ANY, ANY, FEAT_EXTENDED_EDX, SYSCALL},
    {0x10, 0x17, BY_66 | BY_F2, ANY, FEAT_1_EDX, SSE2}, {0x10, 0x17, BY_ANY, ANY, FEAT_1_EDX, SSE},
    {0x12, 0x12, BY_F2 | BY_F3, ANY, FEAT_1_ECX, SSE3}, {0x16, 0x16, BY_F3, ANY, FEAT_1_ECX, SSE3},
    {0x2b, 0x2b, BY_F3 | BY_F2, ANY, FEAT_EXTENDED_ECX, SSE4A}, {0x78, 0x79, BY_ANY, ANY, FEAT_EXTENDED_ECX, SSE4A},
    {0x28, 0x2f, BY_66 | BY_F2, ANY, FEAT_1_EDX, SSE2}, {0x28, 0x2f, BY_ANY, ANY, FEAT_1_EDX, SSE},
    {0x30, 0x30, BY_ANY, ANY, FEAT_1_EDX, MSR}, {0x31, 0x31, BY_ANY, ANY, FEAT_1_EDX, TSC},
    {0x32, 0x32, BY_ANY, ANY, FEAT_1_EDX, MSR}, {0x34, 0x35, BY_ANY, ANY, FEAT_1_EDX, SEP},
    {0x50, 0x5f, BY_66 | BY_F2, ANY, FEAT_1_EDX, SSE2}, {0x5a, 0x5b, BY_ANY, ANY, FEAT_1_EDX, SSE2},
    {0x50, 0x5f, BY_ANY, ANY, FEAT_1_EDX, SSE}, {0x60, 0x7f, BY_66 | BY_F2 | BY_F3, ANY, FEAT_1_EDX, SSE2},
    {0x60, 0x7f, BY_ANY, ANY, FEAT_1_EDX, MMX}, {0x7c, 0x7d, BY_66 | BY_F2, ANY, FEAT_1_ECX, SSE3},
    {0xae, 0xae, NO_PREFIX, 0x0c, FEAT_1_EDX, SSE}, {0xc2, 0xc2, BY_66 | BY_F2, ANY, FEAT_1_EDX, SSE2},
    {0xc2, 0xc2, BY_ANY, ANY, FEAT_1_EDX, SSE}, {0xc3, 0xc3, BY_ANY, ANY, FEAT_1_EDX, SSE2},
    {0xc4, 0xc6, BY_66, ANY, FEAT_1_EDX, SSE2}, {0xc4, 0xc6, BY_ANY, ANY, FEAT_1_EDX, SSE},
    {0xc7, 0xc7, BY_ANY, 0x02, FEAT_1_EDX, CX8}, {0xc7, 0xc7, BY_ANY, 0x80, FEAT_7_EBX, RDSEED},
    {0xd0, 0xd0, BY_ANY, ANY, FEAT_1_ECX, SSE3}, {0xf0, 0xf0, BY_ANY, ANY, FEAT_1_ECX, SSE3},
    {0xd1, 0xfe, BY_66 | BY_F2 | BY_F3, ANY, FEAT_1_EDX, SSE2}, {0xd4, 0xd4, BY_ANY, ANY, FEAT_1_EDX, SSE2},
    {0xf4, 0xf4, BY_ANY, ANY, FEAT_1_EDX, SSE2}, {0xfb, 0xfb, BY_ANY, ANY, FEAT_1_EDX, SSE2},
    {0x70, 0x70, NO_PREFIX, ANY, FEAT_1_EDX, SSE}, {0xd7, 0xd7, NO_PREFIX, ANY, FEAT_1_EDX, SSE},
    {0xda, 0xda, NO_PREFIX, ANY, FEAT_1_EDX, SSE}, {0xde, 0xde, NO_PREFIX, ANY, FEAT_1_EDX, SSE},
    {0xe0, 0xe0, NO_PREFIX, ANY, FEAT_1_EDX, SSE}, {0xe3, 0xe4, NO_PREFIX, ANY, FEAT_1_EDX, SSE},
    {0xe7, 0xe7, NO_PREFIX, ANY, FEAT_1_EDX, SSE}, {0xea, 0xea, NO_PREFIX, ANY, FEAT_1_EDX, SSE},
    {0xee, 0xee, NO_PREFIX, ANY, FEAT_1_EDX, SSE}, {0xf6, 0xf7, NO_PREFIX, ANY, FEAT_1_EDX, SSE},
    {0xd1, 0xfe, BY_ANY, ANY, FEAT_1_EDX, MMX},
};

/* Whether an instruction of map 0F is of a feature that the model lacks, or has not in this mode (SDM 2B, SYSCALL). */
bool feature_is_lacking(Instruction *i)
{
    const uint64_t *features = i->env->features;

    if (instruction_byte(i, 0) != 0x0f)
        return false;
    uint8_t opcode = instruction_byte(i, 1);
    if ((opcode == 0x05 || opcode == 0x07) && !i->code64 && cpuid_is_intel(vm_current->cpu))
        return true;                        /* AMD has SYSCALL and SYSRET in all modes */
    for (unsigned row = 0; row < sizeof map_0f / sizeof *map_0f; row++) {
        const Need *need = &map_0f[row];
        if (opcode < need->opcode || opcode > need->last || !(need->prefixes & prefix_bit(i)))
            continue;
        if (features[need->word] >> need->bit & 1)
            continue;
        if (need->group == ANY || need->group >> (instruction_byte(i, 2) >> GROUP_SHIFT & 7) & 1)
            return true;
    }
    return false;
}
