/* Instructions without VEX that translated code calls functions for, because Unicorn's are not a CPU's:
 *
 * LGDT and LIDT in 64-bit mode: a base that is not canonical is #GP (SDM 2A, LGDT).
 * CMPXCHG of 32-bit registers in 64-bit mode: what is not written keeps its upper half.
 * CLFLUSH and its kin fault as a load of a byte does (SDM 2A, CLFLUSH).
 * ENTER tries where the stack pointer will be (SDM 2A, ENTER).
 * ARPL stores only what it changes (SDM 2A, ARPL): Unicorn's faults where nothing may be stored.
 */
#include "vex.h"
#include "unicorn_tlb.h"

#define HERE ((uintptr_t)__builtin_return_address(0))
#define HELPER __attribute__((noinline))

enum { LOAD_GDT = LIMIT_CHECKS, LOAD_IDT, COMPARE_EXCHANGE, FLUSH_LINE, ENTER_FRAME, ENTER_FRAME_16, ADJUST_RPL }; /* VexCode.row */
enum { GROUP_LGDT = 2, GROUP_LIDT = 3, PSEUDO_DESCRIPTOR = 10, LIMIT_SIZE = 2, MOST_LEVELS = 31, RPL = 3, SEGMENT_WRITABLE = 1 << 9, SEGMENT_CODE = 1 << 11 };
enum { FEATURE_CLFLUSH = 19, FEATURE_CLFLUSHOPT = 23, FEATURE_CLWB = 24, GROUP_CLWB = 6, GROUP_CLFLUSH = 7 };
enum { CF = 1, PF = 4, AF = 0x10, ZF = 0x40, SF = 0x80, OF = 0x800, REX_R = 4, REX_B = 1, REX_W = 8 };

static void load_table(const Vex *x, Segment *table)
{
    Env *env = x->env;
    uint8_t bytes[PSEUDO_DESCRIPTOR];
    uint16_t limit;
    uint64_t base;

    if (env->hflags & HF_CPL)
        raise_exception_err_ra_x86_64(env, 13, 0, x->host_pc);
    vex_load_at(x, vex_linear(x), bytes, sizeof bytes);
    memcpy(&limit, bytes, sizeof limit);
    memcpy(&base, bytes + LIMIT_SIZE, sizeof base);
    if ((uint64_t)((int64_t)(base << 16) >> 16) != base)
        raise_exception_err_ra_x86_64(env, 13, 0, x->host_pc);
    table->base = base;
    table->limit = limit;
}

static void compare_exchange(const Vex *x)
{
    uint64_t *destination = &x->env->regs[x->code.rm], *accumulator = &x->env->regs[R_RAX];
    uint32_t old = *destination, expected = *accumulator, difference = expected - old;
    bool even = !(__builtin_popcount(difference & 0xff) & 1), overflows = ((expected ^ old) & (expected ^ difference)) >> 31;

    x->env->cc_src = (expected < old ? CF : 0) | (even ? PF : 0) | ((expected ^ old ^ difference) & AF) |
                     (difference ? 0 : ZF) | (difference >> 31 ? SF : 0) | (overflows ? OF : 0);
    if (difference)
        *accumulator = old;
    else
        *destination = (uint32_t)x->env->regs[x->code.reg];
}

static void flush_line(const Vex *x)
{
    uint64_t linear = vex_linear(x);

    if (x->code.code64 && (uint64_t)((int64_t)(linear << 16) >> 16) != linear)
        raise_exception_err_ra_x86_64(x->env, x->code.segment == R_SS ? 12 : 13, 0, x->host_pc);
    unicorn_tlb_probe_load(x->env, linear, env_mmu_mode(x->env), x->host_pc);
}

/* A data segment that may be stored to, by the type in its descriptor (SDM 3A 3.4.5.1). */
static bool is_writable(const Segment *segment)
{
    return (segment->flags & (SEGMENT_CODE | SEGMENT_WRITABLE)) == SEGMENT_WRITABLE;
}

