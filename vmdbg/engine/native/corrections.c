/* Instructions that Unicorn's translator reads otherwise than CPUs do, and what it is shown instead.
 *
 * Found by running the same bytes on a real CPU (tests/conformance). What is shown has the length of what is there.
 */
#include "vm.h"

enum { REX_B = 1, REX_R = 4, REX_W = 8, GROUP_BITS = 0x38, GROUP_NEG = 0x18, GROUP_CALL = 0x10, GROUP_JMP = 0x20, REGISTERS = 0xc0, IGNORED_IN_64_BIT = 0x2e };

/* Those of map 0F that F3, F2 and 66 tell apart, in this order (SDM 2A 2.1.2 and the opcode map, table A-3). */
static bool is_told_by_prefix(uint8_t opcode)
{
    return (opcode >= 0x10 && opcode <= 0x17) || (opcode >= 0x28 && opcode <= 0x2f) || (opcode >= 0x50 && opcode <= 0x7f) ||
           opcode == 0xc2 || (opcode >= 0xc4 && opcode <= 0xc6) || opcode >= 0xd0;
}

/* Whether there was one. */
static bool replace(Instruction *i, uint8_t prefix, uint8_t by)
{
    bool changed = false;

    for (unsigned at = 0; at < i->opcode_at; at++)
        if (i->code[at] == prefix) {
            i->code[at] = by;
            changed = true;
        }
    return changed;
}

static bool replace_66(Instruction *i, uint8_t by)
{
    return replace(i, 0x66, by);
}

/* Of F2 and F3 the last counts. */
static bool settle_repeats(Instruction *i)
{
    bool changed = false;

    for (int at = 0; at < i->repeat; at++)
        if ((i->code[at] & 0xfe) == 0xf2 && i->code[at] != i->prefix) {
            i->code[at] = i->prefix;
            changed = true;
        }
    return changed;
}

/* And 66 only without them: Unicorn takes 66 first, then F3. */
static bool settle_prefixes(Instruction *i)
{
    return settle_repeats(i) | (i->repeat >= 0 && replace_66(i, i->prefix));
}

/* Whether `bits` of a REX prefix were set; clears them. */
static bool clear_rex(Instruction *i, uint8_t bits)
{
    if (i->rex < 0 || !(i->code[i->rex] & bits))
        return false;
    i->code[i->rex] &= ~bits;
    return true;
}

/* Maps 0F 38 and 0F 3A have nothing under F2 and F3 that a model has, but CRC32. SSSE3's MMX forms: REX does not reach
 * registers that are not there. Unicorn would write beyond the last. */
static bool correct_0f3x(Instruction *i)
{
    uint8_t map = instruction_byte(i, 1), opcode = instruction_byte(i, 2);
    bool repeats = i->repeat >= 0, settled = settle_repeats(i); /* of CRC32 */

    if (opcode == 0xf6 && repeats && map == 0x38)   /* ADOX, whatever 66 says */
        settled |= replace_66(i, i->prefix);
    bool is_movbe = map == 0x38 && (opcode & 0xfe) == 0xf0 && !repeats;
    i->refused = (repeats && (map == 0x3a || opcode < 0xf0 || i->prefix == (opcode == 0xf6 ? 0xf2 : 0xf3))) ||
                 (is_movbe && instruction_byte(i, 3) >= REGISTERS);     /* it wants memory */
    if (i->refused || !mmx_is_ssse3(map, opcode) || i->prefix || i->rex < 0)
        return settled;
    return clear_rex(i, REX_R | (instruction_byte(i, 3) >= REGISTERS ? REX_B : 0)) | settled;
}

/* CMPPS and its kin look at three bits of the immediate byte. */
static bool correct_predicate(Instruction *i)
{
    unsigned at = instruction_behind_operand(i, 2);

    if (instruction_byte(i, at) <= 7 || i->opcode_at + at >= LONGEST_INSTRUCTION)
        return false;
    i->code[i->opcode_at + at] &= 7;
    return true;
}

/* SMSW of a 32-bit register has all of CR0 outside 64-bit mode too, as MOV has it, which only ring 0 may do. */
static bool correct_smsw(Instruction *i)
{
    uint8_t modrm = instruction_byte(i, 2);

    if (!i->env || i->code64 || i->env->hflags & HF_CPL || modrm < REGISTERS || (modrm & GROUP_BITS) != 0x20 ||
        !(i->env->hflags & HF_CS32) == (i->operand_size < 0) || i->opcode_at + 2 >= LONGEST_INSTRUCTION)
        return false;
    i->code[i->opcode_at + 1] = 0x20;
    i->code[i->opcode_at + 2] = REGISTERS | (modrm & 7);
    return true;
}

/* MOV of a control or debug register that there is none of, which is #UD in any ring (SDM 2B, MOV): CR1, CR5 and the like. */
static bool names_no_register(Instruction *i, bool debug)
{
    enum { CONTROL = 1 << 0 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 8, DEBUG = 0xff };
    unsigned number = (instruction_byte(i, 2) >> 3 & 7) | (i->rex >= 0 && i->code[i->rex] & REX_R ? 8 : 0);

    return !((debug ? DEBUG : CONTROL) >> number & 1);
}

typedef struct {
    uint8_t opcode, last;                   /* a range of map 0F */
    uint8_t prefixes;                       /* with which it has */
    bool in_registers;                      /* no other form than this; else none at all */
} Missing;

