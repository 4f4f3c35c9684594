/* RDRAND and RDSEED: numbers that follow from where they began (SplitMix64), so that two runs draw the same. How far they
 * are is a part of the CPU's state. They always have one: CF is set.
 */
#include "vm.h"

enum { CF = 1 };

uint64_t __wrap_helper_rdrand_x86_64(Env *env)
{
    VmCpu *cpu = vm_current->cpu;
    uint64_t mixed = cpu->random += 0x9e3779b97f4a7c15ull;

    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9ull;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebull;
    env->cc_src = CF;
    return mixed ^ mixed >> 31;
}
