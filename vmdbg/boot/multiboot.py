"""Multiboot 1: kernels that carry its header, as ELF files of 32 or 64 bits or as flat files.

Source: Multiboot Specification 0.6.96, chapter 3. The kernel starts in 32-bit protected mode whatever its
file says.

The command line is the user's text alone, without the file's name that GRUB puts first: a guest must not
depend on where its file lies.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from vmdbg.boot import elf_file, entry
from vmdbg.boot.elf import load_segments, start_address
from vmdbg.boot.flat_kernel import AddressFields, load_flat_kernel
from vmdbg.boot.image import BootImage, BootOptions, InputFile, Module, Protocol
from vmdbg.boot.layout import EBDA, HIGH_MEMORY, KIB, Layout
from vmdbg.boot.services import CHIPS, place_services
from vmdbg.errors import UserError
from vmdbg.x86.ram import LOW_RAM

HEADER_MAGIC = 0x1BADB002
BOOT_MAGIC = 0x2BADB002
_SEARCHED = 8192

_PAGE_ALIGN = 1 << 0
_MEMORY_INFO = 1 << 1
_VIDEO_MODE = 1 << 2
_REQUIREMENTS = 0xFFFF
_ADDRESS_FIELDS = 1 << 16

_HAS_MEMORY = 1 << 0
_HAS_COMMAND_LINE = 1 << 2
_HAS_MODULES = 1 << 3
_HAS_MAP = 1 << 6
_HAS_LOADER_NAME = 1 << 9
LOADER_NAME = b"vmdbg\0"


@dataclass(frozen=True, slots=True)
class Header:
    """The Multiboot header; `fields` count if `flags` say so."""

    flags: int
    fields: AddressFields


def find_header(data: memoryview) -> Header | None:
    """The header in the first 8192 bytes, 4-byte aligned and with a correct checksum; None without one."""
    area = bytes(data[:_SEARCHED])
    for offset in range(0, len(area) - 11, 4):
        magic, flags, checksum = struct.unpack_from("<3I", area, offset)
        if magic == HEADER_MAGIC and (magic + flags + checksum) & 0xFFFFFFFF == 0:
            fields = area[offset + 12 : offset + 32]
            if flags & _ADDRESS_FIELDS and len(fields) < 20:
                return None
            return Header(flags, AddressFields(offset, *struct.unpack("<5I", fields.ljust(20, b"\0"))))
    return None


def load(options: BootOptions, kernel: InputFile, header: Header) -> BootImage:
    """Lay out a Multiboot kernel. Raises UserError."""
    unknown = header.flags & _REQUIREMENTS & ~(_PAGE_ALIGN | _MEMORY_INFO | _VIDEO_MODE)
    if unknown:
        raise UserError(
            f"{kernel.name} requires Multiboot features that do not exist: flags {unknown:#x} in its header"
        )
    layout = Layout(options.memory, options.firmware)
    if options.real_mode:
        place_services(layout, options, None)
    if header.flags & _ADDRESS_FIELDS:
        address = load_flat_kernel(layout, kernel, header.fields, "Multiboot")
    else:
        elf = elf_file.parse(kernel)
        load_segments(layout, elf)
        address = start_address(elf)
    text = options.command_line if options.command_line is not None else options.append
    info = _place_info(layout, options, text)
    cpu = entry.protected_mode(layout, address, {"rax": BOOT_MAGIC, "rbx": info})
    return BootImage(
        Protocol.MULTIBOOT,
        "Multiboot kernel",
        layout.finish(),
        cpu,
        layout.e820,
        options.memory,
        layout.memory_needed,
        text,
        CHIPS if options.real_mode else (),
    )


def _place_info(layout: Layout, options: BootOptions, text: str) -> int:
    """The Multiboot information structure (section 3.3); returns its address."""
    modules = [_place_module(layout, module) for module in options.all_modules]
    listed = layout.place_low(b"".join(modules), "the list of modules") if modules else 0
    entries = b"".join(struct.pack("<IQQI", 20, item.address, item.size, item.type) for item in layout.e820)
    info = struct.pack(
        "<7I16x7I20x",
        _HAS_MEMORY | _HAS_COMMAND_LINE | _HAS_MODULES | _HAS_MAP | _HAS_LOADER_NAME,
        EBDA // KIB,
        (min(options.memory, LOW_RAM) - HIGH_MEMORY) // KIB,
        0,
        layout.place_low(encode(text), "the command line"),
        len(modules),
        listed,
        len(entries),
        layout.place_low(entries, "the memory map"),
        0,
        0,
        0,
        layout.place_low(LOADER_NAME, "the boot loader's name"),
        0,
    )
    return layout.place_low(info, "the Multiboot information")


def _place_module(layout: Layout, module: Module) -> bytes:
    """Its entry in the list of modules."""
    data = module.file.data
    start = layout.place_above(data, f"module {module.file.name}")
    name = layout.place_low(encode(module.text, "--module"), "the module's name")
    return struct.pack("<4I", start, start + len(data), name, 0)


def encode(text: str, option: str = "--append") -> bytes:
    """What a guest is told, as it reads it: UTF-8 with a NUL. Raises UserError when it holds a NUL itself."""
    if "\0" in text:
        what = "the command line" if option == "--append" else "a module's text"
        raise UserError(f"{what} holds a NUL character: take it out of {option}")
    return text.encode("utf-8", "surrogateescape") + b"\0"
