/* Protection keys for user pages (SDM 3A 4.6.2): RDPKRU and WRPKRU, and what PKRU has them refuse.
 *
 * The architectural TLB keeps a page's key; what PKRU says of it is asked where Unicorn's TLB is filled. So that is emptied
 * when PKRU changes what it says of a key that a page in it has, and only then. Real CPUs empty no TLB.
 */
#include "vm.h"

#define HERE ((uintptr_t)__builtin_return_address(0))
#define HELPER __attribute__((noinline))

enum { ACCESS_DISABLE = 1, WRITE_DISABLE = 2, RIGHTS = 3, FEATURE = 3, KEY_IN_ENTRY = 59 };

/* What a paging-structure entry that maps a page says of its key, as flags of a Translation; of models without keys nothing. */
uint32_t key_in_entry(const Env *env, uint64_t entry)
{
    return env->features[FEAT_7_ECX] >> FEATURE & 1 ? (uint32_t)(entry >> KEY_IN_ENTRY & (KEYS - 1)) << T_KEY_SHIFT : 0;
}

static unsigned key_of(uint32_t flags)
{
    return flags >> T_KEY_SHIFT & (KEYS - 1);
}

/* Whether PKRU refuses the access to a page, whatever else does. Fetches and supervisor pages it leaves alone. */
bool key_refuses(const Env *env, uint32_t flags, int access, int mmu_idx)
{
    if (!(env->cr[4] & CR4_PKE) || !(env->efer & EFER_LMA) || access == MMU_FETCH || !(flags & T_USER))
        return false;
    uint32_t rights = env->pkru >> 2 * key_of(flags);
    bool obeys_writes = mmu_idx == MMU_USER || env->cr[0] & CR0_WP;
    return rights & ACCESS_DISABLE || (access == MMU_STORE && obeys_writes && rights & WRITE_DISABLE);
}

/* A page comes into Unicorn's TLB. */
void key_is_used(VmCpu *cpu, uint32_t flags)
{
    if (flags & T_USER)
        cpu->keys_used |= 1u << key_of(flags);
}

void key_rights_become(VmCpu *cpu, uint32_t pkru)
{
    uint32_t changed = cpu->env->pkru ^ pkru;

    cpu->env->pkru = pkru;
    for (unsigned key = 0; key < KEYS; key++)
        if (changed >> 2 * key & RIGHTS && cpu->keys_used >> key & 1) {
            cpu_flush_engine_tlb(vm_current);
            return;
        }
}

static void check(Env *env, uint32_t ecx, uintptr_t host_pc)
{
    if (!(env->cr[4] & CR4_PKE))
        raise_exception_ra_x86_64(env, 6, host_pc);
    if (ecx)
        raise_exception_err_ra_x86_64(env, 13, 0, host_pc);
}

HELPER uint64_t __wrap_helper_rdpkru_x86_64(Env *env, uint32_t ecx)
{
    check(env, ecx, HERE);
    return env->pkru;
}

/* `value` is EDX:EAX. */
HELPER void __wrap_helper_wrpkru_x86_64(Env *env, uint32_t ecx, uint64_t value)
{
    check(env, ecx, HERE);
    if (value >> 32)
        raise_exception_err_ra_x86_64(env, 13, 0, HERE);
    key_rights_become(vm_current->cpu, value);
}
