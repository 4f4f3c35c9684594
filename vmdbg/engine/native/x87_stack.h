/* The register stack, and how an instruction's work comes to be seen. */
#ifndef VMDBG_X87_STACK_H
#define VMDBG_X87_STACK_H

#include "vex.h"
#include "x87.h"

static inline unsigned number(const Env *env, unsigned i)
{
    return (env->fpstt + i) & 7;
}

static inline bool is_empty(const Env *env, unsigned i)
{
    return env->fptags[number(env, i)];
}

static inline Real get(const Env *env, unsigned i)
{
    const Float80 *r = &env->fpregs[number(env, i)];

    return (Real){r->mantissa, r->exponent};
}

static inline void put(Env *env, unsigned i, Real value)
{
    Float80 *r = &env->fpregs[number(env, i)];

    r->mantissa = value.mantissa;
    r->exponent = value.exponent;
    env->fptags[number(env, i)] = 0;
}

static inline void pop(Env *env)
{
    env->fptags[number(env, 0)] = 1;
    env->fpstt = number(env, 1);
}

static inline void settle_summary(Env *env)
{
    bool pending = env->fpus & ~env->fpuc & X87_EXCEPTIONS;

    env->fpus = (env->fpus & ~(X87_ES | X87_B)) | (pending ? X87_ES | X87_B : 0);
    if (!pending)
        env->hflags2 &= ~HF2_IGNNE;         /* which lasts as long as FERR# */
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

static inline void commit_plain(X87 *x)
{
    commit(x, 0, 0);
}

/* C1: a push found a register in use; else a register that is needed is empty. */
static inline void stack_fault(X87 *x, bool overflow)
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
static inline bool stores(const X87 *x)
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

static inline void compare(X87 *x, Real b, bool b_empty, bool quiet, unsigned pops)
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

/* coprocessor_error.c */
void x87_error_waits(Env *env, uintptr_t host_pc);

/* x87_registers.c */
void x87_execute_registers(X87 *x, unsigned opcode, uint8_t modrm);

/* x87_memory.c */
void x87_execute_memory(X87 *x, const Vex *at, unsigned opcode, unsigned group, bool words_are_16);

/* x87_environment.c */
void x87_reset(Env *env);
uint16_t x87_status_word(const Env *env);
void x87_load_environment(X87 *x, const Vex *at, bool words_are_16, bool with_registers);
void x87_store_environment(X87 *x, const Vex *at, bool words_are_16, bool with_registers);
void x87_load_control(X87 *x, const Vex *at);

#endif
