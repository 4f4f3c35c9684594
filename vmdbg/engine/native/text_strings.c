/* PCMPESTRI, PCMPESTRM, PCMPISTRI and PCMPISTRM (SDM 2A 4.1), in place of Unicorn's helpers: those take the length
 * -2^31 for one that is still negative, read host memory there, and compare ordered substrings wrongly at their end.
 */
#include <stdlib.h>

#include "vm.h"

enum { WORDS = 1, SIGNED = 2, MOST_SIGNIFICANT = 0x40, REX_W = 0x100 };
enum { EQUAL_ANY, RANGES, EQUAL_EACH, EQUAL_ORDERED };
enum { NEGATED = 1, MASKED_NEGATED = 3 };
enum { CF = 1, ZF = 0x40, SF = 0x80, OF = 0x800 };

typedef struct {
    int32_t element[16];
    int length;                             /* those that count */
} String;

static int32_t element(const uint8_t *bytes, int index, uint32_t control)
{
    uint16_t word = bytes[2 * index % 16] | bytes[(2 * index + 1) % 16] << 8;

    if (control & WORDS)
        return control & SIGNED ? (int16_t)word : word;
    return control & SIGNED ? (int8_t)bytes[index] : bytes[index];
}

static String string_of(const void *operand, uint32_t control)
{
    String s = {.length = control & WORDS ? 8 : 16};

    for (int i = 0; i < s.length; i++)
        s.element[i] = element(operand, i, control);
    return s;
}

static int implicit_length(const String *s)
{
    int length = 0;

    while (length < s->length && s->element[length])
        length++;
    return length;
}

/* The absolute value, saturated. */
static int explicit_length(uint64_t reg, uint32_t control, int most)
{
    int64_t value = control & REX_W ? (int64_t)reg : (int32_t)reg;

    return value >= most || value <= -most ? most : abs((int)value);
}

static bool any(const String *set, int32_t value)
{
    for (int i = 0; i < set->length; i++)
        if (set->element[i] == value)
            return true;
    return false;
}

static bool in_ranges(const String *ranges, int32_t value)
{
    for (int i = 0; i + 1 < ranges->length; i += 2)
        if (ranges->element[i] <= value && value <= ranges->element[i + 1])
            return true;
    return false;
}

static bool begins(const String *needle, const String *text, int at, int most)
{
    for (int i = 0; i < needle->length && at + i < most; i++)
        if (at + i >= text->length || needle->element[i] != text->element[at + i])
            return false;
    return true;
}

static bool matches(const String *first, const String *second, int at, uint32_t aggregation, int most)
{
    bool in_first = at < first->length, in_second = at < second->length;

    switch (aggregation) {
    case EQUAL_ANY: return in_second && any(first, second->element[at]);
    case RANGES: return in_second && in_ranges(first, second->element[at]);
    case EQUAL_EACH: return in_first == in_second && (!in_first || first->element[at] == second->element[at]);
    default: return begins(first, second, at, most);
    }
}

static uint32_t compare(Env *env, const String *first, const String *second, uint32_t control)
{
    int most = control & WORDS ? 8 : 16;
    uint32_t result = 0, polarity = control >> 4 & 3;

    for (int at = 0; at < most; at++)
        result |= (uint32_t)matches(first, second, at, control >> 2 & 3, most) << at;
    if (polarity == NEGATED)
        result ^= (1u << most) - 1;
    else if (polarity == MASKED_NEGATED)
        result ^= (1u << second->length) - 1;
    env->cc_src = (result ? CF : 0) | (second->length < most ? ZF : 0) | (first->length < most ? SF : 0) |
                  (result & 1 ? OF : 0);
    return result;
}

static void return_index(Env *env, uint32_t result, uint32_t control)
{
    if (!result)
        env->regs[R_RCX] = control & WORDS ? 8 : 16;
    else
        env->regs[R_RCX] = control & MOST_SIGNIFICANT ? 31 - __builtin_clz(result) : __builtin_ctz(result);
}

static void return_mask(Env *env, uint32_t result, uint32_t control)
{
    uint64_t half[2] = {result, 0};
    int width = control & WORDS ? 16 : 8;

    if (control & MOST_SIGNIFICANT) {
        half[0] = 0;
        for (int i = 0; i < 128 / width; i++)
            if (result >> i & 1)
                half[i * width / 64] |= ((1ull << width) - 1) << i * width % 64;
    }
    env->xmm_regs[0][0] = half[0];
    env->xmm_regs[0][1] = half[1];
}

static uint32_t compare_explicit(Env *env, const void *first, const void *second, uint32_t control)
{
    String a = string_of(first, control), b = string_of(second, control);

    a.length = explicit_length(env->regs[R_RAX], control, a.length);
    b.length = explicit_length(env->regs[R_RDX], control, b.length);
    return compare(env, &a, &b, control);
}

static uint32_t compare_implicit(Env *env, const void *first, const void *second, uint32_t control)
{
    String a = string_of(first, control), b = string_of(second, control);

    a.length = implicit_length(&a);
    b.length = implicit_length(&b);
    return compare(env, &a, &b, control);
}

void __wrap_helper_pcmpestri_xmm_x86_64(Env *env, void *first, void *second, uint32_t control)
{
    return_index(env, compare_explicit(env, first, second, control), control);
}

void __wrap_helper_pcmpestrm_xmm_x86_64(Env *env, void *first, void *second, uint32_t control)
{
    return_mask(env, compare_explicit(env, first, second, control), control);
}

void __wrap_helper_pcmpistri_xmm_x86_64(Env *env, void *first, void *second, uint32_t control)
{
    return_index(env, compare_implicit(env, first, second, control), control);
}

void __wrap_helper_pcmpistrm_xmm_x86_64(Env *env, void *first, void *second, uint32_t control)
{
    return_mask(env, compare_implicit(env, first, second, control), control);
}
