/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where things are in the linear address space; shared with assembly. */
#pragma once

/* The first GiB of physical memory is mapped at KERNEL_BASE. */
#define KERNEL_BASE 0xffffffff80000000
#define KERNEL_WINDOW_SIZE 0x40000000

/* Kernel stacks: one slot a thread, mapped at its upper end; what is below is a guard. */
#define STACK_AREA 0xffffffffc0000000
#define STACK_SLOT 0x8000
#define STACK_SIZE 0x4000

/* Of the kernel for several CPUs: the local APIC's registers, and where the others start. */
#define LAPIC_LINEAR 0xffffffffd0000000
#define TRAMPOLINE 0x8000
#define MAX_CPUS 32

#define USER_HEAP 0x10000000
#define USER_HEAP_SIZE 0x100000
#define USER_STACK_TOP 0x7fff00000000
#define USER_STACK_SIZE 0x20000
#define USER_END 0x800000000000

#define KERNEL_CODE 0x08
#define KERNEL_DATA 0x10
#define USER_DATA 0x1b
#define USER_CODE 0x23
#define TASK_STATE 0x28

#define BOOT_MULTIBOOT 1
#define BOOT_PVH 2
