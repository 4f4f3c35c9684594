/* VEX-encoded instructions that put elements elsewhere, and the few of integers that SSE has no twin of. */
#include "vex.h"

enum { ZF = 0x40, CF = 1, BYTES = MOST_LANES * LANE };

/* The operand's first element, of row.size bytes. */
void vex_broadcast(const Vex *x)
{
    uint8_t bytes[BYTES];
    unsigned size = x->row->size;

    vex_operand_bytes(x, bytes);
    for (unsigned at = size; at < BYTES; at++)
        bytes[at] = bytes[at - size];
    vex_result_bytes(x, bytes);
}

void vex_insert_lane(const Vex *x)
{
    Vector operand[MOST_LANES], result[MOST_LANES];

    vex_operand(x, operand);
    vex_get(x, x->code.vvvv, 0, &result[0]);
    vex_get(x, x->code.vvvv, 1, &result[1]);
    result[x->code.immediate & 1] = operand[0];
    vex_result(x, result);
}

void vex_extract_lane(const Vex *x)
{
    Vector lane;

    vex_get(x, x->code.reg, x->code.immediate & 1, &lane);
    if (x->code.memory) {
        vex_store(x, &lane, LANE);
        return;
    }
    vex_put(x, x->code.rm, 0, &lane);
    vex_clear_high(x, x->code.rm);
}

/* VPERM2F128, VPERM2I128. */
void vex_permute_lanes(const Vex *x)
{
    Vector from[2 * MOST_LANES], result[MOST_LANES] = {0};

    vex_get(x, x->code.vvvv, 0, &from[0]);
    vex_get(x, x->code.vvvv, 1, &from[1]);
    vex_operand(x, from + 2);
    for (unsigned i = 0; i < 2; i++) {
        unsigned control = x->code.immediate >> 4 * i & 15;
        if (!(control & 8))
            result[i] = from[control & 3];
    }
    vex_result(x, result);
}

/* VPERMD, VPERMPS. */
void vex_permute_dwords(const Vex *x)
{
    uint32_t from[8], indices[8], result[8];

    vex_operand_bytes(x, (uint8_t *)from);
    vex_register_bytes(x, x->code.vvvv, (uint8_t *)indices);
    for (unsigned i = 0; i < 8; i++)
        result[i] = from[indices[i] & 7];
    vex_result_bytes(x, (uint8_t *)result);
}

/* VPERMQ, VPERMPD. */
void vex_permute_quads(const Vex *x)
{
    uint64_t from[4], result[4];

    vex_operand_bytes(x, (uint8_t *)from);
    for (unsigned i = 0; i < 4; i++)
        result[i] = from[x->code.immediate >> 2 * i & 3];
    vex_result_bytes(x, (uint8_t *)result);
}

/* VPERMILPS and VPERMILPD by a vector; row.word: bytes of an element. */
void vex_permute_in_lane(const Vex *x)
{
    Vector control[MOST_LANES], from, result[MOST_LANES];

    vex_operand(x, control);
    for (unsigned i = 0; i < x->lanes; i++) {
        vex_get(x, x->code.vvvv, i, &from);
        for (unsigned j = 0; j < 4 && x->row->word == 4; j++)
            result[i].l[j] = from.l[control[i].l[j] & 3];
        for (unsigned j = 0; j < 2 && x->row->word == 8; j++)
            result[i].q[j] = from.q[control[i].q[j] >> 1 & 1];
    }
    vex_result(x, result);
}

/* By the immediate byte. */
void vex_permute_in_lane_by(const Vex *x)
{
    Vector from[MOST_LANES], result[MOST_LANES];

    vex_operand(x, from);
    for (unsigned i = 0; i < x->lanes; i++) {
        for (unsigned j = 0; j < 4 && x->row->word == 4; j++)
            result[i].l[j] = from[i].l[x->code.immediate >> 2 * j & 3];
        for (unsigned j = 0; j < 2 && x->row->word == 8; j++)
            result[i].q[j] = from[i].q[x->code.immediate >> (2 * i + j) & 1];
    }
    vex_result(x, result);
}

