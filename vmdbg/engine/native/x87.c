/* The x87 (SDM 1 chapter 8): every instruction of D8h to DFh, and FWAIT, is a call from translated code.
 *
 * An instruction first finds out what it would raise. What is not masked and comes before the operation (IE, DE, ZE,
 * faults of the stack) leaves registers as they are; the next instruction that waits is #MF. Memory is accessed before any
 * register or flag changes, so that an instruction that faults there, or is left there, can be run again.
 */
#include "x87_stack.h"

#define HERE ((uintptr_t)__builtin_return_address(0))
#define HELPER __attribute__((noinline))

enum { REX_W = 8, FWAIT = 8, WORDS_ARE_16 = 16 };    /* in VexCode.row, beside the low bits of the opcode */
enum { NM = 7 };

/* Those that do not wait: FNINIT, FNCLEX, FNSTCW, FNSTSW, FNSTENV, FNSAVE and the 8087's that do nothing. */
static bool waits(unsigned opcode, uint8_t modrm)
{
    unsigned group = modrm >> 3 & 7;

    if (modrm >= 0xc0)
        return !(opcode == 3 && group == 4) && !(opcode == 7 && modrm == 0xe0);
    return !((opcode == 1 || opcode == 5) && group >= 6);
}

/* Control instructions leave the pointers to the last other one (SDM 1 8.1.8), FENI, FDISI and FSETPM among them. */
static bool is_control(unsigned opcode, uint8_t modrm)
{
    unsigned group = modrm >> 3 & 7;
    bool loads = modrm < 0xc0 && ((opcode == 1 && (group == 4 || group == 5)) || (opcode == 5 && group == 4));

    return loads || !waits(opcode, modrm);
}

/* The last instruction that was none of control, and its operand if that was in memory: else the one before stays. */
static void note_place(const Vex *at, unsigned opcode, uint8_t modrm, uint64_t offset)
{
    Env *env = at->env;

    env->fpip = offset;
    env->fpcs = env->segs[R_CS].selector;
    env->fpop = opcode << 8 | modrm;
    if (modrm < 0xc0) {
        env->fpdp = vex_offset(at);
        env->fpds = env->segs[at->code.segment].selector;
    }
}

static void check(Env *env, bool is_wait, bool waits, uintptr_t host_pc)
{
    uint64_t not_there = is_wait ? 0 : CR0_EM | CR0_TS;

    if (env->cr[0] & not_there || (is_wait && (env->cr[0] & (CR0_MP | CR0_TS)) == (CR0_MP | CR0_TS)))
        raise_exception_ra_x86_64(env, NM, host_pc);
    if (waits)
        x87_error_waits(env, host_pc);
}

/* What an instruction with an operand in memory raises before that is looked at. `opcode`: the low bits. */
void x87_check(Env *env, unsigned opcode, uint8_t modrm, uintptr_t host_pc)
{
    check(env, false, waits(opcode, modrm), host_pc);
}

/* The call goes by FBLD's helper, which is not used any more. */
HELPER void __wrap_helper_fbld_ST0_x86_64(uint64_t word, uint64_t displacement, uint64_t offset)
{
    Vex at = {.env = vm_current->cpu->env, .displacement = displacement, .host_pc = HERE};
    X87 x;

    memcpy(&at.code, &word, sizeof word);
    unsigned opcode = at.code.row & 7;
    uint8_t modrm = at.code.immediate;
    bool is_wait = at.code.row & FWAIT;
    check(at.env, is_wait, is_wait || waits(opcode, modrm), at.host_pc);
    if (is_wait)
        return;
    x87_begin(&x, at.env);
    if (modrm < 0xc0)
        x87_execute_memory(&x, &at, opcode, modrm >> 3 & 7, at.code.row & WORDS_ARE_16);
    else
        x87_execute_registers(&x, opcode, modrm);
    if (!is_control(opcode, modrm))
        note_place(&at, opcode, modrm, offset);
}

/* Encodings of D9h to DFh that are no instruction, of registers: ranges of ModRM. */
static bool is_refused(unsigned opcode, uint8_t modrm)
{
    switch (opcode) {
    case 1: return (modrm > 0xd0 && modrm < 0xd8) || modrm == 0xe2 || modrm == 0xe3 || modrm == 0xe6 || modrm == 0xe7 || modrm == 0xef;
    case 2: return modrm >= 0xe0 && modrm != 0xe9;
    case 3: return (modrm >= 0xe5 && modrm < 0xe8) || modrm >= 0xf8;
    case 5: return modrm >= 0xf0;
    case 6: return modrm >= 0xd8 && modrm < 0xe0 && modrm != 0xd9;
    case 7: return (modrm > 0xe0 && modrm < 0xe8) || modrm >= 0xf8;
    default: return false;
    }
}

/* Of memory; FISTTP is SSE3's. */
static bool is_refused_memory(Env *env, unsigned opcode, unsigned group)
{
    bool truncates = (opcode == 3 || opcode == 5 || opcode == 7) && group == 1;

    if (truncates)
        return !(env->features[FEAT_1_ECX] & 1);
    return (opcode == 1 && group == 1) || (opcode == 3 && (group == 4 || group == 6)) || (opcode == 5 && group == 5);
}

/* Whether it reads or sets flags. */
static bool concerns_flags(unsigned opcode, uint8_t modrm)
{
    unsigned group = modrm >> 3 & 7;

    return modrm >= 0xc0 && (((opcode == 2 || opcode == 3) && group < 4) || ((opcode == 3 || opcode == 7) && (group == 5 || group == 6)));
}

/* NOT_VEX if the instruction is none of the x87's. */
enum VexKind x87_decode(Instruction *i, VexDecoded *d)
{
    uint8_t opcode = instruction_byte(i, 0);
    bool is_wait = opcode == 0x9b;

    if ((opcode & 0xf8) != 0xd8 && !is_wait)
        return NOT_VEX;
    *d = (VexDecoded){.size = i->opcode_at + 1u};
    opcode &= 7;
    if (is_wait) {
        d->code.row = FWAIT;
        return i->opcode_at < LONGEST_INSTRUCTION ? VEX_CALLED : VEX_REFUSED;
    }
    uint8_t modrm = instruction_byte(i, 1);
    if (modrm >= 0xc0 ? is_refused(opcode, modrm) : is_refused_memory(i->env, opcode, modrm >> 3 & 7))
        return VEX_REFUSED;
    if (!vex_read_legacy(i, 1, d))
        return NOT_VEX;                     /* which Unicorn finds too long */
    bool code32 = i->env->hflags & (HF_CS32 | HF_CS64);
    bool wide = i->rex >= 0 && i->code[i->rex] & REX_W;
    d->code.row = opcode | (!wide && code32 == (i->operand_size >= 0) ? WORDS_ARE_16 : 0);
    d->code.immediate = modrm;
    d->offset = i->code64 ? i->linear : (uint32_t)(i->linear - i->env->segs[R_CS].base);
    d->sets_flags = concerns_flags(opcode, modrm);
    return VEX_CALLED;
}

void x87_translated(void *tcg, const VexDecoded *decoded)
{
    uint64_t word;

    memcpy(&word, &decoded->code, sizeof word);
    void *arguments[] = {
        tcg_constant_argument(tcg, word), tcg_constant_argument(tcg, decoded->displacement), tcg_constant_argument(tcg, decoded->offset),
    };
    tcg_gen_callN_x86_64(tcg, __wrap_helper_fbld_ST0_x86_64, NULL, 3, arguments);
}
