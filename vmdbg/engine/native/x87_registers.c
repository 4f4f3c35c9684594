/* Instructions of the x87 without an operand in memory. */
#include "x87_stack.h"

enum { CC_C = 1, CC_P = 4, CC_A = 0x10, CC_Z = 0x40, CC_S = 0x80, CC_O = 0x800 };

/* FCOMI and its kin. The translator has all flags in cc_src by then. */
static void compare_to_flags(X87 *x, unsigned i, bool quiet, bool pops)
{
    Env *env = x->env;
    unsigned codes = X87_C3 | X87_C2 | X87_C0;

    if (is_empty(env, 0) || is_empty(env, i))
        stack_fault(x, false);
    else
        codes = x87_compare(x, get(env, 0), get(env, i), quiet);
    commit_plain(x);
    env->cc_src &= ~(uint64_t)(CC_C | CC_P | CC_A | CC_Z | CC_S | CC_O);
    env->cc_src |= (codes & X87_C3 ? CC_Z : 0) | (codes & X87_C2 ? CC_P : 0) | (codes & X87_C0 ? CC_C : 0);
    if (pops && x87_goes_on(x))
        pop(env);
}

/* FCMOVcc: `negated` is bit 0 of the opcode. */
static void move_if(X87 *x, unsigned condition, bool negated, unsigned i)
{
    static const unsigned flags[] = {CC_C, CC_Z, CC_C | CC_Z, CC_P};
    Env *env = x->env;
    bool moves = !!(env->cc_src & flags[condition]) != negated;

    if (is_empty(env, 0) || is_empty(env, i)) {
        stack_fault(x, false);
        result(x, 0, x87_indefinite(), 0);
        return;
    }
    if (moves)
        put(env, 0, get(env, i));
}

static void exchange(X87 *x, unsigned i)
{
    Env *env = x->env;
    Real top = is_empty(env, 0) ? x87_indefinite() : get(env, 0), other = is_empty(env, i) ? x87_indefinite() : get(env, i);

    if (is_empty(env, 0) || is_empty(env, i))
        stack_fault(x, false);
    commit_plain(x);
    if (!x87_goes_on(x))
        return;
    put(env, 0, other);
    put(env, i, top);
}

static void load_register(X87 *x, unsigned i)
{
    if (is_empty(x->env, i)) {
        stack_fault(x, false);
        commit_plain(x);
        if (!x87_goes_on(x))
            return;
        x->env->fpstt = number(x->env, 7);
        put(x->env, 0, x87_indefinite());
        return;
    }
    push(x, get(x->env, i));
}

static void store_register(X87 *x, unsigned i, bool pops)
{
    bool empty = is_empty(x->env, 0);

    if (empty)
        stack_fault(x, false);
    result(x, i, empty ? x87_indefinite() : get(x->env, 0), pops);
}

static void load_constant(X87 *x, unsigned which)
{
    static const struct { Real nearest; uint8_t lower, higher; } constants[] = {       /* the last byte rounded down and up */
        {{0x8000000000000000, X87_BIAS}, 0x00, 0x00}, {{0xd49a784bcd1b8afe, X87_BIAS + 1}, 0xfe, 0xff},
        {{0xb8aa3b295c17f0bc, X87_BIAS}, 0xbb, 0xbc}, {{0xc90fdaa22168c235, X87_BIAS + 1}, 0x34, 0x35},
        {{0x9a209a84fbcff799, X87_BIAS - 2}, 0x98, 0x99}, {{0xb17217f7d1cf79ac, X87_BIAS - 1}, 0xab, 0xac}, {{0, 0}, 0, 0},
    };
    Real value = constants[which].nearest;
    int mode = x->status.rounding_mode;

    if (mode)
        value.mantissa = (value.mantissa & ~0xffull) | (mode == 2 ? constants[which].higher : constants[which].lower);
    push(x, value);
}

