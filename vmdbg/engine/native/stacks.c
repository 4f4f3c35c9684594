/* Far calls and returns at CPL 3 access their stack with the rights of ring 3, while descriptors and task states are read
 * as a supervisor reads (SDM 3A 4.6). Unicorn's helpers do all of it as a supervisor: a program could read and write the
 * kernel's pages by them, and with SMAP could not return. While one runs, its stack is known by where it lies.
 *
 * It is forgotten when something is delivered, and when the next of them runs: all that lies in it ring 3 may read.
 */
#include "vm.h"

enum { DESCRIPTOR_SIZE = 8, GATE_TYPE = 0x1f00, CALL_GATE_16 = 0x0400, CALL_GATE = 0x0c00 };

static bool is_user(const Env *env)
{
    return (env->hflags & HF_CPL) == 3 && env->cr[0] & CR0_PG;
}

/* From `below` bytes under the top of the stack to `above` over it; all of a 16-bit stack where that wraps. */
static void begin(Vm *vm, unsigned below, unsigned above)
{
    Env *env = vm->cpu->env;
    uint64_t base = env->hflags & HF_CS64 ? 0 : env->segs[R_SS].base, top = env->regs[R_RSP];

    if (!(env->hflags & HF_CS64))
        top = env->hflags & HF_SS32 ? (uint32_t)top : (uint16_t)top;
    vm->user_stack = base + top - below;
    vm->user_stack_size = below + above;
    if (!(env->hflags & (HF_CS64 | HF_SS32)) && (top < below || top + above > 0x10000)) {
        vm->user_stack = base;
        vm->user_stack_size = 0x10000;
    }
}

/* Code is about to pop so many words: `shift` 0 for 16 bits, 1 for 32, 2 for 64. */
void stack_pops(Vm *vm, unsigned words, int shift)
{
    vm->user_stack_size = 0;
    if (is_user(vm->cpu->env))
        begin(vm, 0, words * (2u << shift));
}

/* The high dword of a descriptor; 0 if it cannot be read, then the call faults. */
static uint32_t descriptor_flags(Vm *vm, uint32_t selector, uint32_t *low)
{
    const Segment *table = selector & 4 ? &vm->cpu->env->ldt : &vm->cpu->env->gdt;
    uint32_t words[2] = {0, 0}, at = selector & ~7u;

    if (at + DESCRIPTOR_SIZE - 1 > table->limit ||
        vm_read_linear(vm, table->base + at, (uint8_t *)words, sizeof words) != sizeof words)
        return 0;
    *low = words[0];
    return words[1];
}

/* Bytes of parameters if a far call to `selector` goes through a gate to an inner ring, and so to another stack; else -1. */
static int parameters(Vm *vm, uint32_t selector)
{
    uint32_t low = 0, gate = descriptor_flags(vm, selector, &low), unused;

    if ((gate & GATE_TYPE) != CALL_GATE && (gate & GATE_TYPE) != CALL_GATE_16)
        return -1;
    uint32_t code = descriptor_flags(vm, low >> 16, &unused);
    if (code & DESC_CONFORMING || (code >> DESC_DPL_SHIFT & 3) == 3)
        return -1;
    return vm->cpu->env->efer & EFER_LMA ? 0 : (int)(gate & 31) * ((gate & GATE_TYPE) == CALL_GATE ? 4 : 2);
}

/* Whether a far call to `selector` goes through a gate of the 286, whose offset has 16 bits. */
bool stack_call_is_by_286_gate(Vm *vm, uint32_t selector)
{
    uint32_t low = 0;

    return !(vm->cpu->env->hflags & HF_LMA) && (descriptor_flags(vm, selector, &low) & GATE_TYPE) == CALL_GATE_16;
}

/* Code is about to push a far return address, or to call an inner ring, which copies parameters from the stack. */
void stack_calls(Vm *vm, uint32_t selector)
{
    bool virtual_8086 = vm->cpu->env->eflags & FLAG_VM;

    vm->user_stack_size = 0;
    if (!is_user(vm->cpu->env))
        return;
    int copied = virtual_8086 ? -1 : parameters(vm, selector);
    begin(vm, copied < 0 ? 2 * sizeof(uint64_t) : 0, copied < 0 ? 0 : (unsigned)copied);
}
