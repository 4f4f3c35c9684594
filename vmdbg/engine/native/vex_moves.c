/* VEX-encoded moves. */
#include "vex.h"

enum { LEGACY_REGISTERS = 8 };

void vex_move_load(const Vex *x)
{
    Vector operand[MOST_LANES];

    vex_operand(x, operand);
    vex_result(x, operand);
}

/* To what ModRM names; what is beyond `size` bytes becomes zero in a register. */
static void store_low(const Vex *x, const void *from, unsigned size)
{
    uint8_t bytes[MOST_LANES * LANE] = {0};

    if (x->code.memory) {
        vex_store(x, from, size);
        return;
    }
    memcpy(bytes, from, size);
    memcpy(x->env->xmm_regs[x->code.rm], bytes, LANE);
    memcpy(x->env->xmm_regs[x->code.rm + HIGH_LANES], bytes + LANE, LANE);
}

void vex_move_store(const Vex *x)
{
    uint8_t bytes[MOST_LANES * LANE];

    vex_register_bytes(x, x->code.reg, bytes);
    store_low(x, bytes, x->lanes * LANE);
}

/* MOVSS and MOVSD: a register's are merged, row.size bytes of them. */
void vex_move_scalar_load(const Vex *x)
{
    Vector operand[MOST_LANES], result;

    vex_operand(x, operand);
    if (x->code.memory) {
        vex_result(x, operand);
        return;
    }
    vex_get(x, x->code.vvvv, 0, &result);
    memcpy(&result, operand, x->row->size);
    vex_result(x, &result);
}

void vex_move_scalar_store(const Vex *x)
{
    Vector from, merged;

    vex_get(x, x->code.reg, 0, &from);
    if (x->code.memory) {
        vex_store(x, &from, x->row->size);
        return;
    }
    vex_get(x, x->code.vvvv, 0, &merged);
    memcpy(&merged, &from, x->row->size);
    vex_put(x, x->code.rm, 0, &merged);
    vex_clear_high(x, x->code.rm);
}

/* MOVLPS, MOVLPD, MOVHLPS. */
void vex_move_low(const Vex *x)
{
    Vector operand[MOST_LANES], result;

    vex_operand(x, operand);
    vex_get(x, x->code.vvvv, 0, &result);
    result.q[0] = operand[0].q[x->code.memory ? 0 : 1];
    vex_result(x, &result);
}

/* MOVHPS, MOVHPD, MOVLHPS. */
void vex_move_high(const Vex *x)
{
    Vector operand[MOST_LANES], result;

    vex_operand(x, operand);
    vex_get(x, x->code.vvvv, 0, &result);
    result.q[1] = operand[0].q[0];
    vex_result(x, &result);
}

void vex_store_low(const Vex *x)
{
    vex_store(x, &x->env->xmm_regs[x->code.reg][0], 8);
}

void vex_store_high(const Vex *x)
{
    vex_store(x, &x->env->xmm_regs[x->code.reg][1], 8);
}

void vex_move_quad(const Vex *x)
{
    Vector operand[MOST_LANES];

    vex_operand(x, operand);
    operand[0].q[1] = 0;
    vex_result(x, operand);
}

void vex_store_quad(const Vex *x)
{
    store_low(x, x->env->xmm_regs[x->code.reg], 8);
}

/* MOVD, MOVQ. */
void vex_move_from_general(const Vex *x)
{
    Vector result = {.q = {vex_general_operand(x), 0}};

    vex_result(x, &result);
}

void vex_move_to_general(const Vex *x)
{
    uint64_t value = x->env->xmm_regs[x->code.reg][0];

    if (x->code.memory)
        vex_store(x, &value, x->code.wide ? 8 : 4);
    else
        vex_set_general(x, x->code.rm, value);
}

static void duplicate_singles(const Vex *x, unsigned odd)
{
    Vector operand[MOST_LANES];

    vex_operand(x, operand);
    for (unsigned i = 0; i < x->lanes; i++)
        for (unsigned j = 0; j < 4; j += 2)
            operand[i].l[j] = operand[i].l[j + 1] = operand[i].l[j + odd];
    vex_result(x, operand);
}

void vex_duplicate_even(const Vex *x)
{
    duplicate_singles(x, 0);
}

void vex_duplicate_odd(const Vex *x)
{
    duplicate_singles(x, 1);
}

void vex_duplicate_double(const Vex *x)
{
    Vector operand[MOST_LANES];

    vex_operand(x, operand);
    operand[0].q[1] = operand[0].q[0];
    operand[1].q[1] = operand[1].q[0];
    vex_result(x, operand);
}

/* VZEROUPPER, VZEROALL. */
void vex_zero_upper(const Vex *x)
{
    unsigned registers = x->code.code64 ? 16 : LEGACY_REGISTERS;

    for (unsigned i = 0; i < registers; i++) {
        vex_clear_high(x, i);
        if (x->code.is_256)
            memset(x->env->xmm_regs[i], 0, LANE);
    }
}

/* The sign of each element of `size` bytes. */
static void move_signs(const Vex *x, unsigned size)
{
    uint8_t bytes[MOST_LANES * LANE];
    uint32_t mask = 0;

    vex_register_bytes(x, x->code.rm, bytes);
    for (unsigned i = 0; i < x->lanes * LANE / size; i++)
        mask |= (uint32_t)(bytes[size * i + size - 1] >> 7) << i;
    x->env->regs[x->code.reg] = mask;
}