/* The translator has all flags in cc_src by then. Limits have been looked at as for a load. */
static void adjust_rpl(const Vex *x)
{
    Env *env = x->env;
    uint64_t linear = vex_linear(x);
    unsigned least = env->regs[x->code.reg] & RPL;
    uint16_t selector;

    vex_load_at(x, linear, &selector, sizeof selector);
    bool raised = (selector & RPL) < least;
    if (raised) {
        if (!is_writable(&env->segs[x->code.segment]))
            raise_exception_err_ra_x86_64(env, 13, 0, x->host_pc);
        selector = (selector & ~RPL) | least;
        vex_store_at(x, linear, &selector, sizeof selector);
    }
    env->cc_src = raised ? env->cc_src | ZF : env->cc_src & ~(uint64_t)ZF;
}

static uint64_t stack_mask(const Env *env)
{
    return env->hflags & HF_CS64 ? UINT64_MAX : env->hflags & HF_SS32 ? 0xffffffff : 0xffff;
}

/* Where `sp` is on the stack. */
static uint64_t on_stack(const Env *env, uint64_t sp)
{
    sp &= stack_mask(env);
    return env->hflags & HF_CS64 ? sp : (uint32_t)(env->segs[R_SS].base + sp);
}

static void merge(uint64_t *to, uint64_t value, uint64_t mask)
{
    *to = mask == 0xffffffff ? value & mask : (*to & ~mask) | (value & mask);
}

/* The bytes of a frame's allocation are the displacement, its level the immediate byte. */
static void enter_frame(const Vex *x, bool words_are_16)
{
    Env *env = x->env;
    unsigned size = words_are_16 ? 2 : env->hflags & HF_CS64 ? 8 : 4, level = x->code.immediate & MOST_LEVELS;
    uint64_t sp = env->regs[R_RSP] - size, frame = env->regs[R_RSP], bp = env->regs[R_RBP], mask = stack_mask(env);
    Vex at = *x;

    merge(&frame, sp, mask);
    at.code.segment = R_SS;
    vex_store_at(&at, on_stack(env, sp), &bp, size);
    for (unsigned i = 1; i < level; i++) {
        uint64_t outer = 0;
        vex_load_at(&at, on_stack(env, bp -= size), &outer, size);
        vex_store_at(&at, on_stack(env, sp -= size), &outer, size);
    }
    if (level)
        vex_store_at(&at, on_stack(env, sp -= size), &frame, size);
    sp -= x->displacement;
    vex_probe_store(&at, on_stack(env, sp), size);
    merge(&env->regs[R_RBP], frame, words_are_16 ? 0xffff : mask);
    merge(&env->regs[R_RSP], sp, mask);
}

static bool has_feature(const Env *env, unsigned word, unsigned bit)
{
    return env->features[word] >> bit & 1;
}

static bool reads_table(Instruction *i, VexDecoded *d)
{
    uint8_t modrm = instruction_byte(i, 2), group = modrm >> 3 & 7;

    if (!i->code64 || modrm >= 0xc0 || (group != GROUP_LGDT && group != GROUP_LIDT))
        return false;
    d->code.row = group == GROUP_LGDT ? LOAD_GDT : LOAD_IDT;
    return vex_read_legacy(i, 2, d);
}

static bool flushes_line(Instruction *i, VexDecoded *d)
{
    uint8_t modrm = instruction_byte(i, 2), group = modrm >> 3 & 7;
    bool by_66 = i->prefix == 0x66;

    if (modrm >= 0xc0 || (i->prefix && !by_66))
        return false;
    bool has = group == GROUP_CLFLUSH && !by_66  ? has_feature(i->env, FEAT_1_EDX, FEATURE_CLFLUSH)
               : group == GROUP_CLFLUSH          ? has_feature(i->env, FEAT_7_EBX, FEATURE_CLFLUSHOPT)
               : group == GROUP_CLWB && by_66    ? has_feature(i->env, FEAT_7_EBX, FEATURE_CLWB)
                                                 : false;
    d->code.row = FLUSH_LINE;
    return has && vex_read_legacy(i, 2, d);
}

