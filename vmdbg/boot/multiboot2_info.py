"""What a Multiboot 2 kernel is told: tags, each at a multiple of 8 bytes.

Source: Multiboot2 Specification 2.0, section 3.6, and the layouts of its multiboot2.h.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from vmdbg.boot.elf_file import ElfFile
from vmdbg.boot.elf_sections import placed_sections
from vmdbg.boot.image import BootOptions
from vmdbg.boot.layout import EBDA, HIGH_MEMORY, KIB, Layout
from vmdbg.boot.multiboot import LOADER_NAME, encode
from vmdbg.x86.ram import LOW_RAM

_ALIGNMENT = 8
_MAP_ENTRY = 24
_TEXT_MEMORY, _COLUMNS, _ROWS = 0xB8000, 80, 25
_EGA_TEXT = 2
_RSDP_OLD, _RSDP_NEW = 20, 36


class InfoTag(enum.IntEnum):
    """Types of information tags."""

    END = 0
    COMMAND_LINE = 1
    LOADER_NAME = 2
    MODULE = 3
    BASIC_MEMORY = 4
    BOOT_DEVICE = 5
    MEMORY_MAP = 6
    VBE = 7
    FRAMEBUFFER = 8
    ELF_SECTIONS = 9
    APM = 10
    EFI_TABLE_32 = 11
    EFI_TABLE_64 = 12
    SMBIOS = 13
    ACPI_OLD = 14
    ACPI_NEW = 15
    NETWORK = 16
    EFI_MEMORY_MAP = 17
    EFI_BOOT_SERVICES = 18
    EFI_IMAGE_32 = 19
    EFI_IMAGE_64 = 20
    LOAD_BASE = 21


UNAVAILABLE: dict[int, str] = {
    InfoTag.VBE: "VBE modes",
    InfoTag.APM: "an APM table",
    InfoTag.EFI_TABLE_32: "the EFI system table",
    InfoTag.EFI_TABLE_64: "the EFI system table",
    InfoTag.SMBIOS: "SMBIOS tables",
    InfoTag.NETWORK: "a DHCP answer",
    InfoTag.EFI_MEMORY_MAP: "EFI's memory map",
    InfoTag.EFI_BOOT_SERVICES: "EFI's boot services",
    InfoTag.EFI_IMAGE_32: "EFI's image handle",
    InfoTag.EFI_IMAGE_64: "EFI's image handle",
}
"""What this machine cannot tell, in words. A boot device, modules and ELF sections are told of where there are some."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A kernel in place: its physical entry point, and its ELF file if it is one.

    `base` is the lowest address of a kernel that could be moved, None for others.
    """

    entry: int
    elf: ElfFile | None = None
    base: int | None = None


def information(layout: Layout, options: BootOptions, loaded: Loaded, command_line: str) -> bytes:
    """The whole information structure. Modules and sections are placed. Raises UserError."""
    tags = b"".join(_padded(tag) for tag in _tags(layout, options, loaded, command_line))
    return struct.pack("<II", 8 + len(tags), 0) + tags


def _tags(layout: Layout, options: BootOptions, loaded: Loaded, command_line: str) -> Iterator[bytes]:
    yield _tag(InfoTag.COMMAND_LINE, encode(command_line))
    yield _tag(InfoTag.LOADER_NAME, LOADER_NAME)
    for module in options.all_modules:
        data = module.file.data
        start = layout.place_above(data, f"module {module.file.name}")
        yield _tag(InfoTag.MODULE, struct.pack("<II", start, start + len(data)) + encode(module.text, "--module"))
    upper = min(options.memory, LOW_RAM) - HIGH_MEMORY
    yield _tag(InfoTag.BASIC_MEMORY, struct.pack("<II", EBDA // KIB, upper // KIB))
    entries = b"".join(struct.pack("<QQII", item.address, item.size, item.type, 0) for item in layout.e820)
    yield _tag(InfoTag.MEMORY_MAP, struct.pack("<II", _MAP_ENTRY, 0) + entries)
    yield _tag(
        InfoTag.FRAMEBUFFER,
        struct.pack("<QIIIBBH", _TEXT_MEMORY, 2 * _COLUMNS, _COLUMNS, _ROWS, 16, _EGA_TEXT, 0),
    )
    if loaded.elf is not None:
        sections = placed_sections(layout, loaded.elf)
        if sections is not None:
            head = struct.pack("<III", sections.count, sections.entry_size, sections.names)
            yield _tag(InfoTag.ELF_SECTIONS, head + sections.headers)
    if (root := _root_pointer(options)) is not None:
        yield _tag(InfoTag.ACPI_OLD, root[:_RSDP_OLD])
        yield _tag(InfoTag.ACPI_NEW, root)
    if loaded.base is not None:
        yield _tag(InfoTag.LOAD_BASE, struct.pack("<I", loaded.base))
    yield _tag(InfoTag.END, b"")


def _root_pointer(options: BootOptions) -> bytes | None:
    """A copy of the RSDP, which has its own checksum for the part that ACPI 1.0 knows."""
    for segment in options.firmware:
        if options.rsdp is not None and segment.address <= options.rsdp < segment.end:
            start = options.rsdp - segment.address
            return bytes(segment.data[start : start + _RSDP_NEW])
    return None


def _tag(kind: InfoTag, body: bytes) -> bytes:
    return struct.pack("<II", kind, 8 + len(body)) + body


def _padded(tag: bytes) -> bytes:
    return tag + bytes(-len(tag) % _ALIGNMENT)
