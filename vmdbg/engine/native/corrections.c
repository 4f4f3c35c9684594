/* Instructions that Unicorn's translator reads otherwise than CPUs do, and what it is shown instead.
 *
 * Found by running the same bytes on a real CPU (tests/conformance). What is shown has the length of what is there.
 */
#include <string.h>

#include "vm.h"

enum { REX_B = 1, REX_R = 4, REX_W = 8, GROUP_BITS = 0x38, REGISTERS = 0xc0, IGNORED_IN_64_BIT = 0x2e };

static uint8_t next_byte(Env *env, uint64_t linear, Shown *shown)
{
    uint8_t byte = cpu_ldub_code_x86_64(env, linear + shown->size);

    if (shown->size < sizeof shown->bytes)
        shown->bytes[shown->size++] = byte;
    return byte;
}

/* Where they are in `shown`; -1 for none. */
typedef struct {
    int operand_size, last_repeat, first_repeat, rex;
} Prefixes;

static uint8_t read_prefixes(Env *env, uint64_t linear, bool code64, Shown *shown, Prefixes *at)
{
    *at = (Prefixes){-1, -1, -1, -1};
    for (;;) {
        uint8_t byte = next_byte(env, linear, shown);
        int here = (int)shown->size - 1;

        if (shown->size == sizeof shown->bytes)
            return byte;
        if (code64 && (byte & 0xf0) == 0x40) {
            at->rex = here;
            continue;
        }
        if (byte == 0x66) {
            at->operand_size = here;
        } else if ((byte & 0xfe) == 0xf2) {
            at->first_repeat = at->first_repeat < 0 ? here : at->first_repeat;
            at->last_repeat = here;
        } else if ((byte & 0xe7) != 0x26 && (byte & 0xfe) != 0x64 && byte != 0x67 && byte != 0xf0) {
            at->rex = at->rex == here - 1 ? at->rex : -1;
            return byte;
        }
    }
}

/* Those of map 0F that F3, F2 and 66 tell apart, in this order (SDM 2A 2.1.2 and the opcode map, table A-3). */
static bool is_told_by_prefix(uint8_t opcode)
{
    return (opcode >= 0x10 && opcode <= 0x17) || (opcode >= 0x28 && opcode <= 0x2f) || (opcode >= 0x50 && opcode <= 0x7f) ||
           opcode == 0xc2 || (opcode >= 0xc4 && opcode <= 0xc6) || opcode >= 0xd0;
}

/* Whether there was one. */
static bool replace_66(Shown *shown, unsigned prefixes, uint8_t by)
{
    bool changed = false;

    for (unsigned i = 0; i < prefixes; i++)
        if (shown->bytes[i] == 0x66) {
            shown->bytes[i] = by;
            changed = true;
        }
    return changed;
}

/* Of F2 and F3 the last counts. */
static bool settle_repeats(Shown *shown, const Prefixes *at)
{
    bool changed = false;

    for (int i = 0; i < at->last_repeat; i++)
        if ((shown->bytes[i] & 0xfe) == 0xf2 && shown->bytes[i] != shown->prefix) {
            shown->bytes[i] = shown->prefix;
            changed = true;
        }
    return changed;
}

/* And 66 only without them: Unicorn takes 66 first, then F3. */
static bool settle_prefixes(Shown *shown, const Prefixes *at, unsigned prefixes)
{
    return settle_repeats(shown, at) | (at->last_repeat >= 0 && replace_66(shown, prefixes, shown->prefix));
}

/* The bytes of an operand behind its ModRM. */
static void read_operand(Env *env, uint64_t linear, uint8_t modrm, bool address16, Shown *shown)
{
    unsigned mode = modrm >> 6, rm = modrm & 7, count;

    if (mode == 3)
        return;
    if (address16) {
        count = mode == 0 ? (rm == 6 ? 2 : 0) : mode;
    } else {
        uint8_t base = rm == 4 ? next_byte(env, linear, shown) & 7 : rm;
        count = mode == 0 ? (base == 5 ? 4 : 0) : (mode == 1 ? 1 : 4);
    }
    while (count--)
        next_byte(env, linear, shown);
}

static bool has_prefix(const Shown *shown, uint8_t prefix, unsigned count)
{
    return memchr(shown->bytes, prefix, count) != NULL;
}

/* Maps 0F 38 and 0F 3A have nothing under F2 and F3 that a model has, but CRC32. SSSE3's MMX forms: REX does not reach
 * registers that are not there. Unicorn would write beyond the last. */