static void examine(X87 *x)
{
    Env *env = x->env;
    Real a = get(env, 0);
    unsigned codes;

    if (is_empty(env, 0))
        codes = X87_C3 | X87_C0;
    else if (x87_is_unsupported(a))
        codes = 0;
    else if (x87_is_nan(a))
        codes = X87_C0;
    else if (x87_is_infinity(a))
        codes = X87_C2 | X87_C0;
    else if (x87_is_zero(a))
        codes = X87_C3;
    else
        codes = x87_is_denormal(a) ? X87_C3 | X87_C2 : X87_C2;
    x->raised |= a.exponent & X87_SIGN ? X87_C1 : 0;
    commit(x, codes, X87_CODES & ~X87_C1);
}

/* FCHS and FABS: no exception but of the stack. */
static void change_sign(X87 *x, bool clears)
{
    Real a = get(x->env, 0);

    if (is_empty(x->env, 0)) {
        stack_fault(x, false);
        a = x87_indefinite();
    } else {
        a.exponent = clears ? a.exponent & ~X87_SIGN : a.exponent ^ X87_SIGN;
    }
    result(x, 0, a, 0);
}

static void unary(X87 *x, Real (*function)(X87 *, Real))
{
    bool empty = is_empty(x->env, 0);

    if (empty)
        stack_fault(x, false);
    result(x, 0, empty ? x87_indefinite() : function(x, get(x->env, 0)), 0);
}

static bool beyond_reduction(Real a)
{
    return !x87_is_unsupported(a) && (a.exponent & X87_SPECIAL) != X87_SPECIAL && (a.exponent & X87_SPECIAL) >= X87_BIAS + 63;
}

/* FSIN, FCOS, FPTAN, FSINCOS: the last two push 1.0 or the cosine. C2: the argument is too large, nothing is done. */
static void trigonometric(X87 *x, Trigonometric function, bool pushes)
{
    Env *env = x->env;
    Real a = get(env, 0), first = x87_indefinite(), second = first;

    if (is_empty(env, 0) || (pushes && !is_empty(env, 7))) {
        stack_fault(x, !is_empty(env, 0));
    } else if (beyond_reduction(a)) {
        commit(x, X87_C2, X87_C2);
        return;
    } else {
        first = x87_trigonometric(x, function, a);
        if (pushes && function == X87_TANGENT)
            second = x87_is_nan(first) ? first : (Real){X87_ONE_BIT, X87_BIAS};
        else if (pushes)
            second = x87_trigonometric(x, X87_COSINE, a);
    }
    commit(x, 0, X87_C2);
    if (!x87_goes_on(x))
        return;
    put(env, 0, first);
    if (pushes) {
        env->fpstt = number(env, 7);
        put(env, 0, second);
    }
}

static void extract(X87 *x)
{
    Env *env = x->env;
    Real exponent = x87_indefinite(), significand = exponent;

    if (is_empty(env, 0) || !is_empty(env, 7))
        stack_fault(x, !is_empty(env, 0));
    else
        significand = x87_extract(x, get(env, 0), &exponent);
    commit_plain(x);
    if (!x87_goes_on(x))
        return;
    put(env, 0, exponent);
    env->fpstt = number(env, 7);
    put(env, 0, significand);
}

/* FPREM, FPREM1, FSCALE, FYL2X, FYL2XP1, FPATAN: of ST(0) and ST(1). */
static void binary(X87 *x, unsigned opcode)
{
    Env *env = x->env;
    Real a = get(env, 0), b = get(env, 1), value = x87_indefinite();
    bool remainder = opcode == 0xf5 || opcode == 0xf8, stays = remainder || opcode == 0xfd;
    unsigned codes = 0;

    if (is_empty(env, 0) || is_empty(env, 1))
        stack_fault(x, false);
    else if (remainder)
        value = x87_remainder(x, a, b, opcode == 0xf5, &codes);
    else if (opcode == 0xfd)
        value = x87_scale(x, a, b);
    else if (opcode == 0xf3)
        value = x87_arctangent(x, a, b);
    else
        value = x87_y_log2(x, a, b, opcode == 0xf9);
    if (remainder) {
        bool undone = !x87_goes_on(x) || x87_is_nan(value);     /* then of the codes only C2 changes */
        x->raised |= undone ? 0 : codes & X87_C1;
        commit(x, undone ? 0 : codes, undone ? X87_C2 : X87_CODES & ~X87_C1);
    } else {
        commit_plain(x);
    }
    if (!x87_goes_on(x))
        return;
    put(env, stays ? 0 : 1, value);
    if (!stays)
        pop(env);
}