static const Missing missing[] = {          /* which Unicorn runs */
    {0x50, 0x50, BY_ANY, true}, {0x71, 0x73, BY_ANY, true}, {0xc3, 0xc3, BY_66 | BY_F3 | BY_F2, false},
    {0xc4, 0xc6, BY_F3 | BY_F2, false}, {0xd6, 0xd6, BY_F3 | BY_F2, true},
};

/* Whether map 0F has no such form (SDM 2D, table A-3). */
static bool is_missing(Instruction *i)
{
    uint8_t opcode = instruction_byte(i, 1);

    for (unsigned row = 0; row < sizeof missing / sizeof *missing; row++)
        if (opcode >= missing[row].opcode && opcode <= missing[row].last && missing[row].prefixes & prefix_bit(i))
            return !(missing[row].in_registers && instruction_byte(i, 2) >= REGISTERS);
    return false;
}

/* 66 before a near branch of 64-bit code is ignored by Intel's CPUs (SDM 2A, CALL; AMD's make it one of 16 bits). */
static bool correct_near_branch(Instruction *i)
{
    enum { REX_OF_NOTHING = 0x40 };

    return i->code64 && i->operand_size >= 0 && cpuid_is_intel(vm_current->cpu) && replace_66(i, REX_OF_NOTHING);
}

static bool correct_0f(Instruction *i)
{
    uint8_t opcode = instruction_byte(i, 1);

    if ((opcode & 0xf0) == 0x80)
        return correct_near_branch(i);
    if ((opcode & 0xfc) == 0x20) {
        i->refused = names_no_register(i, opcode & 1);
        return false;
    }

    if (opcode == 0x01) {
        i->refused = (i->prefix || i->locked) && (instruction_byte(i, 2) & ~1) == 0xee;     /* RDPKRU, WRPKRU */
        return correct_smsw(i);
    }

    if (opcode == 0x38 || opcode == 0x3a)
        return correct_0f3x(i);
    if (opcode == 0x18 && instruction_byte(i, 2) >= REGISTERS && i->opcode_at + 1 < LONGEST_INSTRUCTION) {
        i->code[i->opcode_at + 1] = 0x1f;   /* a NOP, as 19 to 1F are: PREFETCH wants memory */
        return true;
    }
    i->refused = opcode == 0x0f;            /* 3DNow!, which no model has: Unicorn reads its operand first */
    if (opcode == 0xae && i->prefix) {      /* nor do the fences; of those in memory CLWB and CLFLUSHOPT alone have one */
        uint8_t modrm = instruction_byte(i, 2);
        i->refused = modrm < REGISTERS ? i->prefix != 0x66 || (modrm & GROUP_BITS) < 0x30 : (modrm & GROUP_BITS) >= 0x28;
    }
    if (opcode == 0xb8) {                   /* POPCNT, of 64 bits by REX.W whatever 66 says */
        bool wide = i->rex >= 0 && i->code[i->rex] & REX_W;
        return settle_repeats(i) | (wide && replace_66(i, IGNORED_IN_64_BIT));
    }
    if (!is_told_by_prefix(opcode))
        return false;
    bool changed = settle_prefixes(i), by_66 = i->prefix == 0x66;
    if (opcode == 0x13 || opcode == 0x17 || (by_66 && (opcode == 0x12 || opcode == 0x16)))
        i->refused = instruction_byte(i, 2) >= REGISTERS;       /* MOVLPS and its kin want memory */
    return changed | (opcode == 0xc2 && correct_predicate(i));
}

/* True if the translator is to be shown `i->code`, which is changed, or to refuse the instruction. */
bool instruction_corrected(Instruction *i)
{
    bool corrected;

    switch (instruction_byte(i, 0)) {
    case 0x0f:
        corrected = correct_0f(i);
        i->refused |= is_missing(i);
        return corrected || i->refused;
    case 0x70 ... 0x7f: case 0xc2: case 0xc3: case 0xe0 ... 0xe3: case 0xe8: case 0xe9: case 0xeb:
        return correct_near_branch(i);
    case 0xff:
        return ((instruction_byte(i, 1) & GROUP_BITS) == GROUP_CALL || (instruction_byte(i, 1) & GROUP_BITS) == GROUP_JMP) &&
               correct_near_branch(i);
    case 0xa6: case 0xa7: case 0xae: case 0xaf:     /* CMPS, SCAS */
        return settle_repeats(i);
    case 0x9e: case 0x9f:                   /* SAHF, LAHF: with REX, AH is not SPL */
        if (i->rex < 0)
            return false;
        i->code[i->rex] = IGNORED_IN_64_BIT;
        return true;
    case 0x8f: case 0xc6: case 0xc7:        /* POP and MOV are all there is in their groups; REX.R is no part of the opcode */
        i->refused = (instruction_byte(i, 1) & GROUP_BITS) != 0;
        return clear_rex(i, REX_R) | i->refused;
    case 0xf6: case 0xf7:                   /* TEST has two encodings */
        if ((instruction_byte(i, 1) & GROUP_BITS) == GROUP_NEG && i->locked)
            return replace(i, 0xf0, 0xf2);  /* Unicorn takes its flags from the operand before; F2 means nothing there */
        if ((instruction_byte(i, 1) & GROUP_BITS) != 8)
            return false;
        i->code[i->opcode_at + 1] &= ~8;
        return true;
    default:
        return false;
    }
}
