/* What translated code does before or after an instruction that is Unicorn's otherwise. The call goes by the helper of SVM's
 * CLGI, an instruction that no model has. */
#include "x87_stack.h"

__attribute__((noinline)) void __wrap_helper_clgi_x86_64(Env *which)
{
    uintptr_t host_pc = (uintptr_t)__builtin_return_address(0);
    VmCpu *cpu = vm_current->cpu;

    switch ((enum Prelude)(uintptr_t)which) {
    case PRELUDE_UMIP: umip_check(cpu->env, host_pc); break;
    case PRELUDE_MMX: mmx_waits(cpu->env, host_pc); break;
    case PRELUDE_LOADS_SS: cpu->loads_ss = 1; break;
    case PRELUDE_SSE: sse_exceptions_begin(cpu->env); break;
    case ENDED_SSE: sse_exceptions_end(cpu->env, host_pc); break;
    case LOADED_X87: settle_summary(cpu->env); break;
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
}

/* Behind FXRSTOR: ES and B follow from what it has loaded. */
void prelude_translate_after(void *tcg, Instruction *i)
{
    if (i->env->hflags & HF_UNMASKED && sse_may_raise(i))
        translate(tcg, ENDED_SSE);
    uint8_t modrm = instruction_byte(i, 0) == 0x0f && instruction_byte(i, 1) == 0xae ? instruction_byte(i, 2) : 0xff;

    if (modrm < 0xc0 && (modrm >> 3 & 7) == 1)
        translate(tcg, LOADED_X87);
}
