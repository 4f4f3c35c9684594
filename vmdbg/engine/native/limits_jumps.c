/* Targets of near jumps and calls beyond the limit of CS, which are #GP(0) at the jump (SDM 2, JMP and CALL): of those to a
 * place that the instruction or a register names.
 */
#include "vex.h"

enum { GP = 13, CALL = 0xe8, JUMP = 0xe9, JUMP_SHORT = 0xeb, GROUP_5 = 0xff, REGISTERS = 0xc0, MOST_16 = 0xffff };

void limits_check_jump(const Vex *x)
{
    uint32_t target = x->code.has_base ? x->env->regs[x->code.rm] : x->displacement;

    if ((target & (x->code.immediate == 2 ? MOST_16 : UINT32_MAX)) > x->env->segs[R_CS].limit)
        raise_exception_err_ra_x86_64(x->env, GP, 0, x->host_pc);
}

static int32_t relative(Instruction *i, unsigned size)
{
    uint32_t value = 0;

    for (unsigned at = 0; at < size; at++)
        value |= (uint32_t)instruction_byte(i, 1 + at) << 8 * at;
    return size == 1 ? (int8_t)value : size == 2 ? (int16_t)value : (int32_t)value;
}

/* Whether the instruction is one of them. `size`: of its operand, in bytes. */
static bool read_jump(Instruction *i, unsigned size, VexDecoded *d)
{
    uint8_t opcode = instruction_byte(i, 0), modrm = opcode == GROUP_5 ? instruction_byte(i, 1) : 0;
    unsigned bytes = opcode == JUMP_SHORT ? 1 : size, group = modrm >> 3 & 7;

    *d = (VexDecoded){.code = {.row = LIMIT_OF_JUMP, .immediate = size, .has_base = opcode == GROUP_5, .rm = modrm & 7}};
    if (opcode == GROUP_5)
        return modrm >= REGISTERS && (group == 2 || group == 4);
    if (opcode != CALL && opcode != JUMP && opcode != JUMP_SHORT)
        return false;
    d->displacement = (uint32_t)(i->linear - i->env->segs[R_CS].base) + i->opcode_at + 1 + bytes + relative(i, bytes);
    d->displacement &= size == 2 ? MOST_16 : UINT32_MAX;
    return true;
}

/* Where no segment is less than real mode has, only what is 64 KiB or more needs a call. */
void limits_translate_jump(void *tcg, Instruction *i, unsigned size)
{
    VexDecoded d;

    if (!(i->env->hflags & HF_LIMITS) || !read_jump(i, size, &d))
        return;
    bool open = !(i->env->hflags & HF_LIMITS_TIGHT);
    if (open && (size == 2 || (!d.code.has_base && d.displacement <= MOST_16)))
        return;
    called_translated(tcg, &d);
}
