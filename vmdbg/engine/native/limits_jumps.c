/* Targets beyond the limit of CS, which are #GP(0) at the jump (SDM 2, Jcc, JMP, CALL, LOOP, RET): of near jumps, calls and returns,
 * and of far ones in real and virtual-8086 mode, whose offset may have 32 bits.
 *
 * A target in memory is looked at before the instruction loads it. Where it cannot be, because nothing or a device is
 * there, the instruction does what it does.
 */
#include "vex.h"
#include "unicorn_tlb.h"

enum { GP = 13, MOST_16 = 0xffff, REGISTERS = 0xc0, CF = 1, PF = 4, ZF = 0x40, SF = 0x80, OF = 0x800 };
enum { TO_CONSTANT, TO_REGISTER, TO_MEMORY, TO_STACK, ON_CONDITION, ON_COUNT };      /* VexCode.vvvv */
enum { LOOPNE, LOOPE, LOOP, JCXZ };                                                 /* VexCode.reg of ON_COUNT */

static bool condition_holds(uint64_t flags, unsigned condition)
{
    bool sign = flags & SF, overflow = flags & OF, holds;

    switch (condition >> 1) {
    case 0: holds = overflow; break;
    case 1: holds = flags & CF; break;
    case 2: holds = flags & ZF; break;
    case 3: holds = flags & (CF | ZF); break;
    case 4: holds = sign; break;
    case 5: holds = flags & PF; break;
    case 6: holds = sign != overflow; break;
    default: holds = flags & ZF || sign != overflow;
    }
    return holds != (condition & 1);
}

/* Of LOOP and its kin. */
static bool count_holds(const Vex *x, uint64_t flags)
{
    uint32_t count = x->env->regs[R_RCX] & (x->code.address_size == ADDRESS_16 ? MOST_16 : UINT32_MAX);

    if (x->code.reg == JCXZ)
        return !count;
    return count != 1 && (x->code.reg == LOOP || !(flags & ZF) == (x->code.reg == LOOPNE));
}

/* Asked of those alone whose target is beyond the limit. What the block has computed of the flags is found as for a fault. */
static bool is_taken(const Vex *x)
{
    if (x->code.vvvv != ON_CONDITION && x->code.vvvv != ON_COUNT)
        return true;
    cpu_restore_state_x86_64(ENV_CPU(x->env), x->host_pc, false);
    uint64_t flags = vm_rflags(vm_current);
    return x->code.vvvv == ON_COUNT ? count_holds(x, flags) : condition_holds(flags, x->code.reg);
}

static uint32_t on_stack(const Env *env)
{
    return env->segs[R_SS].base + (env->hflags & HF_SS32 ? (uint32_t)env->regs[R_RSP] : (uint16_t)env->regs[R_RSP]);
}

/* Faults as the load will that comes after it. */
static bool read_target(const Vex *x, uint32_t linear, uint32_t *target)
{
    unsigned size = x->code.immediate, mode = env_mmu_mode(x->env);

    unicorn_tlb_probe_load(x->env, linear, mode, x->host_pc);
    if ((linear ^ (linear + size - 1)) >> PAGE_SHIFT)
        unicorn_tlb_probe_load(x->env, linear + size - 1, mode, x->host_pc);
    *target = 0;
    return vm_read_linear(vm_current, linear, (uint8_t *)target, size) == size;
}

void limits_check_jump(const Vex *x)
{
    unsigned kind = x->code.vvvv, size = x->code.immediate;
    uint32_t target = kind == TO_REGISTER ? x->env->regs[x->code.rm] : x->displacement;

    if (kind == TO_MEMORY && !read_target(x, vex_linear(x), &target))
        return;
    if (kind == TO_STACK && !read_target(x, on_stack(x->env), &target))
        return;
    if ((target & (size == 2 ? MOST_16 : UINT32_MAX)) > x->env->segs[R_CS].limit && is_taken(x))
        raise_exception_err_ra_x86_64(x->env, GP, 0, x->host_pc);
}

static uint32_t constant(Instruction *i, unsigned at, unsigned size)
{
    uint32_t value = 0;

    for (unsigned byte = 0; byte < size; byte++)
        value |= (uint32_t)instruction_byte(i, at + byte) << 8 * byte;
    return value;
}

