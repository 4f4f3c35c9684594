/* What an exception says of an instruction's operand, found from the instruction's bytes when it faults.
 *
 * An address that is not canonical is #SS where the operand is on the stack, #GP else (SDM 3A 6.15). An instruction
 * that reads, changes and stores its operand faults as a write (W of the error code), though it reads first.
 */
#include "vm.h"

enum { LONGEST_INSTRUCTION = 15, RSP = 4, RBP = 5 };

typedef struct {
    uint8_t code[LONGEST_INSTRUCTION];
    uint64_t size;
    unsigned at;                            /* of the opcode */
    uint8_t rex;
    bool by_fs_gs;
} Decoded;

static bool decode(Vm *vm, Decoded *d)
{
    d->size = vm_read_linear(vm, env_linear_pc(vm->cpu->env), d->code, sizeof d->code);
    d->at = instruction_prefixes(vm->cpu->env, d->code, d->size);
    d->rex = d->at && (vm->cpu->env->hflags & HF_CS64) && (d->code[d->at - 1] & 0xf0) == 0x40 ? d->code[d->at - 1] : 0;
    d->by_fs_gs = false;
    for (unsigned i = 0; i < d->at; i++)
        d->by_fs_gs |= (d->code[i] & 0xfe) == 0x64;
    return d->at < d->size;
}

static uint8_t byte_at(const Decoded *d, unsigned index)
{
    return d->at + index < d->size ? d->code[d->at + index] : 0;
}

/* Pushes, pops and their kin, whose operand is at rsp. */
static bool works_on_stack(const Decoded *d)
{
    uint8_t opcode = byte_at(d, 0), group = byte_at(d, 1) >> 3 & 7;

    switch (opcode) {
    case 0x50 ... 0x5f: case 0x68: case 0x6a: case 0x9c: case 0x9d: case 0xc2: case 0xc3: case 0xc8: case 0xc9: case 0xe8:
        return true;
    case 0x0f:
        return (byte_at(d, 1) & 0xf6) == 0xa0;  /* PUSH and POP of FS and GS */
    case 0xff:
        return byte_at(d, 1) >= 0xc0 && (group == 2 || group == 6);
    default:
        return false;
    }
}

/* How many bytes of opcode there are, or 0 if no ModRM follows them. */
static unsigned opcode_bytes(const Decoded *d)
{
    uint8_t opcode = byte_at(d, 0);

    if (opcode != 0x0f)
        return (opcode < 0x40 && (opcode & 4) == 0) || (opcode & 0xfc) == 0x80 || (opcode & 0xf8) == 0x88 ||
               opcode == 0x62 || opcode == 0x63 || opcode == 0x69 || opcode == 0x6b || (opcode & 0xfc) == 0x84 ||
               (opcode & 0xfe) == 0xc0 || (opcode & 0xfe) == 0xc6 || (opcode & 0xfc) == 0xd0 || (opcode & 0xf8) == 0xd8 ||
               (opcode & 0xfe) == 0xf6 || (opcode & 0xfe) == 0xfe;
    uint8_t second = byte_at(d, 1);
    if (second == 0x38 || second == 0x3a)
        return 3;
    return (second & 0xf0) == 0x80 || (second & 0xf8) == 0xc8 ? 0 : 2;
}

/* The default segment of the operand: SS for a base of rsp or rbp. */
static bool addresses_stack(const Decoded *d)
{
    unsigned before = opcode_bytes(d);
    uint8_t modrm = byte_at(d, before), mode = modrm >> 6, rm = modrm & 7;

    if (!before || mode == 3)
        return false;
    if (rm == RSP) {
        uint8_t base = byte_at(d, before + 1) & 7;
        return !(d->rex & 1) && (base == RSP || (base == RBP && mode));
    }
    return rm == RBP && mode && !(d->rex & 1);
}

/* #SS or #GP for an operand of the instruction at rip. */
int operand_vector(Vm *vm)
{
    Decoded d;

    return decode(vm, &d) && (works_on_stack(&d) || (addresses_stack(&d) && !d.by_fs_gs)) ? 12 : 13;
}

static bool modifies_0f(const Decoded *d)
{
    uint8_t opcode = byte_at(d, 1), group = byte_at(d, 2) >> 3 & 7;

    switch (opcode) {
    case 0xa4: case 0xa5: case 0xac: case 0xad: case 0xab: case 0xb3: case 0xbb: case 0xb0: case 0xb1: case 0xc0: case 0xc1:
        return true;                        /* SHLD, SHRD, BTS, BTR, BTC, CMPXCHG, XADD */
    case 0xba:
        return group > 4;
    case 0xc7:
        return group == 1;                  /* CMPXCHG8B */
    default:
        return false;
    }
}

/* Whether the instruction at rip stores what it has read from the same operand. */
bool operand_is_modified(Vm *vm)
{
    Decoded d;

    if (!decode(vm, &d))
        return false;
    uint8_t opcode = byte_at(&d, 0), group = byte_at(&d, 1) >> 3 & 7;
    switch (opcode) {
    case 0x0f:
        return modifies_0f(&d);
    case 0x80 ... 0x83:
        return group != 7;                  /* CMP only reads */
    case 0x86: case 0x87: case 0xc0: case 0xc1: case 0xd0 ... 0xd3:
        return true;
    case 0xf6: case 0xf7:
        return group == 2 || group == 3;
    case 0xfe: case 0xff:
        return group < 2;
    default:
        return opcode < 0x38 && (opcode & 6) == 0;
    }
}
