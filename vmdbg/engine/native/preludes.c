/* What translated code does before or after an instruction that is Unicorn's otherwise. The call goes by the helper of SVM's
 * CLGI, an instruction that no model has. */
#include "vm.h"

enum { REX_W = 8 };

__attribute__((noinline)) void __wrap_helper_clgi_x86_64(Env *which)
{
    uintptr_t host_pc = (uintptr_t)__builtin_return_address(0);
    VmCpu *cpu = vm_current->cpu;

    switch ((enum Prelude)(uintptr_t)which) {
    case PRELUDE_UMIP: umip_check(cpu->env, host_pc); break;
    case PRELUDE_MMX: mmx_waits(cpu->env, host_pc); break;
    case PRELUDE_LOADS_SS: cpu->loads_ss = 1; break;
    case PRELUDE_SSE: sse_exceptions_begin(cpu->env); break;
    case PRELUDE_AREA: cpu->wide_area = 0; break;
    case PRELUDE_WIDE_AREA: cpu->wide_area = 1; break;
    case ENDED_SSE: sse_exceptions_end(cpu->env, host_pc); break;
    }
}

static void translate(void *tcg, uint64_t prelude)
{
    void *argument = tcg_constant_argument(tcg, prelude);

    tcg_gen_callN_x86_64(tcg, __wrap_helper_clgi_x86_64, NULL, 1, &argument);
}

/* MOV SS and POP SS, which hold back what LSS does not (SDM 3A 6.8.3). */
static bool loads_ss(Instruction *i)
{
    uint8_t opcode = instruction_byte(i, 0);

    return (opcode == 0x17 && !i->code64) || (opcode == 0x8e && (instruction_byte(i, 1) >> 3 & 7) == R_SS);
}

/* FXSAVE, FXRSTOR, XSAVE, XRSTOR, XSAVEOPT. */
static bool has_area(Instruction *i)
{
    uint8_t modrm = instruction_byte(i, 0) == 0x0f && instruction_byte(i, 1) == 0xae ? instruction_byte(i, 2) : 0xff;
    unsigned group = modrm >> 3 & 7;

    return modrm < 0xc0 && (group < 2 || (group >= 4 && group <= 6));
}

static bool is_wide(const Instruction *i)
{
    return i->rex >= 0 && i->code[i->rex] & REX_W;
}

void prelude_translate(void *tcg, Instruction *i)
{
    if (i->env->hflags & HF_UNMASKED && sse_may_raise(i))
        translate(tcg, PRELUDE_SSE);
    if (umip_concerns(i))
        translate(tcg, PRELUDE_UMIP);
    if (mmx_concerns_x87(i))
        translate(tcg, PRELUDE_MMX);
    if (loads_ss(i))
        translate(tcg, PRELUDE_LOADS_SS);
    if (has_area(i))
        translate(tcg, is_wide(i) ? PRELUDE_WIDE_AREA : PRELUDE_AREA);
}

void prelude_translate_after(void *tcg, Instruction *i)
{
    if (i->env->hflags & HF_UNMASKED && sse_may_raise(i))
        translate(tcg, ENDED_SSE);
}
