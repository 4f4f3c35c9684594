/* Near jumps, calls and returns of 64-bit code to an address that is not canonical: #GP(0) at the branch, with RSP as it was (SDM 2A, CALL,
 * Jcc, JMP; 2B, RET). So are Intel's; AMD's fault where they come to, as the fetch there does.
 *
 * They are found when nothing translated is found there, and taken back. What a CALL has pushed stays below the stack.
 */
#include "vm.h"

enum { GP = 13, WORD = 8 };

/* How many bytes of the stack a branch has popped, or pushed if less than 0; false if the instruction is none. `length`: of one that may
 * be passed by. */
static bool read_branch(Instruction *i, int *popped, unsigned *length)
{
    uint8_t opcode = instruction_byte(i, 0), group = instruction_byte(i, 1) >> 3 & 7;

    *popped = 0;
    *length = 0;
    switch (opcode) {
    case 0xc2: case 0xc3:
        *popped = WORD + (opcode == 0xc2 ? instruction_byte(i, 1) | instruction_byte(i, 2) << 8 : 0);
        return true;
    case 0xe8:
        *popped = -WORD;
        return true;
    case 0xe9: case 0xeb:
        return true;
    case 0x70 ... 0x7f: case 0xe3:
        *length = i->opcode_at + 2;
        return true;
    case 0x0f:
        *length = i->opcode_at + 6;
        return (instruction_byte(i, 1) & 0xf0) == 0x80;
    default:
        *popped = group == 2 ? -WORD : 0;
        return opcode == 0xff && (group == 2 || group == 4);
    }
}

/* rip is where the instruction whose translation holds host_pc leads. */
void near_branch_settle(Vm *vm, uintptr_t host_pc)
{
    Env *env = vm->cpu->env;
    uint64_t target = env->eip, cc_src = env->cc_src;
    uint32_t cc_op = env->cc_op;
    Instruction i;
    unsigned length;
    int popped;

    if (!(env->hflags & HF_CS64) || is_canonical(target) || !cpuid_is_intel(vm->cpu))
        return;
    cpu_restore_state_x86_64(vm->cpu->qemu, host_pc, true);
    if (instruction_read(&i, vm, env->eip) && read_branch(&i, &popped, &length) && !(length && target == env->eip + length)) {
        env->regs[R_RSP] -= popped;
        raise_exception_err_ra_x86_64(env, GP, 0, 0);
    }
    env->eip = target;
    env->cc_op = cc_op;
    env->cc_src = cc_src;
}

void __real_helper_single_step_x86_64(Env *env);

/* The trap of TF, which follows an instruction that has ended. */
void __wrap_helper_single_step_x86_64(Env *env)
{
    near_branch_settle(vm_current, (uintptr_t)__builtin_return_address(0));
    __real_helper_single_step_x86_64(env);
}
