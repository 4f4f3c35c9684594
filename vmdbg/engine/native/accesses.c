/* Accesses to memory that translated code does not make by itself, and those of helpers: made here where they are plain,
 * that is in RAM, in one page, not watched, with no translated code there; else by Unicorn, which has much to look at.
 */
#include <string.h>

#include "vm.h"
#include "unicorn_tlb.h"

enum { OPERATION_MODE = 15, OPERATION_ALIGNED = 7 << 8 };       /* TCGMemOpIdx */

#define LOADED(name, type, as, mode, plain, ...)                                                          \
    void *place = NULL;                                                                                   \
    as value;                                                                                             \
                                                                                                          \
    watch_note_access(linear, sizeof value);                                                              \
    if (vm_current && (plain))                                                                            \
        place = unicorn_tlb_load(env, linear, sizeof value, mode, host_pc);                               \
    if (!place)                                                                                           \
        return __real_##name(env, linear, __VA_ARGS__);                                                   \
    memcpy(&value, place, sizeof value);                                                                  \
    return (type)value
#define STORED(name, as, mode, plain, ...)                                                                \
    void *place = NULL;                                                                                   \
    as stored = value;                                                                                    \
                                                                                                          \
    watch_note_access(linear, sizeof stored);                                                             \
    if (vm_current && (plain))                                                                            \
        place = unicorn_tlb_store(env, linear, &stored, sizeof stored, mode, host_pc);                    \
    if (place) {                                                                                          \
        memcpy(place, &stored, sizeof stored);                                                            \
        return;                                                                                           \
    }                                                                                                     \
    __real_##name(env, linear, value, __VA_ARGS__);                                                       \
    if (vm_current)                                                                                       \
        unicorn_tlb_stored(env, linear, sizeof stored, mode)

/* Of translated code; `swapped`: of the other byte order. */
#define LOAD(name, type, as, swapped)                                                                     \
    type __real_##name(Env *env, uint64_t linear, uint32_t operation, uintptr_t host_pc);                 \
    type __wrap_##name(Env *env, uint64_t linear, uint32_t operation, uintptr_t host_pc)                  \
    {                                                                                                     \
        LOADED(name, type, as, operation & OPERATION_MODE, !(swapped) && !(operation & OPERATION_ALIGNED), operation, host_pc); \
    }
#define STORE(name, as, swapped)                                                                          \
    void __real_##name(Env *env, uint64_t linear, as value, uint32_t operation, uintptr_t host_pc);       \
    void __wrap_##name(Env *env, uint64_t linear, as value, uint32_t operation, uintptr_t host_pc)        \
    {                                                                                                     \
        STORED(name, as, operation & OPERATION_MODE, !(swapped) && !(operation & OPERATION_ALIGNED), operation, host_pc); \
    }
/* With which rights a helper that was written to access memory as a supervisor does. */
static inline int rights_at(uint64_t linear, int mmu_idx)
{
    return vm_current && linear - vm_current->user_stack < vm_current->user_stack_size ? MMU_USER : mmu_idx;
}

/* Of helpers, with the rights of the code that runs, or of a mode. */
#define LOAD_DATA(name, type, as)                                                                         \
    type __real_##name(Env *env, uint64_t linear, uintptr_t host_pc);                                     \
    type __wrap_##name(Env *env, uint64_t linear, uintptr_t host_pc)                                      \
    {                                                                                                     \
        LOADED(name, type, as, env_mmu_mode(env), true, host_pc);                                         \
    }
#define STORE_DATA(name, type, as)                                                                        \
    void __real_##name(Env *env, uint64_t linear, type value, uintptr_t host_pc);                         \
    void __wrap_##name(Env *env, uint64_t linear, type value, uintptr_t host_pc)                          \
    {                                                                                                     \
        STORED(name, as, env_mmu_mode(env), true, host_pc);                                               \
    }
#define LOAD_AS(name, type, as)                                                                           \
    type __real_##name(Env *env, uint64_t linear, int mmu_idx, uintptr_t host_pc);                        \
    type __wrap_##name(Env *env, uint64_t linear, int mmu_idx, uintptr_t host_pc)                         \
    {                                                                                                     \
        if (sizeof(as) == sizeof(uint64_t) && narrow_is_on())                                             \
            return (type)narrow_pop(env, mmu_idx, host_pc);                                               \
        linear = task_state_loaded(linear, sizeof(as));                                                   \
        mmu_idx = rights_at(linear, mmu_idx);                                                             \
        LOADED(name, type, as, mmu_idx, true, mmu_idx, host_pc);                                          \
    }
#define STORE_AS(name, type, as)                                                                          \
    void __real_##name(Env *env, uint64_t linear, type value, int mmu_idx, uintptr_t host_pc);            \
    void __wrap_##name(Env *env, uint64_t linear, type value, int mmu_idx, uintptr_t host_pc)             \
    {                                                                                                     \
        if (sizeof(as) == sizeof(uint64_t) && narrow_is_on()) {                                           \
            narrow_push(env, value, mmu_idx, host_pc);                                                    \
            return;                                                                                       \
        }                                                                                                 \
        if (task_state_saved(env, linear, value, sizeof(as), mmu_idx, host_pc))                           \
            return;                                                                                       \
        mmu_idx = rights_at(linear, mmu_idx);                                                             \
        STORED(name, as, mmu_idx, true, mmu_idx, host_pc);                                                \
    }

LOAD(helper_ret_ldub_mmu_x86_64, uint64_t, uint8_t, false)
LOAD(helper_le_lduw_mmu_x86_64, uint64_t, uint16_t, false)
LOAD(helper_be_lduw_mmu_x86_64, uint64_t, uint16_t, true)
LOAD(helper_le_ldul_mmu_x86_64, uint64_t, uint32_t, false)
LOAD(helper_be_ldul_mmu_x86_64, uint64_t, uint32_t, true)
LOAD(helper_le_ldq_mmu_x86_64, uint64_t, uint64_t, false)
LOAD(helper_be_ldq_mmu_x86_64, uint64_t, uint64_t, true)
STORE(helper_ret_stb_mmu_x86_64, uint8_t, false)
STORE(helper_le_stw_mmu_x86_64, uint16_t, false)
STORE(helper_be_stw_mmu_x86_64, uint16_t, true)
STORE(helper_le_stl_mmu_x86_64, uint32_t, false)
STORE(helper_be_stl_mmu_x86_64, uint32_t, true)
STORE(helper_le_stq_mmu_x86_64, uint64_t, false)
STORE(helper_be_stq_mmu_x86_64, uint64_t, true)
LOAD_DATA(cpu_ldub_data_ra_x86_64, uint32_t, uint8_t)
LOAD_DATA(cpu_lduw_data_ra_x86_64, uint32_t, uint16_t)
LOAD_DATA(cpu_ldsw_data_ra_x86_64, int, int16_t)
LOAD_DATA(cpu_ldl_data_ra_x86_64, uint32_t, uint32_t)
LOAD_DATA(cpu_ldq_data_ra_x86_64, uint64_t, uint64_t)
STORE_DATA(cpu_stb_data_ra_x86_64, uint32_t, uint8_t)
STORE_DATA(cpu_stw_data_ra_x86_64, uint32_t, uint16_t)
STORE_DATA(cpu_stl_data_ra_x86_64, uint32_t, uint32_t)
STORE_DATA(cpu_stq_data_ra_x86_64, uint64_t, uint64_t)
LOAD_AS(cpu_ldub_mmuidx_ra_x86_64, uint32_t, uint8_t)
LOAD_AS(cpu_lduw_mmuidx_ra_x86_64, uint32_t, uint16_t)
LOAD_AS(cpu_ldl_mmuidx_ra_x86_64, uint32_t, uint32_t)
LOAD_AS(cpu_ldq_mmuidx_ra_x86_64, uint64_t, uint64_t)
STORE_AS(cpu_stb_mmuidx_ra_x86_64, uint32_t, uint8_t)
STORE_AS(cpu_stw_mmuidx_ra_x86_64, uint32_t, uint16_t)
STORE_AS(cpu_stl_mmuidx_ra_x86_64, uint32_t, uint32_t)
STORE_AS(cpu_stq_mmuidx_ra_x86_64, uint64_t, uint64_t)
