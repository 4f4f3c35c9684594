/* LGDT and LIDT in 64-bit mode: a base that is not canonical is #GP (SDM 2A, LGDT), which Unicorn loads. */
#include "vex.h"

#define HERE ((uintptr_t)__builtin_return_address(0))
#define HELPER __attribute__((noinline))

enum { GROUP_LGDT = 2, GROUP_LIDT = 3, PSEUDO_DESCRIPTOR = 10, LIMIT_SIZE = 2 };

enum VexKind table_decode(Instruction *i, VexDecoded *d)
{
    if (!i->code64 || instruction_byte(i, 0) != 0x0f || instruction_byte(i, 1) != 0x01)
        return NOT_VEX;
    uint8_t modrm = instruction_byte(i, 2), group = modrm >> 3 & 7;
    if (modrm >= 0xc0 || (group != GROUP_LGDT && group != GROUP_LIDT))
        return NOT_VEX;
    *d = (VexDecoded){0};
    if (!vex_read_legacy(i, 2, d))
        return NOT_VEX;
    d->code.immediate = group;
    return VEX_CALLED;
}

/* The call goes by FBSTP's helper, which is not used any more. */
HELPER void __wrap_helper_fbst_ST0_x86_64(uint64_t word, uint64_t displacement)
{
    Env *env = vm_current->cpu->env;
    Vex x = {.env = env, .displacement = displacement, .host_pc = HERE};
    uint8_t bytes[PSEUDO_DESCRIPTOR];
    uint16_t limit;
    uint64_t base;

    memcpy(&x.code, &word, sizeof word);
    if (env->hflags & HF_CPL)
        raise_exception_err_ra_x86_64(env, 13, 0, x.host_pc);
    vex_load_at(&x, vex_linear(&x), bytes, sizeof bytes);
    memcpy(&limit, bytes, sizeof limit);
    memcpy(&base, bytes + LIMIT_SIZE, sizeof base);
    if ((uint64_t)((int64_t)(base << 16) >> 16) != base)
        raise_exception_err_ra_x86_64(env, 13, 0, x.host_pc);
    Segment *table = x.code.immediate == GROUP_LGDT ? &env->gdt : &env->idt;
    table->base = base;
    table->limit = limit;
}

void table_translated(void *tcg, const VexDecoded *decoded)
{
    uint64_t word;

    memcpy(&word, &decoded->code, sizeof word);
    void *arguments[] = {tcg_constant_argument(tcg, word), tcg_constant_argument(tcg, decoded->displacement)};
    tcg_gen_callN_x86_64(tcg, __wrap_helper_fbst_ST0_x86_64, NULL, 2, arguments);
}
