/* UMIP (SDM 3A 2.5): with CR4.UMIP, SGDT, SIDT, SLDT, SMSW and STR are ring 0's. Unicorn does not know it. */
#include "vm.h"

enum { CR4_UMIP = 1 << 11, FEATURE = 2 };

/* Whether the instruction is one of them, on a model that has UMIP. */
bool umip_concerns(Instruction *i)
{
    const Env *env = vm_current->cpu->env;

    if (!(env->features[FEAT_7_ECX] >> FEATURE & 1) || !(env->hflags & HF_CPL) || instruction_byte(i, 0) != 0x0f)
        return false;
    uint8_t opcode = instruction_byte(i, 1);
    if (opcode > 1)
        return false;
    uint8_t modrm = instruction_byte(i, 2), group = modrm >> 3 & 7;
    if (opcode == 0 && env->eflags & FLAG_VM)
        return false;                       /* SLDT and STR are #UD there */
    return opcode == 0 ? group < 2 : (group < 2 && modrm < 0xc0) || group == 4;
}

void umip_check(Env *env, uintptr_t host_pc)
{
    if (env->cr[4] & CR4_UMIP)
        raise_exception_err_ra_x86_64(env, 13, 0, host_pc);
}
