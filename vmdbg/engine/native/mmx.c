/* What an MMX instruction does to the x87 (SDM 1 9.6.2): top of stack 0, all tags valid, exponent of what it writes all
 * ones. Unicorn does the first two before the operand is read, which may fault, of some instructions not at all, and
 * never the third. Here it comes after the instruction.
 */
#include "x87_stack.h"

enum { EXPONENT = 0xffff, ENTERS = 16, WRITES = 8 };

void __real_helper_enter_mmx_x86_64(Env *env);

/* The translator calls it with the CPU, mmx_translated() with what the instruction does. */
void __wrap_helper_enter_mmx_x86_64(Env *env)
{
    uintptr_t effect = (uintptr_t)env;
    Env *mine = vm_current->cpu->env;

    __real_helper_enter_mmx_x86_64(mine);
    if (effect & WRITES)
        mine->fpregs[effect & 7].exponent = EXPONENT;
}

static __thread bool translating;

/* The translator's own call comes too early. */
bool mmx_defers(const void *function)
{
    return function == (const void *)__wrap_helper_enter_mmx_x86_64 && !translating;
}

static unsigned writes(unsigned number)
{
    return ENTERS | WRITES | (number & 7);
}

static unsigned effect_0f(uint8_t opcode, uint8_t modrm, uint8_t prefix)
{
    unsigned reg = modrm >> 3 & 7;
    bool memory = modrm < 0xc0;

    if (opcode == 0xd6 && prefix)           /* MOVQ2DQ, MOVDQ2Q; 66 is MOVQ of SSE */
        return prefix == 0xf3 ? ENTERS : prefix == 0xf2 ? writes(reg) : 0;
    if ((opcode == 0x2c || opcode == 0x2d) && (!prefix || prefix == 0x66))
        return writes(reg);                 /* CVTTPS2PI and its kin */
    if (opcode == 0x2a && (!prefix || prefix == 0x66))
        return memory ? 0 : ENTERS;         /* CVTPI2PS, CVTPI2PD */
    if (prefix)
        return 0;
    switch (opcode) {
    case 0x60 ... 0x6b: case 0x6e: case 0x6f: case 0x70: case 0x74 ... 0x76: case 0xc4: case 0xd1 ... 0xd5:
    case 0xd8 ... 0xe5: case 0xe8 ... 0xef: case 0xf1 ... 0xf6: case 0xf8 ... 0xfe:
        return writes(reg);
    case 0x71 ... 0x73:
        return writes(modrm);
    case 0x7f:
        return memory ? ENTERS : writes(modrm);
    case 0x7e: case 0xc5: case 0xd7: case 0xe7: case 0xf7:
        return ENTERS;
    default:
        return 0;
    }
}

/* Of maps 0F 38 and 0F 3A: what has an MMX form, without a prefix. */
bool mmx_is_ssse3(uint8_t map, uint8_t opcode)
{
    return map == 0x38 ? opcode <= 0x0b || (opcode >= 0x1c && opcode <= 0x1e) : opcode == 0x0f;
}

/* What the instruction does, 0 if it is none of MMX. */
unsigned mmx_effect(Instruction *i)
{
    if (instruction_byte(i, 0) != 0x0f)
        return 0;
    uint8_t map = instruction_byte(i, 1);
    if (map != 0x38 && map != 0x3a) {
        bool may_be = map == 0x2a || map == 0x2c || map == 0x2d || (map >= 0x60 && map <= 0x7f && map != 0x77) || (map >= 0xc4 && (map & 0xf8) != 0xc8);     /* BSWAP has no ModRM */
        return may_be ? effect_0f(map, instruction_byte(i, 2), i->prefix) : 0;
    }
    if (i->prefix)
        return 0;
    return mmx_is_ssse3(map, instruction_byte(i, 2)) ? writes(instruction_byte(i, 3) >> 3) : 0;
}

/* Whether it waits for the x87 (SDM 3A 6.15, #MF): what enters MMX mode, and EMMS, which leaves it. */
bool mmx_concerns_x87(Instruction *i)
{
    return mmx_effect(i) || (instruction_byte(i, 0) == 0x0f && instruction_byte(i, 1) == 0x77 && !i->prefix);
}

/* #UD and #NM come before #MF, and are Unicorn's. */
void mmx_waits(Env *env, uintptr_t host_pc)
{
    if (!(env->cr[0] & (CR0_EM | CR0_TS)))
        x87_error_waits(env, host_pc);
}

void mmx_translated(void *tcg, unsigned effect)
{
    void *argument = tcg_constant_argument(tcg, effect);

    translating = true;
    tcg_gen_callN_x86_64(tcg, __wrap_helper_enter_mmx_x86_64, NULL, 1, &argument);
    translating = false;
}
