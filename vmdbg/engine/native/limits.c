/* Segments' limits and types where memory is accessed (SDM 3A 5.3 to 5.5), which Unicorn does not check.
 *
 * Code whose segments are flat has no check: hidden flags say of which segments that is not so, and translations are made
 * for them. Others have a call before each instruction that accesses memory, which computes the operand's offset as the
 * instruction will; where the segments are no less than real mode's, only offsets that come near 64 KiB have it. Whatever may load a segment says so, and the flags are made anew before the next block is looked up.
 */
#include "vex.h"

enum { GP = 13, SS = 12, STRING_SOURCE = 1, STRING_DESTINATION = 2, STRING_STORES = 4, STRING_REPEATS = 8, TABLE = 16, STORES = 0x80, BY_BP = 1, OF_X87 = 8 };
enum { MOST_16 = 0xffff };

/* What VexCode.immediate says: bytes of an operand, or of a push or pop with how many there are in `vvvv`. */

static bool has_types(const Env *env)
{
    return env->hflags & HF_PE && !(env->eflags & FLAG_VM);
}

/* Whether loads and stores of a byte at an offset of 16 bits need no check, as in real mode. */
static bool is_open(const Env *env, int index)
{
    const Segment *s = &env->segs[index];
    uint32_t wanted = DESC_P | DESC_S | DESC_RW, refused = DESC_CODE | DESC_EXPAND_DOWN;

    return s->limit >= MOST_16 && (!has_types(env) || index == R_CS || (s->flags & (wanted | refused)) == wanted);
}

/* Null selectors leave segments that are not present. */
static bool is_flat(const Env *env, int index)
{
    const Segment *s = &env->segs[index];
    uint32_t wanted = DESC_P | DESC_S | DESC_RW | (index == R_CS ? DESC_CODE : 0);

    if (s->limit != UINT32_MAX)
        return false;
    return !has_types(env) || ((s->flags & wanted) == wanted && (index == R_CS || !(s->flags & (DESC_CODE | DESC_EXPAND_DOWN))));
}

/* After segments may have been loaded. In 64-bit code nothing is checked, and the size of the stack is not SS's: said the same
 * whatever SS holds, so that what a kernel does after an interrupt, with a null SS, and after a system call is one translation. */
void limits_settle(Vm *vm)
{
    Env *env = vm->cpu->env;
    uint32_t flags = 0;

    vm->cpu->segments_changed = 0;
    if (env->hflags & HF_CS64) {
        env->hflags |= HF_SS32;
        env->segs[R_CS].base = 0;           /* whatever the descriptor says (SDM 3A 5.2.1) */
    } else {
        bool flat = is_flat(env, R_CS) && is_flat(env, R_SS) && is_flat(env, R_DS) && is_flat(env, R_ES);
        bool open = is_open(env, R_CS) && is_open(env, R_SS) && is_open(env, R_DS) && is_open(env, R_ES);
        flags = (flat ? 0 : HF_LIMITS) | (is_flat(env, R_FS) ? 0 : HF_LIMIT_FS) | (is_flat(env, R_GS) ? 0 : HF_LIMIT_GS);
        flags |= flags && !open ? HF_LIMITS_TIGHT : 0;
    }
    env->hflags = (env->hflags & ~HF_ANY_LIMIT) | flags;
}

static bool type_permits(const Segment *s, bool stores)
{
    bool code = s->flags & DESC_CODE, rw = s->flags & DESC_RW;

    return s->flags & DESC_P && (stores ? !code && rw : !code || rw);
}

static bool is_within(const Segment *s, uint32_t offset, uint32_t size, bool may_expand_down)
{
    uint64_t last = (uint64_t)offset + size - 1;

    if (may_expand_down && !(s->flags & DESC_CODE) && s->flags & DESC_EXPAND_DOWN)
        return offset > s->limit && last <= (s->flags & DESC_B ? UINT32_MAX : MOST_16);
    return last <= s->limit;
}

static void check(const Vex *x, int segment, uint32_t offset, uint32_t size, bool stores)
{
    Env *env = x->env;
    const Segment *s = &env->segs[segment];
    bool types = has_types(env);

    if ((!types || type_permits(s, stores)) && is_within(s, offset, size, types))
        return;
    raise_exception_err_ra_x86_64(env, segment == R_SS ? SS : GP, 0, x->host_pc);
}