static bool correct_0f3x(Env *env, uint64_t linear, Shown *shown, const Prefixes *at)
{
    uint8_t map = shown->bytes[shown->size - 1], opcode = next_byte(env, linear, shown);
    bool repeats = at->last_repeat >= 0, settled = settle_repeats(shown, at);   /* of CRC32 */

    shown->refused = repeats && (map == 0x3a || opcode < 0xf0 || (opcode == 0xf6 && shown->prefix == 0xf2));
    if (shown->refused || !mmx_is_ssse3(map, opcode) || shown->prefix || at->rex < 0)
        return settled;
    uint8_t unused = REX_R | (next_byte(env, linear, shown) >= REGISTERS ? REX_B : 0);
    bool changed = shown->bytes[at->rex] & unused;
    shown->bytes[at->rex] &= ~unused;
    return changed;
}

static bool correct_0f(Env *env, uint64_t linear, Shown *shown, const Prefixes *at)
{
    unsigned prefixes = shown->size - 1;
    uint8_t opcode = next_byte(env, linear, shown);

    if (opcode == 0x38 || opcode == 0x3a)
        return correct_0f3x(env, linear, shown, at);
    shown->refused = opcode == 0x0f;        /* 3DNow!, which no model has: Unicorn reads its operand first */
    if (opcode == 0xae && shown->prefix) {  /* FXSAVE, FXRSTOR, LDMXCSR, STMXCSR take no prefix */
        uint8_t modrm = next_byte(env, linear, shown);
        shown->refused = modrm < REGISTERS && (modrm & 0x20) == 0;
    }
    if (opcode == 0xb8) {                   /* POPCNT, of 64 bits by REX.W whatever 66 says */
        bool wide = at->rex >= 0 && shown->bytes[at->rex] & REX_W;
        return settle_repeats(shown, at) | (wide && replace_66(shown, prefixes, IGNORED_IN_64_BIT));
    }
    if (!is_told_by_prefix(opcode))
        return false;
    bool changed = settle_prefixes(shown, at, prefixes), by_66 = shown->prefix == 0x66;
    if (opcode == 0x13 || opcode == 0x17 || (by_66 && (opcode == 0x12 || opcode == 0x16)))
        shown->refused = next_byte(env, linear, shown) >= REGISTERS;    /* MOVLPS and its kin want memory */
    if (opcode == 0xc2) {                   /* CMPPS and its kin look at three bits of the immediate byte */
        bool code32 = env->hflags & HF_CS32, by_67 = has_prefix(shown, 0x67, prefixes);
        bool address16 = !(env->hflags & HF_CS64) && code32 == by_67;
        read_operand(env, linear, next_byte(env, linear, shown), address16, shown);
        uint8_t predicate = next_byte(env, linear, shown);
        changed |= predicate > 7;
        shown->bytes[shown->size - 1] = predicate & 7;
    }
    return changed;
}

/* True if the translator is to be shown `shown`, or to refuse the instruction. Reads no byte that is not its own. */
bool instruction_corrected(Env *env, uint64_t linear, Shown *shown)
{
    bool code64 = env->hflags & HF_CS64;
    Prefixes at;

    shown->size = 0;
    shown->refused = false;
    uint8_t opcode = read_prefixes(env, linear, code64, shown, &at);
    shown->prefix = at.last_repeat >= 0 ? shown->bytes[at.last_repeat] : at.operand_size >= 0 ? 0x66 : 0;
    switch (opcode) {
    case 0x0f:
        return correct_0f(env, linear, shown, &at) || shown->refused;
    case 0xa6: case 0xa7: case 0xae: case 0xaf:     /* CMPS, SCAS */
        return settle_repeats(shown, &at);
    case 0x9e: case 0x9f:                   /* SAHF, LAHF: with REX, AH is not SPL */
        if (at.rex < 0)
            return false;
        shown->bytes[at.rex] = IGNORED_IN_64_BIT;
        return true;
    case 0xc6: case 0xc7:                   /* MOV's group: REX.R is no part of the opcode */
        if (at.rex < 0 || !(shown->bytes[at.rex] & REX_R))
            return false;
        shown->bytes[at.rex] &= ~REX_R;
        return true;
    case 0xf6: case 0xf7: {                 /* TEST has two encodings */
        uint8_t modrm = next_byte(env, linear, shown);
        shown->bytes[shown->size - 1] = modrm & ~8;
        return (modrm & GROUP_BITS) == 8;
    }
    default:
        return false;
    }
}