/* By a bit for each element of row.word bytes, eight at most: of words both lanes have the same. */
void vex_blend(const Vex *x)
{
    uint8_t operand[BYTES], result[BYTES];
    unsigned size = x->row->word;

    vex_operand_bytes(x, operand);
    vex_register_bytes(x, x->code.vvvv, result);
    for (unsigned i = 0; i < BYTES / size; i++)
        if (x->code.immediate >> (i & 7) & 1)
            memcpy(result + size * i, operand + size * i, size);
    vex_result_bytes(x, result);
}

/* By the signs of a register that the immediate byte names. */
void vex_blend_by_register(const Vex *x)
{
    uint8_t operand[BYTES], result[BYTES], mask[BYTES];
    unsigned size = x->row->word, reg = x->code.immediate >> 4 & (x->code.code64 ? 15 : 7);

    vex_operand_bytes(x, operand);
    vex_register_bytes(x, x->code.vvvv, result);
    vex_register_bytes(x, reg, mask);
    for (unsigned i = 0; i < BYTES / size; i++)
        if (mask[size * i + size - 1] >> 7)
            memcpy(result + size * i, operand + size * i, size);
    vex_result_bytes(x, result);
}

static unsigned element_size(const Vex *x)
{
    return x->row->size == WORD ? (x->code.wide ? 8 : 4) : x->row->size;
}

/* PINSRB, PINSRW, PINSRD, PINSRQ. */
void vex_insert(const Vex *x)
{
    unsigned size = element_size(x);
    uint64_t value = 0;
    Vector result;

    if (x->code.memory)
        vex_load(x, &value, size);
    else
        value = x->env->regs[x->code.rm];
    vex_get(x, x->code.vvvv, 0, &result);
    memcpy(result.b + (x->code.immediate * size & (LANE - 1)), &value, size);
    vex_result(x, &result);
}

/* INSERTPS. */
void vex_insert_single(const Vex *x)
{
    Vector operand[MOST_LANES], result;
    unsigned control = x->code.immediate;

    vex_operand(x, operand);
    vex_get(x, x->code.vvvv, 0, &result);
    result.l[control >> 4 & 3] = operand[0].l[x->code.memory ? 0 : control >> 6];
    for (unsigned i = 0; i < 4; i++)
        if (control >> i & 1)
            result.l[i] = 0;
    vex_result(x, &result);
}

/* PEXTRB, PEXTRW, PEXTRD, PEXTRQ, EXTRACTPS. */
void vex_extract(const Vex *x)
{
    unsigned size = element_size(x);
    uint64_t value = 0;
    Vector from;

    vex_get(x, x->code.reg, 0, &from);
    memcpy(&value, from.b + (x->code.immediate * size & (LANE - 1)), size);
    if (x->code.memory)
        vex_store(x, &value, size);
    else
        x->env->regs[x->code.rm] = value;
}

/* PEXTRW of the older form. */
void vex_extract_word(const Vex *x)
{
    Vector from;

    vex_get(x, x->code.rm, 0, &from);
    x->env->regs[x->code.reg] = from.w[x->code.immediate & 7];
}

/* PMOVSX and PMOVZX; row.word: bytes of an element before, times 16, and after. */
static void extend(const Vex *x, bool is_signed)
{
    uint8_t from[BYTES], result[BYTES];
    unsigned narrow = x->row->word >> 4, wide = x->row->word & 15;

    vex_operand_bytes(x, from);
    for (unsigned i = 0; i < x->lanes * LANE / wide; i++) {
        uint8_t sign = is_signed && from[narrow * i + narrow - 1] >> 7 ? 0xff : 0;
        memset(result + wide * i, sign, wide);
        memcpy(result + wide * i, from + narrow * i, narrow);
    }
    vex_result_bytes(x, result);
}

void vex_extend_signed(const Vex *x)
{
    extend(x, true);
}