/* The words of the stack that are pushed or popped one by one, each where the stack pointer wraps. */
static void check_stack(const Vex *x, bool pushes)
{
    Env *env = x->env;
    uint32_t size = x->code.immediate, mask = env->hflags & HF_SS32 ? UINT32_MAX : MOST_16;
    uint32_t sp = env->regs[x->code.scale & BY_BP ? R_RBP : R_RSP];

    for (unsigned i = 0; i < x->displacement; i++)
        check(x, R_SS, (pushes ? sp - (i + 1) * size : sp + i * size) & mask, size, pushes);
}

/* Of BT and its kin with a register: the operand is where the bit lies. */
static void check_bits(const Vex *x, uint32_t size)
{
    bool words_are_16 = size == 2;
    int32_t bit = words_are_16 ? (int16_t)x->env->regs[x->code.reg] : (int32_t)x->env->regs[x->code.reg];
    uint32_t mask = x->code.address_size == ADDRESS_16 ? MOST_16 : UINT32_MAX;

    check(x, x->code.segment, (vex_offset(x) + (bit >> (words_are_16 ? 4 : 5)) * (int)size) & mask, size, x->code.wide);
}

static void check_string(const Vex *x)
{
    uint64_t *regs = x->env->regs, mask = x->code.address_size == ADDRESS_16 ? MOST_16 : UINT32_MAX;
    unsigned how = x->displacement, size = x->code.immediate;

    if (how & STRING_REPEATS && !(regs[R_RCX] & mask))
        return;
    if (how & TABLE)
        check(x, x->code.segment, (regs[R_RBX] + (uint8_t)regs[R_RAX]) & mask, 1, false);
    if (how & STRING_SOURCE)
        check(x, x->code.segment, regs[R_RSI] & mask, size, false);
    if (how & STRING_DESTINATION)
        check(x, R_ES, regs[R_RDI] & mask, size, how & STRING_STORES);
}

/* A block whose end lies beyond the limit is run an instruction at a time. */
static void check_code(const Vex *x)
{
    Vm *vm = vm_current;
    const Segment *cs = &x->env->segs[R_CS];
    uint64_t last = (uint32_t)(vm->block_start - cs->base) + vm->block_size - 1;

    if (last <= cs->limit)
        return;
    if (!vm->in_single)
        restart_alone(vm, x->host_pc);
    raise_exception_err_ra_x86_64(x->env, GP, 0, x->host_pc);
}

void limits_check(const Vex *x)
{
    switch (x->code.row) {
    case LIMIT_OF_CODE: check_code(x); break;
    case LIMIT_OF_OPERAND:
        if (x->code.vvvv & OF_X87)
            x87_check(x->env, x->code.vvvv & 7, x->code.reg << 3, x->host_pc);
        check(x, x->code.segment, vex_offset(x), x->code.immediate, x->code.wide);
        break;
    case LIMIT_OF_BITS: check_bits(x, x->code.immediate); break;
    case LIMIT_OF_PUSH: check_stack(x, true); break;
    case LIMIT_OF_POP: check_stack(x, false); break;
    case LIMIT_OF_STRING: check_string(x); break;
    case LIMIT_OF_JUMP: limits_check_jump(x); break;
    }
}

/* Without the call where the block, which is of one page but for an instruction that crosses its end, cannot come to 64 KiB. */
void limits_translate_block(void *tcg, const Block *block)
{
    uint64_t beyond = (uint32_t)(block->pc - block->cs_base) + (1u << PAGE_SHIFT) + LONGEST_INSTRUCTION;

    if (block->flags & HF_LIMITS_TIGHT || beyond > MOST_16 + 1)
        called_translated(tcg, &(VexDecoded){.code.row = LIMIT_OF_CODE});
}

/* A check of `size` bytes at the offset that the value's low bits are, in a segment that is no less than real mode's. */
static void translate_near(void *tcg, const VexDecoded *d, uintptr_t value, uint32_t size, bool is_32)
{
    TcgLabel *label = tcg_skip_if_low_bits_below(tcg, value, is_32, MOST_16 + 2 - size);

    called_translated(tcg, d);
    tcg_skip_to_here(tcg, label);
}

/* Whether the check is whether the operand ends before 64 KiB. */
static bool is_open_to(const Instruction *i, const VexCode *code)
{
    bool typed_code = code->segment == R_CS && has_types(i->env);

    return !(i->env->hflags & HF_LIMITS_TIGHT) && code->segment < R_FS && !typed_code;
}

/* What is added to an operand's displacement, which there is. */
static uintptr_t translate_registers(void *tcg, const VexCode *code)
{
    uintptr_t base = tcg_register(code->rm), index = tcg_register(code->index);

    if (!code->has_index)
        return base;
    for (unsigned i = 0; i < code->scale; i++)
        index = tcg_sum_of(tcg, index, index);
    return code->has_base ? tcg_sum_of(tcg, base, index) : index;
}

static void translate_check(void *tcg, const Instruction *i, const VexDecoded *d)
{
    const VexCode *code = &d->code;
    bool is_32 = code->address_size == ADDRESS_32;
    uint32_t size = code->immediate, constant = is_32 ? (uint32_t)d->displacement : (uint16_t)d->displacement;

    if (!is_open_to(i, code) || code->row != LIMIT_OF_OPERAND) {
        called_translated(tcg, d);
    } else if (!code->has_base && !code->has_index) {
        if (constant > MOST_16 + 1 - size)
            called_translated(tcg, d);
    } else if (size > 1 || is_32) {
        uintptr_t value = translate_registers(tcg, code);
        translate_near(tcg, d, constant ? tcg_sum(tcg, value, constant) : value, size, is_32);
    }
}

/* Whether operand_of() asks for the number in ModRM. */
static bool has_group(uint8_t opcode)
{
    return (opcode & 0xfc) == 0x80 || (opcode & 0xfd) == 0x8c || (opcode & 0xf6) == 0xf6;
}

/* Bytes of the operand in memory that ModRM names, with STORES; 0: it accesses none. `wide`: of 32 bits. */
static unsigned operand_of(Instruction *i, unsigned size)
{
    uint8_t opcode = instruction_byte(i, 0), group = has_group(opcode) ? instruction_byte(i, 1) >> 3 & 7 : 0;
    unsigned whole = opcode & 1 ? size : 1;

    if (opcode < 0x40)
        return (opcode & 7) < 4 ? whole | ((opcode & 2) == 0 && opcode < 0x38 ? STORES : 0) : 0;
    switch (opcode) {
    case 0x62: return 2 * size;
    case 0x63: return has_types(i->env) ? 2 : 0;        /* ARPL, which stores only what changes */
    case 0x69: case 0x6b: return size;
    case 0x80 ... 0x83: return whole | (group == 7 ? 0 : STORES);
    case 0x84: case 0x85: case 0x8a: case 0x8b: return whole;
    case 0x86: case 0x87: case 0x88: case 0x89: return whole | STORES;
    case 0x8c: return group < 6 ? 2 | STORES : 0;       /* others are #UD, which comes first */
    case 0x8e: return group < 6 && group != R_CS ? 2 : 0;
    case 0x8f: return size | STORES;
    case 0xc0: case 0xc1: case 0xc6: case 0xc7: case 0xd0 ... 0xd3: return whole | STORES;
    case 0xc4: case 0xc5: return size + 2;
    case 0xf6: case 0xf7: return whole | (group == 2 || group == 3 ? STORES : 0);
    case 0xfe: return group < 2 ? 1 | STORES : 0;
    case 0xff: return group == 7 ? 0 : group == 3 || group == 5 ? size + 2 : whole | (group < 2 ? STORES : 0);
    default: return 0;
    }
}

static bool x87_stores(uint8_t opcode, uint8_t group)
{
    switch (opcode & 7) {
    case 1: return group == 2 || group == 3 || group >= 6;
    case 3: return (group >= 1 && group <= 3) || group == 7;
    case 5: case 7: return (group >= 1 && group <= 3) || group >= 6;
    default: return false;
    }
}

static unsigned x87_operand(uint8_t opcode, uint8_t group, unsigned size)
{
    unsigned environment = size == 2 ? 14 : 28;

    switch (opcode & 7) {
    case 0: case 2: return 4;
    case 1: return group == 4 || group == 6 ? environment : group == 5 || group == 7 ? 2 : 4;
    case 3: return group >= 5 ? 10 : 4;
    case 4: return 8;
    case 5: return group == 7 ? 2 : group >= 4 ? environment + 80 : 8;
    case 6: return 2;
    default: return group < 4 ? 2 : group & 1 ? 8 : 10;
    }
}

static bool has_group_0f(uint8_t opcode)
{
    return opcode < 2 || opcode == 0xae || opcode == 0xba || opcode == 0xc7;
}

/* Of map 0F. Vectors are looked at where they begin. */
static unsigned operand_0f(Instruction *i, unsigned size)
{
    uint8_t opcode = instruction_byte(i, 1), group = has_group_0f(opcode) ? instruction_byte(i, 2) >> 3 & 7 : 0;
    unsigned whole = opcode & 1 ? size : 1;

    switch (opcode) {
    case 0x00: return group > 5 || !has_types(i->env) ? 0 : 2 | (group < 2 ? STORES : 0);   /* #UD, as the next two */
    case 0x01: return group == 5 ? 0 : group < 4 ? 6 | (group < 2 ? STORES : 0) : group == 7 ? 0 : 2 | (group == 4 ? STORES : 0);
    case 0x02: case 0x03: return has_types(i->env) ? 2 : 0;
    case 0x0d: case 0x18 ... 0x1f: return 0;
    case 0x11: case 0x13: case 0x17: case 0x29: case 0x2b: case 0x7e: case 0x7f: case 0xd6: case 0xe7: return 1 | STORES;
    case 0x40 ... 0x4f: case 0xaf: case 0xbc: case 0xbd: return size;
    case 0x90 ... 0x9f: return 1 | STORES;
    case 0xa3: return size;
    case 0xba: return group < 4 ? 0 : size | (group > 4 ? STORES : 0);
    case 0xa4: case 0xa5: case 0xac: case 0xad: case 0xab: case 0xb3: case 0xbb: return size | STORES;
    case 0xb0: case 0xb1: case 0xc0: case 0xc1: return whole | STORES;
    case 0xb2: case 0xb4: case 0xb5: return size + 2;
    case 0xb6: case 0xbe: return 1;
    case 0xb7: case 0xbf: return 2;
    case 0xc7: return group == 1 ? 8 | STORES : 0;
    case 0x38: return 1 | (instruction_byte(i, 2) == 0xf1 && i->repeat < 0 ? STORES : 0);      /* MOVBE */
    case 0x3a: return 1 | ((instruction_byte(i, 2) & 0xfc) == 0x14 ? STORES : 0);              /* PEXTRB and its kin */
    case 0xae: return 1 | (group == 0 || group == 3 || group == 4 ? STORES : 0);
    case 0xc3: return size | STORES;
    case 0x10: case 0x12: case 0x14 ... 0x16: case 0x28: case 0x2a: case 0x2c ... 0x2f: case 0x51 ... 0x76: case 0xc2: case 0xc4: case 0xc6: case 0xd0 ... 0xd5: case 0xd8 ... 0xe6: case 0xe8 ... 0xfe:
        return 1;
    default: return 0;
    }
}

static bool is_32(const Instruction *i)
{
    return !(i->env->hflags & HF_CS32) == (i->operand_size >= 0);
}

static void translate_operand(void *tcg, Instruction *i, unsigned size)
{
    uint8_t opcode = instruction_byte(i, 0), second = opcode == 0x0f ? instruction_byte(i, 1) : 0;
    bool is_0f = opcode == 0x0f;
    unsigned modrm_at = !is_0f ? 1 : second == 0x38 || second == 0x3a ? 3 : 2;
    unsigned operand = is_0f ? operand_0f(i, size) : (opcode & 0xf8) == 0xd8 ? 1 : operand_of(i, size);
    VexDecoded d = {.code.row = LIMIT_OF_OPERAND};

    if (!operand || instruction_byte(i, modrm_at) >= 0xc0 || !vex_read_legacy(i, modrm_at, &d))
        return;
    if ((opcode & 0xf8) == 0xd8) {
        uint8_t group = instruction_byte(i, 1) >> 3 & 7;
        operand = x87_operand(opcode, group, size) | (x87_stores(opcode, group) ? STORES : 0);
        d.code.vvvv = OF_X87 | (opcode & 7);    /* #NM and #MF come first */
    }
    bool by_register = is_0f && (second & 0xe7) == 0xa3;
    d.code.row = by_register ? LIMIT_OF_BITS : LIMIT_OF_OPERAND;
    d.code.reg = instruction_byte(i, modrm_at) >> 3 & 7;
    d.code.immediate = operand & ~STORES;
    d.code.wide = operand & STORES ? 1 : 0;
    if (opcode == 0x8f && d.code.has_base && d.code.rm == R_RSP)
        d.displacement += size;             /* it pops first */
    translate_check(tcg, i, &d);
}

static void translate_stack(void *tcg, const Instruction *i, unsigned row, unsigned count, unsigned size, bool by_bp)
{
    VexDecoded d = {.code = {.row = row, .immediate = size, .scale = by_bp ? BY_BP : 0}, .displacement = count};
    uintptr_t top = tcg_register(by_bp ? R_RBP : R_RSP);

    if (i->env->hflags & (HF_LIMITS_TIGHT | HF_SS32))
        called_translated(tcg, &d);
    else
        translate_near(tcg, &d, row == LIMIT_OF_PUSH ? tcg_sum(tcg, top, -(uint64_t)count * size) : top, count * size, false);
}

static void translate_stack_of(void *tcg, Instruction *i, unsigned size)
{
    uint8_t opcode = instruction_byte(i, 0), group = 0;

    if (opcode == 0x0f) {
        uint8_t second = instruction_byte(i, 1);
        if ((second & 0xf7) == 0xa0)
            translate_stack(tcg, i, LIMIT_OF_PUSH, 1, size, false);
        else if ((second & 0xf7) == 0xa1)
            translate_stack(tcg, i, LIMIT_OF_POP, 1, size, false);
        return;
    }
    if (opcode == 0xff)
        group = instruction_byte(i, 1) >> 3 & 7;
    switch (opcode) {
    case 0x06: case 0x0e: case 0x16: case 0x1e: case 0x50 ... 0x57: case 0x68: case 0x6a: case 0x9c: case 0xe8:
        translate_stack(tcg, i, LIMIT_OF_PUSH, 1, size, false);
        break;
    case 0x07: case 0x17: case 0x1f: case 0x58 ... 0x5f: case 0x8f: case 0x9d: case 0xc2: case 0xc3:
        translate_stack(tcg, i, LIMIT_OF_POP, 1, size, false);
        break;
    case 0xff:
        if (group == 2 || group == 3 || group == 6)
            translate_stack(tcg, i, LIMIT_OF_PUSH, group == 3 ? 2 : 1, size, false);
        break;
    case 0x60: translate_stack(tcg, i, LIMIT_OF_PUSH, 8, size, false); break;
    case 0x61: translate_stack(tcg, i, LIMIT_OF_POP, 8, size, false); break;
    case 0x9a: translate_stack(tcg, i, LIMIT_OF_PUSH, 2, size, false); break;
    case 0xc8: translate_stack(tcg, i, LIMIT_OF_PUSH, 1 + (instruction_byte(i, 3) & 31), size, false); break;
    case 0xc9: translate_stack(tcg, i, LIMIT_OF_POP, 1, size, true); break;
    case 0xca: case 0xcb: translate_stack(tcg, i, LIMIT_OF_POP, 2, size, false); break;
    case 0xcf: translate_stack(tcg, i, LIMIT_OF_POP, 3, size, false); break;
    }
}

/* The segment that a prefix names, or DS. */
static unsigned source_segment(Instruction *i)
{
    unsigned segment = R_DS;

    for (unsigned at = 0; at < i->opcode_at; at++)
        switch (i->code[at]) {
        case 0x26: segment = R_ES; break;
        case 0x2e: segment = R_CS; break;
        case 0x36: segment = R_SS; break;
        case 0x3e: segment = R_DS; break;
        case 0x64: segment = R_FS; break;
        case 0x65: segment = R_GS; break;
        }
    return segment;
}

