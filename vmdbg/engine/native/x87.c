/* The x87 (SDM 1 chapter 8): every instruction of D8h to DFh, and FWAIT, is a call from translated code.
 *
 * An instruction first finds out what it would raise. What is not masked and comes before the operation (IE, DE, ZE,
 * faults of the stack) leaves registers as they are; the next instruction that waits is #MF. Memory is accessed before any
 * register or flag changes, so that an instruction that faults there, or is left there, can be run again.
 */
#include "vex.h"
#include "x87.h"

#define HERE ((uintptr_t)__builtin_return_address(0))
#define HELPER __attribute__((noinline))

enum { FWAIT = 8, WORDS_ARE_16 = 16 };      /* in VexCode.row, beside the low bits of the opcode */
enum { CR0_MP = 2, CR0_EM = 4, CR0_TS = 8, CR0_NE = 0x20, NM = 7, MF = 16 };
enum { CONTROL_BITS = 0x1f3f, CONTROL_ONES = 0x40, CONTROL_RESET = 0x37f, TOP_SHIFT = 11, TOP = 7 << TOP_SHIFT };
enum { CC_C = 1, CC_P = 4, CC_A = 0x10, CC_Z = 0x40, CC_S = 0x80, CC_O = 0x800 };

static unsigned number(const Env *env, unsigned i)
{
    return (env->fpstt + i) & 7;
}

static bool is_empty(const Env *env, unsigned i)
{
    return env->fptags[number(env, i)];
}

static Real get(const Env *env, unsigned i)
{
    const Float80 *r = &env->fpregs[number(env, i)];

    return (Real){r->mantissa, r->exponent};
}

static void put(Env *env, unsigned i, Real value)
{
    Float80 *r = &env->fpregs[number(env, i)];

    r->mantissa = value.mantissa;
    r->exponent = value.exponent;
    env->fptags[number(env, i)] = 0;
}

static void pop(Env *env)
{
    env->fptags[number(env, 0)] = 1;
    env->fpstt = number(env, 1);
}

static void settle_summary(Env *env)
{
    bool pending = env->fpus & ~env->fpuc & X87_EXCEPTIONS;

    env->fpus = (env->fpus & ~(X87_ES | X87_B)) | (pending ? X87_ES | X87_B : 0);
}

/* What the instruction raised, and its condition codes, of which `defined` are new; C1 always is. */
static inline void commit(X87 *x, unsigned codes, unsigned defined)
{
    Env *env = x->env;

    if (!x87_goes_on(x))                    /* it did not come to the result */
        x->raised &= X87_BEFORE | X87_SF | (x->raised & X87_SF ? X87_C1 : 0);
    env->fpus = (env->fpus & ~(defined | X87_C1)) | (codes & defined) | x->raised;
    settle_summary(env);
}

static void commit_plain(X87 *x)
{
    commit(x, 0, 0);
}

/* C1: a push found a register in use; else a register that is needed is empty. */
static void stack_fault(X87 *x, bool overflow)
{
    x->raised = X87_IE | X87_SF | (overflow ? X87_C1 : 0);
}

/* A denormal is loaded even if DE is not masked. */
static inline void push(X87 *x, Real value)
{
    Env *env = x->env;
    bool overflow = !is_empty(env, 7);

    if (overflow)
        stack_fault(x, true);
    commit_plain(x);
    if (x->raised & X87_IE & ~env->fpuc)
        return;
    env->fpstt = number(env, 7);
    put(env, 0, overflow ? x87_indefinite() : value);
}

/* OE, UE and PE that are not masked keep the result from memory, not from a register. */
static bool stores(const X87 *x)
{
    return !(x->raised & (X87_BEFORE | X87_OE | X87_UE) & ~x->env->fpuc);
}

static inline void result(X87 *x, unsigned i, Real value, unsigned pops)
{
    commit_plain(x);
    if (!x87_goes_on(x))
        return;
    put(x->env, i, value);
    while (pops--)
        pop(x->env);
}

