/* LTR, LLDT, LAR and LSL: descriptors of the system that Unicorn takes and a CPU does not. */
#include <string.h>

#include "vm.h"

#define HELPER __attribute__((noinline))
#define HERE ((uintptr_t)__builtin_return_address(0))

enum { SYSTEM_DESCRIPTOR = 16, BASE_HIGH = 8, ACCESS_AT = 5, ACCESS_S = 0x10, ACCESS_TYPE = 15 };
enum { FREE_286_TASK = 1, BUSY_286_TASK = 3, GATE_OF_286 = 4, TASK_GATE = 5 };
#define TASKS_OF_286 (1u << FREE_286_TASK | 1u << BUSY_286_TASK)

/* Whether the selector is of a type that IA-32e mode has not, among `types`, a bit each (SDM 3A table 3-2). What cannot be read
 * the instruction itself faults on. */
static bool is_of_legacy_type(const Env *env, unsigned selector, unsigned types)
{
    uint64_t base = selector & 4 ? env->ldt.base : env->gdt.base;
    uint32_t limit = selector & 4 ? env->ldt.limit : env->gdt.limit;
    unsigned at = selector & 0xfff8;
    uint8_t access;

    if (!(env->efer & EFER_LMA) || !(selector & 0xfffc) || at + 7u > limit)
        return false;
    return vm_read_linear(vm_current, base + at + ACCESS_AT, &access, 1) == 1 && !(access & ACCESS_S) && types >> (access & ACCESS_TYPE) & 1;
}

/* #GP if the task state or LDT of a 16-byte descriptor would lie where no linear address is (SDM 2A, LTR). */
static void check_system_base(Env *env, int selector, uintptr_t host_pc)
{
    uint8_t bytes[SYSTEM_DESCRIPTOR];
    uint32_t high;
    unsigned at = selector & 0xfff8;

    if (!(env->efer & EFER_LMA) || selector & 4 || !(selector & 0xfffc) || at + SYSTEM_DESCRIPTOR - 1u > env->gdt.limit)
        return;
    if (vm_read_linear(vm_current, env->gdt.base + at, bytes, sizeof bytes) != sizeof bytes)
        return;
    memcpy(&high, bytes + BASE_HIGH, sizeof high);
    if (!is_canonical((uint64_t)high << 32 | (uint32_t)bytes[7] << 24))
        raise_exception_err_ra_x86_64(env, 13, selector & 0xfffc, host_pc);
}

void __real_helper_ltr_x86_64(Env *env, int selector);

HELPER void __wrap_helper_ltr_x86_64(Env *env, int selector)
{
    if (!(selector & 0xfffc))
        raise_exception_err_ra_x86_64(env, 13, 0, HERE);
    if (!(selector & 4) && is_of_legacy_type(env, selector, TASKS_OF_286))
        raise_exception_err_ra_x86_64(env, 13, selector & 0xfffc, HERE);
    check_system_base(env, selector, HERE);
    __real_helper_ltr_x86_64(env, selector);
}

void __real_helper_lldt_x86_64(Env *env, int selector);

HELPER void __wrap_helper_lldt_x86_64(Env *env, int selector)
{
    check_system_base(env, selector, HERE);
    __real_helper_lldt_x86_64(env, selector);
}

/* LAR and LSL refuse a descriptor of a type that is reserved as they refuse a null selector. */
uint64_t __real_helper_lar_x86_64(Env *env, uint64_t selector);

HELPER uint64_t __wrap_helper_lar_x86_64(Env *env, uint64_t selector)
{
    bool refused = is_of_legacy_type(env, selector, TASKS_OF_286 | 1u << GATE_OF_286 | 1u << TASK_GATE);

    return __real_helper_lar_x86_64(env, refused ? 0 : selector);
}

uint64_t __real_helper_lsl_x86_64(Env *env, uint64_t selector);

HELPER uint64_t __wrap_helper_lsl_x86_64(Env *env, uint64_t selector)
{
    return __real_helper_lsl_x86_64(env, is_of_legacy_type(env, selector, TASKS_OF_286) ? 0 : selector);
}
