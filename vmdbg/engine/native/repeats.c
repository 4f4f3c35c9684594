/* String instructions under REP, which come back to themselves after every time but the last.
 *
 * Control comes to such an instruction once: a breakpoint there stops before the first time only. `repeating` says that
 * the instruction at rip has run and goes on. It is found from the block that ran last, which ends with it, and looked
 * at between blocks; where there is a breakpoint, the instruction runs alone.
 */
#include "vm.h"

enum { LONGEST_INSTRUCTION = 15 };

/* INS, OUTS, MOVS, CMPS, STOS, LODS, SCAS. */
static bool is_string(uint8_t opcode)
{
    return (opcode & 0xfc) == 0x6c || (opcode & 0xfc) == 0xa4 || (opcode >= 0xaa && opcode <= 0xaf);
}

/* The length of the string instruction under REP at `linear`, 0 if there is none. */
static unsigned repeated_length(Vm *vm, uint64_t linear)
{
    uint8_t code[LONGEST_INSTRUCTION];
    uint64_t size = vm_read_linear(vm, linear, code, sizeof code), at = instruction_prefixes(vm->cpu->env, code, size);
    bool rep = false;

    for (unsigned i = 0; i < at; i++)
        rep |= (code[i] & 0xfe) == 0xf2;
    return rep && at < size && is_string(code[at]) ? at + 1 : 0;
}

/* A block has run to its end: whether that was such an instruction and rip is there again. */
void repeat_after(Vm *vm, uint64_t start, uint64_t size)
{
    uint64_t pc = env_linear_pc(vm->cpu->env), left = size - (pc - start);

    vm->cpu->repeating = pc - start < size && left <= LONGEST_INSTRUCTION && repeated_length(vm, pc) == left;
    turn_after_block(vm, start, size);
}

/* The same of the last block, if one has. */
void repeat_notice(Vm *vm)
{
    if (vm->block_size)
        repeat_after(vm, vm->block_start, vm->block_size);
}
