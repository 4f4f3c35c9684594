// SPDX-License-Identifier: GPL-2.0-or-later
/* COM1, a 16550A: both directions through rings that its interrupt empties and fills. */
#include "serial.h"

#include <stdbool.h>
#include <stdint.h>

#include "spinlock.h"
#include "interrupts.h"
#include "thread.h"

#define COM1 0x3f8
#define RBR (COM1 + 0)
#define THR (COM1 + 0)
#define DLL (COM1 + 0)
#define IER (COM1 + 1)
#define DLM (COM1 + 1)
#define IIR (COM1 + 2)
#define FCR (COM1 + 2)
#define LCR (COM1 + 3)
#define MCR (COM1 + 4)
#define LSR (COM1 + 5)
#define MSR (COM1 + 6)

#define IER_RDA 0x01
#define IER_THRE 0x02
#define IIR_NONE 0x01
#define FCR_ENABLE_CLEAR_BOTH 0x07
#define LCR_8N1 0x03
#define LCR_DLAB 0x80
#define MCR_DTR_RTS_OUT2 0x0b
#define LSR_DR 0x01
#define LSR_THRE 0x20
#define LSR_TEMT 0x40

#define IRQ_COM1 4
#define FIFO_DEPTH 16
#define RING_SIZE 4096

struct ring {
    volatile unsigned head, tail;
    char data[RING_SIZE];
};

static struct ring transmit, receive;
static uint8_t ier;

static bool ring_empty(const struct ring *ring) { return ring->head == ring->tail; }

static bool ring_full(const struct ring *ring) { return ring->head - ring->tail == RING_SIZE; }

static void ring_put(struct ring *ring, char c) { ring->data[ring->head++ % RING_SIZE] = c; }

static char ring_take(struct ring *ring) { return ring->data[ring->tail++ % RING_SIZE]; }

static void fill_transmit_fifo(void)
{
    for (unsigned i = 0; i < FIFO_DEPTH && !ring_empty(&transmit); i++)
        outb(THR, (uint8_t)ring_take(&transmit));
}

/* Ports are slow: look at the line status register now and then, not all the time. */
static void wait_for_line_status(uint8_t bit)
{
    while (!(inb(LSR) & bit))
        for (unsigned i = 0; i < 1000; i++)
            pause();
}

static void transmit_polled(void)
{
    wait_for_line_status(LSR_THRE);
    fill_transmit_fifo();
}

static void set_ier(uint8_t bits)
{
    if (ier != bits)
        outb(IER, ier = bits);
}

static void receive_waiting(void)
{
    while (inb(LSR) & LSR_DR) {
        char c = (char)inb(RBR);
        if (!ring_full(&receive))
            ring_put(&receive, c);
    }
#ifndef SMP
    thread_wake(&receive);
#endif
}

static void serial_interrupt(void)
{
    enum { MODEM_STATUS = 0x0, THR_EMPTY = 0x2, DATA_AVAILABLE = 0x4, LINE_STATUS = 0x6, TIMEOUT = 0xc };
    uint8_t iir;
    spin_acquire(&serial_lock);
    while (!((iir = inb(IIR) & 0x0f) & IIR_NONE)) {
        if (iir == MODEM_STATUS)
            inb(MSR);
        else if (iir == LINE_STATUS)
            inb(LSR);
        else if (iir == THR_EMPTY) {
            fill_transmit_fifo();
            if (ring_empty(&transmit))
                set_ier(IER_RDA);
        } else
            receive_waiting();
    }
    spin_release(&serial_lock);
#ifdef SMP
    /* Not inside: who reports a panic of the scheduler's holds its lock and wants the line. */
    spin_acquire(&scheduler_lock);
    if (!ring_empty(&receive))
        thread_wake(&receive);
    spin_release(&scheduler_lock);
#endif
}

void serial_init(void)
{
    outb(IER, 0);
    outb(LCR, LCR_DLAB);
    outb(DLL, 1);
    outb(DLM, 0);
    outb(LCR, LCR_8N1);
    outb(FCR, FCR_ENABLE_CLEAR_BOTH);
    outb(MCR, MCR_DTR_RTS_OUT2);
}

void serial_use_interrupts(void)
{
    set_ier(IER_RDA);
    irq_install(IRQ_COM1, serial_interrupt);
}

void serial_put(char c)
{
    uint64_t rflags = spin_lock(&serial_lock);
    if (ring_full(&transmit))
        transmit_polled();
    ring_put(&transmit, c);
    if (ier)
        set_ier(IER_RDA | IER_THRE);
    else
        transmit_polled();
    spin_unlock(&serial_lock, rflags);
}

void serial_flush(void)
{
    spin_acquire(&serial_lock);
    while (!ring_empty(&transmit))
        transmit_polled();
    wait_for_line_status(LSR_TEMT);
    spin_release(&serial_lock);
}

char serial_get(void)
{
    uint64_t rflags = spin_lock(&scheduler_lock);
    while (ring_empty(&receive))
        thread_block(&receive);
    char c = ring_take(&receive);
    spin_unlock(&scheduler_lock, rflags);
    return c;
}