static void rotate(X87 *x, unsigned by)
{
    x->env->fpstt = number(x->env, by);
    commit_plain(x);
}

static void execute_d9(X87 *x, uint8_t modrm)
{
    unsigned i = modrm & 7;

    switch (modrm) {
    case 0xc0 ... 0xc7: load_register(x, i); break;
    case 0xc8 ... 0xcf: exchange(x, i); break;
    case 0xd0: break;                       /* FNOP */
    case 0xd8 ... 0xdf: store_register(x, i, true); break;
    case 0xe0: change_sign(x, false); break;
    case 0xe1: change_sign(x, true); break;
    case 0xe4: compare(x, (Real){0, 0}, false, false, 0); break;
    case 0xe5: examine(x); break;
    case 0xe8 ... 0xee: load_constant(x, i); break;
    case 0xf0: unary(x, x87_two_to_x_minus_1); break;
    case 0xf2: trigonometric(x, X87_TANGENT, true); break;
    case 0xf4: extract(x); break;
    case 0xf6: rotate(x, 7); break;
    case 0xf7: rotate(x, 1); break;
    case 0xfa: unary(x, x87_square_root); break;
    case 0xfb: trigonometric(x, X87_SINE, true); break;
    case 0xfc: unary(x, x87_round); break;
    case 0xfe: trigonometric(x, X87_SINE, false); break;
    case 0xff: trigonometric(x, X87_COSINE, false); break;
    default: binary(x, modrm);
    }
}

static void clear_exceptions(Env *env)
{
    env->fpus &= ~(X87_EXCEPTIONS | X87_SF);
    settle_summary(env);
}

/* What has no operand in memory. */
void x87_execute_registers(X87 *x, unsigned opcode, uint8_t modrm)
{
    Env *env = x->env;
    unsigned i = modrm & 7, group = modrm >> 3 & 7;

    if (opcode == 1) {
        execute_d9(x, modrm);
        return;
    }
    switch (opcode << 3 | group) {
    case 002: case 042: compare(x, get(env, i), is_empty(env, i), false, 0); break;
    case 003: case 043: case 062: compare(x, get(env, i), is_empty(env, i), false, 1); break;
    case 063: compare(x, get(env, 1), is_empty(env, 1), false, 2); break;
    case 025: compare(x, get(env, 1), is_empty(env, 1), true, 2); break;
    case 020: case 021: case 022: case 023: move_if(x, group, false, i); break;
    case 030: case 031: case 032: case 033: move_if(x, group, true, i); break;
    case 035: compare_to_flags(x, i, true, false); break;
    case 036: compare_to_flags(x, i, false, false); break;
    case 075: compare_to_flags(x, i, true, true); break;
    case 076: compare_to_flags(x, i, false, true); break;
    case 050: case 070:                     /* FFREE, FFREEP */
        env->fptags[number(env, i)] = 1;
        if (opcode == 7)
            pop(env);
        commit_plain(x);
        break;
    case 051: case 071: exchange(x, i); break;
    case 052: store_register(x, i, false); break;
    case 053: case 072: case 073: store_register(x, i, true); break;
    case 054: compare(x, get(env, i), is_empty(env, i), true, 0); break;
    case 055: compare(x, get(env, i), is_empty(env, i), true, 1); break;
    case 034:                               /* FNCLEX, FNINIT; the others do nothing */
        if (modrm == 0xe2)
            clear_exceptions(env);
        else if (modrm == 0xe3)
            x87_reset(env);
        break;
    case 074: env->regs[R_RAX] = (env->regs[R_RAX] & ~0xffffull) | x87_status_word(env); break;
    default:
        arithmetic(x, group, get(env, i), is_empty(env, i), opcode & 4 ? i : 0, opcode == 6);
    }
}