static bool exchanges(Instruction *i, VexDecoded *d)
{
    uint8_t modrm = instruction_byte(i, 2), rex = i->rex < 0 ? 0 : i->code[i->rex];

    if (!i->code64 || modrm < 0xc0 || i->operand_size >= 0 || rex & REX_W || !vex_read_legacy(i, 2, d))
        return false;
    d->code.row = COMPARE_EXCHANGE;
    d->code.reg = (modrm >> 3 & 7) | (rex & REX_R ? 8 : 0);
    d->code.rm = (modrm & 7) | (rex & REX_B ? 8 : 0);
    d->sets_flags = true;
    return true;
}

static bool enters(Instruction *i, VexDecoded *d)
{
    bool wide = i->rex >= 0 && i->code[i->rex] & REX_W, by_66 = i->operand_size >= 0 && !wide, words_are_16 = i->code64 ? by_66 : !(i->env->hflags & HF_CS32) != by_66;

    if (i->opcode_at + 4u > LONGEST_INSTRUCTION)
        return false;
    d->displacement = instruction_byte(i, 1) | instruction_byte(i, 2) << 8;
    d->code.immediate = instruction_byte(i, 3);
    d->code.row = words_are_16 ? ENTER_FRAME_16 : ENTER_FRAME;
    d->code.code64 = i->code64;
    d->size = i->opcode_at + 4u;
    return true;
}

static bool adjusts_memory(Instruction *i, VexDecoded *d)
{
    uint8_t modrm = instruction_byte(i, 1);

    if (i->code64 || !(i->env->hflags & HF_PE) || i->env->eflags & FLAG_VM || modrm >= 0xc0 || !vex_read_legacy(i, 1, d))
        return false;
    d->code.row = ADJUST_RPL;
    d->code.reg = modrm >> 3 & 7;
    d->sets_flags = true;
    return true;
}

/* NOT_VEX if the instruction is none of these. */
enum VexKind called_decode(Instruction *i, VexDecoded *d)
{
    uint8_t opcode = instruction_byte(i, 0);
    bool is = false;

    *d = (VexDecoded){0};
    if (opcode == 0xc8) {
        is = enters(i, d);
    } else if (opcode == 0x63) {
        is = adjusts_memory(i, d);
    } else if (opcode == 0x0f) {
        switch (instruction_byte(i, 1)) {
        case 0x01: is = reads_table(i, d); break;
        case 0xae: is = flushes_line(i, d); break;
        case 0xb1: is = exchanges(i, d); break;
        }
    }
    return is ? VEX_CALLED : NOT_VEX;
}

/* The call goes by FBSTP's helper, which is not used any more. */
HELPER void __wrap_helper_fbst_ST0_x86_64(uint64_t word, uint64_t displacement)
{
    Env *env = vm_current->cpu->env;
    Vex x = {.env = env, .displacement = displacement, .host_pc = HERE};

    memcpy(&x.code, &word, sizeof word);
    switch (x.code.row) {
    case LOAD_GDT: load_table(&x, &env->gdt); break;
    case LOAD_IDT: load_table(&x, &env->idt); break;
    case COMPARE_EXCHANGE: compare_exchange(&x); break;
    case FLUSH_LINE: flush_line(&x); break;
    case ENTER_FRAME: enter_frame(&x, false); break;
    case ENTER_FRAME_16: enter_frame(&x, true); break;
    case ADJUST_RPL: adjust_rpl(&x); break;
    default: limits_check(&x);
    }
}

void called_translated(void *tcg, const VexDecoded *decoded)
{
    uint64_t word;

    memcpy(&word, &decoded->code, sizeof word);
    void *arguments[] = {tcg_constant_argument(tcg, word), tcg_constant_argument(tcg, decoded->displacement)};
    tcg_gen_callN_x86_64(tcg, __wrap_helper_fbst_ST0_x86_64, NULL, 2, arguments);
}
