/* Task states of the 286, of 16 bits (SDM 3A 8.6). In a switch of tasks Unicorn takes the selectors in one to lie 4 bytes apart,
 * and saves the old task's state in the format of the new one's. Its accesses are put right here.
 *
 * They are known by what comes before them: of a load the two halves of the task's descriptor, of a save two stores of a byte,
 * which try whether the old state may be stored to.
 */
#include <string.h>

#include "vm.h"

enum { LINK_32 = 0x20, LINK_16 = 0x0e, LAST_32 = 0x67, LAST_16 = 0x2b };            /* EIP and IP; the last bytes */
enum { SELECTORS = 10, FIELDS_16 = 14, FIELDS_32 = 16 };            /* EIP, EFLAGS, eight registers; selectors, FS and GS the last */
enum { SYSTEM_TYPE = 0x1f00, TSS_16 = 0x0100, TSS_BUSY = 0x0200, TSS_32 = 0x0800 };

static __thread struct {
    uint64_t descriptor, dword;             /* where descriptors were read: the first half of one; the last dword */
    uint64_t state;                         /* that is loaded; 0: none is */
    unsigned selectors;                     /* of it that have been */
    bool tried, saves;
    unsigned field;                         /* that is saved next */
} task;

static bool is_32(const Env *env)
{
    return env->tr.flags & TSS_32;
}

static uint64_t base_of(const uint8_t *descriptor)
{
    uint32_t low, high;

    memcpy(&low, descriptor, sizeof low);
    memcpy(&high, descriptor + sizeof low, sizeof high);
    bool is_16 = (high & SYSTEM_TYPE & ~TSS_BUSY) == TSS_16;
    return is_16 ? low >> 16 | (high & 0xff) << 16 | (high & 0xff000000) : 0;
}

/* A helper loads `size` bytes as a supervisor: where from. */
uint64_t task_state_loaded(uint64_t linear, unsigned size)
{
    uint8_t descriptor[8];

    if (size != 2) {
        task.descriptor = size == 4 && linear == task.dword + 4 ? task.dword : 0;
        task.dword = size == 4 ? linear : 0;
        task.state = 0;
        return linear;
    }
    if (task.descriptor && vm_current && vm_read_linear(vm_current, task.descriptor, descriptor, sizeof descriptor) == sizeof descriptor) {
        uint64_t base = base_of(descriptor);
        task.state = base && linear == base + LINK_16 ? base : 0;
        task.selectors = 0;
    }
    task.descriptor = task.dword = 0;
    if (!task.state || task.selectors == FIELDS_16 - SELECTORS || linear != task.state + LINK_16 + 2 * SELECTORS + 4 * task.selectors)
        return linear;
    return task.state + LINK_16 + 2 * (SELECTORS + task.selectors++);
}

static void save(Env *env, unsigned field, uint32_t value, int mmu_idx, uintptr_t host_pc)
{
    if (is_32(env))
        cpu_stl_mmuidx_ra_x86_64(env, env->tr.base + LINK_32 + 4 * field, value, mmu_idx, host_pc);
    else if (field < FIELDS_16)
        cpu_stw_mmuidx_ra_x86_64(env, env->tr.base + LINK_16 + 2 * field, value, mmu_idx, host_pc);
}

static bool is_next(const Env *env, uint64_t linear, unsigned size)
{
    unsigned selectors = task.field > SELECTORS ? task.field - SELECTORS : 0;

    return linear - env->tr.base == (size == 4 ? LINK_32 + 4 * task.field : LINK_16 + 2 * (task.field + selectors));
}

/* A helper stores `size` bytes as a supervisor. Whether that has been done, for it saves a task. */
bool task_state_saved(Env *env, uint64_t linear, uint32_t value, unsigned size, int mmu_idx, uintptr_t host_pc)
{
    task.descriptor = task.dword = 0;
    if (size == 1) {
        task.saves = task.tried && linear == env->tr.base + (is_32(env) ? LAST_32 : LAST_16);
        task.tried = linear == env->tr.base;
        task.field = 0;
        return false;
    }
    task.tried = false;
    if (!task.saves || size == 8 || !is_next(env, linear, size))
        return false;
    unsigned field = task.field++;
    bool last = task.field == (size == 4 ? FIELDS_32 : FIELDS_16);
    task.saves = false;                     /* what follows is no store of Unicorn's, and may fault */
    save(env, field, value, mmu_idx, host_pc);
    for (unsigned i = R_FS; last && size == 2 && is_32(env) && i <= R_GS; i++)
        save(env, SELECTORS + i, env->segs[i].selector, mmu_idx, host_pc);
    task.saves = !last;
    return true;
}