/* D8h, DCh and DEh, and their memory forms, whose operand may have raised something. */
static inline void arithmetic(X87 *x, unsigned operation, Real b, bool b_empty, unsigned to, bool pops)
{
    Real value = x87_indefinite();

    if (is_empty(x->env, 0) || b_empty)
        stack_fault(x, false);
    else
        value = x87_arithmetic(x, operation, get(x->env, 0), b);
    result(x, to, value, pops);
}

static void compare(X87 *x, Real b, bool b_empty, bool quiet, unsigned pops)
{
    Env *env = x->env;
    unsigned codes = X87_C3 | X87_C2 | X87_C0;

    if (is_empty(env, 0) || b_empty)
        stack_fault(x, false);
    else
        codes = x87_compare(x, get(env, 0), b, quiet);
    commit(x, codes, X87_C3 | X87_C2 | X87_C0);
    if (x87_goes_on(x))
        while (pops--)
            pop(env);
}

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
        x->raised |= codes & X87_C1;
        commit(x, codes, x87_is_nan(value) ? X87_C2 : X87_CODES & ~X87_C1);
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

static void reset(Env *env)
{
    env->fpuc = CONTROL_RESET;
    env->fpus = env->fpstt = 0;
    memset(env->fptags, 1, sizeof env->fptags);
    env->fpip = env->fpdp = 0;
    env->fpop = env->fpcs = env->fpds = 0;
    update_fp_status_x86_64(env);
}

static void clear_exceptions(Env *env)
{
    env->fpus &= ~(X87_EXCEPTIONS | X87_SF | X87_ES | X87_B);
}

static uint16_t status_word(const Env *env)
{
    return (env->fpus & ~TOP) | (env->fpstt & 7) << TOP_SHIFT;
}

/* Between registers, but for D9h. */
static void execute_registers(X87 *x, unsigned opcode, uint8_t modrm)
{
    Env *env = x->env;
    unsigned i = modrm & 7, group = modrm >> 3 & 7;

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
            reset(env);
        break;
    case 074: env->regs[R_RAX] = (env->regs[R_RAX] & ~0xffffull) | status_word(env); break;
    default:
        arithmetic(x, group, get(env, i), is_empty(env, i), opcode & 4 ? i : 0, opcode == 6);
    }
}

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
    uint32_t words[ENVIRONMENT_WORDS] = {env->fpuc, status_word(env), tags, env->fpip, env->fpcs, env->fpdp, env->fpds};
    if (real_mode) {
        words[4] = (env->fpip >> 16 & 0xffff) << 12 | (env->fpop & 0x7ff);
        words[6] = (env->fpdp >> 16 & 0xffff) << 12;
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
    env->fpip = words[3];
    env->fpdp = words[5];
    bool real_mode = !(env->cr[0] & CR0_PE) || env->eflags & FLAG_VM;
    env->fpcs = real_mode ? 0 : words[4];
    env->fpds = real_mode ? 0 : words[6];
    env->fpop = real_mode ? words[4] & 0x7ff : words[4] >> 16 & 0x7ff;
    settle_summary(env);
    update_fp_status_x86_64(env);
}

enum { MOST_SAVED = 108, REGISTER_BYTES = 10 };

static void store_environment(X87 *x, const Vex *at, bool words_are_16, bool with_registers)
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
        reset(env);
    } else {
        env->fpuc |= X87_EXCEPTIONS;
        settle_summary(env);
    }
}

static void load_environment(X87 *x, const Vex *at, bool words_are_16, bool with_registers)
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

static void load_control(X87 *x, const Vex *at)
{
    Env *env = x->env;

    env->fpuc = (load(at, 2) & CONTROL_BITS) | CONTROL_ONES;
    settle_summary(env);
    update_fp_status_x86_64(env);
}

static void store_word(const Vex *at, uint16_t word)
{
    vex_store_at(at, vex_linear(at), &word, sizeof word);
}

