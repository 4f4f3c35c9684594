/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The instructions that C has no word for. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define RFLAGS_IF 0x200u

#define MSR_EFER 0xc0000080u
#define MSR_STAR 0xc0000081u
#define MSR_LSTAR 0xc0000082u
#define MSR_FMASK 0xc0000084u
#define MSR_GS_BASE 0xc0000101u
#define MSR_KERNEL_GS_BASE 0xc0000102u

static inline void outb(uint16_t port, uint8_t value) { asm volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }

static inline void outw(uint16_t port, uint16_t value) { asm volatile("outw %0, %1" : : "a"(value), "Nd"(port)); }

static inline uint8_t inb(uint16_t port)
{
    uint8_t value;
    asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
    asm volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

static inline uint64_t read_cr2(void)
{
    uint64_t value;
    asm volatile("mov %%cr2, %0" : "=r"(value));
    return value;
}

static inline uint64_t read_cr3(void)
{
    uint64_t value;
    asm volatile("mov %%cr3, %0" : "=r"(value));
    return value;
}

static inline void write_cr3(uint64_t value) { asm volatile("mov %0, %%cr3" : : "r"(value) : "memory"); }

static inline void invlpg(uint64_t linear) { asm volatile("invlpg (%0)" : : "r"(linear) : "memory"); }

static inline void pause(void) { asm volatile("pause"); }

static inline void interrupts_off(void) { asm volatile("cli" : : : "memory"); }

static inline void interrupts_on(void) { asm volatile("sti" : : : "memory"); }

/* STI holds interrupts off until after the next instruction, so none is lost between the two. */
static inline void wait_for_interrupt(void) { asm volatile("sti; hlt" : : : "memory"); }

static inline uint64_t interrupts_save(void)
{
    uint64_t rflags;
    asm volatile("pushfq; popq %0; cli" : "=r"(rflags) : : "memory");
    return rflags;
}

static inline void interrupts_restore(uint64_t rflags)
{
    if (rflags & RFLAGS_IF)
        interrupts_on();
}

static inline void cpuid(uint32_t leaf, uint32_t *eax, uint32_t *ebx, uint32_t *ecx, uint32_t *edx)
{
    asm volatile("cpuid" : "=a"(*eax), "=b"(*ebx), "=c"(*ecx), "=d"(*edx) : "a"(leaf), "c"(0));
}
