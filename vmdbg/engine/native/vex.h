/* Instructions that translated code calls functions for: VEX-encoded ones, which Unicorn does not have, and some others.
 *
 * Registers have 128 bits a lane. The low lanes of YMM are Unicorn's XMM registers, the high ones lie in its registers 16
 * to 31, which are AVX-512's and otherwise unused: SSE's helpers write garbage beyond 128 bits of the register that they
 * compute.
 */
#ifndef VMDBG_VEX_H
#define VMDBG_VEX_H

#include <string.h>

#include "vm.h"

enum { LANE = 16, HIGH_LANES = 16, MOST_LANES = 2 };

typedef union {                             /* a lane, and what SSE's helpers write beyond it */
    uint8_t b[64];
    uint16_t w[32];
    uint32_t l[16];
    uint64_t q[8];
} Vector;

typedef struct VexRow VexRow;

typedef struct {                            /* an instruction as translated code tells of it */
    uint16_t row;
    uint8_t reg : 4, vvvv : 4;
    uint8_t rm : 4, index : 4;              /* rm: the register, or the base */
    uint8_t immediate;
    uint8_t is_256 : 1, wide : 1, memory : 1, has_base : 1, has_index : 1, code64 : 1, scale : 2;
    uint8_t segment : 3, address_size : 2;  /* address_size: ADDRESS_16.. */
    uint8_t pad;
} VexCode;
_Static_assert(sizeof(VexCode) == 8, "travels as a register");
enum { ADDRESS_16, ADDRESS_32, ADDRESS_64 };

typedef struct {
    Env *env;
    const VexRow *row;
    uint64_t displacement;
    uintptr_t host_pc;
    unsigned lanes;
    VexCode code;
} Vex;

typedef void VexExecute(const Vex *x);
typedef void Combine(Env *env, void *result, void *operand);                        /* result = f(result, operand) */
typedef void CombineBy(Env *env, void *result, void *operand, uint32_t immediate);

enum VexFeature { OF_AVX, OF_AVX2, OF_FMA, OF_F16C, OF_BMI1, OF_BMI2, OF_INVPCID };
enum {                                      /* what a row demands */
    W0 = 1, W1 = 2, L0 = 4, L1 = 8,
    LIG = 16,                               /* L is ignored, one lane is computed */
    NDS = 32,                               /* vvvv names a register; without it, it must name none */
    FROM_MEMORY = 64, FROM_REGISTER = 128,
    ALIGNED = 256,
    SETS_FLAGS = 512,
    LONG_IS_AVX2 = 1024,                    /* of 256 bits it is AVX2's */
    GENERAL = 2048,                         /* of general registers: needs no YMM state */
    VSIB = 4096,
    WIDE_IN_64 = 8192,                      /* W is ignored elsewhere */
    LEGACY = 16384,                         /* encoded without VEX */
};
enum { WHOLE = 0, HALF = 0x81, QUARTER = 0x82, EIGHTH = 0x83, WORD = 0x84 };        /* bytes of an operand, by L or W, or a number */
enum { ANY_GROUP = 8 };

struct VexRow {
    uint8_t map, prefix, opcode, group;     /* prefix: VEX.pp; group: ModRM.reg */
    uint16_t demands;
    uint8_t feature, size;
    VexExecute *execute;
    union { Combine *combine; CombineBy *by; uintptr_t word; };
};

/* sse_exceptions.c */
bool vex_may_raise(const VexRow *row);
bool sse_exception_comes(const Env *env, uint8_t flags);
bool sse_stage_ends(Env *env);

/* vex_tables.c */
extern const VexRow vex_rows[];
extern const unsigned vex_row_count;

/* vex_memory.c */
uint64_t vex_offset(const Vex *x);
uint64_t vex_linear(const Vex *x);
void vex_load_at(const Vex *x, uint64_t linear, void *to, unsigned size);
void vex_store_at(const Vex *x, uint64_t linear, const void *from, unsigned size);
void vex_probe_store(const Vex *x, uint64_t linear, unsigned size);
void vex_load(const Vex *x, void *to, unsigned size);
void vex_store(const Vex *x, const void *from, unsigned size);
unsigned vex_size(const Vex *x);

static inline void vex_get(const Vex *x, unsigned reg, unsigned lane, Vector *to)
{
    memcpy(to, x->env->xmm_regs[reg + HIGH_LANES * lane], LANE);
}

static inline void vex_put(const Vex *x, unsigned reg, unsigned lane, const Vector *from)
{
    memcpy(x->env->xmm_regs[reg + HIGH_LANES * lane], from, LANE);
}

static inline void vex_clear_high(const Vex *x, unsigned reg)
{
    memset(x->env->xmm_regs[reg + HIGH_LANES], 0, LANE);
}

/* All lanes of the destination, of which those beyond the vector's length become zero. */
static inline void vex_result(const Vex *x, const Vector *lanes)
{
    for (unsigned i = 0; i < x->lanes; i++)
        vex_put(x, x->code.reg, i, &lanes[i]);
    if (x->lanes == 1)
        vex_clear_high(x, x->code.reg);
}

/* The operand that ModRM names, of vex_size() bytes if it is in memory; what is beyond is zero. */
static inline void vex_operand(const Vex *x, Vector lanes[MOST_LANES])
{
    if (!x->code.memory) {
        vex_get(x, x->code.rm, 0, &lanes[0]);
        vex_get(x, x->code.rm, 1, &lanes[1]);
        return;
    }
    uint8_t bytes[MOST_LANES * LANE];
    unsigned size = vex_size(x);
    if (size < sizeof bytes)
        memset(bytes, 0, sizeof bytes);
    vex_load(x, bytes, size);
    memcpy(&lanes[0], bytes, LANE);
    memcpy(&lanes[1], bytes + LANE, LANE);
}

