/* String instructions under REP, which come back to themselves after every time but the last.
 *
 * Control comes to such an instruction once: a breakpoint there stops before the first time only. `repeating` says that
 * the instruction at rip has run and goes on. It is found from the block that ran last, which ends with it, and looked
 * at between blocks; where there is a breakpoint, the instruction runs alone.
 */
#include "vm.h"


/* INS, OUTS, MOVS, CMPS, STOS, LODS, SCAS. */
static bool is_string(uint8_t opcode)
{
    return (opcode & 0xfc) == 0x6c || (opcode & 0xfc) == 0xa4 || (opcode >= 0xaa && opcode <= 0xaf);
}

/* The length of the string instruction under REP at `linear`, 0 if there is none. */
static unsigned repeated_length(Vm *vm, uint64_t linear)
{
    Instruction i;

    return instruction_read(&i, vm, linear) && i.repeat >= 0 && is_string(instruction_byte(&i, 0)) ? i.opcode_at + 1u : 0;
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
