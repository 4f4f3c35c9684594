/* What an instruction demands of the translator besides Unicorn's work.
 *
 * #GP for SSE operands that are not aligned to 16 bytes (SDM 1 4.1.1.1), which Unicorn lets pass.
 * When an instruction that demands alignment is translated, its first 8-byte access is preceded by a check. The check
 * is a call, and TCG calls registered helpers only: it borrows CMPXCHG16B's locked one, which is for parallel CPUs.
 *
 * A port access ends its block, so that what it asks for (to stop, to switch off) comes right after it wherever the
 * block began.
 */
#include "vm.h"

typedef struct {
    uint8_t opcode, last;                   /* a range */
    uint8_t prefixes;                       /* those it demands alignment with */
} Row;
enum { PACKED = NO_PREFIX | BY_66 };

static const Row map_0f[] = {               /* SDM 2, operands called m128 */
    {0x14, 0x15, PACKED}, {0x28, 0x29, PACKED}, {0x2b, 0x2b, PACKED}, {0x2c, 0x2d, BY_66}, {0x51, 0x51, PACKED}, {0x52, 0x53, NO_PREFIX},
    {0x54, 0x59, PACKED}, {0x5a, 0x5a, BY_66}, {0x5b, 0x5b, PACKED | BY_F3}, {0x5c, 0x5f, PACKED}, {0x60, 0x6d, BY_66},
    {0x6f, 0x6f, BY_66}, {0x70, 0x70, BY_66 | BY_F3 | BY_F2}, {0x74, 0x76, BY_66}, {0x7c, 0x7d, BY_66 | BY_F2}, {0x7f, 0x7f, BY_66},
    {0xc2, 0xc2, PACKED}, {0xc6, 0xc6, PACKED}, {0xd0, 0xd0, BY_66 | BY_F2}, {0xd1, 0xd5, BY_66}, {0xd8, 0xe5, BY_66},
    {0xe6, 0xe6, BY_66 | BY_F2}, {0xe7, 0xef, BY_66}, {0xf1, 0xf6, BY_66}, {0xf8, 0xfe, BY_66},
};
static const Row map_0f38[] = {
    {0x00, 0x0b, BY_66}, {0x10, 0x17, BY_66}, {0x1c, 0x1e, BY_66}, {0x28, 0x2b, BY_66}, {0x37, 0x41, BY_66}, {0xdb, 0xdf, BY_66},
};
static const Row map_0f3a[] = {{0x08, 0x09, BY_66}, {0x0c, 0x0f, BY_66}, {0x40, 0x42, BY_66}, {0x44, 0x44, BY_66}, {0xdf, 0xdf, BY_66}};

#define LISTED(map, opcode, i) listed(map, sizeof map / sizeof *map, opcode, i)

static bool listed(const Row *rows, unsigned count, uint8_t opcode, const Instruction *i)
{
    for (unsigned row = 0; row < count; row++)
        if (opcode >= rows[row].opcode && opcode <= rows[row].last)
            return rows[row].prefixes & prefix_bit(i);
    return false;
}

static unsigned port_traits(uint8_t opcode)
{
    if ((opcode & 0xfe) == 0x6c)
        return ACCESSES_PORT | STORES_FROM_PORT;
    return (opcode & 0xf4) == 0xe4 || (opcode & 0xfe) == 0x6e ? ACCESSES_PORT : 0;
}

/* The ModRM.reg values, a bit for each, with which the opcode takes LOCK. */
static uint8_t lockable(uint8_t opcode)
{
    if (opcode < 0x38)
        return (opcode & 7) < 2 ? 0xff : 0; /* ADD to XOR; CMP follows */
    switch (opcode) {
    case 0x80: case 0x81: case 0x82: case 0x83: return 0x7f;
    case 0x86: case 0x87: return 0xff;      /* XCHG */
    case 0xf6: case 0xf7: return 0x0c;      /* NOT, NEG */
    case 0xfe: case 0xff: return 0x03;      /* INC, DEC */
    default: return 0;
    }
}

