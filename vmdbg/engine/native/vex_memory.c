/* Operands in memory of instructions that are called: RAM of one page at once, all else in parts as translated code would
 * access it. Nothing of a store is done before all of it may be. */
#include "vex.h"
#include "unicorn_tlb.h"

unsigned vex_size(const Vex *x)
{
    unsigned length = x->lanes * LANE;

    switch (x->row->size) {
    case WHOLE: return length;
    case HALF: return length / 2;
    case QUARTER: return length / 4;
    case EIGHTH: return length / 8;
    case WORD: return x->code.wide ? 8 : 4;
    default: return x->row->size;
    }
}

/* Of the operand in its segment; the index of VSIB, which is a vector, is not in it. */
uint64_t vex_offset(const Vex *x)
{
    const VexCode *code = &x->code;
    const Env *env = x->env;
    uint64_t address = x->displacement;

    if (code->has_base)
        address += env->regs[code->rm];
    if (code->has_index)
        address += env->regs[code->index] << code->scale;
    if (code->address_size != ADDRESS_64)
        address = code->address_size == ADDRESS_32 ? (uint32_t)address : (uint16_t)address;
    return address;
}

uint64_t vex_linear(const Vex *x)
{
    const VexCode *code = &x->code;
    const Env *env = x->env;
    uint64_t address = vex_offset(x);

    if (code->code64)
        return code->segment >= R_FS ? address + env->segs[code->segment].base : address;
    return (uint32_t)(address + env->segs[code->segment].base);
}

/* #SS or #GP (SDM 3A 6.15). */
static void check_canonical(const Vex *x, uint64_t linear, unsigned size)
{
    uint64_t last = linear + size - 1;

    if (!((((linear + (1ull << 47)) | (last + (1ull << 47))) >> 48)))
        return;
    if (x->env->hflags & HF_CS64)
        raise_exception_err_ra_x86_64(x->env, x->code.segment == R_SS ? 12 : 13, 0, x->host_pc);
}

/* What is left is accessed by powers of two. */
static unsigned part_of(unsigned left)
{
    return left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
}

static void load_part(const Vex *x, uint64_t linear, uint8_t *to, unsigned size)
{
    uint64_t value;

    if (size == 8)
        value = cpu_ldq_data_ra_x86_64(x->env, linear, x->host_pc);
    else if (size == 4)
        value = cpu_ldl_data_ra_x86_64(x->env, linear, x->host_pc);
    else if (size == 2)
        value = cpu_lduw_data_ra_x86_64(x->env, linear, x->host_pc);
    else
        value = cpu_ldub_data_ra_x86_64(x->env, linear, x->host_pc);
    memcpy(to, &value, size);
}

void vex_load_at(const Vex *x, uint64_t linear, void *to, unsigned size)
{
    check_canonical(x, linear, size);
    const void *place = unicorn_tlb_load(x->env, linear, size, env_mmu_mode(x->env), x->host_pc);

    if (place) {
        memcpy(to, place, size);
        return;
    }
    for (unsigned at = 0, part; at < size; at += part) {
        part = part_of(size - at);
        load_part(x, linear + at, (uint8_t *)to + at, part);
    }
}

static void store_part(const Vex *x, uint64_t linear, const uint8_t *from, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, from, size);
    if (size == 8)
        cpu_stq_data_ra_x86_64(x->env, linear, value, x->host_pc);
    else if (size == 4)
        cpu_stl_data_ra_x86_64(x->env, linear, value, x->host_pc);
    else if (size == 2)
        cpu_stw_data_ra_x86_64(x->env, linear, value, x->host_pc);
    else
        cpu_stb_data_ra_x86_64(x->env, linear, value, x->host_pc);
}

/* Raises what a store of it would raise. */
void vex_probe_store(const Vex *x, uint64_t linear, unsigned size)
{
    check_canonical(x, linear, size);
    unsigned first = 4096 - (linear & 0xfff), mode = env_mmu_mode(x->env);

    unicorn_tlb_probe_store(x->env, linear, size < first ? size : first, mode, x->host_pc);
    if (size > first)
        unicorn_tlb_probe_store(x->env, linear + first, size - first, mode, x->host_pc);
}

static void store_lane(const Vex *x, uint64_t linear, const uint8_t *from, unsigned size)
{
    void *place = unicorn_tlb_store(x->env, linear, from, size, env_mmu_mode(x->env), x->host_pc);

    if (place) {
        memcpy(place, from, size);
        return;
    }
    for (unsigned at = 0, part; at < size; at += part) {
        part = part_of(size - at);
        store_part(x, linear + at, from + at, part);
    }
}

void vex_store_at(const Vex *x, uint64_t linear, const void *from, unsigned size)
{
    check_canonical(x, linear, size);
    if ((linear & 0xfff) + size > 4096)
        vex_probe_store(x, linear, size);
    for (unsigned at = 0; at < size; at += LANE)
        store_lane(x, linear + at, (const uint8_t *)from + at, size - at < LANE ? size - at : LANE);
}

static uint64_t checked_linear(const Vex *x, unsigned size)
{
    uint64_t linear = vex_linear(x);

    if (x->row->demands & ALIGNED && linear & (size - 1))
        raise_exception_err_ra_x86_64(x->env, 13, 0, x->host_pc);
    return linear;
}

void vex_load(const Vex *x, void *to, unsigned size)
{
    vex_load_at(x, checked_linear(x, size), to, size);
}

void vex_store(const Vex *x, const void *from, unsigned size)
{
    vex_store_at(x, checked_linear(x, size), from, size);
}
