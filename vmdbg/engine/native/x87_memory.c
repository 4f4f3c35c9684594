/* Instructions of the x87 with an operand in memory. */
#include "x87_stack.h"

static uint64_t load(const Vex *at, unsigned size)
{
    uint64_t value = 0;

    vex_load_at(at, vex_linear(at), &value, size);
    return value;
}

static Real load_real(const Vex *at)
{
    uint8_t bytes[10];
    Real value;

    vex_load_at(at, vex_linear(at), bytes, sizeof bytes);
    memcpy(&value.mantissa, bytes, 8);
    memcpy(&value.exponent, bytes + 8, 2);
    return value;
}

/* m32fp, m32int, m64fp and m16int of D8h, DAh, DCh and DEh. */
static Real memory_operand(X87 *x, const Vex *at, unsigned format)
{
    switch (format) {
    case 0: return x87_from_single(x, load(at, 4));
    case 1: return x87_from_integer((int32_t)load(at, 4));
    case 2: return x87_from_double(x, load(at, 8));
    default: return x87_from_integer((int16_t)load(at, 2));
    }
}

static void operate_on_memory(X87 *x, const Vex *at, unsigned format, unsigned group)
{
    Real b = memory_operand(x, at, format);

    if (group == 2 || group == 3)
        compare(x, b, false, false, group == 3);
    else
        arithmetic(x, group, b, false, 0, false);
}

/* What is stored if ST(0) is empty and that is masked: the indefinite of each format. */
static void store(X87 *x, const Vex *at, const void *bytes, unsigned size, bool pops)
{
    if (stores(x))
        vex_store_at(at, vex_linear(at), bytes, size);
    else
        vex_probe_store(at, vex_linear(at), size);
    commit_plain(x);
    if (stores(x) && pops)
        pop(x->env);
}

static void store_integer(X87 *x, const Vex *at, unsigned size, bool truncates, bool pops)
{
    int64_t value = INT64_MIN >> (64 - 8 * size);

    if (is_empty(x->env, 0))
        stack_fault(x, false);
    else
        value = x87_to_integer(x, get(x->env, 0), 8 * size, truncates);
    store(x, at, &value, size, pops);
}

static void store_float(X87 *x, const Vex *at, unsigned size, bool pops)
{
    bool empty = is_empty(x->env, 0);
    Real a = empty ? x87_indefinite() : get(x->env, 0);
    uint64_t value = size == 4 ? x87_to_single(x, a) : x87_to_double(x, a);

    if (empty)
        stack_fault(x, false);
    store(x, at, &value, size, pops);
}

static void store_real(X87 *x, const Vex *at)
{
    bool empty = is_empty(x->env, 0);
    Real a = empty ? x87_indefinite() : get(x->env, 0);
    uint8_t bytes[10];

    if (empty)
        stack_fault(x, false);
    memcpy(bytes, &a.mantissa, 8);
    memcpy(bytes + 8, &a.exponent, 2);
    store(x, at, bytes, sizeof bytes, true);
}

static void load_decimal(X87 *x, const Vex *at)
{
    uint8_t bytes[10];
    int64_t value = 0;

    vex_load_at(at, vex_linear(at), bytes, sizeof bytes);
    for (int i = 8; i >= 0; i--)
        value = value * 100 + (bytes[i] >> 4) * 10 + (bytes[i] & 15);
    Real a = x87_from_integer(value);
    a.exponent |= bytes[9] & 0x80 ? X87_SIGN : 0;
    push(x, a);
}

static void store_decimal(X87 *x, const Vex *at)
{
    static const uint8_t indefinite[10] = {0, 0, 0, 0, 0, 0, 0, 0xc0, 0xff, 0xff};
    const int64_t most = 999999999999999999;
    uint8_t bytes[10];
    int64_t value = 0;

    if (is_empty(x->env, 0))
        stack_fault(x, false);
    else
        value = x87_to_integer(x, get(x->env, 0), 64, false);
    if (value > most || value < -most)
        x->raised = X87_IE;
    memcpy(bytes, indefinite, sizeof bytes);
    if (!(x->raised & X87_IE)) {
        uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
        for (int i = 0; i < 9; i++, rest /= 100)
            bytes[i] = (uint8_t)(rest % 10 | rest / 10 % 10 << 4);
        bytes[9] = get(x->env, 0).exponent & X87_SIGN ? 0x80 : 0;
    }
    store(x, at, bytes, sizeof bytes, true);
}

static void store_word(const Vex *at, uint16_t word)
{
    vex_store_at(at, vex_linear(at), &word, sizeof word);
}

/* Loads, stores and what is about the whole x87: D9h, DBh, DDh and DFh. */
static void execute_transfer(X87 *x, const Vex *at, unsigned opcode, unsigned group, bool words_are_16)
{
    switch (opcode << 3 | group) {
    case 010: push(x, x87_quiet(x, x87_from_single(x, load(at, 4)))); break;
    case 012: case 013: store_float(x, at, 4, group == 3); break;
    case 014: x87_load_environment(x, at, words_are_16, false); break;
    case 015: x87_load_control(x, at); break;
    case 016: x87_store_environment(x, at, words_are_16, false); break;
    case 017: store_word(at, x->env->fpuc); break;
    case 030: push(x, x87_from_integer((int32_t)load(at, 4))); break;
    case 031: store_integer(x, at, 4, true, true); break;
    case 032: case 033: store_integer(x, at, 4, false, group == 3); break;
    case 035: push(x, load_real(at)); break;
    case 037: store_real(x, at); break;
    case 050: push(x, x87_quiet(x, x87_from_double(x, load(at, 8)))); break;
    case 051: store_integer(x, at, 8, true, true); break;
    case 052: case 053: store_float(x, at, 8, group == 3); break;
    case 054: x87_load_environment(x, at, words_are_16, true); break;
    case 056: x87_store_environment(x, at, words_are_16, true); break;
    case 057: store_word(at, x87_status_word(x->env)); break;
    case 070: push(x, x87_from_integer((int16_t)load(at, 2))); break;
    case 071: store_integer(x, at, 2, true, true); break;
    case 072: case 073: store_integer(x, at, 2, false, group == 3); break;
    case 074: load_decimal(x, at); break;
    case 075: push(x, x87_from_integer((int64_t)load(at, 8))); break;
    case 076: store_decimal(x, at); break;
    default: store_integer(x, at, 8, false, true);
    }
}

void x87_execute_memory(X87 *x, const Vex *at, unsigned opcode, unsigned group, bool words_are_16)
{
    if (opcode & 1)
        execute_transfer(x, at, opcode, group, words_are_16);
    else
        operate_on_memory(x, at, opcode >> 1, group);
}