static uint8_t lockable_0f(uint8_t opcode)
{
    switch (opcode) {
    case 0xab: case 0xb3: case 0xbb: return 0xff;               /* BTS, BTR, BTC */
    case 0xb0: case 0xb1: case 0xc0: case 0xc1: return 0xff;    /* CMPXCHG, XADD */
    case 0xba: return 0xe0;
    case 0xc7: return 0x02;                 /* CMPXCHG8B */
    default: return 0;
    }
}

/* BT, BTS, BTR, BTC; other forms of BAh are #UD. */
static bool tests_bit(uint8_t opcode)
{
    return opcode == 0xba || (opcode & 0xe7) == 0xa3;
}

/* CMPXCHG8B and CMPXCHG16B, by ModRM. */
static bool exchanges_pair(uint8_t opcode, uint8_t modrm)
{
    return opcode == 0xc7 && modrm < 0xc0 && (modrm & 0x38) == 0x08;
}

/* LOCK before anything but a change of memory is #UD (SDM 2A, LOCK). Unicorn ends the process at some of those. */
static unsigned locked_traits(Instruction *i)
{
    uint8_t opcode = instruction_byte(i, 0);
    bool escaped = opcode == 0x0f;

    if (escaped)
        opcode = instruction_byte(i, 1);
    uint8_t operations = escaped ? lockable_0f(opcode) : lockable(opcode);
    uint8_t modrm = operations ? instruction_byte(i, 1 + escaped) : 0xc0;
    if (modrm >= 0xc0 || !(operations >> (modrm >> 3 & 7) & 1))
        return LOCKS_IN_VAIN;
    return escaped && (tests_bit(opcode) || exchanges_pair(opcode, modrm)) ? READS_FLAGS : 0;
}

/* RCL, RCR of memory. */
static bool rotates_through_carry(Instruction *i)
{
    uint8_t opcode = instruction_byte(i, 0);
    bool shifts = (opcode & 0xfe) == 0xc0 || (opcode & 0xfc) == 0xd0;

    return shifts && instruction_byte(i, 1) < 0xc0 && (instruction_byte(i, 1) & 0x30) == 0x10;
}

/* MOVUPS, MOVUPD, MOVDQU, LDDQU: 16 bytes that may lie across pages. */
static bool loads_pair(uint8_t prefix, uint8_t map)
{
    return (map == 0x10 && (!prefix || prefix == 0x66)) || (map == 0x6f && prefix == 0xf3) || (map == 0xf0 && prefix == 0xf2);
}

static unsigned traits_0f(Instruction *i)
{
    uint8_t map = instruction_byte(i, 1);
    unsigned modrm_at = 2;
    bool found;

    switch (map) {
    case 0x38:
        found = LISTED(map_0f38, instruction_byte(i, 2), i);
        modrm_at = 3;
        break;
    case 0x3a:
        found = LISTED(map_0f3a, instruction_byte(i, 2), i);
        modrm_at = 3;
        break;
    case 0xae:
        return (instruction_byte(i, 2) & 0x38) == 0x18 ? STORES_MXCSR : 0;
    default:
        if (tests_bit(map) || ((map & 0xf0) == 0x90 && instruction_byte(i, 2) < 0xc0) ||
            (map == 0xc7 && exchanges_pair(map, instruction_byte(i, 2))))
            return READS_FLAGS;             /* the second: SETcc to memory */
        found = LISTED(map_0f, map, i);
    }
    bool pair = loads_pair(i->prefix, map);
    if ((!found && !pair) || instruction_byte(i, modrm_at) >= 0xc0)
        return 0;
    return found ? DEMANDS_ALIGNMENT : LOADS_PAIR;
}

/* What the translator must add. */
unsigned instruction_traits(Instruction *i)
{
    if (i->locked)
        return locked_traits(i);
    uint8_t opcode = instruction_byte(i, 0);
    if (opcode == 0x0f)
        return traits_0f(i);
    if ((opcode & 0xfe) == 0xe0)
        return LOOPS_BY_ZF;
    if (rotates_through_carry(i))
        return READS_FLAGS;
    return port_traits(opcode);
}