void vex_extend_zeros(const Vex *x)
{
    extend(x, false);
}

/* PSHUFLW, PSHUFHW; row.word: the first word. */
void vex_shuffle_words(const Vex *x)
{
    Vector from[MOST_LANES], result[MOST_LANES];
    unsigned first = x->row->word;

    vex_operand(x, from);
    for (unsigned i = 0; i < x->lanes; i++) {
        result[i] = from[i];
        for (unsigned j = 0; j < 4; j++)
            result[i].w[first + j] = from[i].w[first + (x->code.immediate >> 2 * j & 3)];
    }
    vex_result(x, result);
}

void vex_shuffle_singles(const Vex *x)
{
    Vector from[MOST_LANES], first, result[MOST_LANES];

    vex_operand(x, from);
    for (unsigned i = 0; i < x->lanes; i++) {
        vex_get(x, x->code.vvvv, i, &first);
        for (unsigned j = 0; j < 4; j++)
            result[i].l[j] = (j < 2 ? &first : &from[i])->l[x->code.immediate >> 2 * j & 3];
    }
    vex_result(x, result);
}

void vex_shuffle_doubles(const Vex *x)
{
    Vector from[MOST_LANES], first, result[MOST_LANES];

    vex_operand(x, from);
    for (unsigned i = 0; i < x->lanes; i++) {
        vex_get(x, x->code.vvvv, i, &first);
        result[i].q[0] = first.q[x->code.immediate >> 2 * i & 1];
        result[i].q[1] = from[i].q[x->code.immediate >> (2 * i + 1) & 1];
    }
    vex_result(x, result);
}

/* MPSADBW: three bits of the immediate byte for each lane. */
void vex_sum_differences(const Vex *x)
{
    Vector operand[MOST_LANES], result[MOST_LANES];

    vex_operand(x, operand);
    for (unsigned i = 0; i < x->lanes; i++) {
        vex_get(x, x->code.vvvv, i, &result[i]);
        x->row->by(x->env, &result[i], &operand[i], x->code.immediate >> 3 * i & 7);
    }
    vex_result(x, result);
}

enum { RIGHT = 0x45, RIGHT_SIGNED = 0x46 };

static uint64_t shifted(uint8_t opcode, bool wide, uint64_t value, uint64_t count)
{
    unsigned bits = wide ? 64 : 32;

    if (opcode == RIGHT_SIGNED)
        return (int64_t)(int32_t)value >> (count < 31 ? count : 31);
    if (count >= bits)
        return 0;
    return opcode == RIGHT ? value >> count : value << count;
}

/* VPSRLVD and its kin. */
void vex_shift_variable(const Vex *x)
{
    Vector counts[MOST_LANES], result[MOST_LANES];

    vex_operand(x, counts);
    for (unsigned i = 0; i < x->lanes; i++) {
        vex_get(x, x->code.vvvv, i, &result[i]);
        for (unsigned j = 0; j < 4 && !x->code.wide; j++)
            result[i].l[j] = shifted(x->row->opcode, false, result[i].l[j], counts[i].l[j]);
        for (unsigned j = 0; j < 2 && x->code.wide; j++)
            result[i].q[j] = shifted(x->row->opcode, true, result[i].q[j], counts[i].q[j]);
    }
    vex_result(x, result);
}

/* PTEST, TESTPS, TESTPD; row.word: the bits of each quad word that count. */
void vex_test(const Vex *x)
{
    Vector operand[MOST_LANES], first;
    uint64_t both = 0, second_only = 0;

    vex_operand(x, operand);
    for (unsigned i = 0; i < x->lanes; i++) {
        vex_get(x, x->code.reg, i, &first);
        for (unsigned j = 0; j < 2; j++) {
            both |= operand[i].q[j] & first.q[j];
            second_only |= operand[i].q[j] & ~first.q[j];
        }
    }
    x->env->cc_src = (both & x->row->word ? 0 : ZF) | (second_only & x->row->word ? 0 : CF);
}
