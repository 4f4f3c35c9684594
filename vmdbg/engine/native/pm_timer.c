/* The PM timer's dword, which firmware waits by: devices/board/acpi_pm.py. */
#include "vm.h"

enum { HZ = 3579545, MASK = (1 << 24) - 1 };
#define NS_PER_SECOND 1000000000ull

/* `size` is that of the device's structure. Returns whether it is ours. */
bool vm_share_pm_timer(Vm *vm, void *memory, uint64_t size)
{
    if (size == sizeof(PmTimer))
        vm->pm_timer = memory;
    return size == sizeof(PmTimer);
}

/* IN. Whether it is done. */
bool pm_timer_read(const Vm *vm, uint32_t port, uint32_t size, uint64_t now, uint64_t *value)
{
    PmTimer *timer = vm->pm_timer;

    if (!timer || !port || port != timer->port || size != 4 || vm->chips.observed)
        return false;
    timer->last_access = now;
    *value = (now / NS_PER_SECOND * HZ + now % NS_PER_SECOND * HZ / NS_PER_SECOND) & MASK;
    return true;
}