/* Bytes of a memory operand of which Unicorn would read more, for registers are as wide; 0 for all others. */
unsigned instruction_operand_size(Instruction *i)
{
    if (instruction_byte(i, 0) != 0x0f)
        return 0;
    uint8_t map = instruction_byte(i, 1);
    if (!i->prefix && (map == 0x5a || map == 0x2c || map == 0x2d))
        return 8;                           /* CVTPS2PD, CVTTPS2PI, CVTPS2PI */
    if (map == 0xe6 && i->prefix == 0xf3)
        return 8;                           /* CVTDQ2PD */
    if (!i->prefix && map >= 0x60 && map <= 0x62)
        return 4;                           /* PUNPCKLBW and its kin of MMX */
    uint8_t opcode = map == 0x3a && i->prefix == 0x66 ? instruction_byte(i, 2) : 0;
    return opcode == 0x0a ? 4 : opcode == 0x0b ? 8 : 0; /* ROUNDSS, ROUNDSD */
}

__attribute__((noinline)) void __wrap_helper_cmpxchg16b_x86_64(Env *env, uint64_t linear)
{
    (void)env;
    if (linear & 15)
        raise_exception_err_ra_x86_64(vm_current->cpu->env, 13, 0, (uintptr_t)__builtin_return_address(0));
}

static void check_once(void *tcg, uintptr_t address)
{
    void *temp = (char *)tcg + address, *arguments[] = {temp, temp};

    if (!vm_current || !vm_current->align_next)
        return;
    vm_current->align_next = 0;
    tcg_gen_callN_x86_64(tcg, __wrap_helper_cmpxchg16b_x86_64, NULL, 2, arguments);
}

enum { MEMORY_32 = 2, NOTHING_MORE = 1 };

void __real_tcg_gen_qemu_ld_i64_x86_64(void *tcg, uintptr_t value, uintptr_t address, uintptr_t index, int operation);
void __real_tcg_gen_qemu_st_i64_x86_64(void *tcg, uintptr_t value, uintptr_t address, uintptr_t index, int operation);

/* Both halves of an operand that may lie across pages are loaded before Unicorn stores the first in a register. */
static void load_pair(void *tcg, uintptr_t value, uintptr_t address, uintptr_t index, int operation)
{
    Vm *vm = vm_current;

    if (vm->pair_next == PAIR_SECOND) {
        tcg_copy(tcg, value, vm->pair_high);
        vm->pair_next = 0;
        return;
    }
    vm->pair_next = PAIR_SECOND;
    vm->pair_high = tcg_temporary(tcg);
    __real_tcg_gen_qemu_ld_i64_x86_64(tcg, value, address, index, operation);
    __real_tcg_gen_qemu_ld_i64_x86_64(tcg, vm->pair_high, tcg_sum(tcg, address, 8), index, operation);
}

void __wrap_tcg_gen_qemu_ld_i64_x86_64(void *tcg, uintptr_t value, uintptr_t address, uintptr_t index, int operation)
{
    check_once(tcg, address);
    if (vm_current && vm_current->pair_next) {
        load_pair(tcg, value, address, index, operation);
        return;
    }
    if (vm_current && vm_current->operand_left) {
        unsigned left = vm_current->operand_left;
        vm_current->operand_left = left > 8 ? left - 8 : NOTHING_MORE;
        if (left == NOTHING_MORE)
            return;
        operation = left == 4 ? MEMORY_32 : operation;
    }
    __real_tcg_gen_qemu_ld_i64_x86_64(tcg, value, address, index, operation);
}

void __wrap_tcg_gen_qemu_st_i64_x86_64(void *tcg, uintptr_t value, uintptr_t address, uintptr_t index, int operation)
{
    if (vm_current && vm_current->probe_next) {
        port_translate_probe(tcg, address, 1u << (operation & 3), index);
        return;
    }
    check_once(tcg, address);
    __real_tcg_gen_qemu_st_i64_x86_64(tcg, value, address, index, operation);
}
