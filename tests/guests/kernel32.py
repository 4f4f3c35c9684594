"""A 32-bit Multiboot kernel in C, as its own ELF with DWARF; with PAE and NX where that is asked for."""

from __future__ import annotations

from pathlib import Path

from tests.guests.build import compile_c

SOURCE = r"""
typedef unsigned int u32;
typedef unsigned long long u64;

__asm__(".long 0x1badb002, 0, -0x1badb002\n"
        ".globl _start\n"
        "_start: mov $stack_top, %esp\n"
        "call kernel_main\n"
        "1: hlt\n"
        "jmp 1b\n"
        ".pushsection .stack, \"aw\", @nobits\n"
        ".balign 0x400000\n"
        ".skip 0x4000\n"
        "stack_top:\n"
        ".popsection\n");

u64 directory[512] __attribute__((aligned(4096)));
u64 pointers[512] __attribute__((aligned(4096)));
u64 top[512] __attribute__((aligned(4096)));
volatile int total;

__attribute__((noinline)) int length(const char *text)
{
    int n = 0;
    while (text[n])
        n++;
    return n;
}

__attribute__((noinline)) int add(int a, int b)
{
    total += a + b;
    return a + b;
}

static void protect(void)
{
    for (u64 page = 0; page < 512; page++)
        directory[page] = page << 21 | 0x83 | (page >= 2 ? 1ull << 63 : 0);
    pointers[0] = (u32)directory | (LONG ? 3 : 1);
    top[0] = (u32)pointers | 3;
    __asm__ volatile("mov %0, %%cr3\n"
                     "mov %%cr4, %%eax\n or $0x20, %%eax\n mov %%eax, %%cr4\n"
                     "mov $0xc0000080, %%ecx\n rdmsr\n or %1, %%eax\n wrmsr\n"
                     "mov %%cr0, %%eax\n or $0x80000000, %%eax\n mov %%eax, %%cr0\n"
                     : : "r"(LONG ? top : pointers), "i"(LONG ? 0x900 : 0x800) : "eax", "ecx", "edx", "memory");
}

void kernel_main(void)
{
    if (NX || LONG)
        protect();
    for (int round = 0; round < 20; round++)
        add(round, length("abc"));
    __asm__ volatile("outb %b0, $0xf4" : : "a"(0));
}
"""


def kernel32(*, nx: bool = False, long: bool = False) -> Path:
    """The ELF. `nx`: its stack cannot be executed. `long`: it goes to long mode, and stays in 32-bit code there."""
    flags = ("-m32", "-O1", f"-DNX={int(nx)}", f"-DLONG={int(long)}", "-Wl,-melf_i386")
    return compile_c(SOURCE, text_address=0x101000, flags=flags)