/* Loads, stores and what is about the whole x87: D9h, DBh, DDh and DFh. */
static void execute_memory(X87 *x, const Vex *at, unsigned opcode, unsigned group, bool words_are_16)
{
    switch (opcode << 3 | group) {
    case 010: push(x, x87_from_single(x, load(at, 4))); break;
    case 012: case 013: store_float(x, at, 4, group == 3); break;
    case 014: load_environment(x, at, words_are_16, false); break;
    case 015: load_control(x, at); break;
    case 016: store_environment(x, at, words_are_16, false); break;
    case 017: store_word(at, x->env->fpuc); break;
    case 030: push(x, x87_from_integer((int32_t)load(at, 4))); break;
    case 031: store_integer(x, at, 4, true, true); break;
    case 032: case 033: store_integer(x, at, 4, false, group == 3); break;
    case 035: push(x, load_real(at)); break;
    case 037: store_real(x, at); break;
    case 050: push(x, x87_from_double(x, load(at, 8))); break;
    case 051: store_integer(x, at, 8, true, true); break;
    case 052: case 053: store_float(x, at, 8, group == 3); break;
    case 054: load_environment(x, at, words_are_16, true); break;
    case 056: store_environment(x, at, words_are_16, true); break;
    case 057: store_word(at, status_word(x->env)); break;
    case 070: push(x, x87_from_integer((int16_t)load(at, 2))); break;
    case 071: store_integer(x, at, 2, true, true); break;
    case 072: case 073: store_integer(x, at, 2, false, group == 3); break;
    case 074: load_decimal(x, at); break;
    case 075: push(x, x87_from_integer((int64_t)load(at, 8))); break;
    case 076: store_decimal(x, at); break;
    default: store_integer(x, at, 8, false, true);
    }
}

/* Those that do not wait: FNINIT, FNCLEX, FNSTCW, FNSTSW, FNSTENV, FNSAVE and the 8087's that do nothing. */
static bool waits(unsigned opcode, uint8_t modrm)
{
    unsigned group = modrm >> 3 & 7;

    if (modrm >= 0xc0)
        return !(opcode == 3 && group == 4) && !(opcode == 7 && modrm == 0xe0);
    return !((opcode == 1 || opcode == 5) && group >= 6);
}

static void check(Env *env, bool is_wait, bool waits, uintptr_t host_pc)
{
    uint64_t not_there = is_wait ? 0 : CR0_EM | CR0_TS;

    if (env->cr[0] & not_there || (is_wait && (env->cr[0] & (CR0_MP | CR0_TS)) == (CR0_MP | CR0_TS)))
        raise_exception_ra_x86_64(env, NM, host_pc);
    if (waits && env->fpus & X87_ES && env->cr[0] & CR0_NE)
        raise_exception_ra_x86_64(env, MF, host_pc);
}

/* The call goes by FBLD's helper, which is not used any more. */
HELPER void __wrap_helper_fbld_ST0_x86_64(uint64_t word, uint64_t displacement)
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
    if (modrm < 0xc0 && opcode & 1)
        execute_memory(&x, &at, opcode, modrm >> 3 & 7, at.code.row & WORDS_ARE_16);
    else if (modrm < 0xc0)
        operate_on_memory(&x, &at, opcode >> 1, modrm >> 3 & 7);
    else if (opcode == 1)
        execute_d9(&x, modrm);
    else
        execute_registers(&x, opcode, modrm);
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
    if (!vex_read_legacy(i, d))
        return NOT_VEX;                     /* which Unicorn finds too long */
    bool code32 = i->env->hflags & (HF_CS32 | HF_CS64);
    d->code.row = opcode | (code32 == (i->operand_size >= 0) ? WORDS_ARE_16 : 0);
    d->code.immediate = modrm;
    d->sets_flags = concerns_flags(opcode, modrm);
    return VEX_CALLED;
}

void x87_translated(void *tcg, const VexDecoded *decoded)
{
    uint64_t word;

    memcpy(&word, &decoded->code, sizeof word);
    void *arguments[] = {tcg_constant_argument(tcg, word), tcg_constant_argument(tcg, decoded->displacement)};
    tcg_gen_callN_x86_64(tcg, __wrap_helper_fbld_ST0_x86_64, NULL, 2, arguments);
}
