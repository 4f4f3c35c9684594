// SPDX-License-Identifier: GPL-2.0-or-later
#include "boot_info.h"
#include "bugs.h"
#include "cpu.h"
#include "demo.h"
#include "gdt.h"
#include "interrupts.h"
#include "paging.h"
#include "pic.h"
#include "pit.h"
#include "power.h"
#include "printk.h"
#include "serial.h"
#include "shell.h"
#include "smp.h"
#include "syscall.h"
#include "text.h"
#include "thread.h"
#include "vga.h"

static void print_cpu(void)
{
    char vendor[13] = {0};
    uint32_t eax, words[3];
    cpuid(0, &eax, &words[0], &words[2], &words[1]);
    memcpy(vendor, words, sizeof words);
    printk("cpu: %s, 64-bit, NX and WP on\n", vendor);
}

static void plant_bug(void)
{
    char name[16];
    command_line_value("bug=", name, sizeof name);
    if (!*name)
        return;
    if (bug_plant(name)) {
        printk("bug: %s is planted\n", name);
    } else {
        printk("bug: there is no bug \"%s\"; there are:\n", name);
        bugs_print();
    }
}

/* From kernel_entry: LOADER is BOOT_MULTIBOOT or BOOT_PVH, INFORMATION what it left, physical. */
void kernel_main(uint32_t loader, uint32_t information)
{
    serial_init();
    vga_init();
    boot_info_init(loader, information);
    printk("vmdbg sample kernel\n");
    boot_info_print();
    print_cpu();

    gdt_init();
    idt_init();
    paging_init();
    syscall_init();
    threads_init();
    pic_init();
    pit_init();
    serial_use_interrupts();
    interrupts_on();
    smp_init();
    printk("timer: PIT at %d Hz\n", TIMER_HZ);

    plant_bug();
    demo_run();
    if (command_line_has("autostop"))
        machine_power_off();
    shell_run();
}
