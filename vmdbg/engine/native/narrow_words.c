/* Far calls and returns of 16 or 32 bits in 64-bit code, where the stack is at all of RSP (SDM 1 6.2.5, 3A 5.14.5). Unicorn
 * cuts it to 32 bits, or 16 where SS is null, and adds SS's base. So its helper is run as for 64 bits, and what it pops and
 * pushes are smaller words, one after the other.
 */
#include "vm.h"

enum { RETURN_ADDRESS = 2, FLAGS = 2 };     /* words */

static __thread struct {
    unsigned size, count, released;         /* of a word; of those accessed; bytes behind the return address */
    uint64_t top;                           /* of the stack, before */
    uint64_t flags;                         /* above those that IRET of 16 bits loads */
    bool interrupt;
} narrow;

/* `shift`: 0 for 16 bits, 1 for 32. */
void narrow_begin(Env *env, int shift, unsigned released, bool interrupt)
{
    narrow.size = 2u << shift;
    narrow.count = 0;
    narrow.released = released;
    narrow.top = env->regs[R_RSP];
    narrow.flags = shift ? 0 : vm_rflags(vm_current) & 0xffff0000;
    narrow.interrupt = interrupt;
}

void narrow_end(void)
{
    narrow.size = 0;
}

bool narrow_is_on(void)
{
    return narrow.size;
}

uint32_t cpu_lduw_mmuidx_ra_x86_64(Env *env, uint64_t linear, int mmu_idx, uintptr_t host_pc);
uint32_t cpu_ldl_mmuidx_ra_x86_64(Env *env, uint64_t linear, int mmu_idx, uintptr_t host_pc);
void cpu_stw_mmuidx_ra_x86_64(Env *env, uint64_t linear, uint32_t value, int mmu_idx, uintptr_t host_pc);
void cpu_stl_mmuidx_ra_x86_64(Env *env, uint64_t linear, uint32_t value, int mmu_idx, uintptr_t host_pc);

uint64_t narrow_pop(Env *env, int mmu_idx, uintptr_t host_pc)
{
    unsigned number = narrow.count++, size = narrow.size;
    uint64_t linear = narrow.top + number * size + (number < RETURN_ADDRESS ? 0 : narrow.released);
    uint32_t value = (size == 2 ? cpu_lduw_mmuidx_ra_x86_64 : cpu_ldl_mmuidx_ra_x86_64)(env, linear, mmu_idx, host_pc);

    return narrow.interrupt && number == FLAGS ? value | narrow.flags : value;
}

void narrow_push(Env *env, uint64_t value, int mmu_idx, uintptr_t host_pc)
{
    uint64_t linear = narrow.top - ++narrow.count * (uint64_t)narrow.size;

    (narrow.size == 2 ? cpu_stw_mmuidx_ra_x86_64 : cpu_stl_mmuidx_ra_x86_64)(env, linear, value, mmu_idx, host_pc);
}
