# SPDX-License-Identifier: GPL-2.0-or-later
# Where the other CPUs start: real mode at TRAMPOLINE, to which smp.c copies this. From there with the boot's page tables,
# which map the first GiB where it is too, into long mode and onto the stack of this CPU's idle thread.
#include "../asm.h"
#include "../layout.h"

#define PE 0x1
#define CR0_PE_MP_WP_PG 0x80010003
#define CR4_PAE 0x20
#define MSR_EFER 0xc0000080
#define EFER_SCE_LME_NXE 0x00000901
#define FLAT_CODE32 0x18

    .cfi_sections .debug_frame
    .section .rodata
    .globl trampoline_start, trampoline_end
    .code16
trampoline_start:
    cli
    xor %ax, %ax
    mov %ax, %ds
    lgdtl TRAMPOLINE + trampoline_gdtr - trampoline_start
    mov %cr0, %eax
    or $PE, %eax
    mov %eax, %cr0
    ljmpl $FLAT_CODE32, $(TRAMPOLINE + trampoline32 - trampoline_start)

    .code32
trampoline32:
    mov $KERNEL_DATA, %eax
    mov %eax, %ds
    mov %eax, %ss
    mov %cr4, %eax
    or $CR4_PAE, %eax
    mov %eax, %cr4
    mov $(boot_pml4 - KERNEL_BASE), %eax
    mov %eax, %cr3
    mov $MSR_EFER, %ecx
    rdmsr
    or $EFER_SCE_LME_NXE, %eax
    wrmsr
    mov $CR0_PE_MP_WP_PG, %eax
    mov %eax, %cr0
    ljmp $KERNEL_CODE, $(TRAMPOLINE + trampoline64 - trampoline_start)

    .code64
trampoline64:
    movabs $smp_entry, %rax
    jmp *%rax

    .balign 8
trampoline_gdt:
    .quad 0
    .quad 0x00af9b000000ffff
    .quad 0x00cf93000000ffff
    .quad 0x00cf9b000000ffff
trampoline_gdtr:
    .word . - trampoline_gdt - 1
    .long TRAMPOLINE + trampoline_gdt - trampoline_start
trampoline_end:

    .text
# On the idle thread's stack, as if its thread_start had called.
function smp_entry
    .cfi_startproc
    .cfi_undefined rip
    xor %eax, %eax
    mov %eax, %es
    mov %eax, %fs
    mov %eax, %gs
    mov kernel_cr3(%rip), %rax
    mov %rax, %cr3
    mov starting_stack(%rip), %rsp
    xor %ebp, %ebp
    push $0
    call smp_main
    ud2
    .cfi_endproc
end_function smp_entry