void vex_move_mask_singles(const Vex *x)
{
    move_signs(x, 4);
}

void vex_move_mask_doubles(const Vex *x)
{
    move_signs(x, 8);
}

void vex_move_mask_bytes(const Vex *x)
{
    move_signs(x, 1);
}

void __real_helper_ldmxcsr_x86_64(Env *env, uint32_t value);

void vex_load_mxcsr(const Vex *x)
{
    uint32_t value;

    vex_load(x, &value, sizeof value);
    if (value >> 16)
        raise_exception_err_ra_x86_64(x->env, 13, 0, x->host_pc);
    __real_helper_ldmxcsr_x86_64(x->env, value);
    sse_status_load(x->env);
}

void vex_store_mxcsr(const Vex *x)
{
    sse_status_collect(x->env);
    vex_store(x, &x->env->mxcsr, sizeof x->env->mxcsr);
}

static bool is_chosen(const uint8_t *mask, unsigned size, unsigned number)
{
    return mask[size * number + size - 1] >> 7;
}

/* Elements whose mask is negative; nothing is stored before all may be. */
static void store_chosen(const Vex *x, uint64_t linear, const uint8_t *from, const uint8_t *mask, unsigned size, unsigned count)
{
    uint64_t probed = 1;

    for (unsigned i = 0; i < count; i++) {
        uint64_t first = linear + size * i, last = first + size - 1;
        if (!is_chosen(mask, size, i) || ((first | 0xfff) == probed && (last | 0xfff) == probed))
            continue;
        vex_probe_store(x, first, size);
        probed = last | 0xfff;
    }
    for (unsigned i = 0; i < count; i++)
        if (is_chosen(mask, size, i))
            vex_store_at(x, linear + size * i, from + size * i, size);
}

/* MASKMOVDQU: to DS:rDI. */
void vex_mask_move_bytes(const Vex *x)
{
    Vex there = *x;
    uint8_t from[MOST_LANES * LANE], mask[MOST_LANES * LANE];

    there.code.has_base = true;
    there.code.rm = R_RDI;
    vex_register_bytes(x, x->code.reg, from);
    vex_register_bytes(x, x->code.rm, mask);
    store_chosen(x, vex_linear(&there), from, mask, 1, LANE);
}

static unsigned element_size(const Vex *x)
{
    return x->row->word ? x->row->word : x->code.wide ? 8 : 4;
}

/* VMASKMOVPS and its kin. */
void vex_mask_load(const Vex *x)
{
    uint8_t to[MOST_LANES * LANE] = {0}, mask[MOST_LANES * LANE];
    unsigned size = element_size(x);
    uint64_t linear = vex_linear(x);

    vex_register_bytes(x, x->code.vvvv, mask);
    for (unsigned i = 0; i < x->lanes * LANE / size; i++)
        if (is_chosen(mask, size, i))
            vex_load_at(x, linear + size * i, to + size * i, size);
    vex_result_bytes(x, to);
}

void vex_mask_store(const Vex *x)
{
    uint8_t from[MOST_LANES * LANE], mask[MOST_LANES * LANE];
    unsigned size = element_size(x);

    vex_register_bytes(x, x->code.reg, from);
    vex_register_bytes(x, x->code.vvvv, mask);
    store_chosen(x, vex_linear(x), from, mask, size, x->lanes * LANE / size);
}

static uint8_t *byte_of(const Vex *x, unsigned reg, unsigned at)
{
    return (uint8_t *)x->env->xmm_regs[reg + HIGH_LANES * (at / LANE)] + at % LANE;
}

/* Gathers. A fault leaves what was loaded before it in the destination, and its mask clear (SDM 2C, VGATHERDPS). */
void vex_gather(const Vex *x)
{
    unsigned size = x->code.wide ? 8 : 4, index_size = x->row->opcode & 1 ? 8 : 4, most = size > index_size ? size : index_size;
    uint8_t indices[MOST_LANES * LANE];

    if (x->code.reg == x->code.vvvv || x->code.reg == x->code.index || x->code.vvvv == x->code.index)
        raise_exception_ra_x86_64(x->env, 6, x->host_pc);
    vex_register_bytes(x, x->code.index, indices);
    for (unsigned i = 0; i < x->lanes * LANE / most; i++) {
        uint8_t *mask = byte_of(x, x->code.vvvv, size * i), value[8];
        Vex element = *x;
        int64_t index;
        if (mask[size - 1] >> 7) {
            memcpy(&index, indices + index_size * i, sizeof index);
            element.displacement += (uint64_t)(index_size == 4 ? (int32_t)index : index) << x->code.scale;
            vex_load_at(x, vex_linear(&element), value, size);
            memcpy(byte_of(x, x->code.reg, size * i), value, size);
        }
        memset(mask, 0, size);
    }
    unsigned used = x->lanes * LANE / most * size;
    for (unsigned at = used; at < MOST_LANES * LANE; at++)
        *byte_of(x, x->code.reg, at) = *byte_of(x, x->code.vvvv, at) = 0;
}
