"""PVH: ELF kernels that carry the XEN_ELFNOTE_PHYS32_ENTRY note.

Sources: Xen, docs/misc/pvh.pandoc (x86/HVM direct boot ABI); xen/include/public/arch-x86/hvm/start_info.h.
"""

from __future__ import annotations

import struct

from vmdbg.boot import entry
from vmdbg.boot.elf import load_segments
from vmdbg.boot.elf_file import ElfFile
from vmdbg.boot.image import BootImage, BootOptions, Protocol
from vmdbg.boot.layout import Layout
from vmdbg.boot.multiboot import encode
from vmdbg.errors import UserError

PHYS32_ENTRY = 18
_START_MAGIC = 0x336EC578
_VERSION = 1


def find_entry(elf: ElfFile) -> int | None:
    """The physical address of the 32-bit entry point, or None without the note."""
    for name, kind, value in elf.notes():
        if name == "Xen" and kind == PHYS32_ENTRY and len(value) in (4, 8):
            return int.from_bytes(value, "little")
    return None


def load(options: BootOptions, elf: ElfFile, address: int, default: str = "") -> BootImage:
    """Lay out a PVH kernel, entered at `address`, with a `default` command line. Raises UserError."""
    layout = Layout(options.memory, options.firmware)
    load_segments(layout, elf)
    if not any(header.address <= address < header.address + header.memory_size for header in elf.loads):
        raise UserError(f"{elf.name} is damaged: its PVH entry point {address:#x} lies outside what it loads")
    text = f"{default if options.command_line is None else options.command_line} {options.append}".strip()
    cpu = entry.protected_mode(layout, address, {"rbx": _place_start_info(layout, options, text)})
    return BootImage(
        Protocol.PVH,
        "PVH kernel",
        layout.finish(),
        cpu,
        layout.e820,
        options.memory,
        layout.memory_needed,
        text,
    )


def _place_start_info(layout: Layout, options: BootOptions, text: str) -> int:
    modules = count = 0
    if options.initrd is not None:
        data = options.initrd.data
        start = layout.place_high(data, f"initrd {options.initrd.name}", below=layout.memory)
        modules = layout.place_low(struct.pack("<4Q", start, len(data), 0, 0), "the list of modules")
        count = 1
    entries = b"".join(struct.pack("<QQII", item.address, item.size, item.type, 0) for item in layout.e820)
    info = struct.pack(
        "<4I4QII",
        _START_MAGIC,
        _VERSION,
        0,
        count,
        modules,
        layout.place_low(encode(text), "the command line"),
        options.rsdp or 0,
        layout.place_low(entries, "the memory map"),
        len(layout.e820),
        0,
    )
    return layout.place_low(info, "hvm_start_info")