/* `at`: where the displacement of `bytes` bytes is, the last of the instruction. */
static bool is_relative(Instruction *i, unsigned at, unsigned bytes, VexDecoded *d)
{
    uint32_t value = constant(i, at, bytes);

    d->displacement = (uint32_t)(i->linear - i->env->segs[R_CS].base) + i->opcode_at + at + bytes;
    d->displacement += bytes == 1 ? (uint32_t)(int8_t)value : bytes == 2 ? (uint32_t)(int16_t)value : value;
    d->displacement &= d->code.immediate == 2 ? MOST_16 : UINT32_MAX;
    return true;
}

static bool is_far_unchecked(const Instruction *i, unsigned size)
{
    return size == 4 && (!(i->env->hflags & HF_PE) || i->env->eflags & FLAG_VM);
}

/* JMP and CALL by a register or a word in memory. */
static bool read_indirect(Instruction *i, unsigned size, VexDecoded *d)
{
    uint8_t modrm = instruction_byte(i, 1);
    unsigned group = modrm >> 3 & 7;
    bool near = group == 2 || group == 4, far = (group == 3 || group == 5) && is_far_unchecked(i, size);

    if (modrm < REGISTERS && (near || far)) {
        VexCode before = d->code;
        if (!vex_read_legacy(i, 1, d))
            return false;
        d->code.row = before.row;
        d->code.immediate = size;
        d->code.vvvv = TO_MEMORY;
        return true;
    }
    d->code.vvvv = TO_REGISTER;
    d->code.rm = modrm & 7;
    return modrm >= REGISTERS && near;
}

/* Whether the instruction is one of them. `size`: of its operand, in bytes. Those that use the stack before they look at the
 * target come `late`. */
static bool read_jump(Instruction *i, unsigned size, VexDecoded *d, bool *late)
{
    uint8_t opcode = instruction_byte(i, 0), second = opcode == 0x0f ? instruction_byte(i, 1) : 0;
    bool address_32 = !(i->env->hflags & HF_CS32) == i->by_67;

    *d = (VexDecoded){.code = {.row = LIMIT_OF_JUMP, .immediate = size, .vvvv = TO_CONSTANT}};
    *late = false;
    switch (opcode) {
    case 0xe8: case 0xe9: return is_relative(i, 1, size, d);
    case 0xeb: return is_relative(i, 1, 1, d);
    case 0xff:
        *late = (instruction_byte(i, 1) >> 3 & 7) == 3;
        return read_indirect(i, size, d);
    case 0x9a: case 0xea:
        *late = opcode == 0x9a;
        d->displacement = constant(i, 1, size);
        return is_far_unchecked(i, size);
    case 0xc2: case 0xc3: case 0xca: case 0xcb: case 0xcf:
        *late = true;
        d->code.vvvv = TO_STACK;
        return opcode < 0xca || is_far_unchecked(i, size);
    case 0x70 ... 0x7f:
        d->code.vvvv = ON_CONDITION;
        d->code.reg = opcode & 15;
        return is_relative(i, 1, 1, d);
    case 0xe0 ... 0xe3:
        d->code.vvvv = ON_COUNT;
        d->code.reg = opcode & 3;
        d->code.address_size = address_32 ? ADDRESS_32 : ADDRESS_16;
        return is_relative(i, 1, 1, d);
    default:
        d->code.vvvv = ON_CONDITION;
        d->code.reg = second & 15;
        return (second & 0xf0) == 0x80 && is_relative(i, 2, size, d);
    }
}

static bool is_constant(const VexDecoded *d)
{
    return d->code.vvvv != TO_REGISTER && d->code.vvvv != TO_MEMORY && d->code.vvvv != TO_STACK;
}

/* `late`: those that use the stack first. What lies before the jump, which is within the limit, is, too. Where no segment is less than real
 * mode has, only what is 64 KiB or more needs a call. */
void limits_translate_jump(void *tcg, Instruction *i, unsigned size, bool late)
{
    VexDecoded d;
    bool is_late, open = !(i->env->hflags & HF_LIMITS_TIGHT);
    uint32_t here = i->linear - i->env->segs[R_CS].base;

    if (!(i->env->hflags & HF_LIMITS) || !read_jump(i, size, &d, &is_late) || is_late != late)
        return;
    if (is_constant(&d) && (d.displacement <= here || (open && d.displacement <= MOST_16)))
        return;
    if (!(open && size == 2))
        called_translated(tcg, &d);
}
