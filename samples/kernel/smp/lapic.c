// SPDX-License-Identifier: GPL-2.0-or-later
/* The local APIC by its memory-mapped registers (SDM 3A 11.4 and 11.6). */
#include "lapic.h"

#include "../cpu.h"
#include "../layout.h"
#include "../paging.h"

#define LAPIC_PHYSICAL 0xfee00000
#define PTE_CACHE_DISABLE 0x010ul

#define ID 0x20
#define EOI 0xb0
#define SVR 0xf0
#define ICR_LOW 0x300
#define ICR_HIGH 0x310
#define LVT_LINT0 0x350
#define LVT_LINT1 0x360

#define SVR_ENABLE 0x100
#define LVT_MASKED 0x10000
#define LVT_EXTINT 0x700
#define LVT_NMI 0x400
#define ICR_FIXED 0x00000
#define ICR_INIT 0x00500
#define ICR_STARTUP 0x00600
#define ICR_PENDING 0x01000
#define ICR_ASSERT 0x04000
#define ICR_ALL_OTHERS 0xc0000

static volatile uint32_t *const lapic = (void *)LAPIC_LINEAR;

static void write(unsigned offset, uint32_t value) { lapic[offset / 4] = value; }

static uint32_t read(unsigned offset) { return lapic[offset / 4]; }

void lapic_map(void)
{
    page_map(&kernel_space, LAPIC_LINEAR, LAPIC_PHYSICAL, PTE_W | PTE_NX | PTE_CACHE_DISABLE);
}

void lapic_enable(unsigned cpu)
{
    write(LVT_LINT0, cpu == 0 ? LVT_EXTINT : LVT_MASKED);
    write(LVT_LINT1, LVT_NMI);
    write(SVR, SVR_ENABLE | VECTOR_SPURIOUS);
}

uint8_t lapic_id(void) { return (uint8_t)(read(ID) >> 24); }

void lapic_end_of_interrupt(void) { write(EOI, 0); }

static void command(uint8_t apic_id, uint32_t low)
{
    while (read(ICR_LOW) & ICR_PENDING)
        pause();
    write(ICR_HIGH, (uint32_t)apic_id << 24);
    write(ICR_LOW, low);
}

void lapic_send(uint8_t apic_id, uint8_t vector) { command(apic_id, ICR_FIXED | ICR_ASSERT | vector); }

void lapic_send_others(uint8_t vector) { command(0, ICR_ALL_OTHERS | ICR_FIXED | ICR_ASSERT | vector); }

void lapic_send_init(uint8_t apic_id) { command(apic_id, ICR_INIT | ICR_ASSERT); }

void lapic_send_startup(uint8_t apic_id, uint8_t page) { command(apic_id, ICR_STARTUP | ICR_ASSERT | page); }
