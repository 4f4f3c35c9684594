// SPDX-License-Identifier: GPL-2.0-or-later
/* The two 8259A interrupt controllers, moved away from the exception vectors. */
#include "pic.h"

#include "cpu.h"
#include "interrupts.h"

#define MASTER 0x20
#define SLAVE 0xa0
#define DATA 1

#define ICW1_EDGE_CASCADE_ICW4 0x11
#define ICW3_MASTER_SLAVE_ON_IR2 0x04
#define ICW3_SLAVE_ID 0x02
#define ICW4_8086 0x01
#define OCW2_NON_SPECIFIC_EOI 0x20
#define OCW3_READ_ISR 0x0b

#define CASCADE 2

void pic_init(void)
{
    outb(MASTER, ICW1_EDGE_CASCADE_ICW4);
    outb(MASTER + DATA, VECTOR_IRQ0);
    outb(MASTER + DATA, ICW3_MASTER_SLAVE_ON_IR2);
    outb(MASTER + DATA, ICW4_8086);
    outb(SLAVE, ICW1_EDGE_CASCADE_ICW4);
    outb(SLAVE + DATA, VECTOR_IRQ0 + 8);
    outb(SLAVE + DATA, ICW3_SLAVE_ID);
    outb(SLAVE + DATA, ICW4_8086);
    outb(MASTER + DATA, (uint8_t)~(1u << CASCADE));
    outb(SLAVE + DATA, 0xff);
}

void pic_unmask(unsigned irq)
{
    uint16_t imr = irq < 8 ? MASTER + DATA : SLAVE + DATA;
    outb(imr, inb(imr) & (uint8_t)~(1u << (irq & 7)));
}

void pic_end_of_interrupt(unsigned irq)
{
    if (irq >= 8)
        outb(SLAVE, OCW2_NON_SPECIFIC_EOI);
    outb(MASTER, OCW2_NON_SPECIFIC_EOI);
}

static bool in_service(uint16_t pic, unsigned level)
{
    outb(pic, OCW3_READ_ISR);
    return inb(pic) >> level & 1;
}

bool pic_is_spurious(unsigned irq)
{
    if (irq == 7)
        return !in_service(MASTER, 7);
    if (irq == 15 && !in_service(SLAVE, 7)) {
        outb(MASTER, OCW2_NON_SPECIFIC_EOI);
        return true;
    }
    return false;
}
