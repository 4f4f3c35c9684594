/* IN, OUT, INS, OUTS: permission, catches, then the bus. Unicorn's translator leaves the permission out. */
#include "vm.h"

#define HERE ((uintptr_t)__builtin_return_address(0))
#define HELPER __attribute__((noinline))

enum { TSS_BUSY_32 = 9, TSS_LIMIT_MIN = 103, TSS_IO_MAP_BASE = 0x66 };

static bool permitted_by_map(Env *env, uint32_t port, uint32_t size, uintptr_t host_pc)
{
    int mmu_idx = env->hflags & HF_SMAP ? MMU_KERNEL_SMAP : MMU_KERNEL;

    /* Bit 1 of the type is "busy": 9 and 11, which in long mode is the 64-bit one. */
    if (!(env->tr.flags & DESC_P) || (env->tr.flags >> 8 & 0xd) != TSS_BUSY_32 || env->tr.limit < TSS_LIMIT_MIN)
        return false;
    uint32_t at = cpu_lduw_mmuidx_ra_x86_64(env, env->tr.base + TSS_IO_MAP_BASE, mmu_idx, host_pc) + (port >> 3);
    if (at + 1 > env->tr.limit)
        return false;
    uint32_t bits = cpu_lduw_mmuidx_ra_x86_64(env, env->tr.base + at, mmu_idx, host_pc) >> (port & 7);
    return !(bits & ((1u << size) - 1));
}

/* SDM 1 19.5. */
static void check_permission(Env *env, uint32_t port, uint32_t size, uintptr_t host_pc)
{
    bool by_level = env->hflags & HF_PE && (env->eflags & FLAG_VM || (env->hflags & HF_CPL) > (env->eflags >> 12 & 3));

    if (by_level && !permitted_by_map(env, port, size, host_pc))
        raise_exception_err_ra_x86_64(env, 13, 0, host_pc);
}

void helper_cmpxchg8b_x86_64(Env *env, uint64_t linear);

/* INS: whether it may read and where to it may store, asked before it reads. Unicorn stores 0 there instead, which a port
 * that is refused or caught would leave behind. TCG calls registered helpers only: this borrows the locked CMPXCHG8B,
 * which is for parallel CPUs, and has the size and the kind of access in place of the CPU. */
void port_translate_probe(void *tcg, uintptr_t address, unsigned size, unsigned mmu_idx)
{
    void *arguments[] = {tcg_constant_argument(tcg, size | mmu_idx << 8), (char *)tcg + address};

    vm_current->probe_next = 0;
    tcg_gen_callN_x86_64(tcg, helper_cmpxchg8b_x86_64, NULL, 2, arguments);
}

HELPER void __wrap_helper_cmpxchg8b_x86_64(Env *size_and_index, uint64_t linear)
{
    Env *env = vm_current->cpu->env;
    uint64_t size = (uintptr_t)size_and_index & 0xff, in_page = 4096 - (linear & 0xfff), mmu_idx = (uintptr_t)size_and_index >> 8;

    check_permission(env, env->regs[R_RDX] & 0xffff, size, HERE);
    watch_note_access(linear, size);
    probe_access_x86_64(env, linear, size < in_page ? size : in_page, MMU_STORE, mmu_idx, HERE);
    if (size > in_page)
        probe_access_x86_64(env, linear + in_page, size - in_page, MMU_STORE, mmu_idx, HERE);
}

static uint32_t port_read(Env *env, uint32_t port, uint32_t size, uintptr_t host_pc)
{
    Vm *vm = vm_current;

    port &= 0xffff;
    check_permission(env, port, size, host_pc);
    vm->touched.ports[port] |= CATCH_PORT_READ;
    if (vm->catch_ports && vm->catch_ports[port] & CATCH_PORT_READ &&
        vm_catch(vm, CATCH_PORT_READ, host_pc, port, size))
        vm_leave(vm, EXIT_CATCH, host_pc);
    uint64_t now = clock_at_port(vm), value;
    if (restart_repeats(vm, now, PORT_READ, port, size, &value))
        return value;
    if (!shared_read(vm, port, size, now, &value) && !pic_read(vm, port, size, &value) &&
        !vga_port_read(vm, port, size, now, &value) && !pm_timer_read(vm, port, size, now, &value)) {
        interrupts_settle(vm);
        value = bus_port_read(vm->owner, port, size, now);
    }
    restart_note(vm, PORT_READ, port, size, value);
    vm->remapped = 0;                       /* a block ends with such an instruction */
    return value;
}

static void port_write(Env *env, uint32_t port, uint32_t size, uint32_t value, uintptr_t host_pc)
{
    Vm *vm = vm_current;

    port &= 0xffff;
    check_permission(env, port, size, host_pc);
    vm->touched.ports[port] |= CATCH_PORT_WRITE;
    if (vm->catch_ports && vm->catch_ports[port] & CATCH_PORT_WRITE &&
        vm_catch(vm, CATCH_PORT_WRITE, host_pc, port, value))
        vm_leave(vm, EXIT_CATCH, host_pc);
    uint64_t now = clock_at_port(vm), made;
    if (restart_repeats(vm, now, PORT_WRITE, port, size, &made))
        return;
    restart_note(vm, PORT_WRITE, port, size, value);
    if (shared_write(vm, port, size, value) || pic_write(vm, port, size, value) || vga_port_write(vm, port, size, value))
        return;
    interrupts_settle(vm);
    bus_port_write(vm->owner, port, size, value, now);
    vm->remapped = 0;                       /* a block ends with such an instruction */
}

HELPER uint64_t __wrap_helper_inb_x86_64(Env *env, uint32_t port)
{
    return port_read(env, port, 1, HERE) & 0xff;
}

HELPER uint64_t __wrap_helper_inw_x86_64(Env *env, uint32_t port)
{
    return port_read(env, port, 2, HERE) & 0xffff;
}

HELPER uint64_t __wrap_helper_inl_x86_64(Env *env, uint32_t port)
{
    return port_read(env, port, 4, HERE);
}

HELPER void __wrap_helper_outb_x86_64(Env *env, uint32_t port, uint32_t value)
{
    port_write(env, port, 1, value & 0xff, HERE);
}

HELPER void __wrap_helper_outw_x86_64(Env *env, uint32_t port, uint32_t value)
{
    port_write(env, port, 2, value & 0xffff, HERE);
}

HELPER void __wrap_helper_outl_x86_64(Env *env, uint32_t port, uint32_t value)
{
    port_write(env, port, 4, value, HERE);
}