/* The lanes in one row. */
static inline void vex_operand_bytes(const Vex *x, uint8_t bytes[MOST_LANES * LANE])
{
    Vector lanes[MOST_LANES];

    vex_operand(x, lanes);
    memcpy(bytes, &lanes[0], LANE);
    memcpy(bytes + LANE, &lanes[1], LANE);
}

static inline void vex_result_bytes(const Vex *x, const uint8_t *bytes)
{
    for (unsigned i = 0; i < x->lanes; i++)
        memcpy(x->env->xmm_regs[x->code.reg + HIGH_LANES * i], bytes + LANE * i, LANE);
    if (x->lanes == 1)
        vex_clear_high(x, x->code.reg);
}

static inline void vex_register_bytes(const Vex *x, unsigned reg, uint8_t bytes[MOST_LANES * LANE])
{
    memcpy(bytes, x->env->xmm_regs[reg], LANE);
    memcpy(bytes + LANE, x->env->xmm_regs[reg + HIGH_LANES], LANE);
}

/* Of the general register or memory that ModRM names, 32 or 64 bits. */
static inline uint64_t vex_general_operand(const Vex *x)
{
    uint64_t value = 0;

    if (x->code.memory)
        vex_load(x, &value, x->code.wide ? 8 : 4);
    else
        value = x->code.wide ? x->env->regs[x->code.rm] : (uint32_t)x->env->regs[x->code.rm];
    return value;
}

static inline void vex_set_general(const Vex *x, unsigned reg, uint64_t value)
{
    x->env->regs[reg] = x->code.wide ? value : (uint32_t)value;
}

/* vex_forms.c */
VexExecute vex_binary, vex_unary, vex_binary_by, vex_unary_by, vex_shift_by_vector, vex_shift_by_immediate, vex_widen,
    vex_narrow, vex_from_general, vex_to_general, vex_compares, vex_compares_by;

/* vex_moves.c */
VexExecute vex_move_load, vex_move_store, vex_move_scalar_load, vex_move_scalar_store, vex_move_low, vex_move_high, vex_store_low,
    vex_store_high, vex_move_quad, vex_store_quad, vex_move_from_general, vex_move_to_general, vex_duplicate_even, vex_duplicate_odd,
    vex_duplicate_double, vex_zero_upper, vex_move_mask_singles, vex_move_mask_doubles, vex_move_mask_bytes, vex_load_mxcsr,
    vex_store_mxcsr, vex_mask_move_bytes, vex_mask_load, vex_mask_store, vex_gather;

/* vex_permutes.c */
VexExecute vex_broadcast, vex_insert_lane, vex_extract_lane, vex_permute_lanes, vex_permute_dwords, vex_permute_quads,
    vex_permute_in_lane, vex_permute_in_lane_by, vex_blend, vex_blend_by_register, vex_insert, vex_insert_single, vex_extract, vex_extract_word,
    vex_extend_signed, vex_extend_zeros, vex_shuffle_words, vex_shuffle_singles, vex_shuffle_doubles, vex_sum_differences,
    vex_shift_variable, vex_test;

/* sse_arithmetic.c, sse_compares.c, sse_conversions.c, vex_fma.c */
CombineBy vex_cmpps, vex_cmppd, vex_cmpss, vex_cmpsd;
VexExecute vex_dot_products, vex_fma, vex_halves_to_singles, vex_singles_to_halves;

/* vex_general.c */
VexExecute vex_andn, vex_bextr, vex_bls, vex_bzhi, vex_mulx, vex_pdep, vex_pext, vex_rorx, vex_shift_general;

/* invpcid.c */
VexExecute invpcid;

/* vex_decode.c */
enum VexKind { NOT_VEX, VEX_REFUSED, VEX_CALLED };
typedef struct {
    VexCode code;
    uint64_t displacement;
    uint64_t offset;                        /* of the instruction in its code segment; of the x87's alone */
    unsigned size;                          /* bytes of the instruction */
    bool sets_flags;
} VexDecoded;
bool vex_read_legacy(Instruction *i, unsigned opcode_size, VexDecoded *decoded);
enum VexKind vex_decode(Env *env, uint64_t linear, uint64_t opcode_at, VexDecoded *decoded);
void vex_translated(void *tcg, const VexDecoded *decoded);

/* x87.c */
enum VexKind x87_decode(Instruction *i, VexDecoded *decoded);
void x87_translated(void *tcg, const VexDecoded *decoded);
void x87_check(Env *env, unsigned opcode, uint8_t modrm, uintptr_t host_pc);

/* limits_jumps.c */
void limits_check_jump(const Vex *x);
void limits_translate_jump(void *tcg, Instruction *i, unsigned size, bool late);

/* limits.c */
enum { LIMIT_OF_CODE, LIMIT_OF_OPERAND, LIMIT_OF_BITS, LIMIT_OF_PUSH, LIMIT_OF_POP, LIMIT_OF_STRING, LIMIT_OF_JUMP, LIMIT_CHECKS };    /* VexCode.row */
void limits_translate_block(void *tcg, const Block *block);
void limits_translate(void *tcg, Instruction *i);
bool limits_end_block(Instruction *i);
bool limits_concern_code(Instruction *i);
void limits_check(const Vex *x);

/* called.c */
enum VexKind called_decode(Instruction *i, VexDecoded *decoded);
void called_translated(void *tcg, const VexDecoded *decoded);

#endif
