"""Runs a BootImage in QEMU: another implementation of the PC judges what the loaders lay out.

QEMU's generic loader places the segments; a ROM assembled here brings the processor from the reset vector to
the image's CpuStart.
"""

from __future__ import annotations

import os
import select
import subprocess
import time
from pathlib import Path

from tests.guests.build import require
from vmdbg.boot.image import BootImage, CpuMode

RESET_VECTOR = 0xFFFF0
RFLAGS_IF = 0x200
_ROM = """
org 0xf0000
bits 16
start:
    cli
{real}
    o32 lgdt [cs:own_gdtr - 0xf0000]
    mov eax, 1
    mov cr0, eax
    jmp dword 0x08:protected
own_gdt: dq 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
own_gdtr: dw 23
    dd own_gdt
image_gdtr: dw {gdt_limit}
    dd {gdt_base}
bits 32
protected:
    mov eax, 0x10
    mov ss, eax
    mov ds, eax
    mov eax, {cr4}
    mov cr4, eax
    mov eax, {cr3}
    mov cr3, eax
    mov ecx, 0xc0000080
    mov eax, {efer} & 0xfff ^ ({efer} & 0x400)
    xor edx, edx
    wrmsr
    mov eax, {cr0}
    mov cr0, eax
    lgdt [image_gdtr]
    mov eax, {data}
    mov ds, eax
    mov es, eax
    mov fs, eax
    mov gs, eax
    mov ss, eax
    mov eax, {task}
    and byte [{gdt_base} + {task} + 5], 0xfd
    ltr ax
    mov esp, {rsp}
    push dword {cs}
    push dword {rip}
    mov eax, {rax}
    mov ebx, {rbx}
    mov ecx, {rcx}
    mov edx, {rdx}
    mov esi, {rsi}
    mov edi, {rdi}
    mov ebp, {rbp}
    retf
times 0xfff0 - ($ - start) nop
bits 16
    jmp 0xf000:0
times 0x10000 - ($ - start) db 0
"""

_REAL = """
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, {rsp}
{chips}
    mov eax, {rax}
    mov edx, {rdx}
    {interrupts}
    jmp {cs}:{rip}
"""


def run(image: BootImage, work: Path, until: str, *, typed: str = "", then: str = "", seconds: float = 60) -> str:
    """What the guest prints on COM1 until `until` appears, and till `then` does after `typed` is sent."""
    with subprocess.Popen(
        [*_command(image, work)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as qemu:
        assert qemu.stdin is not None
        assert qemu.stdout is not None
        try:
            out = _read(qemu, until, time.monotonic() + seconds)
            if typed:
                os.write(qemu.stdin.fileno(), typed.encode())
                out += _read(qemu, then, time.monotonic() + seconds)
            return out
        finally:
            qemu.kill()


def _read(qemu: subprocess.Popen[bytes], until: str, deadline: float) -> str:
    assert qemu.stdout is not None
    out = b""
    while until.encode() not in out:
        ready, _, _ = select.select([qemu.stdout], [], [], max(deadline - time.monotonic(), 0))
        data = os.read(qemu.stdout.fileno(), 4096) if ready else b""
        assert data, f"no {until!r} in {out.decode('utf-8', 'replace')}"
        out += data
    return out.decode("utf-8", "replace")


def _command(image: BootImage, work: Path) -> list[str]:
    rom = work / "entry.rom"
    source = work / "entry.asm"
    source.write_text(_source(image))
    subprocess.run(["nasm", "-w-number-overflow", "-f", "bin", "-o", rom, source], check=True)
    command = [require("qemu-system-x86_64"), "-M", "pc", "-m", f"{image.memory >> 20}M", "-bios", str(rom)]
    command += ["-display", "none", "-serial", "stdio", "-monitor", "none", "-no-reboot", "-net", "none"]
    command += ["-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
    for number, segment in enumerate(image.segments):
        if segment.rom:
            continue
        file = work / f"segment{number}"
        room = RESET_VECTOR - segment.address if segment.address < RESET_VECTOR else len(segment.data)
        file.write_bytes(segment.data[:room])
        command += ["-device", f"loader,file={file},addr={segment.address:#x},force-raw=on"]
    return command


def _source(image: BootImage) -> str:
    start = image.start
    values = {name: start.general.get(name, 0) for name in ("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp")}
    values |= {
        "rsp": start.rsp,
        "rip": start.rip,
        "cs": start.cs.selector,
        "data": start.ds.selector,
        "task": start.tr.selector,
        "cr0": start.cr0,
        "cr3": start.cr3,
        "cr4": start.cr4,
        "efer": start.efer,
        "gdt_base": start.gdt.base,
        "gdt_limit": start.gdt.limit,
    }
    chips = "\n".join(f" mov al, {write.value}\n out {write.port}, al" for write in image.chips)
    values |= {"chips": chips, "interrupts": "sti" if start.rflags & RFLAGS_IF else ""}
    real = _REAL.format(**values) if start.mode is CpuMode.REAL else ""
    return _ROM.format(real=real, **values)
