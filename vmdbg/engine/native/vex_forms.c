/* Instructions that do to each lane what their legacy twins do to a register. */
#include "vex.h"

enum { OPCODE_TRUNCATES = 0x2c, F3 = 2, STRING_MASK_EXPLICIT = 0x60, STRING_MASK_IMPLICIT = 0x62 };

void vex_binary(const Vex *x)
{
    Vector operand[MOST_LANES], result[MOST_LANES];

    vex_operand(x, operand);
    for (unsigned i = 0; i < x->lanes; i++) {
        vex_get(x, x->code.vvvv, i, &result[i]);
        x->row->combine(x->env, &result[i], &operand[i]);
    }
    vex_result(x, result);
}

void vex_binary_by(const Vex *x)
{
    Vector operand[MOST_LANES], result[MOST_LANES];

    vex_operand(x, operand);
    for (unsigned i = 0; i < x->lanes; i++) {
        vex_get(x, x->code.vvvv, i, &result[i]);
        x->row->by(x->env, &result[i], &operand[i], x->code.immediate);
    }
    vex_result(x, result);
}

void vex_unary(const Vex *x)
{
    Vector operand[MOST_LANES], result[MOST_LANES] = {0};

    vex_operand(x, operand);
    for (unsigned i = 0; i < x->lanes; i++)
        x->row->combine(x->env, &result[i], &operand[i]);
    vex_result(x, result);
}

void vex_unary_by(const Vex *x)
{
    Vector operand[MOST_LANES], result[MOST_LANES] = {0};

    vex_operand(x, operand);
    for (unsigned i = 0; i < x->lanes; i++)
        x->row->by(x->env, &result[i], &operand[i], x->code.immediate);
    vex_result(x, result);
}

/* The count is the low lane of the operand for all lanes. */
void vex_shift_by_vector(const Vex *x)
{
    Vector operand[MOST_LANES], result[MOST_LANES];

    vex_operand(x, operand);
    for (unsigned i = 0; i < x->lanes; i++) {
        vex_get(x, x->code.vvvv, i, &result[i]);
        x->row->combine(x->env, &result[i], &operand[0]);
    }
    vex_result(x, result);
}

/* vvvv is the destination. */
void vex_shift_by_immediate(const Vex *x)
{
    Vector count = {.q = {x->code.immediate}}, result;

    for (unsigned i = 0; i < x->lanes; i++) {
        vex_get(x, x->code.rm, i, &result);
        x->row->combine(x->env, &result, &count);
        vex_put(x, x->code.vvvv, i, &result);
    }
    if (x->lanes == 1)
        vex_clear_high(x, x->code.vvvv);
}

/* To elements twice as wide. */
void vex_widen(const Vex *x)
{
    Vector operand[MOST_LANES], result[MOST_LANES] = {0};

    vex_operand(x, operand);
    operand[1].q[0] = operand[0].q[1];
    for (unsigned i = 0; i < x->lanes; i++)
        x->row->combine(x->env, &result[i], &operand[i]);
    vex_result(x, result);
}

/* To elements half as wide. */
void vex_narrow(const Vex *x)
{
    Vector operand[MOST_LANES], half = {0}, result = {0};

    vex_operand(x, operand);
    for (unsigned i = 0; i < x->lanes; i++) {
        x->row->combine(x->env, &half, &operand[i]);
        result.q[i] = half.q[0];
    }
    vex_put(x, x->code.reg, 0, &result);
    vex_clear_high(x, x->code.reg);
}

uint32_t int32_to_float32_x86_64(int32_t, FloatStatus *), int64_to_float32_x86_64(int64_t, FloatStatus *);
uint64_t int32_to_float64_x86_64(int32_t, FloatStatus *), int64_to_float64_x86_64(int64_t, FloatStatus *);

/* CVTSI2SS, CVTSI2SD. */
void vex_from_general(const Vex *x)
{
    FloatStatus *status = &x->env->sse_status;
    int64_t value = vex_general_operand(x);
    Vector result;

    vex_get(x, x->code.vvvv, 0, &result);
    if (x->row->prefix == F3)
        result.l[0] = x->code.wide ? int64_to_float32_x86_64(value, status) : int32_to_float32_x86_64((int32_t)value, status);
    else
        result.q[0] = x->code.wide ? int64_to_float64_x86_64(value, status) : int32_to_float64_x86_64((int32_t)value, status);
    vex_result(x, &result);
}

int32_t helper_cvtss2si_x86_64(Env *, void *), helper_cvtsd2si_x86_64(Env *, void *);
int32_t helper_cvttss2si_x86_64(Env *, void *), helper_cvttsd2si_x86_64(Env *, void *);
int64_t helper_cvtss2sq_x86_64(Env *, void *), helper_cvtsd2sq_x86_64(Env *, void *);
int64_t helper_cvttss2sq_x86_64(Env *, void *), helper_cvttsd2sq_x86_64(Env *, void *);

/* CVTSS2SI, CVTSD2SI, CVTTSS2SI, CVTTSD2SI. */
void vex_to_general(const Vex *x)
{
    Vector operand[MOST_LANES];
    bool truncates = x->row->opcode == OPCODE_TRUNCATES, single = x->row->prefix == F3;

    vex_operand(x, operand);
    if (x->code.wide)
        x->env->regs[x->code.reg] = (single ? (truncates ? helper_cvttss2sq_x86_64 : helper_cvtss2sq_x86_64)
                                            : (truncates ? helper_cvttsd2sq_x86_64 : helper_cvtsd2sq_x86_64))(x->env, operand);
    else
        x->env->regs[x->code.reg] =
            (uint32_t)(single ? (truncates ? helper_cvttss2si_x86_64 : helper_cvtss2si_x86_64)
                              : (truncates ? helper_cvttsd2si_x86_64 : helper_cvtsd2si_x86_64))(x->env, operand);
}

/* COMISS and its kin: the function sets flags alone. */
void vex_compares(const Vex *x)
{
    Vector operand[MOST_LANES], first;

    vex_operand(x, operand);
    vex_get(x, x->code.reg, 0, &first);
    x->row->combine(x->env, &first, operand);
}

/* PCMPESTRI and its kin, which set flags and either RCX or XMM0. */
void vex_compares_by(const Vex *x)
{
    Vector operand[MOST_LANES], first;

    vex_operand(x, operand);
    vex_get(x, x->code.reg, 0, &first);
    x->row->by(x->env, &first, operand, x->code.immediate | x->code.wide << 8);
    if (x->row->opcode == STRING_MASK_EXPLICIT || x->row->opcode == STRING_MASK_IMPLICIT)
        vex_clear_high(x, 0);
}
