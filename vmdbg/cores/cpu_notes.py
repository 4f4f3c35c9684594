"""ELF notes of a core: the registers of a CPU.

Sources: Linux include/linux/elfcore.h (elf_prstatus), arch/x86/include/asm/user_64.h; SDM 1 10.5.1 (FXSAVE).
"""

from __future__ import annotations

import struct

from vmdbg.cores.elf_notes import note
from vmdbg.debugger.cpu import Cpu

NT_PRSTATUS, NT_FPREGSET = 1, 2
GENERAL = (
    "r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi",
    "orig_rax", "rip", "cs", "rflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs",
)  # fmt: skip
"""The order of struct user_regs_struct."""
NO_SYSTEM_CALL = (1 << 64) - 1
MXCSR_MASK = 0xFFFF
_STATUS = struct.Struct("<iiihxxQQiiii64x27Qi4x")
"""struct elf_prstatus: signal, pending and held signals, pid, parent, group, session, times, registers, fpvalid."""


def cpu_notes(cpu: Cpu) -> bytes:
    """NT_PRSTATUS and NT_FPREGSET. As in QEMU's dumps the process is the number of the CPU and one: drgn goes by it."""
    values = [NO_SYSTEM_CALL if name == "orig_rax" else cpu.read(name) for name in GENERAL]
    status = _STATUS.pack(0, 0, 0, 0, 0, 0, cpu.number + 1, 0, 0, 0, *values, 1)
    return note(b"CORE", NT_PRSTATUS, status) + note(b"CORE", NT_FPREGSET, _fxsave(cpu))


def _fxsave(cpu: Cpu) -> bytes:
    """The 512 bytes of FXSAVE64. Its tag byte has a bit for each register in use, by number, not from the top."""
    tags = cpu.read("ftag")
    in_use = sum((tags >> 2 * number & 3 != 3) << number for number in range(8))
    head = struct.pack(
        "<HHBxHQQII",
        cpu.read("fctrl"), cpu.read("fstat"), in_use, cpu.read("fop") & 0x7FF,
        cpu.read("fioff"), cpu.read("fooff"), cpu.read("mxcsr"), MXCSR_MASK,
    )  # fmt: skip
    stack = b"".join(cpu.read(f"st{number}").to_bytes(16, "little") for number in range(8))
    vectors = b"".join(cpu.read(f"xmm{number}").to_bytes(16, "little") for number in range(16))
    return (head + stack + vectors).ljust(512, b"\0")
