# SPDX-License-Identifier: GPL-2.0-or-later
# Entry from the boot loader: 32-bit protected mode, paging off, flat segments, interrupts off.
# Two doors, one room: Multiboot 1 (eax = magic, ebx = information) and PVH (ebx = start info).
#include "asm.h"
#include "layout.h"

#define MULTIBOOT_MAGIC 0x1badb002
#define MULTIBOOT_LOADED 0x2badb002
/* Page alignment, memory map, and valid address fields: some loaders take no 64-bit ELF without them. */
#define MULTIBOOT_FLAGS 0x00010003

#define XEN_ELFNOTE_PHYS32_ENTRY 18

#define PTE_P 0x001
#define PTE_W 0x002
#define PTE_PS 0x080

#define CR0_PE_MP_WP_PG 0x80010003
#define CR4_PAE 0x20
#define MSR_EFER 0xc0000080
#define EFER_SCE_LME_NXE 0x00000901
#define CPUID_LM_NX 0x20100000

    .section .multiboot, "a"
    .balign 4
multiboot_header:
    .long MULTIBOOT_MAGIC
    .long MULTIBOOT_FLAGS
    .long -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)
    .long multiboot_header
    .long image_start
    .long load_end
    .long image_end
    .long multiboot_entry

    .section .note.pvh, "a", @note
    .balign 4
    .long 4
    .long 4
    .long XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .long pvh_entry

    .section .boot, "ax"
    .code32
function multiboot_entry
    cmp $MULTIBOOT_LOADED, %eax
    jne no_loader
    mov $BOOT_MULTIBOOT, %edi
    jmp protected_mode
end_function multiboot_entry

function pvh_entry
    mov $BOOT_PVH, %edi
    jmp protected_mode
end_function pvh_entry

# edi: which loader; ebx: its information. Both reach kernel_main as arguments.
function protected_mode
    mov %ebx, %esi
    mov $(boot_stack_top - KERNEL_BASE), %esp
    call require_long_mode

    # One page directory of 2 MiB pages covers the first GiB, both where it is and at KERNEL_BASE.
    mov $(boot_pd - KERNEL_BASE), %ecx
    mov $(PTE_P | PTE_W | PTE_PS), %eax
1:  mov %eax, (%ecx)
    add $0x200000, %eax
    add $8, %ecx
    cmp $KERNEL_WINDOW_SIZE, %eax
    jb 1b
    movl $(boot_pd - KERNEL_BASE + PTE_P + PTE_W), boot_pdpt - KERNEL_BASE
    movl $(boot_pd - KERNEL_BASE + PTE_P + PTE_W), boot_pdpt - KERNEL_BASE + 510 * 8
    movl $(boot_pdpt - KERNEL_BASE + PTE_P + PTE_W), boot_pml4 - KERNEL_BASE
    movl $(boot_pdpt - KERNEL_BASE + PTE_P + PTE_W), boot_pml4 - KERNEL_BASE + 511 * 8

    # SDM 3A 9.8.5, initializing IA-32e mode: PAE, CR3, EFER.LME, CR0.PG.
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

    lgdt boot_gdtr
    ljmp $KERNEL_CODE, $long_mode_entry
end_function protected_mode

function require_long_mode
    mov $0x80000000, %eax
    cpuid
    cmp $0x80000001, %eax
    jb no_long_mode
    mov $0x80000001, %eax
    cpuid
    and $CPUID_LM_NX, %edx
    cmp $CPUID_LM_NX, %edx
    jne no_long_mode
    ret
end_function require_long_mode

function no_long_mode
    mov $no_long_mode_text, %esi
    jmp complain
end_function no_long_mode

function no_loader
    mov $no_loader_text, %esi
    jmp complain
end_function no_loader

# Writes the text at esi to COM1, as the firmware or the reset left it, and stops.
function complain
    mov $0x3f8, %edx
1:  lodsb
    test %al, %al
    jz 2f
    outb %al, %dx
    jmp 1b
2:  cli
    hlt
    jmp 2b
end_function complain

no_long_mode_text:
    .asciz "sample: this CPU has no long mode with NX (CPUID 80000001h, EDX bits 29 and 20)\r\n"
no_loader_text:
    .asciz "sample: not entered by a Multiboot 1 or PVH loader\r\n"

    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff
    .quad 0x00cf93000000ffff
boot_gdtr:
    .word . - boot_gdt - 1
    .long boot_gdt

    .section .bss
    .balign 4096
boot_pml4:
    .skip 4096
boot_pdpt:
    .skip 4096
boot_pd:
    .skip 4096
    .globl boot_pml4, boot_stack_top
boot_stack:
    .skip 8192
boot_stack_top:
