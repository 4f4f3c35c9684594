/* VEX prefixes (SDM 2A 2.3): which row of the table an instruction is, and its operands, when it is translated. */
#include "vex.h"

#define HERE ((uintptr_t)__builtin_return_address(0))
#define HELPER __attribute__((noinline))

enum { LONGEST = 15, THREE_BYTES = 0xc4, NO_REGISTER = 15, RBP = 5, RSP = 4 };
enum { CR4_OSXSAVE = 1 << 18, XCR0_SSE_AND_AVX = 6 };

typedef struct {
    Env *env;
    uint64_t start, at;
    bool overlong;
} Reader;

static uint8_t next_byte(Reader *r)
{
    r->overlong |= r->at - r->start >= LONGEST;
    return r->overlong ? 0 : cpu_ldub_code_x86_64(r->env, r->at++);
}

static uint64_t next_signed(Reader *r, unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)next_byte(r) << 8 * i;
    return size == 1 ? (uint64_t)(int8_t)value : size == 2 ? (uint64_t)(int16_t)value : (uint64_t)(int32_t)value;
}

typedef struct {
    uint8_t map, prefix, opcode, modrm;
    bool wide, is_256, not_b, not_x;
    uint8_t legacy_segment;                 /* by a prefix; NO_REGISTER: none */
    bool address_prefix, operand_size, repeated, refused, legacy;
} Fields;

/* What stands before VEX. */
static void read_legacy(Reader *r, uint64_t opcode_at, Fields *f)
{
    static const uint8_t segments[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};
    bool code64 = r->env->hflags & HF_CS64;

    f->legacy_segment = NO_REGISTER;
    while (r->at < opcode_at) {
        uint8_t byte = next_byte(r);
        f->operand_size |= byte == 0x66;
        f->repeated |= byte == 0xf2 || byte == 0xf3;
        f->refused |= byte == 0x66 || byte == 0xf2 || byte == 0xf3 || byte == 0xf0 || (code64 && r->at == opcode_at && (byte & 0xf0) == 0x40);
        f->address_prefix |= byte == 0x67;
        for (unsigned i = 0; i < sizeof segments; i++)
            if (byte == segments[i] && (i >= R_FS || !code64))
                f->legacy_segment = i;
    }
}

/* False if these are LES or LDS. */
static bool read_vex(Reader *r, Fields *f, VexCode *code)
{
    bool code64 = r->env->hflags & HF_CS64, protected_mode = r->env->cr[0] & CR0_PE && !(r->env->eflags & FLAG_VM);
    bool three = next_byte(r) == THREE_BYTES;

    if (!code64 && !protected_mode)
        return false;
    uint8_t first = next_byte(r);
    if (!code64 && first < 0xc0)
        return false;
    uint8_t second = three ? next_byte(r) : first;
    f->map = three ? first & 0x1f : 1;
    f->not_x = three ? first >> 6 & 1 : 1;
    f->not_b = three ? first >> 5 & 1 : 1;
    f->wide = three && second >> 7;
    f->is_256 = second >> 2 & 1;
    f->prefix = second & 3;
    code->reg = first >> 7 ? 0 : 8;
    code->vvvv = ~second >> 3 & 15;
    code->code64 = code64;
    if (!code64) {
        f->not_b = f->not_x = 1;
        code->vvvv &= 7;
    }
    return true;
}

static void read_address_16(Reader *r, uint8_t modrm, VexDecoded *d)
{
    static const struct { uint8_t base, index; } forms[8] = {
        {R_RBX, R_RSI}, {R_RBX, R_RDI}, {R_RBP, R_RSI}, {R_RBP, R_RDI}, {R_RSI, 0}, {R_RDI, 0}, {R_RBP, 0}, {R_RBX, 0},
    };
    unsigned mode = modrm >> 6, rm = modrm & 7;

    d->code.has_base = mode || rm != 6;
    d->code.rm = forms[rm].base;
    d->code.has_index = rm < 4;
    d->code.index = forms[rm].index;
    d->displacement = next_signed(r, mode == 0 ? (rm == 6 ? 2 : 0) : mode);
    if (d->code.has_base && d->code.rm == R_RBP)
        d->code.segment = R_SS;
}

static void read_sib(Reader *r, const Fields *f, unsigned mode, bool vsib, VexDecoded *d)
{
    uint8_t sib = next_byte(r);

    d->code.scale = sib >> 6;
    d->code.index = (sib >> 3 & 7) | (f->not_x ? 0 : 8);
    d->code.has_index = d->code.index != RSP && !vsib;
    d->code.rm = (sib & 7) | (f->not_b ? 0 : 8);
    d->code.has_base = (sib & 7) != RBP || mode;
}

/* `rip_relative`: the displacement is from the next instruction. */
static void read_address(Reader *r, const Fields *f, bool vsib, VexDecoded *d, bool *rip_relative)
{
    unsigned mode = f->modrm >> 6, rm = f->modrm & 7;

    if (d->code.address_size == ADDRESS_16) {
        read_address_16(r, f->modrm, d);
        return;
    }
    d->code.has_base = true;
    d->code.rm = rm | (f->not_b ? 0 : 8);
    if (rm == RSP)
        read_sib(r, f, mode, vsib, d);
    else if (rm == RBP && !mode)
        d->code.has_base = false;
    *rip_relative = !d->code.has_base && rm == RBP && d->code.code64;
    d->displacement = next_signed(r, mode == 1 ? 1 : mode == 2 || !d->code.has_base ? 4 : 0);
    if (d->code.has_base && (d->code.rm == RSP || d->code.rm == RBP))
        d->code.segment = R_SS;
}

static bool has_feature(const Env *env, uint8_t feature)
{
    static const struct { uint8_t word, bit; } at[] = {
        [OF_AVX] = {FEAT_1_ECX, 28}, [OF_AVX2] = {FEAT_7_EBX, 5}, [OF_FMA] = {FEAT_1_ECX, 12}, [OF_F16C] = {FEAT_1_ECX, 29},
        [OF_BMI1] = {FEAT_7_EBX, 3}, [OF_BMI2] = {FEAT_7_EBX, 8},
        [OF_INVPCID] = {FEAT_7_EBX, 10},
    };

    return env->features[at[feature].word] >> at[feature].bit & 1;
}

/* Without what W, L, vvvv and the kind of operand say. */
static bool is_row(const VexRow *row, const Fields *f)
{
    unsigned d = row->demands;
    bool memory = f->modrm < 0xc0;

    return row->opcode == f->opcode && row->map == f->map && row->prefix == f->prefix &&
           (row->group == ANY_GROUP || row->group == (f->modrm >> 3 & 7)) && !(d & W0 && f->wide) && !(d & W1 && !f->wide) &&
           !(d & LEGACY) == !f->legacy && !(d & L0 && f->is_256) && !(d & L1 && !f->is_256) && !(d & FROM_MEMORY && !memory) && !(d & FROM_REGISTER && memory);
}

static const VexRow *find_row(const Env *env, const Fields *f, const VexCode *code)
{
    for (unsigned i = 0; i < vex_row_count; i++) {
        const VexRow *row = &vex_rows[i];
        if (!is_row(row, f))
            continue;
        bool longer = row->demands & LONG_IS_AVX2 && f->is_256;
        bool names = row->demands & NDS || !code->vvvv;
        return names && has_feature(env, longer ? OF_AVX2 : row->feature) ? row : NULL;
    }
    return NULL;
}

static bool has_modrm(const Fields *f)
{
    return f->map != 1 || f->opcode != 0x77;
}

static bool has_immediate(const Fields *f)
{
    return f->map == 3 || (f->map == 1 && ((f->opcode >= 0x70 && f->opcode <= 0x73) || f->opcode == 0xc2 ||
                                           (f->opcode >= 0xc4 && f->opcode <= 0xc6)));
}

static uint8_t address_size(const Env *env, bool prefix)
{
    if (env->hflags & HF_CS64)
        return prefix ? ADDRESS_32 : ADDRESS_64;
    return !(env->hflags & HF_CS32) == prefix ? ADDRESS_32 : ADDRESS_16;
}

/* INVPCID, which has no VEX: 66 0F 38 82. Reads as far as this may be it. */
static bool read_invpcid(Reader *r, uint64_t opcode_at, Fields *f, VexCode *code)
{
    uint8_t rex = 0;

    if (cpu_ldub_code_x86_64(r->env, opcode_at) != 0x0f || cpu_ldub_code_x86_64(r->env, opcode_at + 1) != 0x38 ||
        cpu_ldub_code_x86_64(r->env, opcode_at + 2) != 0x82)
        return false;
    read_legacy(r, opcode_at, f);
    if (opcode_at > r->start && r->env->hflags & HF_CS64)
        rex = cpu_ldub_code_x86_64(r->env, opcode_at - 1);
    rex = (rex & 0xf0) == 0x40 ? rex : 0;
    f->refused = f->repeated || !f->operand_size;
    f->legacy = true;
    f->map = 2;
    f->prefix = 1;
    f->not_b = !(rex & 1);
    f->not_x = !(rex & 2);
    code->reg = rex & 4 ? 8 : 0;
    code->code64 = r->env->hflags & HF_CS64 ? 1 : 0;
    r->at = opcode_at + 2;
    return true;
}

/* An instruction without VEX, of so many bytes before its ModRM: its operand and size. False if it is too long. */
bool vex_read_legacy(Instruction *i, unsigned opcode_size, VexDecoded *d)
{
    Reader r = {.env = i->env, .start = i->linear, .at = i->linear};
    uint8_t rex = i->rex < 0 ? 0 : i->code[i->rex];
    Fields f = {.not_b = !(rex & 1), .not_x = !(rex & 2)};
    bool rip_relative = false;

    read_legacy(&r, i->linear + i->opcode_at, &f);
    while (opcode_size--)
        next_byte(&r);
    f.modrm = next_byte(&r);
    d->code.code64 = i->code64;
    d->code.memory = f.modrm < 0xc0;
    d->code.segment = R_DS;
    d->code.address_size = address_size(i->env, f.address_prefix);
    if (d->code.memory)
        read_address(&r, &f, false, d, &rip_relative);
    if (f.legacy_segment != NO_REGISTER)
        d->code.segment = f.legacy_segment;
    if (rip_relative)
        d->displacement += r.at;
    d->size = r.at - i->linear;
    return !r.overlong;
}

/* What is at `linear`, its opcode at `opcode_at`. Reads no byte that is not the instruction's. */
enum VexKind vex_decode(Env *env, uint64_t linear, uint64_t opcode_at, VexDecoded *d)
{
    Reader r = {.env = env, .start = linear, .at = linear};
    Fields f = {0};
    bool rip_relative = false;

    *d = (VexDecoded){0};
    if ((cpu_ldub_code_x86_64(env, opcode_at) & 0xfe) == THREE_BYTES) {
        read_legacy(&r, opcode_at, &f);
        if (!read_vex(&r, &f, &d->code))
            return NOT_VEX;
    } else if (!read_invpcid(&r, opcode_at, &f, &d->code)) {
        return NOT_VEX;
    }
    f.opcode = next_byte(&r);
    f.modrm = has_modrm(&f) ? next_byte(&r) : 0xc0;
    const VexRow *row = f.refused ? NULL : find_row(env, &f, &d->code);
    if (!row || r.overlong || (row->demands & VSIB && (f.modrm & 7) != RSP))
        return VEX_REFUSED;
    d->code.row = row - vex_rows;
    d->code.reg |= f.modrm >> 3 & 7;
    d->code.wide = f.wide && (d->code.code64 || !(row->demands & (GENERAL | WIDE_IN_64)));
    d->code.segment = R_DS;
    d->code.is_256 = f.is_256;
    d->code.address_size = address_size(env, f.address_prefix);
    d->code.memory = f.modrm < 0xc0;
    if (!d->code.memory)
        d->code.rm = (f.modrm & 7) | (f.not_b ? 0 : 8);
    else if (row->demands & VSIB && d->code.address_size == ADDRESS_16)
        return VEX_REFUSED;
    else
        read_address(&r, &f, row->demands & VSIB, d, &rip_relative);
    if (f.legacy_segment != NO_REGISTER)
        d->code.segment = f.legacy_segment;
    d->code.immediate = has_immediate(&f) ? next_byte(&r) : 0;
    if (rip_relative)
        d->displacement += r.at;
    d->size = r.at - linear;
    d->sets_flags = row->demands & SETS_FLAGS;
    return r.overlong ? VEX_REFUSED : VEX_CALLED;
}

/* The call goes by MONITOR's helper, an instruction that no model has. */
HELPER void __wrap_helper_monitor_x86_64(uint64_t word, uint64_t displacement)
{
    Env *env = vm_current->cpu->env;
    Vex x = {.env = env, .displacement = displacement, .host_pc = HERE};

    memcpy(&x.code, &word, sizeof word);
    x.row = &vex_rows[x.code.row];
    x.lanes = x.code.is_256 && !(x.row->demands & LIG) ? 2 : 1;
    if (!(x.row->demands & GENERAL)) {
        if (!(env->cr[4] & CR4_OSXSAVE) || (env->xcr0 & XCR0_SSE_AND_AVX) != XCR0_SSE_AND_AVX)
            raise_exception_ra_x86_64(env, 6, x.host_pc);
        if (env->cr[0] & CR0_TS)
            raise_exception_ra_x86_64(env, 7, x.host_pc);
    }
    bool guarded = env->hflags & HF_UNMASKED && vex_may_raise(x.row);
    if (guarded)
        sse_exceptions_begin(env);
    x.row->execute(&x);
    if (guarded)
        sse_exceptions_end(env, x.host_pc);
}

void vex_translated(void *tcg, const VexDecoded *decoded)
{
    uint64_t word;

    memcpy(&word, &decoded->code, sizeof word);
    void *arguments[] = {tcg_constant_argument(tcg, word), tcg_constant_argument(tcg, decoded->displacement)};
    tcg_gen_callN_x86_64(tcg, __wrap_helper_monitor_x86_64, NULL, 2, arguments);
}
