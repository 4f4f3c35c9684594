/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rax: number, then result. rdi, rsi: arguments. By SYSCALL (rcx and r11 are lost) or int 80h (nothing is). */
#pragma once

#define SYSCALL_EXIT 0
#define SYSCALL_WRITE 1 /* rdi: text, rsi: its length; result: how much was written, or -1 if it is not the task's memory */
#define SYSCALL_SLEEP 2 /* rdi: timer ticks */
#define SYSCALL_TICKS 3 /* result: timer ticks since boot */

#ifndef __ASSEMBLER__
#include <stdint.h>

struct frame;

void syscall_init(void);
void syscall_set_kernel_stack(uint64_t rsp);
void syscall(struct frame *frame);
unsigned long syscall_count(void);
#endif
