// SPDX-License-Identifier: GPL-2.0-or-later
#include "power.h"

#include "boot_info.h"
#include "cpu.h"
#include "serial.h"

#define PM1A_CONTROL 0x604 /* PM1a_CNT where QEMU's PIIX4 puts it */
#define SLP_EN_S5 0x2000
#define TEST_EXIT 0xf4
#define TEST_PASSED 0
#define TEST_FAILED 1

static void halt_forever(void)
{
    for (;;)
        asm volatile("cli; hlt");
}

void machine_power_off(void)
{
    interrupts_off();
    serial_flush();
    outw(PM1A_CONTROL, SLP_EN_S5);
    /* The power may take a moment to go. */
    for (unsigned i = 0; i < 2000000; i++)
        pause();
    outb(TEST_EXIT, TEST_PASSED);
    halt_forever();
    __builtin_unreachable();
}

void machine_fail(void)
{
    interrupts_off();
    serial_flush();
    if (command_line_has("panic=exit"))
        outb(TEST_EXIT, TEST_FAILED);
    halt_forever();
    __builtin_unreachable();
}
