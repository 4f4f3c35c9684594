/* The x87 as a whole: its control, status and tag words and pointers in memory, with registers or without. */
#include "x87_stack.h"

enum { CONTROL_BITS = 0x1f3f, CONTROL_ONES = 0x40, CONTROL_RESET = 0x37f, TOP_SHIFT = 11, TOP = 7 << TOP_SHIFT };

void x87_reset(Env *env)
{
    env->fpuc = CONTROL_RESET;
    env->fpus = env->fpstt = 0;
    memset(env->fptags, 1, sizeof env->fptags);
    env->fpip = env->fpdp = 0;
    env->fpop = env->fpcs = env->fpds = 0;
    settle_summary(env);
    update_fp_status_x86_64(env);
}

uint16_t x87_status_word(const Env *env)
{
    return (env->fpus & ~TOP) | (env->fpstt & 7) << TOP_SHIFT;
}

static unsigned tag_of(const Env *env, unsigned physical)
{
    Real a = {env->fpregs[physical].mantissa, env->fpregs[physical].exponent};

    if (env->fptags[physical])
        return 3;
    if (x87_is_zero(a))
        return 1;
    unsigned exponent = a.exponent & X87_SPECIAL;
    return exponent == 0 || exponent == X87_SPECIAL || !(a.mantissa & X87_ONE_BIT) ? 2 : 0;
}

enum { ENVIRONMENT_WORDS = 7 };

/* SDM 1, figures 8-9 to 8-12; reserved halves are all ones. Returns the size. */
static unsigned pack_environment(const Env *env, bool words_are_16, uint8_t *to)
{
    unsigned tags = 0;
    bool real_mode = !(env->cr[0] & CR0_PE) || env->eflags & FLAG_VM;

    for (unsigned i = 0; i < 8; i++)
        tags |= tag_of(env, i) << 2 * i;
    uint32_t words[ENVIRONMENT_WORDS] = {env->fpuc, x87_status_word(env), tags, env->fpip, env->fpcs, env->fpdp, env->fpds};
    if (real_mode) {
        uint32_t ip = (env->fpcs << 4) + env->fpip, dp = (env->fpds << 4) + env->fpdp;
        words[3] = ip & 0xffff;
        words[4] = (ip >> 16) << 12 | (env->fpop & 0x7ff);
        words[5] = dp & 0xffff;
        words[6] = (dp >> 16) << 12;
    } else if (!words_are_16) {
        words[4] |= (env->fpop & 0x7ffu) << 16;
    }
    for (unsigned i = 0; i < ENVIRONMENT_WORDS; i++) {
        uint32_t ones = i < 3 || i == 6 ? 0xffff0000 : 0;
        uint32_t word = words[i] | (real_mode && i == 6 ? 0 : ones);
        memcpy(to + (words_are_16 ? 2 : 4) * i, &word, words_are_16 ? 2 : 4);
    }
    return ENVIRONMENT_WORDS * (words_are_16 ? 2 : 4);
}

static void unpack_environment(Env *env, bool words_are_16, const uint8_t *from)
{
    uint32_t words[ENVIRONMENT_WORDS] = {0};

    for (unsigned i = 0; i < ENVIRONMENT_WORDS; i++)
        memcpy(&words[i], from + (words_are_16 ? 2 : 4) * i, words_are_16 ? 2 : 4);
    env->fpuc = (words[0] & CONTROL_BITS) | CONTROL_ONES;
    env->fpus = words[1] & 0xffff & ~TOP;
    env->fpstt = words[1] >> TOP_SHIFT & 7;
    for (unsigned i = 0; i < 8; i++)
        env->fptags[i] = (words[2] >> 2 * i & 3) == 3;
    bool real_mode = !(env->cr[0] & CR0_PE) || env->eflags & FLAG_VM;
    env->fpip = real_mode ? (words[3] & 0xffff) | (words[4] & 0x0ffff000) << 4 : words[3];
    env->fpdp = real_mode ? (words[5] & 0xffff) | (words[6] & 0x0ffff000) << 4 : words[5];
    env->fpcs = real_mode ? 0 : words[4];
    env->fpds = real_mode ? 0 : words[6];
    env->fpop = real_mode ? words[4] & 0x7ff : words[4] >> 16 & 0x7ff;
    settle_summary(env);
    update_fp_status_x86_64(env);
}

enum { MOST_SAVED = 108, REGISTER_BYTES = 10 };

void x87_store_environment(X87 *x, const Vex *at, bool words_are_16, bool with_registers)
{
    Env *env = x->env;
    uint8_t bytes[MOST_SAVED];
    unsigned size = pack_environment(env, words_are_16, bytes);

    for (unsigned i = 0; with_registers && i < 8; i++, size += REGISTER_BYTES) {
        Real a = get(env, i);
        memcpy(bytes + size, &a.mantissa, 8);
        memcpy(bytes + size + 8, &a.exponent, 2);
    }
    vex_store_at(at, vex_linear(at), bytes, size);
    if (with_registers) {
        x87_reset(env);
    } else {
        env->fpuc |= X87_EXCEPTIONS;
        settle_summary(env);
    }
}

void x87_load_environment(X87 *x, const Vex *at, bool words_are_16, bool with_registers)
{
    Env *env = x->env;
    uint8_t bytes[MOST_SAVED];
    unsigned size = ENVIRONMENT_WORDS * (words_are_16 ? 2 : 4);

    vex_load_at(at, vex_linear(at), bytes, size + (with_registers ? 8 * REGISTER_BYTES : 0));
    unpack_environment(env, words_are_16, bytes);
    for (unsigned i = 0; with_registers && i < 8; i++, size += REGISTER_BYTES) {
        Float80 *r = &env->fpregs[number(env, i)];
        memcpy(&r->mantissa, bytes + size, 8);
        memcpy(&r->exponent, bytes + size + 8, 2);
    }
}

void x87_load_control(X87 *x, const Vex *at)
{
    Env *env = x->env;
    uint16_t word;

    vex_load_at(at, vex_linear(at), &word, sizeof word);
    env->fpuc = (word & CONTROL_BITS) | CONTROL_ONES;
    settle_summary(env);
    update_fp_status_x86_64(env);
}

