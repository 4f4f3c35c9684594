"""ELF kernels without a boot protocol, and what all ELF loaders share.

A bare 64-bit kernel starts in long mode with the first 4 GiB mapped onto themselves, a bare 32-bit one in
protected mode without paging; both with interrupts off, flat segments, a 16-KiB stack and all general
registers 0. An entry point linked high is entered where it is loaded.
"""

from __future__ import annotations

from vmdbg.boot import entry
from vmdbg.boot.elf_file import ET_EXEC, ElfFile, SegmentType
from vmdbg.boot.image import BootImage, BootOptions, Protocol
from vmdbg.boot.layout import Layout
from vmdbg.errors import UserError


def load_bare(options: BootOptions, elf: ElfFile) -> BootImage:
    """Lay out a kernel that is entered at e_entry. Raises UserError."""
    if elf.type != ET_EXEC or any(header.type == SegmentType.INTERP for header in elf.headers):
        raise UserError(
            f"{elf.name} is a program or library for an operating system, not a kernel: "
            "link a kernel at fixed addresses and without a dynamic loader"
        )
    refuse_extras(options, f"{elf.name} is a bare ELF file", "give it a Multiboot header or a PVH note")
    layout = Layout(options.memory, options.firmware)
    load_segments(layout, elf)
    begin = entry.long_mode if elf.is_64bit else entry.protected_mode
    cpu = begin(layout, start_address(elf), {})
    bits = 64 if elf.is_64bit else 32
    return BootImage(
        Protocol.ELF,
        f"bare {bits}-bit ELF",
        layout.finish(),
        cpu,
        layout.e820,
        options.memory,
        layout.memory_needed,
    )


def refuse_extras(options: BootOptions, what: str, remedy: str) -> None:
    """Refuse an initrd and a command line for a guest that has no way to learn of them."""
    for given, name in ((options.initrd, "--initrd"), (options.append or options.command_line, "--append")):
        if given:
            raise UserError(f"{what}, which has no way to be told of {name}: leave it out, or {remedy}")


def load_segments(layout: Layout, elf: ElfFile) -> None:
    """Put every PT_LOAD segment at its physical address. Raises UserError."""
    if not elf.loads:
        raise UserError(f"{elf.name} has nothing to load: it has no PT_LOAD segment")
    for header in elf.loads:
        layout.put(header.address, elf.content(header), elf.name, header.memory_size)


def start_address(elf: ElfFile) -> int:
    """The physical address of e_entry, be it linear or physical. Raises UserError when it is nowhere."""
    address = elf.physical(elf.entry)
    if address is not None:
        return address
    if any(header.address <= elf.entry < header.address + header.memory_size for header in elf.loads):
        return elf.entry
    raise UserError(f"{elf.name} is damaged: its entry point {elf.entry:#x} lies outside what it loads")
