// SPDX-License-Identifier: GPL-2.0-or-later
/* Global descriptor table and task-state segment (SDM 3A 3.5.2, 8.7). */
#include "gdt.h"

#include "layout.h"
#include "percpu.h"

struct [[gnu::packed]] descriptor_table_register {
    uint16_t limit;
    uint64_t base;
};

struct [[gnu::packed]] task_state_segment {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3;
    uint16_t io_map_base;
};

#ifdef SMP
#define CPUS MAX_CPUS
#define CPU_OF_TSS(base) ((unsigned)((const struct task_state_segment *)(base) - tss))
#else
#define CPUS 1
#define CPU_OF_TSS(base) 0u
#endif

static uint64_t gdt[5 + 2 * CPUS] = {
    0,
    0x00af9b000000ffff, /* KERNEL_CODE: 64-bit, DPL 0 */
    0x00cf93000000ffff, /* KERNEL_DATA */
    0x00cff3000000ffff, /* USER_DATA: SYSRET wants it just below USER_CODE */
    0x00affb000000ffff, /* USER_CODE: 64-bit, DPL 3 */
};

static struct task_state_segment tss[CPUS] = {[0 ... CPUS - 1] = {.io_map_base = sizeof(struct task_state_segment)}};
static uint8_t double_fault_stack[CPUS][4096] __attribute__((aligned(16)));
static uint8_t nmi_stack[CPUS][4096] __attribute__((aligned(16)));

static void set_tss_descriptor(uint64_t base, uint64_t limit)
{
    const unsigned entry = TASK_STATE / 8 + 2 * CPU_OF_TSS(base);
    const uint64_t present_available_tss = 0x89;
    gdt[entry] = (limit & 0xffff) | (base & 0xffffff) << 16 | present_available_tss << 40 |
                 (base >> 24 & 0xff) << 56;
    gdt[entry + 1] = base >> 32;
}

#ifdef SMP
void gdt_init_cpu(unsigned cpu)
{
#else
void gdt_init(void)
{
    enum { cpu = 0 };
#endif
    tss[cpu].ist[IST_DOUBLE_FAULT - 1] = (uint64_t)(double_fault_stack + cpu + 1);
    tss[cpu].ist[IST_NMI - 1] = (uint64_t)(nmi_stack + cpu + 1);
    set_tss_descriptor((uint64_t)&tss[cpu], sizeof tss[cpu] - 1);

    struct descriptor_table_register gdtr = {.limit = sizeof gdt - 1, .base = (uint64_t)gdt};
    asm volatile("lgdt %0" : : "m"(gdtr));
    /* The selectors are those of the boot GDT; reload what caches its descriptors. */
    asm volatile("pushq %0; leaq 1f(%%rip), %%rax; pushq %%rax; lretq; 1:" : : "i"(KERNEL_CODE) : "rax", "memory");
    asm volatile("mov %0, %%ss; mov %0, %%ds; mov %0, %%es" : : "r"(KERNEL_DATA));
    asm volatile("ltr %0" : : "r"((uint16_t)(TASK_STATE + 16 * cpu)));
}

void gdt_set_kernel_stack(uint64_t rsp0) { tss[cpu_number()].rsp[0] = rsp0; }
