/* What an exception says of an instruction's operand, found from the instruction's bytes when it faults.
 *
 * An address that is not canonical is #SS where the operand is on the stack, #GP else (SDM 3A 6.15). An instruction
 * that reads, changes and stores its operand faults as a write (W of the error code), though it reads first.
 */
#include "vm.h"

enum { RSP = 4, RBP = 5 };

static bool instruction_at_rip(Vm *vm, Instruction *i)
{
    return instruction_read(i, vm, env_linear_pc(vm->cpu->env));
}

/* Pushes, pops and their kin, whose operand is at rsp. */
static bool works_on_stack(Instruction *i)
{
    uint8_t opcode = instruction_byte(i, 0), group = instruction_byte(i, 1) >> 3 & 7;

    switch (opcode) {
    case 0x50 ... 0x5f: case 0x68: case 0x6a: case 0x9c: case 0x9d: case 0xc2: case 0xc3: case 0xc8: case 0xc9: case 0xe8:
        return true;
    case 0x0f:
        return (instruction_byte(i, 1) & 0xf6) == 0xa0;  /* PUSH and POP of FS and GS */
    case 0xff:
        return instruction_byte(i, 1) >= 0xc0 && (group == 2 || group == 6);
    default:
        return false;
    }
}

/* How many bytes of opcode there are, or 0 if no ModRM follows them. */
static unsigned opcode_bytes(Instruction *i)
{
    uint8_t opcode = instruction_byte(i, 0);

    if (opcode != 0x0f)
        return (opcode < 0x40 && (opcode & 4) == 0) || (opcode & 0xfc) == 0x80 || (opcode & 0xf8) == 0x88 ||
               opcode == 0x62 || opcode == 0x63 || opcode == 0x69 || opcode == 0x6b || (opcode & 0xfc) == 0x84 ||
               (opcode & 0xfe) == 0xc0 || (opcode & 0xfe) == 0xc6 || (opcode & 0xfc) == 0xd0 || (opcode & 0xf8) == 0xd8 ||
               (opcode & 0xfe) == 0xf6 || (opcode & 0xfe) == 0xfe;
    uint8_t second = instruction_byte(i, 1);
    if (second == 0x38 || second == 0x3a)
        return 3;
    return (second & 0xf0) == 0x80 || (second & 0xf8) == 0xc8 ? 0 : 2;
}

/* The default segment of the operand: SS for a base of rsp or rbp. */
static bool addresses_stack(Instruction *i)
{
    unsigned before = opcode_bytes(i);
    uint8_t modrm = instruction_byte(i, before), mode = modrm >> 6, rm = modrm & 7, rex = i->rex < 0 ? 0 : i->code[i->rex];

    if (!before || mode == 3)
        return false;
    if (rm == RSP) {
        uint8_t base = instruction_byte(i, before + 1) & 7;
        return !(rex & 1) && (base == RSP || (base == RBP && mode));
    }
    return rm == RBP && mode && !(rex & 1);
}

/* Those that have an operand there and another in memory, CALL, PUSH and POP, and far returns, whose selectors name descriptors. */
static bool works_on_stack_too(Instruction *i)
{
    uint8_t opcode = instruction_byte(i, 0), group = instruction_byte(i, 1) >> 3 & 7;

    return opcode == 0xca || opcode == 0xcb || opcode == 0xcf || opcode == 0x8f ||
           (opcode == 0xff && (group == 2 || group == 3 || group == 6));
}

static bool is_near_stack(const Vm *vm, uint64_t linear)
{
    enum { MOST = 64 };                     /* bytes: no frame is larger */

    return linear - (vm->cpu->env->regs[R_RSP] - MOST) < 2 * MOST;
}

/* #SS or #GP for what is at `linear`, an operand of the instruction at rip; without `host_pc` something is delivered, or returns far. */
int operand_vector(Vm *vm, uint64_t linear, uintptr_t host_pc)
{
    enum { SS = 12, GP = 13 };
    Instruction i;

    if (!host_pc)
        return is_near_stack(vm, linear) ? SS : GP;
    if (!instruction_at_rip(vm, &i))
        return GP;
    if (works_on_stack(&i) || (addresses_stack(&i) && !i.by_fs_gs))
        return SS;
    return works_on_stack_too(&i) && is_near_stack(vm, linear) ? SS : GP;
}

static bool modifies_0f(Instruction *i)
{
    uint8_t opcode = instruction_byte(i, 1), group = instruction_byte(i, 2) >> 3 & 7;

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
    Instruction i;

    if (!instruction_at_rip(vm, &i))
        return false;
    uint8_t opcode = instruction_byte(&i, 0), group = instruction_byte(&i, 1) >> 3 & 7;
    switch (opcode) {
    case 0x0f:
        return modifies_0f(&i);
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