/* Code segments cannot be written, however flat they are. */
bool limits_concern_code(Instruction *i)
{
    return !i->code64 && has_types(i->env) && source_segment(i) == R_CS;
}

/* Those that have no ModRM: strings, XLAT, MOV of an offset. */
static void translate_implied(void *tcg, Instruction *i, unsigned size)
{
    uint8_t opcode = instruction_byte(i, 0);
    bool address_32 = !(i->env->hflags & HF_CS32) == i->by_67;
    unsigned whole = opcode & 1 ? size : 1, how = i->repeat >= 0 ? STRING_REPEATS : 0;
    VexDecoded d = {.code = {.row = LIMIT_OF_STRING, .segment = source_segment(i), .address_size = address_32 ? ADDRESS_32 : ADDRESS_16}};

    switch (opcode & 0xfe) {
    case 0x6c: case 0xaa: how |= STRING_DESTINATION | STRING_STORES; break;
    case 0x6e: case 0xac: how |= STRING_SOURCE; break;
    case 0xa4: how |= STRING_SOURCE | STRING_DESTINATION | STRING_STORES; break;
    case 0xa6: how |= STRING_SOURCE | STRING_DESTINATION; break;
    case 0xae: how |= STRING_DESTINATION; break;
    case 0xd6: how = opcode == 0xd7 ? TABLE : 0; break;
    case 0xa0: case 0xa2:
        d.code.row = LIMIT_OF_OPERAND;
        d.code.wide = opcode >= 0xa2;
        for (unsigned at = 0; at < (address_32 ? 4 : 2); at++)
            d.displacement |= (uint64_t)instruction_byte(i, 1 + at) << 8 * at;
        break;
    default: return;
    }
    d.code.immediate = whole;
    if (d.code.row == LIMIT_OF_OPERAND) {
        translate_check(tcg, i, &d);
        return;
    }
    d.displacement = how;
    if (!is_open_to(i, &d.code) || (address_32 && how & TABLE)) {
        called_translated(tcg, &d);
        return;
    }
    if (how & STRING_SOURCE && (whole > 1 || address_32))
        translate_near(tcg, &d, tcg_register(R_RSI), whole, address_32);
    if (how & STRING_DESTINATION && (whole > 1 || address_32))
        translate_near(tcg, &d, tcg_register(R_RDI), whole, address_32);
}

void limits_translate(void *tcg, Instruction *i)
{
    unsigned size = is_32(i) ? 4 : 2;

    translate_operand(tcg, i, size);
    limits_translate_jump(tcg, i, size, false);
    translate_stack_of(tcg, i, size);
    limits_translate_jump(tcg, i, size, true);
    translate_implied(tcg, i, size);
}

/* Whether it loads a data segment in protected mode: what follows is translated for what it has loaded. */
bool limits_end_block(Instruction *i)
{
    uint8_t opcode = instruction_byte(i, 0), second = opcode == 0x0f ? instruction_byte(i, 1) : 0;

    if (!has_types(i->env) || i->code64)
        return false;
    return opcode == 0x07 || opcode == 0x1f || opcode == 0x8e || opcode == 0xc4 || opcode == 0xc5 || second == 0xb2 || second == 0xb4 ||
           second == 0xb5 || second == 0xa1 || second == 0xa9;
}

void __real_helper_load_seg_x86_64(Env *env, int segment, int selector);

__attribute__((noinline, optimize("optimize-sibling-calls"))) void __wrap_helper_load_seg_x86_64(Env *env, int segment, int selector)
{
    bool is_null = !(selector & 0xfffc) && env->hflags & HF_CS64;

    if (is_null && segment == R_SS && (unsigned)(selector & 3) != (env->hflags & HF_CPL))
        raise_exception_err_ra_x86_64(env, 13, 0, (uintptr_t)__builtin_return_address(0));     /* SDM 2B, MOV */
    vm_current->cpu->segments_changed = 1;
    __real_helper_load_seg_x86_64(env, segment, selector);
}
